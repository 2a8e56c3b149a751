"""The endpoints, blocking: a class for each async one, a line for each method."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Literal, Protocol, cast, overload

from kakaclo_async.resources import (
    categories,
    custom,
    freight,
    orders,
    payment,
    products,
    refunds,
    stocks,
    v1,
    warehouses,
)
from kakaclo_sync.derive import Face, blocking, iterating, pulling_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kakaclo_async.errors import KakaCloError
    from kakaclo_async.models import FreightQuote, FreightRequest

__all__ = [
    "V1",
    "Categories",
    "Custom",
    "Freight",
    "FreightV1",
    "Orders",
    "OrdersV1",
    "Payment",
    "Products",
    "Refunds",
    "RefundsV1",
    "Stocks",
    "Warehouses",
]


class Categories(Face[categories.Categories]):
    """`kk.categories`."""

    tree = blocking(categories.Categories.tree)


class Warehouses(Face[warehouses.Warehouses]):
    """`kk.warehouses`."""

    all = blocking(warehouses.Warehouses.all)


class Products(Face[products.Products]):
    """`kk.products`."""

    get = blocking(products.Products.get)
    get_many = blocking(products.Products.get_many)
    page = blocking(products.Products.page)
    updated = pulling_rows(products.Products.updated)
    in_category = iterating(products.Products.in_category)


class Stocks(Face[stocks.Stocks]):
    """`kk.stocks`."""

    get = blocking(stocks.Stocks.get)
    get_many = blocking(stocks.Stocks.get_many)
    page = blocking(stocks.Stocks.page)
    updated = pulling_rows(stocks.Stocks.updated)


class Freight(Face[freight.Freight]):
    """`kk.freight`."""

    quote = blocking(freight.Freight.quote)
    quote_many = cast("_QuoteManyMethod", blocking(freight.Freight.quote_many))
    matrix = blocking(freight.Freight.matrix)
    channels = blocking(freight.Freight.channels)


class Orders(Face[orders.Orders]):
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


class Refunds(Face[refunds.Refunds]):
    """`kk.refunds`."""

    plan = blocking(refunds.Refunds.plan)
    request = blocking(refunds.Refunds.request)
    of = blocking(refunds.Refunds.of)
    wait = blocking(refunds.Refunds.wait)


class Custom(Face[custom.Custom]):
    """`kk.custom`."""

    category_names = blocking(custom.Custom.category_names)
    models = iterating(custom.Custom.models)
    model = blocking(custom.Custom.model)
    designs = iterating(custom.Custom.designs)
    add_design = blocking(custom.Custom.add_design)


class Payment(Face[payment.Payment]):
    """`kk.payment`."""

    balance = blocking(payment.Payment.balance)


class OrdersV1(Face[v1.OrdersV1]):
    """`kk.v1.orders`."""

    create = blocking(v1.OrdersV1.create)
    get = blocking(v1.OrdersV1.get)
    page = blocking(v1.OrdersV1.page)


class FreightV1(Face[v1.FreightV1]):
    """`kk.v1.freight`."""

    channels = blocking(v1.FreightV1.channels)


class RefundsV1(Face[v1.RefundsV1]):
    """`kk.v1.refunds`."""

    request = blocking(v1.RefundsV1.request)
    of = blocking(v1.RefundsV1.of)


class V1(Face[v1.V1]):
    """`kk.v1`: orders, freight and refunds as they were before December 2022."""

    @cached_property
    def orders(self) -> OrdersV1:
        """Orders."""
        return self._part(OrdersV1, lambda area: area.orders)

    @cached_property
    def freight(self) -> FreightV1:
        """Freight."""
        return self._part(FreightV1, lambda area: area.freight)

    @cached_property
    def refunds(self) -> RefundsV1:
        """Refunds."""
        return self._part(RefundsV1, lambda area: area.refunds)


class _QuoteMany(Protocol):
    # A ParamSpec takes one signature, and this method has two.
    @overload
    def __call__(
        self,
        requests: Iterable[FreightRequest],
        on_error: Literal["raise"] = "raise",
        *,
        progress: Callable[[int, int], None] | None = None,
    ) -> tuple[FreightQuote, ...]: ...
    @overload
    def __call__(
        self,
        requests: Iterable[FreightRequest],
        on_error: Literal["collect"],
        *,
        progress: Callable[[int, int], None] | None = None,
    ) -> tuple[FreightQuote | KakaCloError, ...]: ...


class _QuoteManyMethod(Protocol):
    def __get__(self, instance: object, owner: type[object], /) -> _QuoteMany: ...
