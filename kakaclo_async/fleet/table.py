"""The table of shops: when each turn is due, and how the last one ended. It lives in the engine's database.

SQLite and PostgreSQL understand the same statements, but for three words. Times are seconds since 1970 by the
database's clock. A turn's `due` stays as it was until the turn has ended: a worker that dies leaves it due.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

import attrs

from kakaclo_async.errors import ConfigurationError, DatabaseAway
from kakaclo_async.fleet.values import KINDS, as_kind, fleet_status

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence

    from kakaclo_async.fleet.values import Ended, FleetStatus, Kind


VERSION: Final = 3

TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS fleet_version (version INTEGER NOT NULL, engine TEXT)",
    (  # filed: as the files have it: 0, 1 if they pause it, 2 if they do not have it any more
        "CREATE TABLE IF NOT EXISTS fleet_shop (shop TEXT PRIMARY KEY, paused INTEGER NOT NULL DEFAULT 0,"
        " filed INTEGER NOT NULL DEFAULT 0)"
    ),
    (
        "CREATE TABLE IF NOT EXISTS fleet_turn (shop TEXT NOT NULL, kind TEXT NOT NULL, due DOUBLE PRECISION,"
        " rung BIGINT NOT NULL DEFAULT 0, started DOUBLE PRECISION, ended DOUBLE PRECISION, worker TEXT,"
        " failures INTEGER NOT NULL DEFAULT 0, error TEXT, pending INTEGER NOT NULL DEFAULT 0,"
        " doubts INTEGER NOT NULL DEFAULT 0, told BIGINT, PRIMARY KEY (shop, kind))"
    ),
    (
        "CREATE TABLE IF NOT EXISTS fleet_worker (worker TEXT PRIMARY KEY, since DOUBLE PRECISION NOT NULL,"
        " beat DOUBLE PRECISION NOT NULL)"
    ),
)

_ADDED: Final = (
    "ALTER TABLE fleet_turn ADD COLUMN declined INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE fleet_version ADD COLUMN home TEXT",
)
"""What version 1 of the tables lacks, in order: the first leads to version 2."""


def steps_from(version: int) -> Sequence[str]:
    """Return the statements that tables of a version lack; those of `TABLES` are of version 1."""
    return _ADDED[max(0, version - 1) :]


Missing: TypeAlias = "Callable[[str, set[str]], Awaitable[set[str]]]"
"""Returns the shops whose journals have not come along, given where they were, and those that have had orders."""

_HEARD_OF: Final = 60.0
"""Seconds that a worker is shown after its last sign of life."""


@attrs.frozen(kw_only=True)
class Dialect:
    """The words that differ.

    Attributes:
        now: the time, in statements `@now`.
        pairs: reads the parameter `pairs`, a JSON list of lists of two texts, as rows `a`, `b`; in statements `@pairs`.
    """

    now: str
    pairs: str

    def words(self, statement: str) -> str:
        """Return a statement in this dialect."""
        return statement.replace("@now", self.now).replace("@pairs", self.pairs)


SQLITE: Final = Dialect(
    now="((julianday('now') - 2440587.5) * 86400.0)",
    pairs="(SELECT json_extract(value, '$[0]') AS a, json_extract(value, '$[1]') AS b FROM json_each(:pairs)) p",
)
POSTGRESQL: Final = Dialect(
    now="extract(epoch FROM clock_timestamp())::double precision",
    pairs="(SELECT value->>0 AS a, value->>1 AS b"
    " FROM jsonb_array_elements(CAST(:pairs AS jsonb)) AS value) p",
)


class Sql(Protocol):
    """Runs one statement in its dialect, as a transaction of its own; its parameters are written `:name`."""

    async def __call__(self, statement: str, /, **values: object) -> Sequence[Mapping[str, Any]]:
        """Return the rows.

        Raises:
            DatabaseAway: the database cannot be used at the moment.
            ConfigurationError: it cannot be used.
        """
        ...


@attrs.frozen
class Began:
    """A turn that has begun.

    Attributes:
        rung: how often it had been rung for by then.
        failures: how many turns failed before it, one after the other.
        told: the last change of the catalog that was handled; None: none yet.
    """

    rung: int
    failures: int
    told: int | None


@attrs.define(eq=False)
class Table:
    """The table of shops.

    Attributes:
        sql: runs statements.
        worker: this one's name.
        home: where this process takes the journals to be.
    """

    sql: Sql
    worker: str
    home: str = ""

    async def check(self) -> None:
        """Find out whether the tables are there.

        Raises:
            ConfigurationError: they are not, or of another version.
        """
        try:
            rows = await self.sql("SELECT version FROM fleet_version")
        except DatabaseAway:
            raise
        except ConfigurationError:
            rows = []
        if not rows:
            raise ConfigurationError("the fleet's database has no tables yet: run kakaclo fleet migrate")
        if rows[0]["version"] < VERSION:
            raise ConfigurationError(
                "the fleet's tables are of an earlier version of this package: run kakaclo fleet migrate"
            )
        if rows[0]["version"] > VERSION:
            raise ConfigurationError(
                f"the fleet's tables are of version {rows[0]['version']}; this package knows up to {VERSION}:"
                " update kakaclo"
            )

    async def check_home(self, home: str) -> None:
        """Refuse another place of the shops' journals than the fleet's: orders would be placed twice, or by nobody.

        Args:
            home: says it without a password.

        Raises:
            ConfigurationError: it is another place.
        """
        if (what := await self._other_home(home)) is not None:
            to_move = "stop all workers and all that submit, move the journals, and run kakaclo fleet migrate --moved"
            raise ConfigurationError(f"{what}: take that back; or {to_move}")

    async def _other_home(self, home: str) -> str | None:
        before = (await self.sql("SELECT home FROM fleet_version"))[0]["home"]
        if before in {None, home}:
            return None
        return f"`home` in the fleet's file is {home}, and this fleet's journals are in {before}"

    async def settle_home(self, home: str, missing: Missing | None = None) -> None:
        """Note where the shops' journals are, and refuse another place; see `check_home`.

        Args:
            home: says it without a password.
            missing: lets it be another place from now on, while no worker serves: given the place before, and the shops
                that have had orders, it returns those whose journals are not here. None: it stays the same place.

        Raises:
            ConfigurationError: it is another place.
        """
        self.home = home
        await self.sql("UPDATE fleet_version SET home = :home WHERE home IS NULL", home=home)
        if missing is None:
            await self.check_home(home)
        if missing is None or (what := await self._other_home(home)) is None:
            return
        if await self.sql(
            "SELECT worker FROM fleet_worker WHERE beat > @now - :heard_of", heard_of=_HEARD_OF
        ):
            raise ConfigurationError(
                f"{what}, where a worker serves, or did a minute ago: stop all workers and all that submit, move the"
                " journals, wait a minute, and try again"
            )
        before = (await self.sql("SELECT home FROM fleet_version"))[0]["home"]
        rows = await self.sql("SELECT shop FROM fleet_turn WHERE pending + doubts + declined > 0")
        if left := await missing(before, {row["shop"] for row in rows}):
            raise ConfigurationError(
                f"{what}; and the journals of {', '.join(sorted(left))} are not here: move them, too, or their orders"
                " would be placed again, or never"
            )
        await self.sql("UPDATE fleet_version SET home = :home", home=home)

    async def join(self, turns: Iterable[tuple[str, Kind]], paused: Mapping[str, bool]) -> None:
        """Let the table have these turns, due at once, where it lacks them; see `keep`."""
        await self.sql(
            "INSERT INTO fleet_shop (shop, filed) SELECT p.a, CAST(p.b AS INTEGER) FROM @pairs"
            " WHERE true ON CONFLICT DO NOTHING",
            pairs=_filed(paused),
        )
        await self.sql(
            "INSERT INTO fleet_turn (shop, kind, due) SELECT p.a, p.b, @now FROM @pairs"
            " WHERE true ON CONFLICT DO NOTHING",
            pairs=_json(turns),
        )

    async def keep(
        self, turns: Collection[tuple[str, Kind]], paused: Mapping[str, bool], *, drop: bool
    ) -> None:
        """Let the table have these turns, and know which shops the settings pause.

        Args:
            turns: of these shops.
            paused: which of them are paused by the settings.
            drop: whether all others are gone: they have no turns, but keep their pauses and what was told of
                their catalogs, for their files may come back.
        """
        filed = _filed(paused)
        if drop:
            await self.sql(
                "UPDATE fleet_shop SET filed = 2 WHERE shop NOT IN (SELECT p.a FROM @pairs)", pairs=filed
            )
        await self.sql(
            "INSERT INTO fleet_shop (shop, filed) SELECT p.a, CAST(p.b AS INTEGER) FROM @pairs"
            " WHERE true ON CONFLICT (shop) DO UPDATE SET filed = excluded.filed",
            pairs=filed,
        )
        await self.join(turns, paused)
        if drop:  # of these shops alone: another process may have others, and be telling so now
            others = {(shop, kind) for shop in paused for kind in KINDS}.difference(turns)
            await self.sql(
                "DELETE FROM fleet_turn WHERE EXISTS"
                " (SELECT 1 FROM @pairs WHERE p.a = fleet_turn.shop AND p.b = fleet_turn.kind)",
                pairs=_json(others),
            )

    async def ring(
        self, turns: Iterable[tuple[str, Kind]], after: float = 0.0
    ) -> dict[tuple[Kind, str], bool]:
        """Let turns be due, in some seconds at the latest; return those that there are, and which are paused."""
        rows = await self.sql(
            "UPDATE fleet_turn SET rung = rung + 1, due = CASE WHEN due < @now + :after THEN due"
            " ELSE @now + :after END WHERE EXISTS"
            " (SELECT 1 FROM @pairs WHERE p.a = fleet_turn.shop AND p.b = fleet_turn.kind) RETURNING shop, kind,"
            " EXISTS (SELECT 1 FROM fleet_shop s WHERE s.shop = fleet_turn.shop AND s.paused + s.filed > 0) AS paused",
            pairs=_json(turns),
            after=after,
        )
        return {(as_kind(row["kind"]), row["shop"]): bool(row["paused"]) for row in rows}

    async def hasten(self, kind: Kind, every: float) -> None:
        """Let no turn of a kind be due later than an interval from now: it may have been longer."""
        await self.sql(
            "UPDATE fleet_turn SET due = @now + :every WHERE kind = :kind AND due > @now + :every",
            kind=kind,
            every=every,
        )

    async def drop(self, shops: Iterable[str]) -> None:
        """Let shops have no turns any more, for their files are deleted."""
        names = _json((shop, "") for shop in shops)
        await self.sql("UPDATE fleet_shop SET filed = 2 WHERE shop IN (SELECT p.a FROM @pairs)", pairs=names)

    async def pause(self, shop: str) -> None:
        """Keep a shop from having turns."""
        await self.sql("UPDATE fleet_shop SET paused = 1 WHERE shop = :shop", shop=shop)

    async def resume(self, shop: str) -> None:
        """Let a shop have turns again, unless the files of the worker that takes them pause it."""
        await self.sql("UPDATE fleet_shop SET paused = 0, filed = 0 WHERE shop = :shop", shop=shop)

    async def paused(self) -> set[str]:
        """Return the shops that have no turns."""
        rows = await self.sql("SELECT shop FROM fleet_shop WHERE paused + filed > 0")
        return {row["shop"] for row in rows}

    async def due(self) -> list[tuple[Kind, str]]:
        """Return the turns that are due, the latest first; those that ended in the future are, for a clock was set."""
        rows = await self.sql(
            "SELECT t.kind, t.shop FROM fleet_turn t LEFT JOIN fleet_shop s ON s.shop = t.shop"
            " WHERE (t.due <= @now OR t.ended > @now + 60) AND coalesce(s.paused + s.filed, 0) = 0 ORDER BY t.due"
        )
        return [(as_kind(row["kind"]), row["shop"]) for row in rows]

    async def begin(self, kind: Kind, shop: str) -> Began | None:
        """Note that a turn begins; None: there is none any more, the shop is paused, or the journals have moved."""
        rows = await self.sql(
            "UPDATE fleet_turn SET started = @now, worker = :worker"
            " WHERE shop = :shop AND kind = :kind AND NOT EXISTS (SELECT 1 FROM fleet_shop s"
            " WHERE s.shop = :shop AND s.paused + s.filed > 0)"
            " AND EXISTS (SELECT 1 FROM fleet_version WHERE home = :home) RETURNING rung, failures, told",
            home=self.home,
            shop=shop,
            kind=kind,
            worker=self.worker,
        )
        return Began(rows[0]["rung"], rows[0]["failures"], rows[0]["told"]) if rows else None

    async def end(self, kind: Kind, shop: str, began: Began, ended: Ended) -> float | None:
        """Note how a turn ended; return the seconds until the next one, 0 if somebody rang meanwhile.

        A worker that was taken for dead, and replaced, has no say any more: None.
        """
        rows = await self.sql(
            "UPDATE fleet_turn SET ended = @now,"
            " due = CASE WHEN rung <> :rung THEN @now ELSE @now + :after END, error = :error,"
            " failures = :failures, pending = coalesce(CAST(:pending AS INTEGER), pending),"
            " doubts = coalesce(CAST(:doubts AS INTEGER), doubts),"
            " declined = coalesce(CAST(:declined AS INTEGER), declined), told = coalesce(CAST(:told AS BIGINT), told)"
            " WHERE shop = :shop AND kind = :kind AND worker = :worker"
            " RETURNING CASE WHEN rung <> :rung OR :after <= 0 THEN 1 ELSE 0 END AS again",
            shop=shop,
            kind=kind,
            worker=self.worker,
            rung=began.rung,
            after=float(ended.after),
            error=ended.error,
            pending=ended.pending,
            doubts=ended.doubts,
            declined=ended.declined,
            told=ended.told,
            failures=began.failures + 1 if ended.error else 0,
        )
        if not rows:
            return None
        return 0.0 if rows[0]["again"] else ended.after

    async def gone(self) -> list[str]:
        """Return the shops that the files of some process do not have any more."""
        return [row["shop"] for row in await self.sql("SELECT shop FROM fleet_shop WHERE filed = 2")]

    async def beat(self) -> None:
        """Give a sign of life, and forget the workers that gave none for long."""
        await self.sql(
            "INSERT INTO fleet_worker (worker, since, beat) VALUES (:worker, @now, @now)"
            " ON CONFLICT (worker) DO UPDATE SET beat = excluded.beat",
            worker=self.worker,
        )

    async def leave(self) -> None:
        """Say that this worker has ended."""
        await self.sql(
            "DELETE FROM fleet_worker WHERE worker = :worker OR beat < @now - :heard_of",
            worker=self.worker,
            heard_of=_HEARD_OF,
        )

    async def status(self) -> FleetStatus:
        """Return how the fleet stands."""
        rows = await self.sql(
            "SELECT t.*, coalesce(s.paused + s.filed, 0) AS paused, @now AS now FROM fleet_turn t"
            " LEFT JOIN fleet_shop s ON s.shop = t.shop WHERE coalesce(s.filed, 0) < 2 ORDER BY t.shop, t.kind"
        )
        workers = await self.sql(
            "SELECT worker, since, beat FROM fleet_worker WHERE beat > @now - :heard_of ORDER BY worker",
            heard_of=_HEARD_OF,
        )
        return fleet_status(rows, workers)


def _filed(paused: Mapping[str, bool]) -> str:
    return _json((shop, "1" if is_paused else "0") for shop, is_paused in paused.items())


def _json(pairs: Iterable[tuple[str, str]]) -> str:
    return json.dumps(list(pairs))
