"""Orders, refunds and designs exactly once, across every failure (`pip install kakaclo[catalog]`)."""

from kakaclo_async.ordering.journal import Journal
from kakaclo_async.ordering.writes import Entry, WriteStatus

__all__ = ["Entry", "Journal", "WriteStatus"]
