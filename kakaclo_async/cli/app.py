"""The commands, `drift` among them, and what becomes of their errors."""

import inspect
import logging
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from kakaclo_async import InvalidRequest, Item, KakaClo, KakaCloError, Recording, Unauthorized, __version__
from kakaclo_async.cli import catalog, orders, orders_shown
from kakaclo_async.cli.board import board
from kakaclo_async.cli.command import (
    EXIT_CODES,
    FAILED,
    MakeClient,
    as_command,
    ended,
    say,
    sentence,
    with_common_options,
)
from kakaclo_async.cli.doctor import doctor
from kakaclo_async.cli.export import export
from kakaclo_async.cli.fleet import check as fleet_check, commands as fleet, shown
from kakaclo_async.cli.mirror import changes, mirror, status
from kakaclo_async.cli.output import Result, Table, one_line, show
from kakaclo_async.cli.sandbox import demo, sandbox
from kakaclo_async.cli.shop import check, feed, pending, sku_map, submit, tracking
from kakaclo_async.cli.values import run_async
from kakaclo_async.resources import V1
from kakaclo_async.sending import sender_of

T = TypeVar("T")

_EPILOG = "\n".join(["Exit codes:", *(f"{code:>5}  {meaning}" for code, meaning in EXIT_CODES.items())])

app = typer.Typer(name="kakaclo", epilog=_EPILOG, pretty_exceptions_enable=False)
group = typer.Typer(
    help="Place orders at most once (create) or exactly once (submit); show, refund and recover them."
)


many = typer.Typer(help="Serve many shops, with one worker or several; see docs/fleet.md.")


