"""The command `status`: what a mirror's database holds."""

from typing import TYPE_CHECKING, Annotated

import typer

from kakaclo_async.cli.command import run_async
from kakaclo_async.cli.database import DB, DEFAULT_DB
from kakaclo_async.cli.output import Answer, Table, show

if TYPE_CHECKING:
    from kakaclo_async.catalog import MirrorStatus


def status(
    db: Annotated[str, DB] = DEFAULT_DB,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what a mirror's database holds, and up to when; it needs no token, and may run beside the mirror."""
    found = run_async(_status(db))
    facts = [
        ("SKUs", found.skus),
        ("stock rows", found.stock),
        ("last change", found.last_change),
        ("rows set aside", found.undecodable),
        ("products until", found.products_until),
        ("stock until", found.stock_until),
        *((f"gap in {gap.endpoint}", str(gap.window)) for gap in found.gaps),
    ]
    show(Answer(data=found, tables=(Table(("products", str(found.products)), facts),)), as_json=as_json)


async def _status(db: str) -> "MirrorStatus":
    from kakaclo_async.catalog.database import MirrorDatabase

    return await MirrorDatabase(db).status()
