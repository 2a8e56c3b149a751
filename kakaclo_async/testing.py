"""What tests of code that uses KakaClo need.

With pytest, the fixtures `kakaclo_sandbox` and `kakaclo_client` are there by themselves (they are async, and need
pytest-asyncio), and so are `kakaclo_sync_sandbox` and `kakaclo_sync_client` for blocking code. A marker sets the
sandbox up:

    @pytest.mark.kakaclo_sandbox(products=50, index_lag=0)
    async def test_my_shop(kakaclo_sandbox, kakaclo_client): ...

    @pytest.mark.kakaclo_sandbox(speed=100)
    def test_my_view(kakaclo_sync_sandbox, kakaclo_sync_client): ...

`SteppedLoop` is an event loop whose clock is stepped: waiting for a permit, a retry or the end of a cache entry
takes no real time, while loopback HTTP and threads work as ever. With pytest-asyncio, `conftest.py` gives it to
the tests that carry a marker (a whole module opts in with `pytestmark = pytest.mark.stepped`):

    def pytest_configure(config):
        config.addinivalue_line("markers", "stepped: the event loop's clock jumps to the next timer")

    def pytest_asyncio_loop_factories(item):
        stepped = item.get_closest_marker("stepped")
        return {"stepped": SteppedLoop} if stepped else {"real": asyncio.new_event_loop}

Without pytest-asyncio: `asyncio.Runner(loop_factory=SteppedLoop)`.
"""

from __future__ import annotations

import asyncio
import selectors
import threading
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor


T = TypeVar("T")
Ts = TypeVarTuple("Ts")

# No real clock stands still between two turns of a loop, and timers that fire a hair early rely on that.
_TICK = 1e-9


class SteppedLoop(asyncio.SelectorEventLoop):
    """An event loop that jumps to its next timer instead of waiting for it.

    `time()` starts at 0 and moves when nothing else can happen. Before a jump the sockets are polled; while a
    job of `run_in_executor` is under way the loop really waits for it, `patience` at least; and while sockets
    are open, or threads were started by others (a database driver, say), those get `grace` real seconds to speak up.

    Args:
        grace: real seconds to listen before a jump. More is safer on a busy machine where a driver's threads work, and
            slower.
        patience: real seconds that a job of `run_in_executor` has before a timer that is due sooner. More is safer on a
            busy machine, and slower where a timer is to end such a job.
    """

    def __init__(self, *, grace: float = 0.001, patience: float = 0.5) -> None:
        self._now = 0.0
        self._jobs = 0
        self._grace = grace
        self._of_jobs = patience
        self._threads = threading.active_count()
        super().__init__(_SteppingSelector(self._patience, self._step))

    def time(self) -> float:
        """Return the stepped time in seconds."""
        return self._now

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Run `func` in a thread; the clock stands still until it is done."""
        future = super().run_in_executor(executor, func, *args)
        self._jobs += 1
        future.add_done_callback(self._job_done)
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ARG002, ASYNC109 - Python 3.12 passes one, and stepping over it would abandon the threads
        """Wait for the threads of the default executor, however long it takes."""
        self._jobs += 1
        await super().shutdown_default_executor()
        self._jobs -= 1

    def _job_done(self, _future: asyncio.Future[T]) -> None:
        self._jobs -= 1

    def _patience(self, timeout: float, sockets: int) -> float:
        if self._jobs:
            return max(timeout, self._of_jobs)
        # One socket is the loop's own.
        others = sockets > 1 or threading.active_count() > self._threads
        return min(self._grace, timeout) if others else 0.0

    def _step(self, seconds: float) -> None:
        self._now += max(seconds, _TICK)


class _SteppingSelector(selectors.DefaultSelector):
    """The system's selector, except that its timeouts pass at once."""

    def __init__(self, patience: Callable[[float, int], float], step: Callable[[float], None]) -> None:
        super().__init__()
        self._patience = patience
        self._step = step

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:  # there is no timer to jump to
            return super().select()
        events = super().select(0)
        if not events and timeout > 0:
            patience = self._patience(timeout, len(self.get_map()))
            events = super().select(patience) if patience else []
        self._step(0.0 if events else timeout)
        return events
