"""The command `orders check`: a file of orders is read, checked and priced; nothing is placed."""

import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Final

import attrs
import typer

from kakaclo_async import (
    ChannelType,
    FreightQuote,
    FreightRequest,
    InvalidRequest,
    KakaClo,
    KakaCloError,
)
from kakaclo_async.cli.output import Result, Table
from kakaclo_async.cli.progress import progress
from kakaclo_async.cli.shop.journal import (
    JournalUrl,
    Placed,
    QuietTime,
    open_journal,
    pieces_of,
    placed_orders,
    taken_back,
)
from kakaclo_async.cli.shop.judging import Priced, judge_all
from kakaclo_async.cli.values import ended_by_signals, one_of
from kakaclo_async.shop import OrderFile, read_orders
from kakaclo_async.shop.incoming.order_file import FileNote, FileOrder, FileProblem, LeftOut

OrdersFile = Annotated[
    Path,
    typer.Argument(
        help="A shop's export, or orders of our own as .csv or .jsonl; - for standard input.", metavar="FILE"
    ),
]
SkuMapFile = Annotated[
    Path | None,
    typer.Option("--map", help="From the shop's SKUs to KakaClo's: see kakaclo orders map.", metavar="FILE"),
]
Phone = Annotated[str | None, typer.Option(help="For orders without a phone number.")]
Ioss = Annotated[str | None, typer.Option(help="For orders into the EU without an IOSS number.")]
Prefix = Annotated[
    str, typer.Option(help="Stands before the shop's numbers, for shops that count alike.", metavar="TEXT")
]
OlderThan = Annotated[
    str | None,
    typer.Option(help="Leave out younger orders: 30s, 15m, 24h or 2d.", metavar="TIME"),
]
Channels = Annotated[
    list[str] | None,
    typer.Option(
        help="Send a shipping service of the shop's by this channel type; may be repeated. All else is Standard.",
        metavar="SERVICE=TYPE",
        autocompletion=one_of(ChannelType, after="="),
    ),
]

OWN: Final = "kakaclo"
"""The dialect of which a file with a problem is refused as a whole: what is wrong there is wrong in a program."""

_PHONE: Final = 64
_DIGITS: Final = 5
_PREFIX: Final = 63
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def read_file(
    file: Path,
    *,
    sku_map: Path | None,
    phone: str | None,
    ioss: str | None,
    prefix: str,
    older_than: str | None,
    channel: Sequence[str] | None,
) -> OrderFile:
    """Read a file of orders as the options say.

    Raises:
        InvalidRequest: an option that says nothing; or a file that is refused as a whole.
    """
    if phone is not None and (len(phone) > _PHONE or sum(map(str.isdigit, phone)) < _DIGITS):
        raise InvalidRequest(
            f"--phone is no phone number: it has {_DIGITS} digits or more, and {_PHONE} signs at most"
        )
    if ioss is not None and not re.fullmatch(r"[A-Za-z0-9]{1,32}", ioss.strip()):
        raise InvalidRequest("--ioss is no IOSS number: it has letters and digits, as IM3720000224")
    if "," in prefix or not f"{prefix}1".isprintable() or prefix != prefix.lstrip() or len(prefix) > _PREFIX:
        raise InvalidRequest(
            f"--prefix {prefix[:70]!r} cannot stand before a number: it has at most {_PREFIX} signs, no comma, and no"
            " blank in front"
        )
    younger, channels = None if older_than is None else _age(older_than), _channels(channel or ())
    with ended_by_signals():  # a pipe or a terminal may give nothing for long
        return read_orders(
            file,
            sku_map=sku_map,
            phone=phone,
            ioss=ioss and ioss.strip(),
            prefix=prefix,
            older_than=younger,
            channels=channels,
        )


