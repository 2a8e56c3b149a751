"""The areas of the API, blocking: a class for each async one, a line for each method."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol, cast, overload

from kakaclo_async.resources import custom, freight, orders, products, reference, refunds, stocks, v1
from kakaclo_sync._proxy import BlockingProxy, blocking, iterating, pulling_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kakaclo_async.errors import KakaCloError
    from kakaclo_async.models.freight import FreightQuote, FreightRequest, Item
    from kakaclo_sync._proxy import Bridge


class Categories(BlockingProxy[reference.Categories]):
    """`kk.categories`."""

    tree = blocking(reference.Categories.tree)


class Warehouses(BlockingProxy[reference.Warehouses]):
    """`kk.warehouses`."""

    all = blocking(reference.Warehouses.all)


class Products(BlockingProxy[products.Products]):
    """`kk.products`."""

    get = blocking(products.Products.get)
    get_many = blocking(products.Products.get_many)
    page = blocking(products.Products.page)
    updated = pulling_rows(products.Products.updated)
    in_category = iterating(products.Products.in_category)


class Stocks(BlockingProxy[stocks.Stocks]):
    """`kk.stocks`."""

    get = blocking(stocks.Stocks.get)
    get_many = blocking(stocks.Stocks.get_many)
    page = blocking(stocks.Stocks.page)
    updated = pulling_rows(stocks.Stocks.updated)


class Freight(BlockingProxy[freight.Freight]):
    """`kk.freight`."""

    quote = blocking(freight.Freight.quote)
    quote_many = cast("_QuoteManyMethod", blocking(freight.Freight.quote_many))
    matrix = blocking(freight.Freight.matrix)
    channels = blocking(freight.Freight.channels)


class _QuoteMany(Protocol):
    # A ParamSpec takes one signature, and this method has two.
    @overload
    def __call__(
        self,
        requests: Iterable[FreightRequest | tuple[Iterable[Item], str]],
        on_error: Literal["raise"] = "raise",
        *,
        progress: Callable[[int, int], None] | None = None,
    ) -> tuple[FreightQuote, ...]: ...
    @overload
    def __call__(
        self,
        requests: Iterable[FreightRequest | tuple[Iterable[Item], str]],
        on_error: Literal["collect"],
        *,
        progress: Callable[[int, int], None] | None = None,
    ) -> tuple[FreightQuote | KakaCloError, ...]: ...


class _QuoteManyMethod(Protocol):
    def __get__(self, instance: object, owner: type[object], /) -> _QuoteMany: ...


class Orders(BlockingProxy[orders.Orders]):
    """`kk.orders`."""

    create = blocking(orders.Orders.create)
    submit = blocking(orders.Orders.submit)
    check = blocking(orders.Orders.check)
    family = blocking(orders.Orders.family)
    wait = blocking(orders.Orders.wait)
    get = blocking(orders.Orders.get)
    get_many = blocking(orders.Orders.get_many)
    page = blocking(orders.Orders.page)
    query = iterating(orders.Orders.query)
    find = blocking(orders.Orders.find)


class Refunds(BlockingProxy[refunds.Refunds]):
    """`kk.refunds`."""

    plan = blocking(refunds.Refunds.plan)
    request = blocking(refunds.Refunds.request)
    of = blocking(refunds.Refunds.of)
    wait = blocking(refunds.Refunds.wait)


class Custom(BlockingProxy[custom.Custom]):
    """`kk.custom`."""

    category_names = blocking(custom.Custom.category_names)
    models = iterating(custom.Custom.models)
    model = blocking(custom.Custom.model)
    designs = iterating(custom.Custom.designs)
    add_design = blocking(custom.Custom.add_design)


class Payment(BlockingProxy[reference.Payment]):
    """`kk.payment`."""

    balance = blocking(reference.Payment.balance)


class OrdersV1(BlockingProxy[v1.OrdersV1]):
    """`kk.v1.orders`."""

    create = blocking(v1.OrdersV1.create)
    get = blocking(v1.OrdersV1.get)
    page = blocking(v1.OrdersV1.page)


class FreightV1(BlockingProxy[v1.FreightV1]):
    """`kk.v1.freight`."""

    channels = blocking(v1.FreightV1.channels)


class RefundsV1(BlockingProxy[v1.RefundsV1]):
    """`kk.v1.refunds`."""

    request = blocking(v1.RefundsV1.request)
    of = blocking(v1.RefundsV1.of)


class V1(BlockingProxy[v1.V1]):
    """`kk.v1`: orders, freight and refunds as they were before December 2022."""

    def __init__(self, bridge: Bridge[Any], find: Callable[[Any], v1.V1]) -> None:
        super().__init__(bridge, find)
        self.orders = self._child(OrdersV1, lambda area: area.orders)
        self.freight = self._child(FreightV1, lambda area: area.freight)
        self.refunds = self._child(RefundsV1, lambda area: area.refunds)
