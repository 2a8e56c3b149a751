"""Orders, refunds and designs exactly once, across every failure (`pip install kakaclo[catalog]`)."""

from kakaclo_async.ordering.entry import Entry, WriteStatus
from kakaclo_async.ordering.journal import Journal

__all__ = ["Entry", "Journal", "WriteStatus"]
