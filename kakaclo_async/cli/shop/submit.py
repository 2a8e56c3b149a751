"""The command `orders submit`: what is due in a file of orders is placed, each order exactly once."""

import asyncio
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
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
from kakaclo_async.cli.command import fault, say, sentence
from kakaclo_async.cli.output import Result, Table
from kakaclo_async.cli.progress import progress
from kakaclo_async.cli.shop.check import (
    OWN,
    Channels,
    Ioss,
    OlderThan,
    OrdersFile,
    Phone,
    Prefix,
    SkuMapFile,
    look,
    read_file,
    told_tables,
    unplaced,
)
from kakaclo_async.cli.shop.journal import (
    JournalUrl,
    Placed,
    QuietTime,
    journal_url,
    open_journal,
    placed_orders,
    taken_back,
)
from kakaclo_async.cli.shop.results import ResultFile, ResultLine, refuse_other_files
from kakaclo_async.sharing import gather_in_order
from kakaclo_async.shop import OrderFile
from kakaclo_async.shop.incoming.order_file import FileOrder, FileProblem

if TYPE_CHECKING:
    from kakaclo_async.ordering import Journal


_MAX_IN_FLIGHT: Final = 16
"""Orders being sent: enough for the rate of any shop, few enough to reconcile after a crash."""

_PLACED: Final = "placed"
_UNKNOWN: Final = "unknown"
_NOT_SENT: Final = "not sent"


async def submit(
    kk: KakaClo,
    file: OrdersFile,
    *,
    sku_map: SkuMapFile = None,
    phone: Phone = None,
    ioss: Ioss = None,
    prefix: Prefix = "",
    older_than: OlderThan = None,
    channel: Channels = None,
    journal: JournalUrl = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Place nothing: the same as kakaclo orders check."),
    ] = False,
    results: Annotated[
        Path | None,
        typer.Option(
            help="A new file for results; FILE.results.csv by default, or FILE.results.2.csv if that exists.",
            metavar="FILE",
        ),
    ] = None,
    quiet_time: QuietTime = 600.0,
) -> Result:
    """Place all orders of a file that are due, each exactly once: after a crash, run it again to place the rest.

    It reads exports of Shopify, Amazon, eBay, Etsy, TikTok Shop and WooCommerce as they are. What is not due, or has a
    problem, is listed and not sent.

    Our own format as CSV: one item per row, with the columns custom_order_id, sku, quantity, country, recipient, phone,
    province, and optionally city, street1, street2, zip, ioss, vat, channel_type, remark, sale_platform. Rows with the
    same custom_order_id are one order. JSON lines: one order per line, as in `kakaclo orders create --help`. A file of
    this format with a bad row is refused as a whole, before anything is sent, with a list of all problems.

    The journal records what was placed, by custom_order_id: keep it. It holds the addresses of orders until they are
    placed.
    """
    name = "orders" if file == Path("-") else file.stem
    target = results or file.with_name(f"{name}.results.csv")
    if not dry_run:
        refuse_other_files(target, file, None if journal is None else journal_url(journal))
    found = read_file(
        file, sku_map=sku_map, phone=phone, ioss=ioss, prefix=prefix, older_than=older_than, channel=channel
    )
    if dry_run:
        return await look(kk, found, journal, quiet_time)
    if found.dialect == OWN and found.problems:
        # Nothing of it is placed: what is wrong with one row may be wrong with others, unnoticed.
        data = {"dialect": found.dialect, "problems": [attrs.asdict(entry) for entry in found.problems]}
        return Result(
            data=data, tables=(), errors=tuple(InvalidRequest(str(entry)) for entry in found.problems)
        )
    return await _submit_file(kk, found, target, journal, quiet_time)


async def _submit_file(
    kk: KakaClo, found: OrderFile, target: Path, journal: str | None, quiet_time: float
) -> Result:
    header = found.header or ("line",)
    rows = {row.line: row.cells if found.header else (str(row.line),) for row in found.rows}
    with ResultFile(target, header, rows) as file:
        book, is_there = await open_journal(kk, journal, quiet_time, make=bool(found.orders))
        known = await placed_orders(kk, found, book, is_there=is_there, write=True)
        news = unplaced(found, known)
        problems = [*found.problems, *await taken_back(kk, found, known)]
        lines = {line.custom_order_id: line for line in _known_lines(found, known)}
        for entry in found.orders:
            if entry.custom_order_id in lines:
                _write(file, found, entry, lines[entry.custom_order_id])
        _write_others(file, found, known, problems)
        placed, trouble = await _place(kk, found, news.orders, book, file)
        lines |= {line.custom_order_id: line for line in placed}
    in_order = [lines[entry.custom_order_id] for entry in found.orders]
    return _submitted(attrs.evolve(found, problems=tuple(problems)), in_order, trouble, file)


