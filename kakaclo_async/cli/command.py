"""How a function becomes a command: common options, a client, an event loop, the answer printed."""

import asyncio
import inspect
import signal
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Annotated, Literal, TypeVar

import typer

from kakaclo_async import KakaClo, RateLimit
from kakaclo_async.cli.errors import exit_code, say, sentence
from kakaclo_async.cli.output import Answer, show

T = TypeVar("T")

Command = Callable[..., Awaitable[Answer]]
"""A function that takes a client, and then what its own parameters say."""

_COMMON = "Common options"


def _common(
    *,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON; money and other decimals as exact strings.")
    ] = False,
    token: Annotated[
        str | None,
        typer.Option(
            help="Access token.",
            envvar="KAKACLO_TOKEN",
            show_default=False,
            rich_help_panel=_COMMON,
        ),
    ] = None,
    base_url: Annotated[
        str | None,
        typer.Option(
            help="Address of the API, instead of the environment's.",
            envvar="KAKACLO_BASE_URL",
            show_default=False,
            rich_help_panel=_COMMON,
        ),
    ] = None,
    environment: Annotated[
        Literal["production", "test"], typer.Option(help="KakaClo's environment.", rich_help_panel=_COMMON)
    ] = "production",
    timeout: Annotated[
        float, typer.Option(help="Seconds for one call, once it may be sent.", rich_help_panel=_COMMON)
    ] = 30.0,
    rate: Annotated[
        float,
        typer.Option(
            help="Requests per second that the shop's bucket leaks; a sandbox at speed N leaks N times 2.",
            rich_help_panel=_COMMON,
        ),
    ] = 2.0,
) -> tuple[bool, Callable[[], KakaClo]]:
    """Read the common options: whether to print JSON, and how to make the client."""

    def client() -> KakaClo:
        return KakaClo(
            token or None,
            base_url=base_url or None,
            environment=environment,
            timeout=timeout,
            rate_limit=RateLimit(120, rate),
        )

    return as_json, client


_OPTIONS = inspect.signature(_common).parameters
_read_common: Callable[..., tuple[bool, Callable[[], KakaClo]]] = _common


def answering(command: Command) -> Callable[..., None]:
    """Make a function that takes a client and answers into a command with the common options as well.

    Args:
        command: its parameters after the client are the command's own, annotated as typer likes them.
    """
    own = list(inspect.signature(command).parameters.values())[1:]

    def run(**arguments: object) -> None:
        as_json, client = _read_common(**{name: arguments.pop(name) for name in _OPTIONS})

        async def work() -> Answer:
            async with client() as kk:
                return await command(kk, **arguments)

        answer = run_async(work())
        show(answer, as_json=as_json)
        for error in answer.errors:
            say(sentence(error))
        if answer.errors:
            raise typer.Exit(exit_code(answer.errors[0]))

    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__signature__ = inspect.Signature([*own, *_OPTIONS.values()])  # type: ignore[attr-defined]
    run.__annotations__ = {}
    return run


def run_async(job: Coroutine[object, object, T]) -> T:
    """Run a job to its end; Ctrl-C and SIGTERM cancel it, and wait until it has cleaned up.

    Raises:
        KeyboardInterrupt: after Ctrl-C.
        asyncio.CancelledError: after SIGTERM.
    """

    async def cancellable() -> T:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine that runs has a task
        with suppress(NotImplementedError):  # Windows knows no SIGTERM
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await job

    return asyncio.run(cancellable())
