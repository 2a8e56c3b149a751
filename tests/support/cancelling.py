"""Cancellations at every step of a coroutine, once or again and again as anyio's scopes deliver them."""

from __future__ import annotations

import asyncio
import types
from contextlib import contextmanager
from itertools import count

import attrs

SUSPENSION, TURN = "suspension", "turn"
MODES = [(SUSPENSION, False), (SUSPENSION, True), (TURN, False), (TURN, True)]
"""Where a task is cancelled, and whether again at every turn of the loop until it has ended."""


@attrs.frozen
class Ended:
    """How a task that was to be cancelled has ended.

    Attributes:
        met: whether it came to the step.
        result: what it returned.
        error: what it raised, a cancellation too.
    """

    met: bool
    result: object = None
    error: BaseException | None = None

    @property
    def cancelled(self):
        return isinstance(self.error, asyncio.CancelledError)


@types.coroutine
def _watched(work, step, reached):
    steps = work.__await__()
    number = 0
    wait = None
    try:
        wait = next(steps)
        while True:
            number += 1
            if number == step:
                reached()
            try:
                answer = yield wait
            except BaseException as error:  # noqa: BLE001 - the coroutine gets it
                wait = steps.throw(error)
            else:
                wait = steps.send(answer)
    except StopIteration as end:
        return end.value


@contextmanager
def _turns_of(loop, turn, reached):
    """Call `reached` before anything else happens in the loop's turn of this number, counted from 1."""
    select, number = loop._selector.select, 0

    def counting(timeout=None):
        nonlocal number
        events = select(timeout)
        number += 1
        if number == turn:
            # Ahead of tasks that were woken already: a cancellation may meet a future that is done.
            loop._ready.appendleft(asyncio.Handle(reached, (), loop))
        return events

    loop._selector.select = counting
    try:
        yield
    finally:
        loop._selector.select = select


async def cancelled_at(step, work, *, again=False, at=SUSPENSION):
    """Run a coroutine in a task that is cancelled at the step of this number, counted from 1.

    Args:
        step: the number.
        work: the coroutine.
        again: whether it is cancelled again at every turn of the loop until it has ended.
        at: whether the task's own suspensions are counted, or the turns of the loop, in which the tasks go on that
            work for it.
    """
    loop = asyncio.get_running_loop()
    met = False

    def reached():
        nonlocal met
        met = met or not task.done()
        if at == TURN:
            cancel()
        else:
            loop.call_soon(cancel)

    def cancel():
        if not task.done():
            task.cancel()
            if again:
                loop.call_soon(cancel)

    async def run():
        return await (_watched(work, step, reached) if at == SUSPENSION else work)

    task = loop.create_task(run())
    if at == TURN:
        with _turns_of(loop, step, reached):
            await asyncio.wait((task,))
    else:
        await asyncio.wait((task,))
    work.close()  # it never began if the first turn was the one
    if task.cancelled():
        return Ended(met, error=asyncio.CancelledError())
    error = task.exception()
    return Ended(met, error=error) if error else Ended(met, result=task.result())


async def cancelled_everywhere(work, judge, *, modes=MODES, every=1, most=10_000):
    """Cancel a call at every step in every way, until it ends without having been cancelled.

    Args:
        work: makes the coroutine; it is given the number of the attempt.
        judge: looks at how one has ended; it is given the number and the `Ended`.
        modes: of `MODES`.
        every: turns of the loop from one cancellation to the next; suspensions are never left out.
        most: steps of a call that never ends.

    Returns:
        How many cancellations there were.
    """
    attempt = points = 0
    for at, again in modes:
        for step in count(1, every if at == TURN else 1):
            attempt += 1
            ended = await cancelled_at(step, work(attempt), again=again, at=at)
            await judge(attempt, ended)
            if not ended.met:
                assert step > 1, "it never waits"
                break
            points += 1
            if step >= most:
                break
    return points
