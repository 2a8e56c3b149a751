"""A mirror's database: one writer at a time, whole transactions, and readers that never wait for it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from sqlalchemy import func, select, update

from kakaclo_async.catalog import schema
from kakaclo_async.catalog.events import changes_after
from kakaclo_async.catalog.report import Change, Gap, MirrorStatus
from kakaclo_async.catalog.state import PullState
from kakaclo_async.database import SameFile, in_thread, lock, run_to_completion
from kakaclo_async.database.engines import (
    Reader,
    Transactions,
    load_driver,
    sqlite_engine,
    sqlite_reader,
)
from kakaclo_async.database.postgresql import postgresql_engine
from kakaclo_async.database.url import DatabaseUrl
from kakaclo_async.errors import ClientClosed, ConfigurationError, InvalidRequest
from kakaclo_async.models._checks import as_list_of, check_known_country
from kakaclo_async.paging.listing import RowStream

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable

    from sqlalchemy import Table
    from sqlalchemy.engine import Connection


T = TypeVar("T")

_WRITER_PRAGMAS = ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON")

_PATIENCE: Final = (
    300.0  # seconds that an answer of PostgreSQL may take: a new version of its tables is among them
)
_BATCH: Final = 500
"""Changes read at a time."""

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
        self._lock: lock.WriterLock | None = None
        self._claim: lock.WriterClaim | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()

    def __str__(self) -> str:
        return str(self._url)

    async def open(self) -> None:
        """Connect, become the only writer, and make or migrate the tables; or share what is open already.

        Raises:
            DatabaseAway: another mirror writes to it, or it is away.
            ConfigurationError: the database cannot be reached or written, holds other tables, or is newer than this
                package.
        """
        joining = asyncio.create_task(self._join())
        try:
            await run_to_completion(joining)
        except asyncio.CancelledError:
            if not joining.cancelled() and joining.exception() is None:
                await self.close()  # it was opened, for nobody
            raise

    async def _join(self) -> None:
        async with self._door:
            if self._writer is None:
                try:
                    await self._open()
                except BaseException:
                    await self._release()
                    raise
            elif self._claim is not None:
                await self.write(self._claim.take)  # it may have lost it to a mirror that has ended since
            self._users += 1

    async def _open(self) -> None:
        with self._url.errors(OSError):
            if self._url.server is None:
                load_driver("aiosqlite", "catalog")  # for reading; found missing before a run, not after
                path = await in_thread(self._url.path)
                if path.is_file():  # before a lock file appears beside another program's file
                    async with self._connection() as connection:
                        await connection.run_sync(schema.MIGRATIONS.refuse_foreign)
                self._lock = lock.WriterLock(self._url, path)
                await self._lock.take()
                engine = sqlite_engine(path, *_WRITER_PRAGMAS, keep_open=True, make=True)
                file = SameFile(
                    path, "the mirror's file", "put it back, or start again with what is there now"
                )
                self._writer = Transactions(engine, file.check)
                await self.write(_prepare)
                await in_thread(file.remember)
            else:
                self._writer = Transactions(
                    postgresql_engine(
                        self._url,
                        self._url.server,
                        keep_open=1,
                        settings=lock.writer_settings(),
                        patience=_PATIENCE,
                    )
                )
                await self._take(lock.WriterClaim(self._url))
                await self.write(_prepare)

    async def _take(self, claim: lock.WriterClaim) -> None:
        """Become the only writer; one that was killed a moment ago may seem to write still."""

        def take(connection: Connection) -> None:
            schema.MIGRATIONS.refuse_foreign(connection)
            claim.take(connection)

        clock = asyncio.get_running_loop().time
        end = clock() + lock.GRACE
        while True:
            try:
                await self.write(take)
            except lock.Claimed:
                if clock() >= end:
                    raise
                await asyncio.sleep(lock.GRACE / 20)
            else:
                break
        self._claim = claim
        self._keeper = asyncio.create_task(self._keep(claim), name="kakaclo mirror's claim")

    async def _keep(self, claim: lock.WriterClaim) -> None:
        """Prolong the claim while nothing is written."""
        while True:
            await asyncio.sleep(lock.CLAIM / 3)
            with suppress(ConfigurationError):  # the next transaction meets it, too
                await self.write(claim.hold)

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
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            await asyncio.wait((keeper,))
        async with self._turn:  # not under a transaction: its connection would be left over
            writer, self._writer = self._writer, None
            file_lock, self._lock = self._lock, None
            claim, self._claim = self._claim, None
            try:
                if writer is not None and claim is not None:
                    with (
                        suppress(ConfigurationError),
                        self._url.errors(OSError),
                    ):  # it is away, and the claim runs out
                        await writer.run(claim.release)
                if writer is not None:
                    await writer.close()
            finally:
                if file_lock is not None:
                    await file_lock.release()

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a transaction: stored as a whole or not at all, one at a time.

        It ends before a cancellation goes on: a driver that is interrupted may keep its lock.

        Raises:
            DatabaseAway: it cannot be written at the moment, or another mirror has become its writer.
            ConfigurationError: it cannot be written any more.
            ClientClosed: it was closed meanwhile.
        """
        return await run_to_completion(self._write(work))

    async def _write(self, work: Callable[[Connection], T]) -> T:
        # Waiting here leaves the event loop free; waiting for SQLite's own lock is a thread that sleeps.
        async with self._turn:
            if self._writer is None:
                raise ClientClosed("the mirror was closed")
            # SQLite's driver raises OverflowError for numbers beyond 64 bits, and UnicodeError for half a character.
            with self._url.errors(OSError, OverflowError, UnicodeError):
                return await self._writer.run(partial(_claimed, self._claim, work))

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[Reader, None]:
        """Give a connection for reading; a mirror may be writing meanwhile.

        Raises:
            ConfigurationError: there is no mirror, or one of a newer version.
        """
        with self._url.errors():
            if self._url.is_sqlite:
                path = await in_thread(self._url.path)
                if not path.is_file() or not path.stat().st_size:
                    raise ConfigurationError(f"there is no mirror in {path} yet: run one first")
            async with self._connection() as connection:
                await connection.run_sync(schema.MIGRATIONS.check_version)
                yield connection

    @asynccontextmanager
    async def _connection(self) -> AsyncGenerator[Reader, None]:
        url = self._url
        if url.server is None:
            engine = sqlite_reader(await in_thread(url.path))
        else:
            engine = postgresql_engine(url, url.server, keep_open=0, patience=_PATIENCE)
        reader = Reader(engine)
        try:
            await reader.start()
            yield reader
        finally:
            await reader.close()

    def changes(
        self, after: int = 0, *, country: str | None = None, only: Iterable[str] | None = None
    ) -> AsyncGenerator[Change, None]:
        """Iterate over the changes with a higher id, in order; none of them holds the database while it is handled.

        Args:
            after: the id of the last one that was handled.
            country: stock in this country alone, as it can be sold.
            only: only what concerns these SKUs and SPUs, and stock as it can be sold.

        Raises:
            InvalidRequest: some of them are not kept any more; 0 asks for those that are. No country, or no codes.
            ConfigurationError: there is no mirror.
        """
        codes = None if only is None else frozenset(as_list_of("codes", only))
        if country is not None:
            country = check_known_country(country)
        return RowStream(self._changes(after, country, codes))

    async def _changes(
        self, after: int, country: str | None, only: frozenset[str] | None
    ) -> AsyncGenerator[list[Change], None]:
        while True:
            async with self.reading() as connection:
                version = await connection.run_sync(schema.MIGRATIONS.check_version)
                dropped = (await connection.scalar(_DROPPED) or 0) if version >= schema.DROPS_CHANGES else 0
                if 0 < after < dropped:
                    raise InvalidRequest(
                        f"the changes after {after} are not all kept: those up to {dropped} were dropped; read the"
                        " tables anew, and go on from there"
                    )
                wanted = changes_after(version, country=country, only=only).limit(_BATCH)
                rows = (await connection.execute(wanted, {"after": after})).mappings().all()
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


def _claimed(claim: lock.WriterClaim | None, work: Callable[[Connection], T], connection: Connection) -> T:
    if claim is not None and work != claim.take:
        claim.hold(connection)
    return work(connection)


def last_change(connection: Connection) -> int:
    """Return the newest id, 0 when nothing has changed yet."""
    return connection.scalar(select(func.max(schema.change.c.id))) or 0


async def _count(connection: Reader, table: Table) -> int:
    return await connection.scalar(select(func.count()).select_from(table)) or 0


def _prepare(connection: Connection) -> None:
    schema.MIGRATIONS.migrate(connection)
    # A database that cannot be written is found out before a request is spent.
    connection.execute(update(schema.mirror_schema).values(version=schema.MIGRATIONS.newest))
