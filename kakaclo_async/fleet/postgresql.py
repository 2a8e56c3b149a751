"""The engine of several workers: doorbells on procrastinate, with the table of shops in its PostgreSQL database.

A job says `(kind, shop)`. It has no lock of procrastinate's and is never tried again: the table says what is due, and
each tick rings for it.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from importlib.resources import files
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from kakaclo_async.errors import ConfigurationError
from kakaclo_async.fleet.connections import Connections, literal
from kakaclo_async.fleet.engine import log, reach, ticking
from kakaclo_async.fleet.table import TABLES, VERSION, Table, steps_from
from kakaclo_async.fleet.values import as_kind

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Iterable, Sequence

    from kakaclo_async.fleet.engine import Pace
    from kakaclo_async.fleet.table import Missing
    from kakaclo_async.fleet.values import Kind

_QUEUE: Final = "fleet"
_POLL: Final = 5.0
_GRACE: Final = 8.0  # seconds that turns under way have to end by themselves when the worker stops
_TOLD_ONCE: Final = 60.0  # seconds in which a worker that was frozen says so once, whatever was taken from it
_PAUSE: Final = 1.0  # seconds before what failed for a lost connection is done again


# All jobs are the fleet's, and due.
_FETCH: Final = (
    "UPDATE procrastinate_jobs SET status = 'doing', worker_id = %(worker)s WHERE id = ("
    "SELECT id FROM procrastinate_jobs WHERE status = 'todo'"
    " ORDER BY priority DESC, id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING *"
)

_TICK: Final = "SELECT fleet_tick(:worker, :dead), ARRAY(SELECT shop FROM fleet_shop WHERE filed = 2) AS gone"

_MIGRATING: Final = "SELECT pg_advisory_xact_lock(hashtextextended('kakaclo fleet migrate', 0))"


class PostgresqlEngine:
    """Answers bells together with other workers.

    Args:
        url: of the database; a direct connection, for a pooler passes on no notifications: bells are then heard by a
            poll every 5 seconds.
        worker: this one's name.

    Raises:
        ConfigurationError: the extra `fleet` is not installed.
    """

    several = True

    def __init__(self, url: str, worker: str) -> None:
        self._sql = Connections(url)
        self.table = Table(self._sql, worker)
        self._worker = worker
        self._answer: Callable[[Kind, str], Awaitable[None]] | None = None
        self._sql.app.task(name="kakaclo:turn", queue=_QUEUE)(self._turn)
        self._bells = self._sql.app.job_manager = _bells(self._sql)
        self._is_open = False

    async def open(self) -> None:
        """Connect."""
        await reach(self._sql.transaction)
        async with self._sql.errors():
            await self._sql.app.open_async()
        self._is_open = True
        await self.table.check()

    async def migrate(self, home: str, missing: Missing | None = None) -> None:
        """Make the tables, procrastinate's and the fleet's."""
        newest = _migrations()[-1]
        async with self._sql.transaction() as connection:
            await connection.execute(_MIGRATING)
            await connection.execute(TABLES[0])
            found = await (await connection.execute("SELECT version, engine FROM fleet_version")).fetchone()
            has_jobs = await (await connection.execute("SELECT to_regclass('procrastinate_jobs')")).fetchone()
            if found is None and has_jobs is not None and has_jobs[0] is not None:
                raise ConfigurationError(
                    "the database has tables of procrastinate that no fleet made: give the fleet one of its own"
                )
            if found is not None and found[0] > VERSION:
                raise ConfigurationError(f"the fleet's tables are of version {found[0]}: update kakaclo")
            for script in _scripts(None if found is None else str(found[1])):
                await connection.execute(literal(script))
            for statement in (*TABLES[1:], *steps_from(1 if found is None else found[0])):
                await connection.execute(literal(statement))
            bells = files("kakaclo_async.fleet").joinpath("bells.sql").read_text(encoding="utf-8")
            await connection.execute(literal(bells))
            if found is None:
                await connection.execute("INSERT INTO fleet_version VALUES (0, '')")
            await connection.execute("UPDATE fleet_version SET version = %s, engine = %s", (VERSION, newest))
        await Table(self._sql.apart, self._worker).settle_home(home, missing)

    async def ring(self, turns: Iterable[tuple[str, Kind]], after: float = 0.0) -> int:
        """Ring for turns."""
        turns = tuple(turns)
        found = await self.table.ring(turns, after)  # by itself: what is due stays so if the bell fails
        if after <= 0:
            shop, kind = turns[0] if len(turns) == 1 else (None, None)
            await self._ring(kind, shop, again=False)
        return len(found)

    async def again(self, kind: Kind, shop: str) -> None:
        """Put a turn to the back of the line."""
        await self._ring(kind, shop, again=True)

    async def _ring(self, kind: Kind | None, shop: str | None, *, again: bool) -> None:
        await self._sql("SELECT fleet_ring(:kind, :shop, :again)", kind=kind, shop=shop, again=again)

    async def queued(self) -> int:
        """Return how many bells wait or are being answered."""
        rows = await self._sql("SELECT count(*) AS jobs FROM procrastinate_jobs WHERE queue_name = 'fleet'")
        return int(rows[0]["jobs"])

    async def _turn(self, kind: str, shop: str) -> None:
        if self._answer is not None:
            await self._answer(as_kind(kind), shop)

    async def serve(
        self,
        answer: Callable[[Kind, str], Awaitable[None]],
        *,
        pace: Pace,
        each_tick: Callable[[Sequence[str]], Awaitable[None]],
        stop: asyncio.Event,
    ) -> None:
        """Answer the bells until `stop` is set; a connection that is lost is made anew."""
        self._answer = answer
        gone: list[str] = []

        async def tick() -> None:
            await each_tick(gone)
            if stop.is_set():  # procrastinate gives no sign of life while it waits for what is under way
                await self._bells.stay_alive()
            gone[:] = (await self._sql(_TICK, worker=self._worker, dead=pace.dead))[0]["gone"]

        ticks = asyncio.create_task(ticking(pace.tick, tick), name="kakaclo fleet tick")
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                working = asyncio.create_task(self._work(pace), name="kakaclo fleet worker")
                try:
                    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    working.cancel()  # which lets it end what is under way
                    await asyncio.wait((working,))
                if not stop.is_set():
                    failure = None if working.cancelled() else working.exception()
                    log.warning(
                        "the fleet's worker lost its database (%s), and starts again",
                        type(failure).__name__ if failure else "its listener ended",
                    )
                    with suppress(TimeoutError):
                        await asyncio.wait_for(stop.wait(), _PAUSE)
        finally:
            stopping.cancel()
            ticks.cancel()
            await asyncio.wait((ticks, stopping))
            self._answer = None
            with suppress(ConfigurationError):
                await self.table.leave()

    async def _work(self, pace: Pace) -> None:
        await self._sql.app.run_worker_async(
            queues=[_QUEUE],
            name=self._worker,
            concurrency=pace.at_once,
            install_signal_handlers=False,
            fetch_job_polling_interval=_POLL,
            shutdown_graceful_timeout=_GRACE,
            delete_jobs="always",
            update_heartbeat_interval=pace.beat,
            stalled_worker_timeout=4 * pace.dead,
        )

    async def aclose(self) -> None:
        """Disconnect."""
        if self._is_open:
            self._is_open = False
            async with self._sql.errors():
                await self._sql.app.close_async()


def _bells(sql: Connections) -> Any:
    """Return what looks after jobs.

    Procrastinate's own fails for each job that was taken away meanwhile; it compares all jobs by their locks, which
    ours do not have, where the planner has not heard yet of how many there are; and its worker forgets a bell that
    rings while it learns that there is none. A job that it cannot delete would be under way for ever.
    """
    from procrastinate.jobs import Job  # noqa: PLC0415 - an extra
    from procrastinate.manager import JobManager  # noqa: PLC0415 - an extra

    class Bells(JobManager):
        told_at = -inf
        heard = 0
        worker: int | None = None

        async def stay_alive(self) -> None:
            """Give the sign of life of the worker that fetched last."""
            if self.worker is not None:
                async with sql.errors():
                    await self.update_heartbeat(self.worker)

        async def listen_for_jobs(self, *, on_notification: Any, queues: Iterable[str] | None = None) -> None:
            """Listen to the bells, and count them."""

            async def hear(**bell: Any) -> None:
                self.heard += 1
                await on_notification(**bell)

            await super().listen_for_jobs(on_notification=hear, queues=queues)

        async def fetch_job(self, queues: object, worker_id: int) -> Job | None:
            """Take the job whose turn it is: the first in the index of those that wait."""
            before, self.worker = self.heard, worker_id
            if found := await self.connector.execute_query_all_async(_FETCH, worker=worker_id):
                return Job.from_row(found[0])
            return None if self.heard == before else await self.fetch_job(queues, worker_id)

        async def finish_job_by_id_async(self, job_id: int, status: object, delete_job: object) -> None:  # noqa: ARG002 - as it is called
            """Delete a job, whatever became of it: what it was for lies in the table of shops."""
            taken = "DELETE FROM procrastinate_jobs WHERE id = :job_id AND status = 'doing' RETURNING id"
            found, is_sure = None, True
            while found is None:
                try:
                    found = await sql(taken, job_id=job_id)
                except ConfigurationError:  # it may be deleted by now, and only the answer lost
                    is_sure = False
                    await asyncio.sleep(_PAUSE)
            if found or not is_sure or monotonic() - self.told_at < _TOLD_ONCE:
                return
            self.told_at = monotonic()
            log.warning(
                "this worker gave no sign of life for so long that others took over its turns: was it frozen, or its"
                " machine? Leases and locks have kept the two apart; it goes on"
            )

    return Bells(sql.connector)


def _migrations() -> list[str]:
    folder = files("procrastinate.sql.migrations")
    return sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))


def _scripts(applied: str | None) -> Generator[str, None, None]:
    """Yield what brings procrastinate's tables to the version that is installed."""
    if applied is None:
        yield files("procrastinate.sql").joinpath("schema.sql").read_text(encoding="utf-8")
        return
    for name in _migrations():
        if name > applied:
            yield files("procrastinate.sql.migrations").joinpath(name).read_text(encoding="utf-8")
