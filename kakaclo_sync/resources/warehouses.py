"""`kk.warehouses`, blocking."""

from __future__ import annotations

from kakaclo_async.resources import warehouses
from kakaclo_sync.derive import Face, blocking

__all__ = ["Warehouses"]


class Warehouses(Face[warehouses.Warehouses]):
    """`kk.warehouses`."""

    all = blocking(warehouses.Warehouses.all)
