"""What a fleet says of itself: its shops, their turns, its workers."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

import attrs

from kakaclo_async.errors import InvalidRequest
from kakaclo_async.travel.shown import Shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Kind: TypeAlias = Literal["mirror", "orders", "watch"]
"""What a turn is for: the catalog, the orders that wait, or what became of those that were placed."""

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

CATALOG: Final = "catalog"
"""Stands where a shop's name would, for the one mirror that all shops share."""

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")

SLICE: Final = 5.0
"""Seconds that one turn takes at most, before it goes to the back of the line; one that places orders takes half of it,
for what a worker left behind as it died waits for room among them."""


def as_kind(text: str) -> Kind:
    """Return what kind of turn a text means.

    Raises:
        InvalidRequest: none.
    """
    for kind in KINDS:
        if text == kind:
            return kind
    raise InvalidRequest(f"{text!r} is no kind of turn: there are {', '.join(KINDS)}")


def orders_that_wait(count: int) -> str:
    """Return how many orders, or other writes, of a shop are pending, in words."""
    return "an order that waits or is in doubt" if count == 1 else f"{count} orders that wait or are in doubt"


@attrs.frozen(kw_only=True)
class TurnStatus(Shown):
    """The turns of one kind of a shop.

    Attributes:
        kind: what they are for.
        started: when the last one began; None: there was none.
        ended: when the last one ended; before `started`, or None, while one is under way.
        due: when the next one is.
        failures: how many failed one after the other.
        error: what the last one failed with; None: it did not.
    """

    kind: Kind
    started: datetime | None
    ended: datetime | None
    due: datetime | None
    failures: int
    error: str | None


@attrs.frozen(kw_only=True)
class ShopStatus(Shown):
    """How a shop stands.

    Attributes:
        shop: its name.
        paused: whether it has no turns.
        turns: one for each kind that it has.
        lag: seconds that its latest turn is late.
        pending: orders that wait, as of the last turn; of now while it is paused or nobody serves.
        doubts: orders whose outcome is unknown; likewise.
        declined: orders that KakaClo declined, and that nobody submitted again or withdrew; likewise.
    """

    shop: str
    paused: bool
    turns: tuple[TurnStatus, ...]
    lag: float
    pending: int
    doubts: int
    declined: int = 0

    @property
    def error(self) -> str | None:
        """What the last turn of any kind failed with."""
        return next((turn.error for turn in self.turns if turn.error), None)


@attrs.frozen(kw_only=True)
class WorkerStatus(Shown):
    """A worker that was heard of lately.

    Attributes:
        worker: its host and process.
        since: when it began.
        beat: when it was heard of last.
    """

    worker: str
    since: datetime
    beat: datetime


@attrs.frozen(kw_only=True)
class FleetStatus(Shown):
    """How a fleet stands.

    Attributes:
        at: when it was read, by the clock of its database.
        shops: by name; the shared catalog among them.
        workers: those that were heard of within the last minute.
        left_behind: names that no shop has any more, and whose journals have orders that wait or are in doubt.
    """

    at: datetime
    shops: tuple[ShopStatus, ...]
    workers: tuple[WorkerStatus, ...]
    left_behind: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Ended:
    """How a turn ended.

    Attributes:
        after: seconds until the next one; 0: there is more to do.
        error: what it failed with; None: it did not.
        pending: orders that wait; None: this turn does not know.
        doubts: orders whose outcome is unknown; None: this turn does not know.
        declined: orders that stand declined; None: this turn does not know.
        told: the last change of the catalog that was handled; None: as before.
    """

    after: float
    error: str | None = None
    pending: int | None = None
    doubts: int | None = None
    declined: int | None = None
    told: int | None = None


def fleet_status(rows: Sequence[Mapping[str, Any]], workers: Sequence[Mapping[str, Any]]) -> FleetStatus:
    """Make the status of a fleet of the rows of its turns, and of its workers."""
    at = rows[0]["now"] if rows else datetime.now(UTC).timestamp()
    by_shop: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_shop.setdefault(row["shop"], []).append(row)
    return FleetStatus(
        at=moment(at),
        shops=tuple(shop_status(shop, its, at) for shop, its in by_shop.items()),
        workers=tuple(
            WorkerStatus(worker=row["worker"], since=moment(row["since"]), beat=moment(row["beat"]))
            for row in workers
        ),
    )


def shop_status(shop: str, rows: Sequence[Mapping[str, Any]], at: float) -> ShopStatus:
    """Return how a shop stands.

    Args:
        shop: its name.
        rows: of its turns, as the table of shops has them.
        at: when they were read, in seconds since 1970.
    """
    paused = rows[0]["paused"] > 0
    return ShopStatus(
        shop=shop,
        paused=paused,
        turns=tuple(
            TurnStatus(
                kind=as_kind(row["kind"]),
                started=_known(row["started"]),
                ended=_known(row["ended"]),
                due=_known(row["due"]),
                failures=row["failures"],
                error=row["error"],
            )
            for row in rows
        ),
        lag=0.0 if paused else max(0.0, *(_late(row, at) for row in rows), 0.0),
        pending=max(row["pending"] for row in rows),
        doubts=max(row["doubts"] for row in rows),
        declined=max(row["declined"] for row in rows),
    )


def moment(seconds: float) -> datetime:
    """Return a time of seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC)


def _known(seconds: float | None) -> datetime | None:
    return None if seconds is None else moment(seconds)


def _late(row: Mapping[str, Any], at: float) -> float:
    """Return how late a turn is; one that is under way is when it takes far longer than it may."""
    if row["started"] is not None and row["started"] > (row["ended"] or 0.0):
        return at - float(row["started"]) - 2 * SLICE
    return 0.0 if row["due"] is None else at - float(row["due"])


def is_name(text: str) -> bool:
    """Whether a shop can have this name."""
    return _NAME.fullmatch(text) is not None and text != CATALOG


def why_no_name(text: str) -> str | None:
    """Return why a shop cannot have this name; None: it can."""
    if is_name(text):
        return None
    why = "is taken by the shared catalog" if text == CATALOG else "takes a-z, 0-9, _ and -, 40 at most"
    return f"the name {text[:40]!r} {why}"
