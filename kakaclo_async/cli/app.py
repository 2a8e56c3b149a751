"""The commands, and what becomes of their errors."""

import asyncio
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from kakaclo_async import KakaCloError, __version__
from kakaclo_async.cli import catalog, orders, orders_submit
from kakaclo_async.cli.command import EXIT_CODES, FAILED, USAGE, as_command, exit_code, fault, say, sentence
from kakaclo_async.cli.export import changes, export
from kakaclo_async.cli.mirror import mirror, status
from kakaclo_async.cli.output import drop_stdout, one_line
from kakaclo_async.cli.sandbox import demo, sandbox

_EPILOG = "\n".join(["Exit codes:", *(f"{code:>5}  {meaning}" for code, meaning in EXIT_CODES.items())])

app = typer.Typer(name="kakaclo", epilog=_EPILOG, pretty_exceptions_enable=False)
group = typer.Typer(
    help="Place orders at most once (create) or exactly once (submit); show, refund and recover them."
)


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
    """Use the KakaClo dropshipping Open API. Start with `kakaclo demo`, which needs no account."""


for local in (demo, sandbox, as_command(mirror), status, changes, export):
    app.command()(local)
for call in (
    catalog.product,
    catalog.stock,
    catalog.categories,
    catalog.warehouses,
    catalog.freight,
    catalog.balance,
):
    app.command()(as_command(call))
for placing in (orders.create, orders_submit.submit, orders.show, orders.refund, orders_submit.pending):
    group.command()(as_command(placing))
app.add_typer(group, name="orders")


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; any error becomes one line on stderr.

    Args:
        arguments: the words after `kakaclo`; none: `--help`.
    """
    try:
        code = app(arguments or ["--help"], prog_name="kakaclo", standalone_mode=False) or 0
        sys.stdout.flush()  # raises here what would else be raised at the end of the process
    except typer.TyperException as error:
        say(f"{one_line(error.format_message())} See kakaclo --help.")
        return USAGE
    except (KakaCloError, KeyboardInterrupt, asyncio.CancelledError) as error:
        if isinstance(error, KakaCloError):
            say(sentence(error))
        return exit_code(error)
    except BrokenPipeError:
        drop_stdout()  # the reader has what it wanted
        return FAILED
    except OSError as error:
        verb = "used"
        if error.filename == "stdout":
            drop_stdout()
            verb = "written"
        say(f"{error.filename or 'a file'} cannot be {verb}: {error.strerror or error}")
        return FAILED
    except Exception as error:  # noqa: BLE001 - the user sees where it happened, never a traceback
        say(fault(error))
        return FAILED
    return code
