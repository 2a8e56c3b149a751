"""The commands `orders submit` and `orders pending`: many orders from a file, each exactly once, and what is left."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import attrs
import typer

from kakaclo_async import (
    ConfigurationError,
    Conflict,
    InvalidRequest,
    KakaClo,
    KakaCloError,
    NewOrder,
    OutcomeUnknown,
    PageDone,
    Rejected,
    Unauthorized,
)
from kakaclo_async.cli.catalog import dry_run as check_all
from kakaclo_async.cli.command import say
from kakaclo_async.cli.orders_file import FileOrder, read_orders
from kakaclo_async.cli.output import Result, ResultFile, ResultLine, Table
from kakaclo_async.cli.progress import progress
from kakaclo_async.sharing.fan_out import gather_in_order

if TYPE_CHECKING:
    from kakaclo_async.ordering import Entry, Journal


_MAX_IN_FLIGHT: Final = 16
"""Orders being sent: enough for the rate of any shop, few enough to reconcile after a crash."""

_UNKNOWN: Final = "unknown"

_JournalUrl = Annotated[
    str, typer.Option(help="sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME.", metavar="URL")
]
_QuietTime = Annotated[
    float,
    typer.Option(
        help="Seconds after which an order that does not show up was not placed.", metavar="SECONDS"
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
        Path | None, typer.Option(help="Where to write results; FILE.results.csv by default.", metavar="FILE")
    ] = None,
    quiet_time: _QuietTime = 600.0,
) -> Result:
    """Place all orders of a file, each exactly once: after a crash, run it again to place the rest.

    CSV: one item per row, with the columns custom_order_id, sku, quantity, country, recipient, phone, province, and
    optionally city, street1, street2, zip, ioss, vat, channel_type, remark, sale_platform. Rows with the same
    custom_order_id are one order. JSON lines: one order per line, as in `kakaclo orders create --help`. A file with a
    bad row is refused as a whole, before anything is sent, with a list of all problems.

    The journal records what was placed, by custom_order_id: keep it. It holds the addresses of orders until they are
    placed.
    """
    found = read_orders(file)
    if dry_run:
        return await check_all(kk, found)
    if problems := [entry.describe(problem) for entry in found for problem in entry.problems]:
        # Nothing of it is placed: what is wrong with one row may be wrong with others, unnoticed.
        return Result(data={"problems": problems}, tables=(), errors=tuple(map(InvalidRequest, problems)))
    from kakaclo_async.ordering import Journal

    target = results or file.with_name(f"{file.stem}.results.csv")
    with ResultFile(target) as result_file:
        lines = await _place(kk, found, Journal(journal, quiet_time=quiet_time), result_file)
    counts = Counter(line.result for line in lines)
    return Result(
        data={"results": [attrs.asdict(line) for line in lines], "file": str(target)},
        tables=(Table(("Orders", str(len(lines))), [*counts.items(), ("results in", target)]),),
        errors=tuple(
            OutcomeUnknown(f"the outcome of order {line.custom_order_id!r} is unknown: run this again later")
            if line.result == _UNKNOWN
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
        bool, typer.Option("--settle", help="First search KakaClo, and record what was placed.")
    ] = False,
    finish: Annotated[
        bool, typer.Option("--finish", help="Settle, and then send again what KakaClo did not get.")
    ] = False,
    quiet_time: _QuietTime = 600.0,
) -> Result:
    """List the writes of a journal that are not done: being sent, of unknown outcome, or not executed."""
    from kakaclo_async.ordering import Journal

    book = Journal(journal, quiet_time=quiet_time)
    if finish:
        entries = await book.finish(kk)
    else:
        entries = await (book.settle(kk) if settle else book.pending())
    rows = [_facts(entry) for entry in entries]
    columns = ("Kind", "Id", "Status", "Since", "Can be settled", "Attempts", "Why")
    return Result(data=rows, tables=(Table(columns, [row.values() for row in rows]),))


def _facts(entry: "Entry") -> dict[str, object]:
    return {
        "kind": entry.kind,
        "id": entry.key,
        "status": entry.status,
        "since": entry.sent_from,
        "settles_at": entry.settles_at,
        "attempts": entry.attempts,
        "why": entry.why,
    }


async def _place(
    kk: KakaClo, found: Sequence[FileOrder], journal: "Journal", result_file: ResultFile
) -> list[ResultLine]:
    """Place the orders of a file, none of which has a problem; return what became of them, in their order."""
    orders = {place: entry.order for place, entry in enumerate(found) if entry.order is not None}
    lines: dict[int, ResultLine] = {}
    unknown: list[int] = []
    turns = asyncio.Semaphore(_MAX_IN_FLIGHT)
    try:
        with progress(kk) as meter:

            def done(place: int, line: ResultLine) -> None:
                lines[place] = line
                result_file.write(line)
                meter(PageDone(what="orders", rows=1, rows_done=len(lines), rows_total=len(found)))

            async def send(place: int) -> None:
                async with turns:
                    line = await _submit(kk, orders[place], journal, timeout=0.0)
                if line.result == _UNKNOWN:
                    unknown.append(place)
                else:
                    done(place, line)

            async def reconcile(place: int) -> None:
                done(place, await _submit(kk, orders[place], journal, timeout=None))

            # All of them without waiting for the quiet time of any; then those left, which share one search.
            await gather_in_order(partial(send, place) for place in orders)
            await gather_in_order(partial(reconcile, place) for place in unknown)
    except asyncio.CancelledError:
        say(f"stopped after {len(lines)} of {len(found)} orders; run it again with the same journal")
        raise
    return [lines[place] for place in sorted(lines)]


async def _submit(kk: KakaClo, order: NewOrder, journal: "Journal", timeout: float | None) -> ResultLine:  # noqa: ASYNC109 - of the search
    line = partial(ResultLine, custom_order_id=order.custom_order_id or "")
    try:
        created = await kk.bulk().orders.submit(order, journal=journal, timeout=timeout)
    except (Unauthorized, ConfigurationError):
        raise  # every other order would meet the same
    except OutcomeUnknown as error:
        return line(result=_UNKNOWN, reason=str(error))
    except Rejected as error:
        return line(result="rejected", reason=str(error))
    except Conflict as error:
        return line(result="conflict", reason=str(error))
    except KakaCloError as error:
        return line(result="not placed", reason=str(error))
    return line(result="placed", order_id=created.id)
