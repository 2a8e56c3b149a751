"""Read a mirror's database: what it holds, and what changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, func, select

from kakaclo_async.catalog import schema
from kakaclo_async.catalog.changes import Change, ChangeKind
from kakaclo_async.catalog.report import Gap, MirrorStatus
from kakaclo_async.catalog.state import PullState

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from sqlalchemy import Table
    from sqlalchemy.engine import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection

    from kakaclo_async.catalog.database import Database


_BATCH: Final = 500

_CHANGES: Final = (
    select(schema.change)
    .where(schema.change.c.id > bindparam("after"))
    .order_by(schema.change.c.id)
    .limit(_BATCH)
)


async def changes_after(database: Database, after: int) -> AsyncGenerator[Change, None]:
    """Yield the changes with a higher id, in order; none of them holds the database while it is handled."""
    while True:
        async with database.reading() as connection:
            rows = (await connection.execute(_CHANGES, {"after": after})).all()
        for row in rows:
            yield Change(
                id=row.id,
                at=row.at,
                kind=ChangeKind(row.kind),
                spu=row.spu,
                sku=row.sku,
                old=row.old,
                new=row.new,
            )
        if len(rows) < _BATCH:
            return
        after = rows[-1].id


def last_change(connection: Connection) -> int:
    """Return the newest id, 0 when nothing has changed yet."""
    return connection.scalar(select(func.max(schema.change.c.id))) or 0


async def status_of(connection: AsyncConnection) -> MirrorStatus:
    """Count what is there."""
    products = await connection.run_sync(PullState.load, "products")
    stock = await connection.run_sync(PullState.load, "stock")
    return MirrorStatus(
        products=await _count(connection, schema.product),
        skus=await _count(connection, schema.sku),
        stock=await _count(connection, schema.stock),
        last_change=await connection.run_sync(last_change),
        undecodable=await _count(connection, schema.mirror_undecodable),
        products_until=products.watermark,
        stock_until=stock.watermark,
        gaps=tuple(Gap(state.endpoint, hole) for state in (products, stock) for hole in state.holes),
    )


async def _count(connection: AsyncConnection, table: Table) -> int:
    return await connection.scalar(select(func.count()).select_from(table)) or 0
