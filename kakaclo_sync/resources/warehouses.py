"""`kk.warehouses`, blocking."""

from __future__ import annotations

from kakaclo_async.resources import reference as warehouses
from kakaclo_sync.derive import Face, blocking


class Warehouses(Face[warehouses.Warehouses]):
    """`kk.warehouses`."""

    all = blocking(warehouses.Warehouses.all)
