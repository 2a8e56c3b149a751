"""A client whose opening or closing is cancelled anywhere is closed all the same, and keeps nothing."""

from __future__ import annotations

import asyncio
import inspect

import pytest
from support.cancelling import cancelled_everywhere
from support.quiet import COUNTED, nothing_left, settle

from kakaclo_async import ClientClosed, ConnectionFailed, KakaClo, RateLimit

pytestmark = pytest.mark.stepped


def test_every_coroutine_of_a_client_is_cancelled_here():
    of_client = {name for name, _ in inspect.getmembers(KakaClo, inspect.iscoroutinefunction)}
    assert of_client == {"aclose", "__aenter__", "__aexit__"}


async def enter(kk):
    async with kk:
        await kk.payment.balance()


async def leave(kk):
    async with kk:
        pass


CLOSING = {"aclose": KakaClo.aclose, "__aexit__": leave, "__aenter__": enter}


@pytest.mark.parametrize("how", CLOSING)
async def test_a_client_whose_end_is_cancelled_anywhere_is_closed(how, a_client, shop):
    busy = []

    async def prepare():
        kk = a_client(max_wait=None, rate_limit=RateLimit(4, 0.1), reserve=0)
        await kk.payment.balance()
        busy[:] = [asyncio.create_task(kk.payment.balance()) for _ in range(6)]
        for _ in range(3):
            await asyncio.sleep(0)
        return kk

    kk = None

    def work(_):
        return CLOSING[how](kk)

    async def judge(_attempt, ended):
        nonlocal kk
        assert ended.error is None or ended.cancelled or isinstance(ended.error, ClientClosed)
        if how == "__aenter__" and ended.cancelled:
            await kk.aclose()  # a cancellation before the block does not enter it
        await settle()
        if not ended.met or ended.error is None or kk._sender.state.gate.closed:
            assert all(call.done() for call in busy)
            ends = await asyncio.gather(*busy, return_exceptions=True)
            assert {type(end) for end in ends if isinstance(end, Exception)} <= {
                ClientClosed,
                ConnectionFailed,
            }
        await kk.aclose()
        await asyncio.gather(*busy, return_exceptions=True)
        await asyncio.sleep(120)
        kk = await prepare()

    with nothing_left():
        kk = await prepare()
        points = await cancelled_everywhere(work, judge)
        await kk.aclose()
        await asyncio.gather(*busy, return_exceptions=True)
        await settle()
    COUNTED["operations"] += 1
    COUNTED["cancellations"] += points


async def test_a_cancelled_end_needs_no_second_one(a_client, shop):
    """As in `async with`, which nobody leaves twice."""

    async def judge(_attempt, ended):
        assert ended.error is None or ended.cancelled
        await settle()
        await asyncio.sleep(120)

    async def in_a_block():
        async with a_client() as kk:
            await kk.payment.balance()

    with nothing_left():
        points = await cancelled_everywhere(lambda _: in_a_block(), judge)
    COUNTED["operations"] += 1
    COUNTED["cancellations"] += points
