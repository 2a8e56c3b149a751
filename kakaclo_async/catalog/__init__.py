"""The catalog in a database: complete, and kept fresh (`pip install kakaclo[catalog]`)."""

from kakaclo_async.errors import MissingExtra

try:
    from kakaclo_async.catalog.export import ExportFormat, export
    from kakaclo_async.catalog.mirror import Mirror
    from kakaclo_async.catalog.report import Change, ChangeKind, Gap, MirrorReport, MirrorStatus
except ModuleNotFoundError as error:
    if error.name != "sqlalchemy":
        raise
    raise MissingExtra(f"the catalog needs {error.name}: pip install 'kakaclo[catalog]'") from None

__all__ = ["Change", "ChangeKind", "ExportFormat", "Gap", "Mirror", "MirrorReport", "MirrorStatus", "export"]
