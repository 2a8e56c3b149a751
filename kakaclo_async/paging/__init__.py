"""Pull lists that move while one reads them, without losing a row."""

from kakaclo_async.models.pull import merged as merged, subtract as subtract
from kakaclo_async.paging.jobs import (
    INDEX_LAG as INDEX_LAG,
    TOO_DEEP as TOO_DEEP,
    Checkpoint as Checkpoint,
    Knowledge as Knowledge,
    Progress as Progress,
    Source as Source,
    checked_window as checked_window,
    complete_until as complete_until,
)
from kakaclo_async.paging.pull import Pull as Pull
from kakaclo_async.paging.windows import Windows as Windows