def _age(text: str) -> timedelta:
    found = re.fullmatch(r"([0-9]{1,6})([smhd])", text)
    if found is None:
        raise InvalidRequest(f"--older-than {text!r} is no time: write 30s, 15m, 24h or 2d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def _channels(texts: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for service, channel in map(_channel, texts):
        key = service.strip().casefold()
        if found.setdefault(key, channel) != channel:
            raise InvalidRequest(f"--channel sends {service.strip()!r} by two types: keep one of them")
    return found


def _channel(text: str) -> tuple[str, str]:
    service, _, name = text.rpartition("=")
    known = {member.value.casefold(): member.value for member in ChannelType}
    if not service.strip() or name.strip().casefold() not in known:
        raise InvalidRequest(
            f"--channel {text!r} is not SERVICE=TYPE: the types are {', '.join(ChannelType)}"
        )
    return service, known[name.strip().casefold()]


async def check(
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
    quiet_time: QuietTime = 600.0,
) -> Result:
    """Check and price the orders of a file, and say why others are not sent; nothing is placed.

    It is the same as `kakaclo orders submit --dry-run`. The exit code is 0 if all orders that are due can be placed, 1
    if some cannot or wait for a person, and 2 if the file is refused.
    """
    found = read_file(
        file, sku_map=sku_map, phone=phone, ioss=ioss, prefix=prefix, older_than=older_than, channel=channel
    )
    return await look(kk, found, journal, quiet_time)


async def look(kk: KakaClo, found: OrderFile, journal: str | None, quiet_time: float) -> Result:
    """Check a file that was read; the journal is read, and never made."""
    known: dict[str, Placed] = {}
    problems: list[FileProblem] = list(found.problems)
    if found.orders or found.left_out:
        book, is_there = await open_journal(kk, journal, quiet_time, make=False)
        known = await placed_orders(kk, found, book, is_there=is_there, write=False)
        problems += await taken_back(kk, found, known)
    news = unplaced(found, known)
    problems += news.problems
    priced, balance = await price(kk, news.orders)
    problems += troubles(priced, balance)
    problems.sort(key=lambda problem: problem.line)
    left_out = sorted([*found.left_out, *news.left_out], key=lambda entry: entry.line)
    total = sum((order_check.total or Decimal(0) for _, order_check, _ in priced), Decimal(0))
    told = attrs.evolve(
        found,
        orders=news.orders,
        left_out=tuple(left_out),
        problems=tuple(problems),
        notes=(*found.notes, *news.notes),
    )
    if found.dialect == OWN and found.problems:
        sys.stderr.write("submit places none of these orders before the problems of the file are put right\n")
    summary = Table(("Orders", str(len(priced))), [("Total", total), ("Balance", balance)])
    return Result(
        data={**told.to_dict(), "total": total, "balance": balance},
        tables=(*((price_table(priced, problems),) if priced else ()), *told_tables(told), summary),
        errors=tuple(KakaCloError(str(entry)) for entry in (*held(found, known), *problems)),
    )


def price_table(priced: Iterable[Priced], problems: Iterable[FileProblem]) -> Table:
    """Return the table of what each order costs."""
    counts = Counter(problem.order for problem in problems)
    rows = [
        (
            entry.line,
            entry.custom_order_id,
            cost.sub_total,
            cost.freight,
            cost.total,
            counts[entry.custom_order_id],
        )
        for entry, cost, _ in priced
    ]
    return Table(("Line", "Custom id", "Items", "Freight", "Total", "Problems"), rows)


def held(found: OrderFile, known: Mapping[str, Placed]) -> list[LeftOut]:
    """Return the first row of each order that waits for a person, and was not placed before."""
    first = {entry.order: entry for entry in reversed(found.left_out) if entry.is_held}
    return [entry for order, entry in reversed(first.items()) if not known.get(order, Placed()).numbers]


def told_tables(found: OrderFile) -> Iterator[Table]:
    """Yield the tables of what is not sent, and of what was changed."""
    if found.left_out:
        rows = [(entry.line, entry.order, entry.sku, entry.reason) for entry in found.left_out]
        yield Table(("Line", "Not sent", "SKU", "Reason"), rows)
    if found.notes:
        notes = [(entry.line, entry.order, entry.field, entry.note) for entry in found.notes]
        yield Table(("Line", "Note on", "Field", "Note"), notes)


@attrs.frozen(kw_only=True)
class News:
    """What of a file's orders is to be sent, once it is known which were placed."""

    orders: tuple[FileOrder, ...]
    left_out: tuple[LeftOut, ...]
    problems: tuple[FileProblem, ...]
    notes: tuple[FileNote, ...]


def unplaced(found: OrderFile, known: Mapping[str, Placed]) -> News:
    """Tell the orders that are to be sent from those that were."""
    orders: list[FileOrder] = []
    left_out: list[LeftOut] = []
    problems: list[FileProblem] = []
    notes: list[FileNote] = []
    for entry in found.orders:
        key, placed = entry.custom_order_id, known.get(entry.custom_order_id)
        if placed is not None and placed.conflict:
            problems.append(FileProblem(key, entry.line, "custom_order_id", placed.conflict))
        elif placed is not None and placed.numbers:
            reason = f"already placed as {', '.join(placed.numbers)}"
            left_out.append(LeftOut(key, entry.line, "", reason))
        else:
            orders.append(entry)
            if placed is not None:
                doubt = "it was sent, and its outcome is in doubt: submit settles that first"
                notes.append(FileNote(key, entry.line, "custom_order_id", doubt))
    return News(orders=tuple(orders), left_out=tuple(left_out), problems=tuple(problems), notes=tuple(notes))


async def price(kk: KakaClo, entries: Sequence[FileOrder]) -> tuple[list[Priced], Decimal | None]:
    """Check all orders together, in as few requests as they allow; return the balance, too."""
    skus = list(dict.fromkeys(item.sku for entry in entries for item in entry.order.items))
    bulk = kk.bulk()
    with progress(kk):
        products = await bulk.products.get_many(skus=skus) if skus else ()
        stocks = await bulk.stocks.get_many(skus) if skus else ()
        carts = [FreightRequest(entry.order.items, entry.order.address.country) for entry in entries]
        answers = await bulk.freight.quote_many(carts, on_error="collect")
        balance = (await bulk.payment.balance()).amount
    quotes = [answer if isinstance(answer, FreightQuote) else str(answer) for answer in answers]
    return judge_all(entries, products, stocks, quotes), balance


def troubles(priced: Iterable[Priced], balance: Decimal | None) -> Iterator[FileProblem]:
    """Yield what each order meets, and what those before it in the file leave it of stock and balance."""
    wanted = Counter[str]()
    spent = Decimal(0)
    for entry, order_check, levels in priced:
        for problem in order_check.problems:
            item = re.match(r"items\[(\d+)\]", problem.field)
            line = entry.item_lines[int(item[1])] if item else entry.line
            yield FileProblem(entry.custom_order_id, line, problem.field, problem.text)
        for place, (sku, quantity) in enumerate(pieces_of(entry.order.items).items()):
            wanted[sku] += quantity
            have = levels[sku].qty if sku in levels else 0
            if quantity <= have < wanted[sku]:
                text = f"the orders up to this one want {wanted[sku]} of SKU {sku!r}, {have} are in stock"
                field = f"items[{place}].quantity"
                yield FileProblem(entry.custom_order_id, entry.item_lines[place], field, text)
        spent += order_check.total or Decimal(0)
        if balance is not None and order_check.total is not None and balance < spent:
            text = f"the orders up to this one cost {spent} USD together, and the balance is {balance}"
            yield FileProblem(entry.custom_order_id, entry.line, "balance", text)
