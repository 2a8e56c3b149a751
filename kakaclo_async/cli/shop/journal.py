"""The journal of a shop's orders: where it is, what it and KakaClo know of a file's orders."""

import json
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import attrs
import typer
from platformdirs import user_data_path

from kakaclo_async import ConfigurationError, Item, KakaClo, KakaCloError, NewOrder, Order, RefundState
from kakaclo_async.cli.shop.elsewhere import (
    LOOK_BACK_DAYS,
    look_back,
    tell,
    tell_of_others,
    wait_until_all_show,
)
from kakaclo_async.codec import encode
from kakaclo_async.models.common import Number
from kakaclo_async.models.family import pieces
from kakaclo_async.sending import sender_of
from kakaclo_async.shop import OrderFile
from kakaclo_async.shop.incoming.order_file import FileProblem
from kakaclo_async.transport.endpoint import environment_name

if TYPE_CHECKING:
    from kakaclo_async.ordering import Entry, Journal


JournalUrl = Annotated[
    str | None,
    typer.Option(
        help="The journal: an SQLite file, or postgresql://USER:PASSWORD@HOST/NAME; by default a file of the shop's in"
        " your data folder.",
        metavar="FILE|URL",
        envvar="KAKACLO_JOURNAL",
        show_default=False,
    ),
]
QuietTime = Annotated[
    float,
    typer.Option(
        help="Seconds after which an order that does not show up was not placed.", metavar="SECONDS", min=0
    ),
]

_ASKED: Final = (
    f"KakaClo is asked for the file's orders of the last {LOOK_BACK_DAYS} days, for those placed with another journal"
    " are unknown to it; of the last minutes they may not show yet: all who submit this shop's orders should share one"
    " journal (--journal or KAKACLO_JOURNAL)"
)

_TWO_SHOPS: Final = "; give --prefix if two of your shops count alike"

_TAKEN_BACK: Final = re.compile("cancel|refund")


@attrs.frozen
class Placed:
    """What is known of an order that was, or may have been, placed.

    Attributes:
        numbers: KakaClo's; empty while it is in doubt.
        conflict: what differs, if it is not the order of the file.
    """

    numbers: tuple[str, ...] = ()
    conflict: str = ""


def journal_url(journal: str) -> str:
    """Return the URL of a journal, which may be given as a file.

    Raises:
        ConfigurationError: it lies in the home of nobody, or in a folder that is gone.
    """
    from kakaclo_async.database.url import sqlite_url

    try:
        return sqlite_url(journal)
    except (OSError, RuntimeError):
        raise ConfigurationError(
            "the journal's folder is not there: give --journal with its whole path"
        ) from None


def _shop_journal(url: str, token: str) -> Path | None:
    """Return the file of the journal that commands use where none is named; None without a home folder."""
    from kakaclo_async.database.url import shop_file

    with suppress(RuntimeError):
        folder = user_data_path("kakaclo", appauthor=False) / "journals"
        if folder.is_absolute():
            name = environment_name(url)
            # Sandboxes come and go: each has a journal of its own.
            return shop_file(folder, name, token + url if name == "local" else token)
    return None


def earlier_journal(url: str, token: str) -> str | None:
    """Return how people call the journal that may remember an earlier sandbox of this address; None without any."""
    if os.environ.get("KAKACLO_JOURNAL"):
        return "the journal in KAKACLO_JOURNAL"  # it may hold a password
    path = _shop_journal(url, token)
    return f"the journal {path}" if path is not None and path.is_file() else None


async def open_journal(
    kk: KakaClo,
    given: str | None,
    quiet_time: float,
    *,
    make: bool,
    is_needed: bool = False,
    news: str = _ASKED,
) -> tuple["Journal", bool]:
    """Open the journal that was asked for, or the shop's own, which does not depend on the folder one stands in.

    Args:
        kk: a client of the shop.
        given: a file or a URL.
        quiet_time: as `Journal` takes it.
        is_needed: whether to refuse that it is not there.
        make: whether to make it ready to be made; nothing is made before something is written.
        news: what a new one means.

    Returns:
        The journal, and whether it is there.

    Raises:
        ConfigurationError: it cannot be opened; or it would be new, and another may know this shop's orders.
    """
    from kakaclo_async.database.url import DatabaseUrl
    from kakaclo_async.ordering import Journal
    from kakaclo_async.ordering.database import prepare_shop_file

    if given is None:
        token = await sender_of(kk).state.token.read()
        path = _shop_journal(kk._base_url, token)  # noqa: SLF001 - packages share privates
        if path is None:
            raise ConfigurationError(
                "you have no home folder for the journal: give --journal, or set KAKACLO_JOURNAL"
            )
        given = str(path)
        if not prepare_shop_file(path, make=make):
            if is_needed:
                raise ConfigurationError(
                    f"there is no journal in {path}: submit orders first, or give --journal"
                )
            return Journal(journal_url(given), quiet_time=quiet_time), False
    url = journal_url(given)
    book = Journal(url, quiet_time=quiet_time)
    try:
        await book.pending()
    except ConfigurationError as error:
        if is_needed or not str(error).startswith("there is no journal"):
            raise
        if make:
            where = DatabaseUrl.parse(url, holds="journal", example="orders.db")
            tell(f"new journal in {where.path() if where.is_sqlite else where}: {news}")
        return book, False
    return book, True


