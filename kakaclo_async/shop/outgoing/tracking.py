"""Tracking numbers for shops: ask KakaClo what is under way, and write it as a file that a shop reads."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

import attrs

from kakaclo_async.catalog.export import into_file, not_run
from kakaclo_async.database import in_thread
from kakaclo_async.errors import DecodeError, InvalidRequest
from kakaclo_async.models._checks import as_list_of
from kakaclo_async.sending import sender_of
from kakaclo_async.shop.outgoing.tracking_lines import under_way
from kakaclo_async.shop.outgoing.tracking_targets import TRACKING_TARGETS, TrackingTarget

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Collection, Iterable, Sequence

    from kakaclo_async.client import KakaClo
    from kakaclo_async.models.order import Order
    from kakaclo_async.shop.outgoing.tracking_lines import Shipped


_APART: Final = timedelta(hours=1)  # more than the orders of one family differ in age


@attrs.frozen
class TrackingRows:
    """The rows of a file, by its columns.

    Attributes:
        rows: in order.
        keys: of the items that they tell: keep these alone once the file has arrived; a problem may be told later.
        problems: what the target cannot be told, a sentence each.
    """

    rows: tuple[dict[str, str], ...] = ()
    keys: frozenset[str] = frozenset()
    problems: tuple[str, ...] = ()


def target_of(name: str) -> TrackingTarget:
    """Return a kind of file by its name.

    Raises:
        InvalidRequest: no such target.
    """
    if name not in TRACKING_TARGETS:
        raise InvalidRequest(f"target must be one of {', '.join(TRACKING_TARGETS)}, not {name!r}")
    return TRACKING_TARGETS[name]


def check_name(path: str | Path, target: str) -> None:
    """Raise `InvalidRequest` for the name of a file that a shop will not take."""
    if (holds := target_of(target).name_holds) not in Path(path).name:
        raise InvalidRequest(f"{path} must have {holds!r} in its name: by that {target} knows what it is")


def tracking_rows(
    shipments: Iterable[Shipped], target: str, *, seen: Collection[str] = frozenset()
) -> TrackingRows:
    """Return the rows of a file.

    Amazon takes an order without the numbers of its items only as a whole: such an order is told once, when it is
    under way in one package; else it is a problem.

    Args:
        shipments: items in packages; for Amazon all of an order that are known, told before or not.
        target: matrixify, amazon, woo-ast or csv.
        seen: keys of rows that were told before: they are not told again.

    Raises:
        InvalidRequest: no such target.
    """
    kind, told = target_of(target), frozenset(seen)
    # A part of a piece is told where a shop can be told of it; elsewhere its number comes with the whole piece.
    chosen = [row for row in shipments if row.quantity or kind.parts]
    if target == "amazon":
        chosen, keys, problems = _for_amazon(chosen, told)
    else:
        chosen, problems = [row for row in chosen if row.key not in told], list[str]()
        keys = {row.key for row in chosen}
    rows = tuple({name: cell(row) for name, cell in kind.columns.items()} for row in chosen)
    return TrackingRows(rows, frozenset(keys), tuple(problems))


def _for_amazon(rows: Sequence[Shipped], told: frozenset[str]) -> tuple[list[Shipped], set[str], list[str]]:
    packages: dict[str, set[tuple[str, str]]] = {}
    for row in rows:
        packages.setdefault(row.custom_order_id, set()).add((row.order_id, row.package))
    kept: list[Shipped] = []
    keys: set[str] = set()
    problems: dict[str, None] = {}
    whole = {row.custom_order_id for row in rows if not row.order_item_id and row.key in told}
    for row in rows:
        number = row.custom_order_id
        if row.key in told:
            continue
        if not row.order_item_id and (not row.family_shipped or len(packages[number]) > 1):
            problems[
                f"order {number}: Amazon needs the order-item-id of {row.shop_sku}: give Amazon's file of orders"
            ] = None
            continue
        keys.add(row.key)
        if row.order_item_id or number not in whole:
            kept.append(row)
        if not row.order_item_id:
            whole.add(number)  # one row tells all items of the order
        if len(row.tracking_codes) > 1:
            problems[
                f"order {number}: {row.shop_sku} travels in several packages, and Amazon takes one number:"
                f" {', '.join(row.tracking_codes[:-1])} is not told"
            ] = None
    return kept, keys, list(problems)


async def write_tracking(
    shipments: Iterable[Shipped],
    path: str | Path | BinaryIO,
    *,
    target: str = "csv",
    seen: Collection[str] = frozenset(),
    for_spreadsheet: bool = False,
) -> TrackingRows:
    """Write the file of tracking numbers that a shop reads; it appears when it is whole.

    Args:
        shipments: items in packages.
        path: the file, one that exists is replaced; or a binary stream, which stays open.
        target: matrixify, amazon, woo-ast or csv.
        seen: keys of rows that were told before: they are not told again.
        for_spreadsheet: keep a spreadsheet from running texts as formulas, and mark the file as UTF-8 for it.

    Returns:
        What was written, with the keys to keep.

    Raises:
        InvalidRequest: no such target, or a file name that the shop will not take.
        ConfigurationError: the file cannot be written.
    """
    found = tracking_rows(shipments, target, seen=seen)
    if isinstance(path, (str, Path)):
        check_name(path, target)
    await into_file(path, lambda file: in_thread(write_rows, file, found.rows, target, for_spreadsheet))
    return found


def write_rows(
    file: BinaryIO, rows: Iterable[dict[str, str]], target: str, for_spreadsheet: bool = False
) -> None:
    """Write rows, below the names of their columns; the file stays open."""
    kind = target_of(target)
    guard = not_run if for_spreadsheet else str
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", errors="replace")
    try:
        if for_spreadsheet:
            text.write("\ufeff")
        writer = csv.DictWriter(text, list(kind.columns), delimiter=kind.delimiter)
        writer.writeheader()
        writer.writerows({name: guard(cell) for name, cell in row.items()} for row in rows)
    finally:
        text.detach()  # and flush


@attrs.frozen
class Tracked:
    """Orders with something under way, each with all of its family.

    Attributes:
        orders: KakaClo's orders.
        problems: a sentence for orders that cannot be read.
    """

    orders: tuple[Order, ...] = ()
    problems: tuple[str, ...] = ()


async def tracking(kk: KakaClo, *, since: datetime, custom_order_ids: Iterable[str] | None = None) -> Tracked:
    """Return the orders that were updated since a moment and have something under way, with all of their families.

    Those of a family that were not updated since then are read with all that was ordered when the families were made:
    there is no other way to ask.

    `GET /v2/order/orders?updateStartTime=`, and `?createStartTime=`, 250 orders per request, in the bulk lane

    Args:
        kk: the client.
        since: aware; a little earlier than the last time, for orders show up late.
        custom_order_ids: only these; None: all that have one.

    Returns:
        The orders.

    Raises:
        InvalidRequest: a naive time.
        IncompletePull: the list moved too much to be sure of all.
    """
    sender_of(kk)
    wanted = None if custom_order_ids is None else set(as_list_of("custom order ids", custom_order_ids))
    found: dict[str, Order] = {}
    problems: list[str] = []
    await _read(kk.orders.query(updated_from=since), found, problems)
    families = {
        order.custom_order_id
        for order in found.values()
        if order.custom_order_id and (wanted is None or order.custom_order_id in wanted) and under_way(order)
    }
    made = [
        (order.create_date or order.purchase_date, order.custom_order_id)
        for order in found.values()
        if order.custom_order_id in families
    ]
    times = [moment for moment, _ in made if moment is not None]
    if times:
        listed = kk.orders.query(created_from=min(times) - _APART, created_to=max(times) + _APART)
        await _read(listed, found, problems)
    for number in sorted({number for moment, number in made if moment is None and number}):
        family = await kk.orders.family(number)
        found |= {order.id: order for order in family.orders}
    orders = sorted(
        (order for order in found.values() if order.custom_order_id in families),
        key=lambda order: (order.custom_order_id or "", len(order.id), order.id),
    )
    return Tracked(tuple(orders), tuple(dict.fromkeys(problems)))


async def _read(orders: AsyncIterable[Order], found: dict[str, Order], problems: list[str]) -> None:
    """Read a list to its end; one order that cannot be read must not keep all others from being told."""
    try:
        async for order in orders:
            found[order.id] = order
    except DecodeError as error:
        problems.append(str(error))
