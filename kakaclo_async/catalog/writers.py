"""Where a mirror's transactions run: in a thread for SQLite, on the event loop for PostgreSQL.

The work of a transaction is written once, for a blocking connection. SQLite's whole transactions go to a thread:
to pass each of their statements there and back costs more than the statements themselves.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection, Engine
    from sqlalchemy.ext.asyncio import AsyncEngine


T = TypeVar("T")


class Writer(Protocol):
    """Runs one transaction at a time."""

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a transaction; it is rolled back when `work` raises."""
        ...

    async def close(self) -> None:
        """Close the connection; no work is under way."""
        ...


class ThreadWriter:
    """Runs transactions in a thread of its own.

    Args:
        engine: connects from that thread alone.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._thread = ThreadPoolExecutor(1, "kakaclo-mirror")

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a transaction."""

        def transaction() -> T:
            with self._engine.begin() as connection:
                return work(connection)

        return await asyncio.get_running_loop().run_in_executor(self._thread, transaction)

    async def close(self) -> None:
        """Close the connection, and end the thread."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._engine.dispose)
        self._thread.shutdown()


class LoopWriter:
    """Runs transactions on the event loop.

    Args:
        engine: an engine whose driver knows the loop.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a transaction."""
        async with self._engine.begin() as connection:
            return await connection.run_sync(work)

    async def close(self) -> None:
        """Close the connection."""
        await self._engine.dispose()