async def placed_orders(
    kk: KakaClo, found: OrderFile, book: "Journal", *, is_there: bool, write: bool
) -> dict[str, Placed]:
    """Return what is known of a file's orders: from its journal, and from KakaClo of those that it does not know.

    Args:
        kk: a client of the shop.
        found: the file.
        book: its journal.
        is_there: whether that is there.
        write: whether orders will be sent: what KakaClo knows is then recorded, and waited for.

    Raises:
        KakaCloError: KakaClo could not be asked, so that what was placed is unknown.
    """
    orders = {entry.custom_order_id: entry.order for entry in found.orders}
    keys = dict.fromkeys([*orders, *(entry.order for entry in found.left_out if entry.order)])
    known = await _recorded(kk, keys, orders, book) if is_there else {}
    if orders.keys() <= known.keys():
        return known
    unknown = [key for key in keys if key not in known]
    has_sent = is_there and await book._store.has_sent("order")  # noqa: SLF001 - packages share privates
    seen = await look_back(kk, unknown, is_sure=not has_sent)
    if write and not has_sent and seen.is_in_use and not orders.keys() <= known.keys() | seen.families.keys():
        await wait_until_all_show(kk, book._store.quiet_time)  # noqa: SLF001 - packages share privates
        seen = await look_back(kk, unknown, is_sure=True)
    told, records = _judge(kk, seen.families, orders)
    if not (write and records):
        return known | told
    if has_sent and (others := orders.keys() & records.keys()):
        tell_of_others(len(others))
    await book._store.adopt("order", records)  # noqa: SLF001 - packages share privates
    # Another worker may have written one of them down meanwhile: what it knows of it is more than a list shows.
    return known | told | await _recorded(kk, records, orders, book)


async def _recorded(
    kk: KakaClo, keys: Iterable[str], orders: Mapping[str, NewOrder], book: "Journal"
) -> dict[str, Placed]:
    known: dict[str, Placed] = {}
    for key in keys:
        entry = None
        with suppress(KakaCloError):  # no order can have such an id
            entry = await book.find(key)
        if entry is not None:
            known[key] = _compare(kk, entry, orders.get(key))
    return known


def _compare(kk: KakaClo, entry: "Entry", order: NewOrder | None) -> Placed:
    from kakaclo_async.ordering.orders import OrderWrites
    from kakaclo_async.ordering.writes import is_same

    numbers = entry.number.all if entry.outcome else ()
    if order is None or is_same(entry, encode(order)):
        return Placed(numbers)
    if entry.attempts == 0 and pieces_of(order.items) == pieces_of(entry.items):
        return Placed(numbers)  # KakaClo told of it: all that is known of it is the same
    conflict = OrderWrites(sender_of(kk)).conflict(entry.key, entry, encode(order))
    return Placed(numbers, f"{conflict}{_TWO_SHOPS}")


def pieces_of(items: Iterable[Item]) -> dict[str, int]:
    """Return the pieces of each SKU."""
    found = defaultdict[str, int](int)
    for item in items:
        found[item.sku] += item.quantity
    return dict(found)


def _judge(
    kk: KakaClo, families: Mapping[str, Sequence[Order]], orders: Mapping[str, NewOrder]
) -> tuple[dict[str, Placed], dict[str, tuple[str, bytes, str]]]:
    """Return what KakaClo's orders under a file's ids say, and what a journal is to keep of them."""
    from kakaclo_async.ordering.orders import OrderWrites
    from kakaclo_async.ordering.writes import digest_of

    known: dict[str, Placed] = {}
    records: dict[str, tuple[str, bytes, str]] = {}
    for key, family in families.items():
        order, held = orders.get(key), dict(pieces(family))
        kept = _body(held)
        digest, conflict = digest_of(kept), ""
        if order is not None and held in (pieces_of(order.items), {}):
            digest = digest_of(encode(order))
            kept = OrderWrites(sender_of(kk)).redact(encode(order))
        elif order is not None:
            conflict = (
                f"KakaClo has another order under the custom order id {key!r}: it is placed, as order {family[0].id},"
                f" with the items {_told(held)}, and here are {_told(pieces_of(order.items))}; it was not sent"
            )
        known[key] = Placed(tuple(row.id for row in family), conflict and f"{conflict}{_TWO_SHOPS}")
        records[key] = (Number(*known[key].numbers), kept, digest)
    return known, records


def _body(held: dict[str, int]) -> bytes:
    return json.dumps({"orderItemsList": [{"sku": sku, "quantity": n} for sku, n in held.items()]}).encode()


def _told(held: dict[str, int]) -> str:
    return " + ".join(f"{quantity} {sku}" for sku, quantity in held.items()) or "none"


async def taken_back(kk: KakaClo, found: OrderFile, known: dict[str, Placed]) -> list[FileProblem]:
    """Name the orders that were placed, and that the shop has cancelled or refunded since: they cost money still."""
    due = {entry.custom_order_id for entry in found.orders}
    lines = {
        entry.order: entry
        for entry in reversed(found.left_out)
        if _TAKEN_BACK.search(entry.reason)
        and entry.order not in due
        and known.get(entry.order, Placed()).numbers
    }
    if not lines:
        return []
    numbers = [number for order in lines for number in known[order].numbers]
    states = {order.id: order.refund_status for order in await kk.bulk().orders.get_many(numbers)}
    settled = {number for number, state in states.items() if state not in (None, RefundState.PARTIAL_REFUND)}
    return [
        FileProblem(
            entry.order,
            entry.line,
            "status",
            f"it was placed as {number}, and the shop says since: {entry.reason}; to have it refunded, run:"
            f" kakaclo orders refund {number}",
        )
        for entry in lines.values()
        for number in known[entry.order].numbers
        if number not in settled
    ]
