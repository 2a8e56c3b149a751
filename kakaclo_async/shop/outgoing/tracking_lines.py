"""From KakaClo's packages back to the items of a shop's orders: which piece of what travels under which number."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Final

import attrs

from kakaclo_async.models.family import pieces
from kakaclo_async.models.order import FulfillmentStatus, OrderStatus, PackageStatus
from kakaclo_async.shop.outgoing.tracking_map import counted, merged, read_back

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from kakaclo_async.models.freight import Item
    from kakaclo_async.models.order import Fulfillment, Order
    from kakaclo_async.shop.outgoing.tracking_map import ShopLine


_UNDER_WAY: Final = {PackageStatus.SHIPPED, PackageStatus.COMPLETED}
_ALL_SHIPPED: Final = {FulfillmentStatus.FULLY_SHIPPED, FulfillmentStatus.COMPLETED}
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)


@attrs.frozen(kw_only=True)
class Shipped:
    """An item of a shop's order in a package.

    Attributes:
        custom_order_id: the shop's number of the order.
        order_id: KakaClo's number of the order that the package belongs to.
        package: KakaClo's number of the package.
        shop_sku: the shop's SKU.
        quantity: how many of it are whole with this package; 0: it brings only a part of one.
        order_item_id: the shop's number of the item.
        carrier: as KakaClo names it.
        tracking_codes: the package's, and before it those of packages that brought other parts of the same pieces.
        urls: where to follow them.
        other_codes: what earlier or later legs of this package's journey are called.
        shipped_at: when the package was handed over, UTC.
        family_shipped: whether everything of the shop's order is under way.
    """

    custom_order_id: str
    order_id: str
    package: str
    shop_sku: str
    quantity: int
    order_item_id: str | None
    carrier: str
    tracking_codes: tuple[str, ...]
    urls: tuple[str, ...]
    other_codes: tuple[str, ...]
    shipped_at: datetime | None
    family_shipped: bool

    @property
    def key(self) -> str:
        """What makes this row one: order, package and item."""
        return _key(self.order_id, self.package, self.shop_sku, self.order_item_id)


@attrs.frozen
class Shipments:
    """What is under way, and what could not be told.

    Attributes:
        rows: a row for each item and package.
        problems: a sentence each, with the number of the order.
    """

    rows: tuple[Shipped, ...] = ()
    problems: tuple[str, ...] = ()


def shipped(
    orders: Iterable[Order],
    *,
    shop_lines: Mapping[str, Sequence[ShopLine]] | None = None,
    sku_map: Mapping[str, Sequence[Item]] | None = None,
    prefix: str = "",
    seen: Collection[str] = (),
) -> Shipments:
    """Tell which items of a shop's orders are under way; one piece is told once, whatever it consists of.

    Args:
        orders: KakaClo's, all of each family; those without a custom order id are nobody's.
        shop_lines: the items of the shop's orders by custom order id, with or without the prefix.
        sku_map: what one piece of a shop's SKU consists of; for orders that are not among the lines. Where it can be
            read back in two ways nothing is guessed: it is a problem.
        prefix: what the custom order ids begin with here, and not in the shop; others are another shop's.
        seen: keys of rows that were told before: they stay as they were.
    """
    rows: list[Shipped] = []
    problems: list[str] = []
    told = frozenset(seen)
    named = [order for order in orders if order.custom_order_id and order.custom_order_id.startswith(prefix)]
    named.sort(key=lambda order: (order.custom_order_id or "", len(order.id), order.id))
    for custom_order_id, members in groupby(named, key=lambda order: order.custom_order_id or ""):
        family, number = list(members), custom_order_id.removeprefix(prefix)
        if not any(map(under_way, family)):
            continue
        known = (shop_lines or {}).get(custom_order_id) or (shop_lines or {}).get(number)
        lines = merged(known) if known else read_back(pieces(_alive(family)), sku_map)
        if lines is None:
            problems.append(
                f"order {number}: its SKUs may stand for several of the shop's: give the shop's orders, too"
            )
            continue
        lines = [line for line in lines if line.items]
        found = _Family(number, _is_shipped(family, lines), [_Open.of(line) for line in lines])
        for order, package in _in_turn(family, lines, told):
            found.take(order, package, told)
        rows += found.rows
        problems += found.problems
    return Shipments(tuple(rows), tuple(problems))


@attrs.define(eq=False)
class _Open:
    """An item of a shop's order, and what is still to come of it."""

    line: ShopLine
    unit: Counter[str]
    left: int
    worth: int
    begun: Counter[str] = attrs.field(factory=Counter[str])
    parcels: list[Fulfillment] = attrs.field(factory=list["Fulfillment"])

    @classmethod
    def of(cls, line: ShopLine) -> _Open:
        whole = counted(line.items)
        sold = max(1, line.quantity)
        if any(count % sold for count in whole.values()):  # then all of it is one piece
            return cls(line, whole, 1, sold)
        return cls(line, Counter({sku: count // sold for sku, count in whole.items()}), sold, 1)

    def make_whole(self, content: Counter[str]) -> int:
        """Take from a package what it makes whole, and return how many that is."""
        there = min((content[sku] + self.begun[sku]) // count for sku, count in self.unit.items())
        made = min(self.left, there)
        for sku, count in self.unit.items():
            begun = min(made * count, self.begun[sku])
            self.begun[sku] -= begun
            content[sku] -= made * count - begun
        self.left -= made
        return made

    def begin(self, content: Counter[str]) -> bool:
        """Take from a package what belongs to pieces that are not whole yet, and return whether there was any."""
        taken = {
            sku: min(content[sku], self.left * count - self.begun[sku]) for sku, count in self.unit.items()
        }
        self.begun.update(taken)
        content.subtract(taken)
        return any(taken.values())


@attrs.define(eq=False)
class _Family:
    """A shop's order whose packages are handed out to its items."""

    number: str
    done: bool
    lines: list[_Open]
    rows: list[Shipped] = attrs.field(factory=list[Shipped])
    problems: list[str] = attrs.field(factory=list[str])

    def take(self, order: Order, package: Fulfillment, seen: Collection[str]) -> None:
        """Hand the pieces of a package out: first to items that they make whole, and to those told before."""
        content = _content(order, package)
        if not content:
            self.problems.append(
                f"order {self.number}: KakaClo does not say what package {_name(package)} of order {order.id} holds"
            )
        lines = sorted(self.lines, key=lambda line: _key_of(order, package, line.line) not in seen)
        made = [(line, line.make_whole(content)) for line in lines]
        for line, whole in made:
            begun = line.begin(content)
            if whole or begun:
                before = line.parcels if whole else []
                self.rows.append(self._row(order, [*before, package], line.line, whole * line.worth))
            if whole:
                line.parcels = []
            if begun:
                line.parcels.append(package)
        if left := +content:
            what = ", ".join(f"{count} of {sku}" for sku, count in sorted(left.items()))
            self.problems.append(
                f"order {self.number}: package {_name(package)} of order {order.id} holds {what}, which no item of the"
                " shop's order accounts for"
            )

    def _row(self, order: Order, parcels: Sequence[Fulfillment], line: ShopLine, quantity: int) -> Shipped:
        package = parcels[-1]
        codes = tuple(dict.fromkeys(map(_code, parcels)))
        infos = (package.tracking_code, *(info.tracking_code for info in package.tracking_infos))
        carriers = (package.carrier, *(info.carrier for info in package.tracking_infos))
        return Shipped(
            custom_order_id=self.number,
            order_id=order.id,
            package=_name(package),
            shop_sku=line.shop_sku,
            quantity=quantity,
            order_item_id=line.order_item_id,
            carrier=next(filter(None, carriers), ""),
            tracking_codes=codes,
            urls=tuple(dict.fromkeys(url for each in parcels if (url := each.logistics_search_url))),
            other_codes=tuple(dict.fromkeys(code for code in infos if code and code not in codes)),
            shipped_at=package.delivery_time or order.completed_date or order.update_date,
            family_shipped=self.done,
        )


def under_way(order: Order) -> list[Fulfillment]:
    """Return the packages of an order that are shipped and can be followed."""
    return [package for package in order.fulfillments if package.status in _UNDER_WAY and _code(package)]


def _code(package: Fulfillment) -> str:
    codes = (package.tracking_code, *(info.tracking_code for info in package.tracking_infos))
    return next((code.strip() for code in codes if code and code.strip()), "")


def _name(package: Fulfillment) -> str:
    return package.pack_id or package.id or _code(package)


def _key(order_id: str, package: str, shop_sku: str, order_item_id: str | None) -> str:
    return json.dumps([order_id, package, order_item_id or shop_sku], separators=(",", ":"))


def _key_of(order: Order, package: Fulfillment, line: ShopLine) -> str:
    return _key(order.id, _name(package), line.shop_sku, line.order_item_id)


def _in_turn(
    family: Sequence[Order], lines: Sequence[ShopLine], seen: Collection[str]
) -> list[tuple[Order, Fulfillment]]:
    """Return the packages of a family: those told before, then by the time when they left."""

    def turn(parcel: tuple[Order, Fulfillment]) -> tuple[bool, datetime, str]:
        order, package = parcel
        told = any(_key_of(order, package, line) in seen for line in lines)
        return not told, package.delivery_time or _LONG_AGO, _name(package)

    return sorted(((order, package) for order in family for package in under_way(order)), key=turn)


def _content(order: Order, package: Fulfillment) -> Counter[str]:
    """Return the pieces in a package; those of its order where that has no other, and KakaClo names none."""
    found = Counter[str]()
    for item in package.items:
        if item.sku_code:
            found[item.sku_code] += item.product_num
    return pieces([order]) if not found and len(order.fulfillments) == 1 else found


def _alive(family: Iterable[Order]) -> list[Order]:
    return [order for order in family if order.status is not OrderStatus.CANCEL]


def _is_shipped(family: Sequence[Order], lines: Iterable[ShopLine]) -> bool:
    """Tell whether all that is to come of a shop's order is under way; what is cancelled or refunded is not to come."""
    sent, called_off = Counter[str](), pieces(each for each in family if each.status is OrderStatus.CANCEL)
    for order in _alive(family):
        packed, refunded = Counter[str](), Counter[str]()
        for package in under_way(order):
            packed += _content(order, package)
        for item in order.order_items:
            if item.sku_code and item.refund_status is not None and item.refund_status.is_refunded:
                refunded[item.sku_code] += item.product_num
        if order.fulfillment_status not in _ALL_SHIPPED and not pieces([order]) - refunded <= packed:
            return False
        sent += pieces([order])  # refunded pieces are not to come either
    asked = Counter[str]()
    for line in lines:
        asked += counted(line.items)
    return asked <= sent + called_off
