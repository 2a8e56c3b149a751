"""The fleet: many shops in one process or on many machines (`pip install 'kakaclo[fleet]'`)."""

from kakaclo_async.fleet.fleet import Fleet
from kakaclo_async.fleet.settings import FleetSettings, ShopSettings
from kakaclo_async.fleet.values import FleetStatus, Kind, ShopStatus, TurnStatus, WorkerStatus

__all__ = [
    "Fleet",
    "FleetSettings",
    "FleetStatus",
    "Kind",
    "ShopSettings",
    "ShopStatus",
    "TurnStatus",
    "WorkerStatus",
]
