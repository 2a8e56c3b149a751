"""The mirror for blocking callers (`pip install kakaclo[catalog]`)."""

from __future__ import annotations

import asyncio
import signal
import threading
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Self

from kakaclo_async import catalog
from kakaclo_async.errors import ClientClosed
from kakaclo_sync.call import on_caller
from kakaclo_sync.derive import Face, blocking, iterating

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator
    from types import TracebackType

    from kakaclo_async.catalog import Change, MirrorReport
    from kakaclo_sync.client import KakaClo

__all__ = ["Mirror"]


class Mirror(Face[catalog.Mirror]):
    """A copy of the catalog in a database of its own, complete and kept fresh.

    A run goes on where the last one ended, or was killed. Rows and state are stored together, so nothing is ever
    half-written. Used as a context manager it keeps the database open; otherwise each call opens and closes it.
    One mirror writes to a database at a time; anyone may read it meanwhile.

    Args:
        kk: the client; the mirror's requests queue in its bulk lane.
        url: `sqlite:///catalog.db` or `postgresql://user:password@host/name`.
        progress: called with the report so far after each page, on the client's thread.
        lanes: windows read at once, 2 to 16; None: by latency and rate.
        now: tells the time, aware.
        sleep: waits some seconds, between the cycles of `follow`, on the client's thread: an async function.

    Raises:
        ConfigurationError: a URL that is neither.
    """

    def __init__(
        self,
        kk: KakaClo,
        url: str,
        *,
        progress: Callable[[MirrorReport], object] | None = None,
        lanes: int | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        make = partial(catalog.Mirror, url=url, progress=progress, lanes=lanes, now=now, sleep=sleep)
        super().__init__(kk._bridge, kk._pick(make))
        self._target()  # a URL that cannot work is refused here, not by the first call

    run = blocking(catalog.Mirror.run)
    verify = blocking(catalog.Mirror.verify)
    status = blocking(catalog.Mirror.status)
    changes = iterating(catalog.Mirror.changes)
    close = blocking(catalog.Mirror.aclose)
    _open = blocking(catalog.Mirror.__aenter__)
    _leave = blocking(catalog.Mirror.__aexit__)
    _follow = blocking(catalog.Mirror.follow)
