"""The catalog in a database: complete, and kept fresh (`pip install kakaclo[catalog]`)."""

from kakaclo_async.catalog.changes import Change, ChangeKind
from kakaclo_async.catalog.export import ExportFormat, export
from kakaclo_async.catalog.mirror import Mirror
from kakaclo_async.catalog.report import Gap, MirrorReport, MirrorStatus

__all__ = [
    "Change",
    "ChangeKind",
    "ExportFormat",
    "Gap",
    "Mirror",
    "MirrorReport",
    "MirrorStatus",
    "export",
]
