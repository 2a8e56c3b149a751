"""Preflight: everything that KakaClo could decline about an order, found before it is placed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, cast

import attrs

from kakaclo_async.errors import InvalidRequest
from kakaclo_async.models.freight import ChannelType, Item
from kakaclo_async.models.order import Address, NewOrder
from kakaclo_async.models.product import ProductStatus
from kakaclo_async.resources._checks import check_country

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from kakaclo_async.models.freight import FreightQuote
    from kakaclo_async.models.product import Product, Sku, StockLevel


_SELLING = {ProductStatus.ON_SHELF, ProductStatus.CLEARANCE, ProductStatus.PARTIAL_CLEARANCE}


@attrs.frozen
class OrderProblem:
    """Something that keeps an order from being placed.

    Attributes:
        field: where: "address.phone", "items[0].quantity", "channel_type", "balance".
        text: what is wrong, and with which SKU; never an address.
    """

    field: str
    text: str

    def __str__(self) -> str:
        return f"{self.field}: {self.text}"


@attrs.frozen(kw_only=True)
class OrderCheck:
    """What a preflight found; amounts in US dollars.

    Attributes:
        problems: all of them; none: the order can be placed as things stand.
        sub_total: the price of all pieces; None while some price is not known.
        quote: freight by channel type; None when it could not be asked.
        freight: for the order's own channel type.
        balance: what orders are paid from.
    """

    problems: tuple[OrderProblem, ...]
    sub_total: Decimal | None = None
    quote: FreightQuote | None = None
    freight: Decimal | None = None
    balance: Decimal | None = None

    @property
    def ok(self) -> bool:
        """Whether there is no problem."""
        return not self.problems

    @property
    def total(self) -> Decimal | None:
        """What the order will cost; None when a part of it is not known."""
        return None if self.sub_total is None or self.freight is None else self.sub_total + self.freight


def read_order(document: Mapping[str, object]) -> tuple[NewOrder | None, tuple[OrderProblem, ...]]:
    """Build an order from plain data, and name everything that is wrong with it at once.

    Args:
        document: by the names of `NewOrder`, `Address` and `Item`.
    """
    rest = {name: value for name, value in document.items() if name not in {"address", "items"}}
    problems = [
        *_address_problems(document.get("address")),
        *_item_problems(document.get("items")),
        *_field_problems("", NewOrder, {"address": _ADDRESS, "items": [_ITEM]}, rest),
    ]
    if problems:
        return None, tuple(problems)
    address = Address(**cast("dict[str, str]", document["address"]))
    items = [Item(**line) for line in cast("list[dict[str, str | int]]", document["items"])]  # type: ignore[arg-type] # checked above
    return NewOrder(address=address, items=items, **cast("dict[str, str]", rest)), ()


_ADDRESS = Address(country="US", phone="0", recipient="A", province="B")
_ITEM = Item("A", 1)


def _address_problems(address: object) -> Iterator[OrderProblem]:
    if not isinstance(address, Mapping):
        yield OrderProblem("address", "there is none")
        return
    given = cast("Mapping[str, object]", address)
    yield from _field_problems("address.", Address, attrs.asdict(_ADDRESS), given)
    country = given.get("country")
    if isinstance(country, str) and country.strip():
        try:
            check_country(country)
        except InvalidRequest:  # whose text shows what it got: another part of the address, perhaps
            yield OrderProblem("address.country", "it must be a two-letter code such as 'US'")


def _item_problems(items: object) -> Iterator[OrderProblem]:
    if not isinstance(items, (list, tuple)) or not items:
        yield OrderProblem("items", "there are none")
        return
    for place, line in enumerate(cast("Sequence[object]", items)):
        if isinstance(line, Mapping):
            given = cast("Mapping[str, object]", line)
            yield from _field_problems(f"items[{place}].", Item, attrs.asdict(_ITEM), given)
        else:
            yield OrderProblem(f"items[{place}]", "it has no sku and quantity")


def _field_problems(
    prefix: str, kind: type[attrs.AttrsInstance], good: Mapping[str, object], given: Mapping[str, object]
) -> Iterator[OrderProblem]:
    """Yield what is wrong with each field, tried alone beside good values of the others."""
    make = cast("Callable[..., object]", kind)
    fields = attrs.fields_dict(kind)
    for name in given.keys() - fields.keys():
        yield OrderProblem(prefix + name, f"there is no such field: use one of {', '.join(fields)}")
    for name, field in fields.items():
        required = field.default is attrs.NOTHING
        if name not in given:
            if required and name not in {"address", "items"}:
                yield OrderProblem(prefix + name, "it is missing")
            continue
        try:
            make(**{**good, name: given[name]})
        except InvalidRequest as error:
            yield OrderProblem(prefix + name, str(error))


def judge(
    order: NewOrder,
    products: Sequence[Product],
    stocks: Sequence[StockLevel],
    freight: FreightQuote | str,
    balance: Decimal | None,
) -> OrderCheck:
    """Compare an order with what KakaClo has.

    Args:
        order: what is to be placed.
        products: those that its SKUs belong to.
        stocks: those of its SKUs.
        freight: the quote, or why there is none.
        balance: US dollars; None when the API did not say.
    """
    skus = {sku.sku: sku for product in products for sku in product.sku_details}
    levels = {level.sku: level for level in stocks}
    problems = list(_sku_problems(order, skus, levels))
    quote = None if isinstance(freight, str) else freight
    option = None if quote is None else quote.by_channel(order.channel_type)
    if isinstance(freight, str) and not problems:
        problems.append(OrderProblem("address.country", f"no freight: {freight}"))
    named = (
        {offer.channel_type for offer in quote.options} - {None} if quote is not None else set[ChannelType]()
    )
    if named and option is None:
        offered = ", ".join(sorted(map(str, named)))
        problems.append(
            OrderProblem("channel_type", f"{order.channel_type} is not offered; choose one of {offered}")
        )
    prices = [(skus[item.sku].price if item.sku in skus else None, item.quantity) for item in order.items]
    sub_total = (
        sum((price * quantity for price, quantity in prices if price is not None), Decimal(0))
        if all(price is not None for price, _ in prices)
        else None
    )
    check = OrderCheck(
        problems=tuple(problems),
        sub_total=sub_total,
        quote=quote,
        freight=None if option is None else option.estimated_freight,
        balance=balance,
    )
    if balance is not None and check.total is not None and balance < check.total:
        short = OrderProblem("balance", f"{balance} USD do not pay {check.total}")
        check = attrs.evolve(check, problems=(*problems, short))
    return check


def _sku_problems(
    order: NewOrder, skus: Mapping[str, Sku], levels: Mapping[str, StockLevel]
) -> Iterator[OrderProblem]:
    wanted = Counter[str]()
    for item in order.items:
        wanted[item.sku] += item.quantity
    first = {item.sku: place for place, item in reversed(list(enumerate(order.items)))}
    for code, quantity in wanted.items():
        field = f"items[{first[code]}]"
        sku = skus.get(code)
        if sku is None:
            yield OrderProblem(f"{field}.sku", f"KakaClo has no SKU {code!r}")
            continue
        if sku.sku_status is not None and sku.sku_status not in _SELLING:
            status = sku.sku_status.name.lower().replace("_", " ")
            yield OrderProblem(f"{field}.sku", f"SKU {code!r} is not on sale: {status}")
        level = levels.get(code)
        if (0 if level is None else level.qty) < quantity:
            yield OrderProblem(f"{field}.quantity", f"{quantity} of SKU {code!r} are wanted, {_stock(level)}")


def _stock(level: StockLevel | None) -> str:
    if level is None or not level.qty:
        return "none is in stock"
    by_warehouse = ", ".join(
        f"{stock.warehouse_code}: {stock.qty}" for stock in level.warehouses if stock.qty
    )
    return f"{level.qty} in stock ({by_warehouse})"
