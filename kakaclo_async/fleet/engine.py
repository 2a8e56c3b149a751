"""What a fleet needs of an engine: four calls. A doorbell says a kind and a shop, and nothing else."""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Final, Protocol

import attrs

from kakaclo_async.errors import ConfigurationError, DatabaseAway

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from kakaclo_async.fleet.table import Missing, Table
    from kakaclo_async.fleet.values import Kind


log: Final = logging.getLogger("kakaclo.fleet")

_PATIENCE: Final = 5.0  # seconds that whoever opens a fleet waits for its database

PRIORITY: Final[Mapping[Kind, int]] = {"orders": 2, "watch": 1, "mirror": 0}
"""Which bells are answered first: a mirror's turns are the longest, and nobody waits for them."""


@attrs.frozen(kw_only=True)
class Pace:
    """How often an engine does what.

    Attributes:
        at_once: turns of one worker at the same time.
        tick: seconds between two looks at the table of shops.
        beat: seconds between two signs of life.
        dead: seconds without one after which a worker is taken for dead.
    """

    at_once: int
    tick: float
    beat: float
    dead: float


class Engine(Protocol):
    """Rings doorbells, and answers them in this process and others.

    Attributes:
        table: the table of shops, in the engine's database.
        several: whether several workers may serve.
    """

    table: Table
    several: bool

    async def open(self) -> None:
        """Connect.

        Raises:
            ConfigurationError: the database cannot be used.
        """
        ...

    async def migrate(self, home: str, missing: Missing | None = None) -> None:
        """Make the tables, or bring them to this package's version; two at once take their turns.

        Args:
            home: see `Table.settle_home`.
            missing: as well.
        """
        ...

    async def ring(self, turns: Iterable[tuple[str, Kind]], after: float = 0.0) -> int:
        """Ring for turns, now or in some seconds; return how many of them there are.

        Args:
            turns: shop and kind.
            after: seconds.
        """
        ...

    async def again(self, kind: Kind, shop: str) -> None:
        """Put a turn that is just ending, and has more to do, to the back of the line."""
        ...

    async def serve(
        self,
        answer: Callable[[Kind, str], Awaitable[None]],
        *,
        pace: Pace,
        each_tick: Callable[[Sequence[str]], Awaitable[None]],
        stop: asyncio.Event,
    ) -> None:
        """Answer the bells until `stop` is set, and return when what is under way has ended.

        Each tick rings what is due, and what was lost with a worker that died.

        Args:
            answer: carries out one turn; raises nothing.
            pace: how often what is done.
            each_tick: called before each tick, with the shops that the table calls gone.
            stop: set it to end.

        Raises:
            ConfigurationError: another process serves, and the engine takes only one.
        """
        ...

    async def queued(self) -> int:
        """Return how many bells wait or are being answered."""
        ...

    async def aclose(self) -> None:
        """Disconnect."""
        ...


async def ticking(every: float, tick: Callable[[], Awaitable[None]]) -> None:
    """Tick for ever, whatever fails: a worker without ticks would be deaf, and nobody would know."""
    while True:
        try:
            await tick()
        except ConfigurationError as error:
            log.warning("the fleet's tick failed, and is tried again: %s", error)
        except Exception:
            log.exception("the fleet's tick failed, and is tried again")
        await asyncio.sleep(every)


async def reach(transaction: Callable[[], AbstractAsyncContextManager[object]]) -> None:
    """Wait a little for a database; its driver's pool would for half a minute, and not say why.

    Raises:
        DatabaseAway: it is away still.
    """
    until = monotonic() + _PATIENCE
    while True:
        try:
            async with transaction():
                return
        except DatabaseAway:
            if monotonic() >= until:
                raise
        await asyncio.sleep(0.5)


@contextmanager
def set_by_signals(stop: asyncio.Event) -> Generator[None, None, None]:
    """Let SIGTERM and SIGINT set an event, where this thread may say so."""
    loop, handled = asyncio.get_running_loop(), list[signal.Signals]()
    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(number, stop.set)
        except (
            NotImplementedError,
            RuntimeError,
            ValueError,
        ):  # Windows, or another thread than the main one
            continue
        handled.append(number)
    try:
        yield
    finally:
        for number in handled:
            loop.remove_signal_handler(number)
