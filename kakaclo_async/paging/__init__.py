"""Pull lists that move while one reads them, without losing a row."""

from kakaclo_async.errors import IncompletePull
from kakaclo_async.paging.certificate import Certificate
from kakaclo_async.paging.jobs import Checkpoint, Source
from kakaclo_async.paging.pull import Progress, Pull
from kakaclo_async.paging.windows import INDEX_LAG, Window, complete_until, merged, subtract

__all__ = [
    "INDEX_LAG",
    "Certificate",
    "Checkpoint",
    "IncompletePull",
    "Progress",
    "Pull",
    "Source",
    "Window",
    "complete_until",
    "merged",
    "subtract",
]
