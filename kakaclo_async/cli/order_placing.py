"""Many orders, each exactly once: what is placed now, what a search has to tell, and a file that says so."""

from __future__ import annotations

import asyncio
import csv
from typing import TYPE_CHECKING, Final, Self, TextIO

import attrs

from kakaclo_async import (
    ConfigurationError,
    Conflict,
    InvalidRequest,
    KakaCloError,
    OutcomeUnknown,
    PageDone,
    Rejected,
    Unauthorized,
)
from kakaclo_async.cli.errors import say
from kakaclo_async.cli.progress import progress
from kakaclo_async.client import sender_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence
    from pathlib import Path

    from kakaclo_async import KakaClo, NewOrder
    from kakaclo_async.cli.order_file import FileOrder
    from kakaclo_async.ordering import Journal


MAX_PERMITS_PER_PASS: Final = (
    16  # orders under way: enough for the rate of any shop, few enough to be clear after a crash
)
IN_DOUBT: Final = "in doubt"


@attrs.frozen(kw_only=True)
class Line:
    """What became of one order, as the result file has it."""

    custom_order_id: str
    result: str
    order_id: str | None = None
    reason: str | None = None


class ResultFile:
    """Results as they come, in a file that is whole after each of them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO | None = None

    def __enter__(self) -> Self:
        try:
            self._file = self._path.open("w", encoding="utf-8", newline="")
        except OSError as error:
            raise InvalidRequest(f"{self._path} cannot be written: {error.strerror}") from None
        csv.writer(self._file).writerow(field.name for field in attrs.fields(Line))
        return self

    def write(self, line: Line) -> None:
        """Add a result."""
        if self._file is not None:
            csv.writer(self._file).writerow(attrs.astuple(line))
            self._file.flush()

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()


async def place(
    kk: KakaClo, found: Sequence[FileOrder], journal: Journal, result_file: ResultFile
) -> list[Line]:
    """Place the orders of a file, each exactly once, and return what became of them, in their order.

    Args:
        kk: the client; orders queue in its bulk lane.
        found: the orders, none of them with a problem.
        journal: knows what was placed before.
        result_file: takes each result as it comes.
    """
    lines: dict[int, Line] = {}

    def done(place: int, line: Line) -> None:
        lines[place] = line
        result_file.write(line)
        sender_of(kk).state.emit(PageDone(what="orders", rows=1, rows_done=len(lines), rows_total=len(found)))

    good = {place: entry.order for place, entry in enumerate(found) if entry.order is not None}
    doubts: dict[int, NewOrder] = {}
    try:
        with progress(kk):
            # First all of them, without waiting for the quiet time of any; then those in doubt, in one search.
            async for place, line in _submitted(kk, good, journal, timeout=0.0):
                if line.result == IN_DOUBT:
                    doubts[place] = good[place]
                else:
                    done(place, line)
            async for place, line in _submitted(kk, doubts, journal, timeout=None):
                done(place, line)
    except asyncio.CancelledError:
        say(
            f"stopped after {len(lines)} of {len(found)} orders; run it again with the same journal to finish the rest"
        )
        raise
    return [lines[place] for place in sorted(lines)]


async def _submitted(
    kk: KakaClo,
    orders: Mapping[int, NewOrder],
    journal: Journal,
    *,
    timeout: float | None,  # noqa: ASYNC109 - of a doubt
) -> AsyncGenerator[tuple[int, Line], None]:
    """Submit orders, some at once, or all when each waits for the same search; yield what became of them."""
    turn = asyncio.Semaphore(MAX_PERMITS_PER_PASS if timeout == 0.0 else max(1, len(orders)))

    async def one(place: int, order: NewOrder) -> tuple[int, Line]:
        async with turn:
            return place, await _result(kk, order, journal, timeout)

    tasks = [asyncio.create_task(one(place, order)) for place, order in orders.items()]
    try:
        for task in asyncio.as_completed(tasks):
            yield await task
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _result(kk: KakaClo, order: NewOrder, journal: Journal, timeout: float | None) -> Line:  # noqa: ASYNC109 - of a doubt
    custom_order_id = order.custom_order_id or ""
    try:
        created = await kk.bulk().orders.submit(order, journal=journal, timeout=timeout)
    except (Unauthorized, ConfigurationError):
        raise  # every other order would meet the same
    except OutcomeUnknown as error:
        return Line(custom_order_id=custom_order_id, result=IN_DOUBT, reason=str(error))
    except Rejected as error:
        return Line(custom_order_id=custom_order_id, result="declined", reason=str(error))
    except Conflict as error:
        return Line(custom_order_id=custom_order_id, result="conflict", reason=str(error))
    except KakaCloError as error:
        return Line(custom_order_id=custom_order_id, result="not placed", reason=str(error))
    return Line(custom_order_id=custom_order_id, result="placed", order_id=created.id)
