"""The command `sandbox`: a local KakaClo for other programs to talk to."""

import asyncio
import sys
from contextlib import suppress
from typing import Annotated

import typer

from kakaclo_async import ConfigurationError
from kakaclo_async.cli.command import run_async


def sandbox(
    products: Annotated[int, typer.Option(help="Products in its catalog.", min=0)] = 500,
    port: Annotated[int, typer.Option(help="Port on loopback; 0 takes a free one.", min=0, max=65535)] = 8700,
    speed: Annotated[
        float, typer.Option(help="Its seconds per real second: rate limit, orders, refunds.")
    ] = 1.0,
    seed: Annotated[int, typer.Option(help="Equal seeds make equal catalogs.")] = 1,
) -> None:
    """Run a local KakaClo until Ctrl-C.

    Its address and token go to stdout as lines for a shell: they point the other commands to it, and every client
    that has no settings of its own.
    """
    if not speed > 0:
        raise ConfigurationError(f"--speed must be more than 0, not {speed:g}")
    with suppress(KeyboardInterrupt, asyncio.CancelledError):  # the only ways to end it
        run_async(_serve(products, port, speed, seed))


async def _serve(products: int, port: int, speed: float, seed: int) -> None:
    from kakaclo_async.sandbox import Sandbox

    sandbox = Sandbox(products=products, port=port, speed=speed, seed=seed)
    try:
        await sandbox.start()
    except OSError as error:
        raise ConfigurationError(f"port {port} cannot be used: {error.strerror}") from None
    try:
        sys.stderr.write(f"a KakaClo with {products:,} products, {speed:g} times as fast; Ctrl-C ends it\n")
        sys.stdout.write(f"export KAKACLO_BASE_URL={sandbox.url}\nexport KAKACLO_TOKEN={sandbox.token}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()
    finally:
        await sandbox.aclose()
