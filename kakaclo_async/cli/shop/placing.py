"""Place the orders of a file: each exactly once, several at a time, and no more once all would fail alike."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from kakaclo_async import (
    ConfigurationError,
    Conflict,
    KakaClo,
    KakaCloError,
    NewOrder,
    OutcomeUnknown,
    PageDone,
    Rejected,
    Unauthorized,
)
from kakaclo_async.cli.command import fault, say, sentence
from kakaclo_async.cli.progress import progress
from kakaclo_async.cli.shop.results import NOT_SENT, PLACED, UNKNOWN, ResultLine
from kakaclo_async.sharing import gather_in_order
from kakaclo_async.shop.incoming.order_file import FileOrder

if TYPE_CHECKING:
    from kakaclo_async.ordering import Journal


_MAX_IN_FLIGHT: Final = 16
"""Orders being sent: enough for the rate of any shop, few enough to reconcile after a crash."""


async def place(
    kk: KakaClo,
    entries: Sequence[FileOrder],
    journal: "Journal",
    write: Callable[[FileOrder, ResultLine], None],
) -> tuple[list[ResultLine], Exception | None]:
    """Place the orders of a file, none of which has a problem.

    Args:
        kk: a client of the shop.
        entries: the orders.
        journal: which is asked first, and told.
        write: takes what became of each, as soon as it is known.

    Returns:
        What became of them, in their order; and what every other order would meet, too, so that no more were begun.
        Those that were under way then have come to their end.
    """
    orders = {place: entry.order for place, entry in enumerate(entries)}
    lines: dict[int, ResultLine] = {}
    unknown: dict[int, ResultLine] = {}
    troubles: list[Exception] = []
    turns = asyncio.Semaphore(_MAX_IN_FLIGHT)
    try:
        with progress(kk) as meter:

            def done(place: int, line: ResultLine) -> None:
                lines[place] = line
                write(entries[place], line)
                meter(PageDone(what="orders", rows=1, rows_done=len(lines), rows_total=len(entries)))

            async def send(place: int, wait: float | None) -> None:
                async with turns:
                    if troubles:
                        return
                    line, trouble = await _submit(kk, orders[place], journal, timeout=wait)
                if trouble is not None:
                    troubles.append(trouble)
                if line.result == UNKNOWN and wait is not None:
                    unknown[place] = line
                else:
                    done(place, line)

            # All of them without waiting for the quiet time of any; then those left, which share one search.
            await gather_in_order(partial(send, place, 0.0) for place in orders)
            turns = asyncio.Semaphore(max(1, len(unknown)))
            await gather_in_order(partial(send, place, None) for place in unknown)
            for place in [place for place in orders if place not in lines]:
                stopped = ResultLine(custom_order_id=entries[place].custom_order_id, result=NOT_SENT)
                done(place, unknown.get(place, stopped))
    except asyncio.CancelledError:
        say(f"stopped after {len(lines)} of {len(entries)} orders; run it again with the same journal")
        raise
    return [lines[place] for place in sorted(lines)], troubles[0] if troubles else None


async def _submit(
    kk: KakaClo,
    order: NewOrder,
    journal: "Journal",
    timeout: float | None,  # noqa: ASYNC109 - of the search
) -> tuple[ResultLine, Exception | None]:
    """Submit an order; return what became of it, and what all other orders would meet, too."""
    line = partial(ResultLine, custom_order_id=order.custom_order_id or "")
    try:
        created = await kk.bulk().orders.submit(order, journal=journal, timeout=timeout)
    except Unauthorized as error:
        return line(result="not placed", reason=str(error)), error
    except OutcomeUnknown as error:
        cause = error.__cause__
        return line(result=UNKNOWN, order_id=error.order_id, reason=sentence(error)), (
            cause if isinstance(cause, ConfigurationError) else None  # it could not be recorded
        )
    except Rejected as error:
        return line(result="rejected", reason=str(error)), None
    except Conflict as error:
        return line(result="conflict", reason=str(error)), None
    except ConfigurationError as error:
        return await _recorded(order, journal, error), error
    except KakaCloError as error:
        return line(result="not placed", reason=str(error)), None
    except Exception as error:  # noqa: BLE001 - it must not hide what became of the others
        trouble = KakaCloError(fault(error))
        return await _recorded(order, journal, trouble), trouble
    return line(result=PLACED, order_id=created.id, order_ids=created.ids), None


async def _recorded(order: NewOrder, journal: "Journal", error: KakaCloError) -> ResultLine:
    """Return what the journal knows of an order whose submission ended in an error that does not tell."""
    line = partial(ResultLine, custom_order_id=order.custom_order_id or "", reason=str(error))
    try:
        entry = await journal.find(order.custom_order_id or "")
    except KakaCloError:
        return line(result=UNKNOWN)
    if entry is None:
        return line(result="not placed")
    return line(result=PLACED if entry.outcome else UNKNOWN, order_id=entry.outcome)
