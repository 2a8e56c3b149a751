"""Cancellations at every step of a coroutine, once or again and again as anyio's scopes deliver them."""

from __future__ import annotations

import asyncio
import types


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


async def cancelled_at(step, work, *, again=False):
    """Run a coroutine in a task that is cancelled while it waits for the time of this number, counted from 1.

    Args:
        step: the number.
        work: the coroutine.
        again: whether it is cancelled again at every turn of the loop until it has ended.

    Returns:
        Whether it waited so often.
    """
    loop = asyncio.get_running_loop()
    met = False

    def reached():
        nonlocal met
        met = True
        loop.call_soon(cancel)

    def cancel():
        if not task.done():
            task.cancel()
            if again:
                loop.call_soon(cancel)

    async def run():
        return await _watched(work, step, reached)

    task = loop.create_task(run())
    await asyncio.wait((task,))
    if not task.cancelled() and task.exception() is not None:
        raise task.exception()
    return met