def _known_lines(found: OrderFile, known: Mapping[str, Placed]) -> Iterable[ResultLine]:
    """Yield what became of the orders that are not sent again: they are placed, or another is under their id."""
    for key in (entry.custom_order_id for entry in found.orders):
        placed = known.get(key, Placed())
        if placed.conflict:
            yield ResultLine(
                custom_order_id=key, result="conflict", reason=placed.conflict, order_ids=placed.numbers
            )
        elif placed.numbers:
            first = placed.numbers[0]
            yield ResultLine(custom_order_id=key, result=_PLACED, order_id=first, order_ids=placed.numbers)


def _write(file: ResultFile, found: OrderFile, entry: FileOrder, line: ResultLine) -> None:
    """Write what became of an order beside each of its rows; some of them may be left out of it."""
    left = {each.line: each.reason for each in found.left_out}
    plain = [number for number in entry.lines if number not in left]
    file.write(plain, line)
    for number in entry.lines:
        if number in left and number in entry.item_lines:  # several items in one row
            reason = "; ".join(filter(None, [line.reason, f"left out: {left[number]}"]))
            file.write([number], attrs.evolve(line, reason=reason))


def _write_others(
    file: ResultFile, found: OrderFile, known: Mapping[str, Placed], problems: Iterable[FileProblem]
) -> None:
    """Write why the other rows are not sent: for a reason of their own, or for one of their whole order."""
    items = {line for entry in found.orders for line in entry.item_lines}
    due = {line for entry in found.orders for line in entry.lines}
    of_line, of_order = defaultdict[int, list[str]](list), defaultdict[str, list[str]](list)
    for left in found.left_out:
        of_line[left.line].append(left.reason)
        of_order[left.order].append(left.reason)
    held, troubled = set[str](), set[int]()
    for problem in problems:
        held.add(problem.order or "-")
        troubled.add(problem.line)
        of_line[problem.line].append(f"{problem.field}: {problem.problem}")
        of_order[problem.order].append(f"{problem.field}: {problem.problem}")
    for row in found.rows:
        if row.is_order and row.line not in items and (row.line not in due or row.line in of_line):
            of_all = of_order[row.order] if row.order else []
            is_held = row.line in troubled or (row.order in held and row.line not in due)
            reasons = (of_all if is_held else of_line[row.line]) or of_all or of_line[row.line]
            line = ResultLine(
                custom_order_id=row.order,
                result="problem" if is_held else "left out",
                order_ids=() if row.line in due else known.get(row.order, Placed()).numbers,
                reason="; ".join(dict.fromkeys(reasons)),
            )
            file.write([row.line], line)


def _submitted(
    found: OrderFile, lines: Sequence[ResultLine], trouble: Exception | None, file: ResultFile
) -> Result:
    """Say what became of the orders: that none was sent only when none was."""
    counts = Counter(line.result for line in lines)
    if trouble is not None and not counts.keys() & {_PLACED, _UNKNOWN, "rejected"}:
        raise trouble
    done = [
        f"order {line.custom_order_id!r} was placed as {line.order_id}" for line in lines if line.order_id
    ]
    errors: list[KakaCloError] = [
        OutcomeUnknown(f"the outcome of order {line.custom_order_id!r} is unknown: run this again later")
        for line in lines
        if line.result == _UNKNOWN
    ]
    if trouble is not None:
        errors.append(
            KakaCloError(
                f"stopped with {counts[_PLACED]} of {len(lines)} orders placed: {sentence(trouble)}; submit the same"
                " file again with the same journal, which places the rest"
            )
        )
    if file.trouble is not None:
        sys.stderr.writelines(f"{text}\n" for text in done)
        errors.append(
            KakaCloError(f"{file.path} lacks results ({file.trouble}): run this again for all of them")
        )
    if not lines and not found.problems:
        sys.stderr.write("nothing is due\n")
    others = [line.reason for line in lines if line.result not in {_PLACED, _UNKNOWN, _NOT_SENT}]
    document = {name: part for name, part in found.to_dict().items() if name != "orders"}
    counted = [*counts.items(), ("left out", len(found.left_out)), ("problems", len(found.problems))]
    summary = [(name, count) for name, count in counted if count]
    return Result(
        data={"results": [attrs.asdict(line) for line in lines], "file": str(file.path), **document},
        tables=(
            *told_tables(found),
            Table(("Orders", str(len(lines))), [*summary, ("results in", file.path)]),
        ),
        errors=(*errors, *(KakaCloError(text) for text in (*others, *map(str, found.problems)))),
        done=tuple(done),
    )


