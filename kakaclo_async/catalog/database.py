"""A mirror's database: one writer at a time, whole transactions, and readers that never wait for it."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from sqlalchemy import bindparam, func, select, update

from kakaclo_async.catalog import schema
from kakaclo_async.catalog.report import Change, Gap, MirrorStatus
from kakaclo_async.catalog.state import PullState
from kakaclo_async.database.engines import (
    Transactions,
    load_driver,
    postgresql_engine,
    run_to_completion,
    sqlite_engine,
    sqlite_reader,
)
from kakaclo_async.database.lock import WriterLock, take_advisory_lock
from kakaclo_async.database.url import DatabaseUrl
from kakaclo_async.errors import ClientClosed, ConfigurationError, InvalidRequest
from kakaclo_async.paging.listing import RowStream

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from sqlalchemy import Table
    from sqlalchemy.engine import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection


T = TypeVar("T")

_WRITER_PRAGMAS = ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON")

_BATCH: Final = 500
"""Changes read at a time."""

_CHANGES: Final = (
    select(schema.change)
    .where(schema.change.c.id > bindparam("after"))
    .order_by(schema.change.c.id)
    .limit(_BATCH)
)


_DROPPED: Final = select(schema.mirror_number.c.value).where(
    schema.mirror_number.c.name == schema.DROPPED_UNTIL
)


class MirrorDatabase:
    """A database that holds a mirror, or will.

    Args:
        url: `sqlite:///path` or `postgresql://user:password@host/name`.

    Raises:
        ConfigurationError: another kind of database.
    """

    def __init__(self, url: str) -> None:
        self._url = DatabaseUrl.parse(url, holds="mirror", example="catalog.db")
        self._users = 0
        self._door = asyncio.Lock()
        self._writer: Transactions | None = None
        self._lock: WriterLock | None = None
        self._turn = asyncio.Lock()

    def __str__(self) -> str:
        return str(self._url)

    async def open(self) -> None:
        """Connect, become the only writer, and make or migrate the tables; or share what is open already.

        Raises:
            ConfigurationError: the database cannot be reached or written, holds other tables, is newer than this
                package, or another mirror writes to it.
        """
        async with self._door:
            if self._writer is None:
                try:
                    await self._open()
                except BaseException:
                    await run_to_completion(self._release())
                    raise
            self._users += 1

    async def _open(self) -> None:
        with self._url.errors(OSError):
            if self._url.is_sqlite:
                load_driver("aiosqlite", "catalog")  # for reading; found missing before a run, not after
                path = await asyncio.to_thread(self._url.path)
                if path.is_file():  # before a lock file appears beside another program's file
                    async with self._connection() as connection:
                        await connection.run_sync(schema.MIGRATIONS.refuse_foreign)
                self._lock = WriterLock(self._url, path)
                await self._lock.take()
                engine = sqlite_engine(self._url, *_WRITER_PRAGMAS, keep_open=True)
                # A thread of its own: the loop's may all be busy with a user's work.
                self._writer = Transactions(engine, ThreadPoolExecutor(1, "kakaclo-mirror"))
            else:
                on_connect = partial(take_advisory_lock, self._url)
                self._writer = Transactions(
                    postgresql_engine(self._url, keep_open=True, on_connect=on_connect)
                )
        await self.write(_prepare)

    async def close(self, *, for_all: bool = False) -> None:
        """Close the connections when the last user closes them, even if the caller is cancelled meanwhile.

        Args:
            for_all: close them while others use them.
        """
        self._users = 0 if for_all else max(0, self._users - 1)
        await run_to_completion(self._close())

    async def _close(self) -> None:
        async with self._door:
            if not self._users:
                await self._release()

    async def _release(self) -> None:
        async with self._turn:  # not under a transaction: its connection would be left over
            writer, self._writer = self._writer, None
            lock, self._lock = self._lock, None
            if writer is not None:
                await writer.close()
            if lock is not None:
                await lock.release()

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a transaction: stored as a whole or not at all, one at a time.

        It ends before a cancellation goes on: a driver that is interrupted may keep its lock.

        Raises:
            ConfigurationError: the database cannot be written any more.
            ClientClosed: it was closed meanwhile.
        """
        return await run_to_completion(self._write(work))

    async def _write(self, work: Callable[[Connection], T]) -> T:
        # Waiting here leaves the event loop free; waiting for SQLite's own lock is a thread that sleeps.
        async with self._turn:
            if self._writer is None:
                raise ClientClosed("the mirror was closed")
            # SQLite's driver raises OverflowError for numbers beyond 64 bits.
            with self._url.errors(OSError, OverflowError):
                return await self._writer.run(work)

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[AsyncConnection, None]:
        """Give a connection for reading; a mirror may be writing meanwhile.

        Raises:
            ConfigurationError: there is no mirror, or one of a newer version.
        """
        with self._url.errors():
            if self._url.is_sqlite:
                path = await asyncio.to_thread(self._url.path)
                if not path.is_file() or not path.stat().st_size:
                    raise ConfigurationError(f"there is no mirror in {path} yet: run one first")
            async with self._connection() as connection:
                await connection.run_sync(schema.MIGRATIONS.check_version)
                yield connection

    @asynccontextmanager
    async def _connection(self) -> AsyncGenerator[AsyncConnection, None]:
        url = self._url
        engine = sqlite_reader(url) if url.is_sqlite else postgresql_engine(url, keep_open=False)
        try:
            async with engine.connect() as connection:
                yield connection
        finally:
            await engine.dispose()

    def changes(self, after: int = 0) -> AsyncGenerator[Change, None]:
        """Iterate over the changes with a higher id, in order; none of them holds the database while it is handled.

        Raises:
            InvalidRequest: some of them are not kept any more; 0 asks for those that are.
            ConfigurationError: there is no mirror.
        """
        return RowStream(self._changes(after))

    async def _changes(self, after: int) -> AsyncGenerator[list[Change], None]:
        while True:
            async with self.reading() as connection:
                version = await connection.run_sync(schema.MIGRATIONS.check_version)
                dropped = (await connection.scalar(_DROPPED) or 0) if version >= schema.DROPS_CHANGES else 0
                if 0 < after < dropped:
                    raise InvalidRequest(
                        f"the changes after {after} are not all kept: those up to {dropped} were dropped; read the"
                        " tables anew, and go on from there"
                    )
                rows = (await connection.execute(_CHANGES, {"after": after})).mappings().all()
            yield [Change(**row) for row in rows]
            if len(rows) < _BATCH:
                return
            after = rows[-1]["id"]

    async def status(self) -> MirrorStatus:
        """Count what is there.

        Raises:
            ConfigurationError: there is no mirror.
        """
        async with self.reading() as connection:
            products = await connection.run_sync(PullState.load_done, "products")
            stock = await connection.run_sync(PullState.load_done, "stock")
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


def last_change(connection: Connection) -> int:
    """Return the newest id, 0 when nothing has changed yet."""
    return connection.scalar(select(func.max(schema.change.c.id))) or 0


async def _count(connection: AsyncConnection, table: Table) -> int:
    return await connection.scalar(select(func.count()).select_from(table)) or 0


def _prepare(connection: Connection) -> None:
    schema.MIGRATIONS.migrate(connection)
    # A database that cannot be written is found out before a request is spent.
    connection.execute(update(schema.mirror_schema).values(version=schema.MIGRATIONS.newest))
