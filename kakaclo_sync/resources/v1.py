"""`kk.v1`, blocking."""

from __future__ import annotations

from kakaclo_async.lazy import lazy_property
from kakaclo_async.resources import v1
from kakaclo_sync.derive import Face, blocking


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

    @lazy_property
    def orders(self) -> OrdersV1:
        """Orders."""
        return self._part(lambda: OrdersV1, lambda area: area.orders)

    @lazy_property
    def freight(self) -> FreightV1:
        """Freight."""
        return self._part(lambda: FreightV1, lambda area: area.freight)

    @lazy_property
    def refunds(self) -> RefundsV1:
        """Refunds."""
        return self._part(lambda: RefundsV1, lambda area: area.refunds)