async def _place(
    kk: KakaClo, found: OrderFile, entries: Sequence[FileOrder], journal: "Journal", result_file: ResultFile
) -> tuple[list[ResultLine], Exception | None]:
    """Place the orders of a file, none of which has a problem.

    Returns:
        What became of them, in their order; and what every other order would meet, too, so that no more were begun.
        Those that were under way then have come to their end.
    """
    orders = {place: entry.order for place, entry in enumerate(entries)}
    lines: dict[int, ResultLine] = {}
    unknown: dict[int, ResultLine] = {}
    troubles: list[Exception] = []
    turns = asyncio.Semaphore(_MAX_IN_FLIGHT)
    try:
        with progress(kk) as meter:

            def done(place: int, line: ResultLine) -> None:
                lines[place] = line
                _write(result_file, found, entries[place], line)
                meter(PageDone(what="orders", rows=1, rows_done=len(lines), rows_total=len(entries)))

            async def send(place: int, wait: float | None) -> None:
                async with turns:
                    if troubles:
                        return
                    line, trouble = await _submit(kk, orders[place], journal, timeout=wait)
                if trouble is not None:
                    troubles.append(trouble)
                if line.result == _UNKNOWN and wait is not None:
                    unknown[place] = line
                else:
                    done(place, line)

            # All of them without waiting for the quiet time of any; then those left, which share one search.
            await gather_in_order(partial(send, place, 0.0) for place in orders)
            turns = asyncio.Semaphore(max(1, len(unknown)))
            await gather_in_order(partial(send, place, None) for place in unknown)
            for place in [place for place in orders if place not in lines]:
                stopped = ResultLine(custom_order_id=entries[place].custom_order_id, result=_NOT_SENT)
                done(place, unknown.get(place, stopped))
    except asyncio.CancelledError:
        say(f"stopped after {len(lines)} of {len(entries)} orders; run it again with the same journal")
        raise
    return [lines[place] for place in sorted(lines)], troubles[0] if troubles else None


async def _submit(
    kk: KakaClo,
    order: NewOrder,
    journal: "Journal",
    timeout: float | None,  # noqa: ASYNC109 - of the search
) -> tuple[ResultLine, Exception | None]:
    """Submit an order; return what became of it, and what all other orders would meet, too."""
    line = partial(ResultLine, custom_order_id=order.custom_order_id or "")
    try:
        created = await kk.bulk().orders.submit(order, journal=journal, timeout=timeout)
    except Unauthorized as error:
        return line(result="not placed", reason=str(error)), error
    except OutcomeUnknown as error:
        cause = error.__cause__
        return line(result=_UNKNOWN, order_id=error.order_id, reason=sentence(error)), (
            cause if isinstance(cause, ConfigurationError) else None  # it could not be recorded
        )
    except Rejected as error:
        return line(result="rejected", reason=str(error)), None
    except Conflict as error:
        return line(result="conflict", reason=str(error)), None
    except ConfigurationError as error:
        return await _recorded(order, journal, error), error
    except KakaCloError as error:
        return line(result="not placed", reason=str(error)), None
    except Exception as error:  # noqa: BLE001 - it must not hide what became of the others
        trouble = KakaCloError(fault(error))
        return await _recorded(order, journal, trouble), trouble
    return line(result=_PLACED, order_id=created.id, order_ids=created.ids), None


async def _recorded(order: NewOrder, journal: "Journal", error: KakaCloError) -> ResultLine:
    """Return what the journal knows of an order whose submission ended in an error that does not tell."""
    line = partial(ResultLine, custom_order_id=order.custom_order_id or "", reason=str(error))
    try:
        entry = await journal.find(order.custom_order_id or "")
    except KakaCloError:
        return line(result=_UNKNOWN)
    if entry is None:
        return line(result="not placed")
    return line(result=_PLACED if entry.outcome else _UNKNOWN, order_id=entry.outcome)
