"""The commands of `kakaclo orders`: placing many exactly once, and what is in doubt."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import attrs
import typer

from kakaclo_async import InvalidRequest, KakaClo, KakaCloError, OutcomeUnknown
from kakaclo_async.cli.command import Command, answering
from kakaclo_async.cli.order_dry_run import dry_run_of
from kakaclo_async.cli.order_file import read_orders
from kakaclo_async.cli.order_placing import IN_DOUBT, ResultFile, place
from kakaclo_async.cli.output import Answer, Table

_JournalUrl = Annotated[
    str, typer.Option(help="sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME.", metavar="URL")
]
_QuietTime = Annotated[
    float,
    typer.Option(
        help="After so many seconds an order that does not show up was surely not placed.", metavar="SECONDS"
    ),
]


async def submit(
    kk: KakaClo,
    file: Annotated[Path, typer.Argument(help="Orders as .csv or .jsonl.")],
    *,
    journal: _JournalUrl = "sqlite:///orders.db",
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Place nothing: check every order, and the total against the balance."
        ),
    ] = False,
    results: Annotated[
        Path | None, typer.Option(help="Where the results go; FILE.results.csv by default.", metavar="FILE")
    ] = None,
    quiet_time: _QuietTime = 600.0,
) -> Answer:
    """Place all orders of a file, each exactly once; run it again after a crash to finish the rest.

    CSV: one item per row, with the columns custom_order_id, sku, quantity, country, recipient, phone, province, and if
    wanted city, street1, street2, zip, ioss, vat, channel_type, remark, sale_platform. Rows with the same
    custom_order_id are one order. JSON lines: an order each, as `kakaclo order create --help` shows it. A file with a
    bad row is refused whole, before anything is sent, with all that is wrong in it.

    The journal knows what was placed, by custom_order_id: keep it. It holds the addresses of orders until they are
    placed.
    """
    found = read_orders(file)
    if dry_run:
        return await dry_run_of(kk, found)
    if problems := [entry.tell(problem) for entry in found for problem in entry.problems]:
        # Nothing of it is placed: what is wrong with one row may well be wrong with others, unseen.
        return Answer(data={"problems": problems}, tables=(), errors=tuple(map(InvalidRequest, problems)))
    from kakaclo_async.ordering import Journal

    target = results or file.with_name(f"{file.stem}.results.csv")
    with ResultFile(target) as result_file:
        lines = await place(kk, found, Journal(journal, quiet_time=quiet_time), result_file)
    counts = Counter(line.result for line in lines)
    return Answer(
        data={"results": [attrs.asdict(line) for line in lines], "file": str(target)},
        tables=(Table(("Orders", str(len(lines))), [*counts.items(), ("results in", target)]),),
        errors=tuple(
            OutcomeUnknown(f"order {line.custom_order_id!r} is in doubt: run this again later")
            if line.result == IN_DOUBT
            else KakaCloError(line.reason)
            for line in lines
            if line.result != "placed"
        ),
    )


async def pending(
    kk: KakaClo,
    *,
    journal: _JournalUrl = "sqlite:///orders.db",
    settle: Annotated[
        bool, typer.Option("--settle", help="First look at KakaClo, and record what became of them.")
    ] = False,
    finish: Annotated[
        bool, typer.Option("--finish", help="Settle, and then place again what KakaClo did not get.")
    ] = False,
    quiet_time: _QuietTime = 600.0,
) -> Answer:
    """List what is being sent, in doubt or lost, and why."""
    from kakaclo_async.ordering import Journal

    book = Journal(journal, quiet_time=quiet_time)
    if finish:
        entries = await book.finish(kk)
    else:
        entries = await (book.settle(kk) if settle else book.pending())
    columns = ("Kind", "Id", "Stands", "Since", "Can be settled", "Attempts", "Why")
    rows = [
        (entry.kind, entry.key, entry.status, entry.sent_from, entry.settles_at, entry.attempts, entry.why)
        for entry in entries
    ]
    names = ("kind", "id", "standing", "since", "settles_at", "attempts", "why")
    return Answer(data=[dict(zip(names, row, strict=True)) for row in rows], tables=(Table(columns, rows),))


orders = typer.Typer(help="Place many orders exactly once, and see what is in doubt.")
_COMMANDS: tuple[Command, ...] = (submit, pending)
for _command in _COMMANDS:
    orders.command()(answering(_command))
