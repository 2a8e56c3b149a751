"""`kk.stocks`, blocking."""

from __future__ import annotations

from kakaclo_async.resources import stocks
from kakaclo_sync.derive import Face, blocking, pulling_rows


class Stocks(Face[stocks.Stocks]):
    """`kk.stocks`."""

    get = blocking(stocks.Stocks.get)
    get_many = blocking(stocks.Stocks.get_many)
    page = blocking(stocks.Stocks.page)
    updated = pulling_rows(stocks.Stocks.updated)
