"""`kk.orders`, blocking."""

from __future__ import annotations

from kakaclo_async.resources import orders
from kakaclo_sync.derive import Face, blocking, iterating


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
