"""Tracking numbers for shops: ask KakaClo what is under way, and write it as a file that a shop reads."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, TypeAlias

import attrs

from kakaclo_async.catalog.export import into_file, not_run
from kakaclo_async.database import in_thread
from kakaclo_async.errors import DecodeError, InvalidRequest
from kakaclo_async.models._checks import as_list_of
from kakaclo_async.shop.outgoing.tracking_lines import Shipped, under_way

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Iterable, Sequence

    from kakaclo_async.client import KakaClo
    from kakaclo_async.models.order import Order


Cell: TypeAlias = "Callable[[Shipped], str]"

_APART: Final = timedelta(hours=1)  # more than the orders of one family differ in age

_CARRIERS: Final = {
    **dict.fromkeys(("usps", "unitedstatespostalservice"), "USPS"),
    **dict.fromkeys(("ups", "unitedparcelservice"), "UPS"),
    "upsmi": "UPSMI",
    **dict.fromkeys(("fedex", "federalexpress"), "FedEx"),
    "fedexsmartpost": "FedEx SmartPost",
    **dict.fromkeys(("dhl", "dhlexpress"), "DHL"),
    "dhlglobalmail": "DHL Global Mail",
    "dhlecommerce": "DHL eCommerce",
    "ontrac": "OnTrac",
    "lasership": "Lasership",
    "royalmail": "Royal Mail",
    "canadapost": "Canada Post",
    "tnt": "TNT",
    "gls": "GLS",
    "aramex": "Aramex",
    "4px": "4PX",
    "yanwen": "Yanwen",
    "chinapost": "China Post",
    "sfexpress": "SF Express",
}
"""What Amazon calls carriers: others are "Other", with their names."""
_AMAZON_NAME: Final = 50


@attrs.frozen(kw_only=True)
class TrackingTarget:
    """A kind of file.

    Attributes:
        columns: what stands in the cells of a row.
        delimiter: between two cells.
        parts: whether rows that bring only a part of a piece are written: they carry one more number.
        name_holds: what the file's name must hold.
    """

    columns: dict[str, Cell]
    delimiter: str = ","
    parts: bool = False
    name_holds: str = ""


def _constant(text: str) -> Cell:
    return lambda _: text


def _amazon_carrier(row: Shipped) -> str:
    return _CARRIERS.get("".join(filter(str.isalnum, row.carrier.casefold())), "Other")


def _date(row: Shipped, form: str) -> str:
    return "" if row.shipped_at is None else row.shipped_at.astimezone(UTC).strftime(form)


def _number(count: int) -> str:
    return str(count) if count else ""


TRACKING_TARGETS: Final = {
    "matrixify": TrackingTarget(
        name_holds="Orders",
        columns={
            "Name": lambda row: row.custom_order_id,
            "Command": _constant("UPDATE"),
            "Line: Type": _constant("Fulfillment Line"),
            "Line: SKU": lambda row: row.shop_sku,
            "Line: Quantity": lambda row: str(row.quantity),
            "Fulfillment: Status": _constant("success"),
            "Fulfillment: Tracking Company": lambda row: row.carrier,
            "Fulfillment: Tracking Number": lambda row: ", ".join(row.tracking_codes),
            "Fulfillment: Tracking URL": lambda row: ", ".join(row.urls),
            "Fulfillment: Send Receipt": _constant("TRUE"),
        },
    ),
    "amazon": TrackingTarget(
        delimiter="\t",
        columns={
            "order-id": lambda row: row.custom_order_id,
            "order-item-id": lambda row: row.order_item_id or "",
            "quantity": lambda row: _number(row.quantity if row.order_item_id else 0),
            "ship-date": lambda row: _date(row, "%Y-%m-%d"),
            "carrier-code": _amazon_carrier,
            "carrier-name": lambda row: row.carrier[:_AMAZON_NAME] if _amazon_carrier(row) == "Other" else "",
            "tracking-number": lambda row: row.tracking_codes[-1],
            "ship-method": _constant(""),
        },
    ),
    "woo-ast": TrackingTarget(
        parts=True,
        columns={
            "order_id": lambda row: row.custom_order_id.removeprefix("#"),
            "tracking_provider": lambda row: row.carrier,
            "tracking_number": lambda row: row.tracking_codes[-1],
            "date_shipped": lambda row: _date(row, "%d-%m-%Y"),
            "status_shipped": lambda row: "1" if row.family_shipped else "2",
            "sku": lambda row: row.shop_sku if row.quantity else "",
            "qty": lambda row: _number(row.quantity),
        },
    ),
    "csv": TrackingTarget(
        parts=True,
        columns={
            "custom_order_id": lambda row: row.custom_order_id,
            "order_id": lambda row: row.order_id,
            "package": lambda row: row.package,
            "shop_sku": lambda row: row.shop_sku,
            "quantity": lambda row: str(row.quantity),
            "order_item_id": lambda row: row.order_item_id or "",
            "carrier": lambda row: row.carrier,
            "tracking_codes": lambda row: ", ".join(row.tracking_codes),
            "other_tracking_codes": lambda row: ", ".join(row.other_codes),
            "tracking_urls": lambda row: ", ".join(row.urls),
            "shipped_at": lambda row: _date(row, "%Y-%m-%dT%H:%M:%SZ"),
            "family_shipped": lambda row: "true" if row.family_shipped else "false",
        },
    ),
}
"""The files of tracking numbers that can be written, by their names."""


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


def tracking_rows(shipments: Iterable[Shipped], target: str) -> TrackingRows:
    """Return the rows of a file.

    Amazon takes an order without the numbers of its items only as a whole: such an order is told once, when it is
    under way in one package; else it is a problem.

    Args:
        shipments: items in packages; for Amazon all of an order that are known, told before or not.
        target: matrixify, amazon, woo-ast or csv.

    Raises:
        InvalidRequest: no such target.
    """
    if target not in TRACKING_TARGETS:
        raise InvalidRequest(f"target must be one of {', '.join(TRACKING_TARGETS)}, not {target!r}")
    kind = TRACKING_TARGETS[target]
    # A part of a piece is told where a shop can be told of it; elsewhere its number comes with the whole piece.
    chosen = [row for row in shipments if row.quantity or kind.parts]
    keys, problems = {row.key for row in chosen}, list[str]()
    if target == "amazon":
        chosen, keys, problems = _for_amazon(chosen)
    rows = tuple({name: cell(row) for name, cell in kind.columns.items()} for row in chosen)
    return TrackingRows(rows, frozenset(keys), tuple(problems))


def _for_amazon(rows: Sequence[Shipped]) -> tuple[list[Shipped], set[str], list[str]]:
    packages: dict[str, set[tuple[str, str]]] = {}
    for row in rows:
        packages.setdefault(row.custom_order_id, set()).add((row.order_id, row.package))
    kept: list[Shipped] = []
    keys: set[str] = set()
    problems: dict[str, None] = {}
    whole: set[str] = set()
    for row in rows:
        number = row.custom_order_id
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
    for_spreadsheet: bool = False,
) -> TrackingRows:
    """Write the file of tracking numbers that a shop reads; it appears when it is whole.

    Args:
        shipments: items in packages.
        path: the file, one that exists is replaced; or a binary stream, which stays open.
        target: matrixify, amazon, woo-ast or csv.
        for_spreadsheet: keep a spreadsheet from running texts as formulas, and mark the file as UTF-8 for it.

    Returns:
        What was written, with the keys to keep.

    Raises:
        InvalidRequest: no such target, or a file name that the shop will not take.
        ConfigurationError: the file cannot be written.
    """
    found = tracking_rows(shipments, target)
    kind = TRACKING_TARGETS[target]
    if isinstance(path, (str, Path)) and kind.name_holds not in Path(path).name:
        raise InvalidRequest(
            f"{path} must have {kind.name_holds!r} in its name: by that {target} knows what it is"
        )
    guard = not_run if for_spreadsheet else str

    def write(file: BinaryIO) -> None:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", errors="replace")
        try:
            if for_spreadsheet:
                text.write("\ufeff")
            writer = csv.DictWriter(text, list(kind.columns), delimiter=kind.delimiter)
            writer.writeheader()
            writer.writerows({name: guard(cell) for name, cell in row.items()} for row in found.rows)
        finally:
            text.detach()  # and flush

    await into_file(path, lambda file: in_thread(write, file))
    return found


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