class _Log(logging.Handler):
    """Writes lines to stderr, whatever that is by then: bars on a terminal take its place and stay below them."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError, ValueError):  # what nobody can read must not end what is under way
            sys.stderr.write(f"{one_line(self.format(record))}\n")
            sys.stderr.flush()


_log = _Log()


def _tell(verbosity: int) -> None:
    """Show the log of the package: more of it each time that it is asked for."""
    logger = logging.getLogger("kakaclo")
    if verbosity:
        shown = _log in logger.handlers
        logger.addHandler(_log)
        logger.setLevel(logging.DEBUG if shown or verbosity > 1 else logging.INFO)


def _hide_log() -> None:
    logger = logging.getLogger("kakaclo")
    if _log in logger.handlers:
        logger.removeHandler(_log)
        logger.setLevel(logging.NOTSET)


_Verbosity = Annotated[
    int,
    typer.Option(
        "--verbose",
        "-v",
        count=True,
        help="Tell on stderr of retries, refusals and mirror cycles; twice: of every request.",
        show_default=False,
    ),
]


def _with_verbosity(command: Callable[..., object]) -> Callable[..., None]:
    """Let a command take `-v` after its name, too."""

    def run(verbose: _Verbosity = 0, **arguments: object) -> None:
        _tell(verbose)
        command(**arguments)

    own = inspect.signature(run).parameters["verbose"].replace(kind=inspect.Parameter.KEYWORD_ONLY)
    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__signature__ = inspect.Signature([*inspect.signature(command).parameters.values(), own])  # type: ignore[attr-defined]
    run.__annotations__ = {}
    return run


def _show_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"kakaclo {__version__}\n")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[  # noqa: ARG001 - its callback has read it
        bool, typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True)
    ] = False,
    verbose: _Verbosity = 0,
) -> None:
    """Use the KakaClo dropshipping Open API. Start with `kakaclo demo`, which needs no account."""
    _tell(verbose)


def drift(
    as_json: bool,
    client: MakeClient,
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FILE]...", help="Recordings, as KakaClo(record=FILE) writes them.", show_default=False
        ),
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Ask KakaClo now: some 20 requests, which only read.")
    ] = False,
) -> None:
    """Compare real answers with the OpenAPI document: exit code 1 if they hold what it does not, else 0."""
    if live == bool(files):
        raise InvalidRequest("name the files of recordings, or pass --live")
    recording = Recording.read(*files or ())
    if live:
        run_async(_look_at_all(client(recording)))
    found = recording.drift()
    differences = [entry for entry in found if entry.kind != "never seen"]
    unseen = [entry for entry in found if entry.kind == "never seen"]
    rows = [(entry.endpoint, entry.field, entry.kind, entry.seen, entry.count) for entry in differences]
    tables = [
        Table(("Answers", str(recording.answers)), [("Differences", len(rows)), ("Never seen", len(unseen))]),
        Table(("Endpoint", "Field", "Difference", "Seen", "Count"), rows),
        Table(("Endpoint", "Documented, never seen"), [(entry.endpoint, entry.field) for entry in unseen]),
    ]
    data = {"answers": recording.answers, "differences": differences, "never_seen": unseen}
    show(Result(data=data, tables=tuple(table for table in tables if table.rows)), as_json=as_json)
    if differences:
        raise typer.Exit(FAILED)


async def _look_at_all(client: KakaClo) -> None:
    """Send a request that only reads to each endpoint that has one; the client records the answers."""
    now = datetime.now(UTC)
    async with client as kk:
        v1 = V1(sender_of(kk))
        for call in (kk.categories.tree, kk.warehouses.all, kk.payment.balance, kk.custom.category_names):
            await _tried(call())
        skus: list[str] = []
        for days in (1, 30, 3650):  # a day may pass without a change
            start, end = now - timedelta(days=days), now - timedelta(minutes=10)
            page = await _tried(kk.products.page(updated_from=start, updated_to=end))
            skus = skus or [sku.sku for row in page or () for sku in row.sku_details][:30]
        if skus:
            await _tried(kk.stocks.page(skus=skus))
            cart = [Item(skus[0], 1)]
            for ask in (kk.freight.quote, kk.freight.channels, v1.freight.channels):
                await _tried(ask(cart, "US"))
        orders = await _tried(kk.orders.page(page_size=50))
        await _tried(v1.orders.page(page_size=50))
        for order in list(orders or ())[:1]:
            for look in (kk.refunds.of, v1.refunds.of):
                await _tried(look(order.id))
        model = await _tried(_first(kk.custom.models()))
        if model is not None and model.id is not None:
            await _tried(kk.custom.model(model.id))
        await _tried(_first(kk.custom.designs()))


async def _tried(call: Awaitable[T]) -> T | None:
    """Await a call; one that fails is told of, and answers nothing."""
    try:
        return await call
    except Unauthorized:
        raise
    except KakaCloError as error:
        say(sentence(error))
        return None


async def _first(rows: AsyncGenerator[T, None]) -> T | None:
    async with aclosing(rows) as opened:
        return await anext(opened, None)


for own in (drift, board, doctor):
    app.command()(with_common_options(own, own, 2))
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
for placing in (
    orders.create,
    check.check,
    submit.submit,
    tracking.tracking,
    orders_shown.show,
    orders.refund,
    pending.pending,
):
    group.command()(as_command(placing))
group.command()(with_common_options(feed.feed, feed.feed, 2))
group.command("map")(sku_map.map_skus)
group.command("list")(as_command(orders_shown.list_orders))
for of_many in (
    *(fleet_check.check, fleet.migrate, fleet.serve, shown.status, fleet.ring, fleet.pause, fleet.resume),
    *(fleet.add, fleet.remove, fleet.submit, fleet.withdraw, shown.pending),
):
    many.command()(of_many)
for command in (*app.registered_commands, *group.registered_commands, *many.registered_commands):
    if command.callback is not None:
        command.callback = _with_verbosity(command.callback)
app.add_typer(group, name="orders")
app.add_typer(many, name="fleet")


@cache
def _command() -> Callable[..., int | None]:
    return typer.main.get_command(app)  # once, for a program that runs many


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; any error becomes one line on stderr.

    Args:
        arguments: the words after `kakaclo`; none: `--help`.
    """
    try:
        code = _command()(arguments or ["--help"], prog_name="kakaclo", standalone_mode=False) or 0
        sys.stdout.flush()  # raises here what would else be raised at the end of the process
    except BaseException as error:  # noqa: BLE001 - it is told, or raised again
        return ended(error)
    finally:
        _hide_log()
    return code
