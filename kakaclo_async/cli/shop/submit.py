"""The command `orders submit`: what is due in a file of orders is placed, each order exactly once."""

import sys
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import attrs
import typer

from kakaclo_async import (
    InvalidRequest,
    KakaClo,
    KakaCloError,
    OutcomeUnknown,
)
from kakaclo_async.cli.command import sentence
from kakaclo_async.cli.output import Result, Table
from kakaclo_async.cli.shop.asking import Yes, ask, can_ask, costs, counted, for_sum
from kakaclo_async.cli.shop.check import (
    OWN,
    Channels,
    Ioss,
    OlderThan,
    OrdersFile,
    Phone,
    Prefix,
    SkuMapFile,
    held,
    look,
    price,
    price_table,
    read_file,
    told_tables,
    troubles,
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
from kakaclo_async.cli.shop.placing import place
from kakaclo_async.cli.shop.results import (
    NOT_SENT,
    PLACED,
    UNKNOWN,
    ResultFile,
    ResultLine,
    refuse_other_files,
)
from kakaclo_async.shop import OrderFile
from kakaclo_async.shop.incoming.order_file import FileOrder, FileProblem, LeftOut

_BEFORE: Final = "placed before"  # by an earlier run; its result is the same


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
    yes: Yes = False,
) -> Result:
    """Place all orders of a file that are due, each exactly once: after a crash, run it again to place the rest.

    They are paid from the balance at once, so on a terminal it shows what each costs, and what the balance will be, and
    asks first. With --yes, or without a terminal, it asks neither you nor KakaClo for prices.

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
    return await _submit_file(kk, found, target, journal, quiet_time, sure=yes or not can_ask())


async def _submit_file(
    kk: KakaClo, found: OrderFile, target: Path, journal: str | None, quiet_time: float, *, sure: bool
) -> Result:
    header = found.header or ("line",)
    rows = {row.line: row.cells if found.header else (str(row.line),) for row in found.rows}
    with ResultFile(target, header, rows) as file:
        book, is_there = await open_journal(kk, journal, quiet_time, make=bool(found.orders))
        known = await placed_orders(kk, found, book, is_there=is_there, write=True)
        news = unplaced(found, known)
        problems = [*found.problems, *await taken_back(kk, found, known)]
        if news.orders and not sure:
            await _ask_for(kk, news.orders)
        lines = {line.custom_order_id: line for line in _known_lines(found, known)}
        before = set(lines)
        for entry in found.orders:
            if entry.custom_order_id in lines:
                _write(file, found, entry, lines[entry.custom_order_id])
        _write_others(file, found, known, problems)
        placed, trouble = await place(kk, news.orders, book, partial(_write, file, found))
        lines |= {line.custom_order_id: line for line in placed}
    in_order = [lines[entry.custom_order_id] for entry in found.orders]
    waiting = held(found, known)
    return _submitted(attrs.evolve(found, problems=tuple(problems)), in_order, trouble, file, before, waiting)


async def _ask_for(kk: KakaClo, orders: Sequence[FileOrder]) -> None:
    priced, balance = await price(kk, orders)
    doubts = list(troubles(priced, balance))
    totals = [cost.total for _, cost, _ in priced]
    known = sum(filter(None, totals), Decimal(0))
    notes = [f"{entry}" for entry in doubts]
    if unknown := totals.count(None):
        notes.insert(0, f"{unknown} of {len(totals)} orders have no price: they come on top of the total")
    ask(
        f"Place {counted(len(orders), 'order')} {for_sum(known)}",
        (price_table(priced, doubts), costs({"Total": known}, balance)),
        notes,
    )


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
            yield ResultLine(custom_order_id=key, result=PLACED, order_id=first, order_ids=placed.numbers)


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
    found: OrderFile,
    lines: Sequence[ResultLine],
    trouble: Exception | None,
    file: ResultFile,
    before: Container[str],
    waiting: Iterable[LeftOut],
) -> Result:
    """Say what became of the orders: that none was sent only when none was."""
    counts = Counter(
        _BEFORE if line.custom_order_id in before and line.result == PLACED else line.result for line in lines
    )
    if trouble is not None and not counts.keys() & {PLACED, UNKNOWN, "rejected"}:
        raise trouble
    done = [
        f"order {line.custom_order_id!r} was placed as {line.order_id}" for line in lines if line.order_id
    ]
    errors: list[KakaCloError] = [
        OutcomeUnknown(f"the outcome of order {line.custom_order_id!r} is unknown: run this again later")
        for line in lines
        if line.result == UNKNOWN
    ]
    if trouble is not None:
        errors.append(
            KakaCloError(
                f"stopped with {counts[PLACED] + counts[_BEFORE]} of {len(lines)} orders placed: {sentence(trouble)};"
                " submit the same file again with the same journal, which places the rest"
            )
        )
    if file.trouble is not None:
        sys.stderr.writelines(f"{text}\n" for text in done)
        errors.append(
            KakaCloError(f"{file.path} lacks results ({file.trouble}): run this again for all of them")
        )
    if not lines and not found.problems:
        sys.stderr.write("nothing is due\n")
    others = [line.reason for line in lines if line.result not in {PLACED, UNKNOWN, NOT_SENT}]
    document = {name: part for name, part in found.to_dict().items() if name != "orders"}
    counted = [*counts.items(), ("left out", len(found.left_out)), ("problems", len(found.problems))]
    summary = [(name, count) for name, count in counted if count]
    return Result(
        data={"results": [attrs.asdict(line) for line in lines], "file": str(file.path), **document},
        tables=(
            *told_tables(found),
            Table(("Orders", str(len(lines))), [*summary, ("results in", file.path)]),
        ),
        errors=(*errors, *map(KakaCloError, (*others, *map(str, [*waiting, *found.problems])))),
        done=tuple(done),
    )
