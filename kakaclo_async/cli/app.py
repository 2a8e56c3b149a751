"""The commands, and what becomes of their errors."""

import asyncio
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from kakaclo_async import KakaCloError, __version__
from kakaclo_async.cli import catalog, order_bulk, orders
from kakaclo_async.cli.changes import changes
from kakaclo_async.cli.command import Command, answering
from kakaclo_async.cli.demo import demo
from kakaclo_async.cli.errors import EXIT_CODES, FAILED, USAGE, exit_code, fault, say, sentence
from kakaclo_async.cli.export import export
from kakaclo_async.cli.freight import freight
from kakaclo_async.cli.mirror import mirror
from kakaclo_async.cli.order_create import create
from kakaclo_async.cli.payment import balance
from kakaclo_async.cli.sandbox import sandbox
from kakaclo_async.cli.status import status
from kakaclo_async.cli.text import one_line

_EPILOG = "\n".join(["Exit codes:", *(f"{code:>5}  {meaning}" for code, meaning in EXIT_CODES.items())])

_COMMANDS: tuple[Command, ...] = (
    catalog.product,
    catalog.stock,
    catalog.categories,
    catalog.warehouses,
    freight,
    balance,
)
_ORDER_COMMANDS: tuple[Command, ...] = (orders.show, create, orders.refund)

app = typer.Typer(name="kakaclo", epilog=_EPILOG, pretty_exceptions_enable=False)
order = typer.Typer(help="Show, place and refund orders.")


def _show_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"kakaclo {__version__}\n")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """The KakaClo dropshipping Open API on the command line. Begin with `kakaclo demo`: it needs no account."""


app.command()(demo)
app.command()(sandbox)
app.command()(answering(mirror))
app.command()(status)
app.command()(changes)
app.command()(export)
for command in _COMMANDS:
    app.command()(answering(command))
for command in _ORDER_COMMANDS:
    order.command()(answering(command))
app.add_typer(order, name="order")
app.add_typer(order_bulk.orders, name="orders")


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; whatever goes wrong becomes one line on stderr.

    Args:
        arguments: what stands behind `kakaclo`; nothing: `--help`.
    """
    try:
        return app(arguments or ["--help"], prog_name="kakaclo", standalone_mode=False) or 0
    except typer.TyperException as error:
        say(f"{one_line(error.format_message())} See kakaclo --help.")
        return USAGE
    except (KakaCloError, KeyboardInterrupt, asyncio.CancelledError) as error:
        if isinstance(error, KakaCloError):
            say(sentence(error))
        return exit_code(error)
    except Exception as error:  # noqa: BLE001 - the user sees where it happened, never a traceback
        say(fault(error))
        return FAILED
