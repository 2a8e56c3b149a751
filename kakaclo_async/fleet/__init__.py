"""The fleet: many shops in one process or on many machines (`pip install 'kakaclo[fleet]'`)."""

from kakaclo_async.errors import MissingExtra

try:
    from kakaclo_async.fleet.config.settings import FleetSettings, ShopSettings
    from kakaclo_async.fleet.fleet import Fleet
    from kakaclo_async.fleet.members import CameBack, LeftOut
    from kakaclo_async.fleet.team import Team
    from kakaclo_async.fleet.values import FleetStatus, Kind, ShopStatus, TurnStatus, WorkerStatus
except ModuleNotFoundError as error:
    if error.name != "sqlalchemy":
        raise
    raise MissingExtra("a fleet needs SQLAlchemy: pip install 'kakaclo[fleet]'") from None

__all__ = [
    "CameBack",
    "Fleet",
    "FleetSettings",
    "FleetStatus",
    "Kind",
    "LeftOut",
    "ShopSettings",
    "ShopStatus",
    "Team",
    "TurnStatus",
    "WorkerStatus",
]
