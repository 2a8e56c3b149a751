"""Pull lists that move while one reads them, without losing a row."""

from kakaclo_async.errors import IncompletePull
from kakaclo_async.models.pull import Certificate, Window
from kakaclo_async.paging.jobs import Checkpoint, Source
from kakaclo_async.paging.pull import Progress, Pull
from kakaclo_async.paging.windows import INDEX_LAG, checked_window, complete_until, merged, subtract

__all__ = [
    "INDEX_LAG",
    "Certificate",
    "Checkpoint",
    "IncompletePull",
    "Progress",
    "Pull",
    "Source",
    "Window",
    "checked_window",
    "complete_until",
    "merged",
    "subtract",
]
