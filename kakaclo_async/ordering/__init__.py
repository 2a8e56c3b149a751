"""Orders, refunds and designs exactly once, across every failure (`pip install kakaclo[catalog]`)."""

from kakaclo_async.errors import MissingExtra

try:
    from kakaclo_async.ordering.drain import Drained
    from kakaclo_async.ordering.journal import Journal
    from kakaclo_async.ordering.writes import Entry, WriteStatus
except ModuleNotFoundError as error:
    if error.name != "sqlalchemy":
        raise
    raise MissingExtra("the journal needs SQLAlchemy: pip install 'kakaclo[catalog]'") from None

__all__ = ["Drained", "Entry", "Journal", "WriteStatus"]
