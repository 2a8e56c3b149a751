"""A look-up of a name that blocks its thread, as resolvers do: the matrix has one that only waits."""

from __future__ import annotations

import asyncio
import socket
import threading

import pytest
from support.shop import ADDRESS

import kakaclo_sync
from kakaclo_async import ConnectionFailed, DeadlineExceeded, Item, KakaClo, NewOrder

SHORT = {"timeout": 0.2, "base_url": "http://localhost:9/openapi"}
ORDER = NewOrder(address=ADDRESS, items=[Item("A-1", 1)], custom_order_id="SHOP-1")


@pytest.fixture
def blocked(monkeypatch):
    """Lets each look-up block until the end of the test; counts them."""
    release, begun = threading.Event(), []

    def block(*_arguments, **_options):
        begun.append(threading.current_thread())
        release.wait()
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", block)
    yield begun
    release.set()


async def test_calls_end_in_time_when_the_look_up_blocks_a_thread(blocked):
    async with KakaClo("token", **SHORT) as kk:
        calls = [kk.payment.balance(), kk.orders.page(), kk.orders.create(ORDER)]
        ends = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 10)
    assert all(isinstance(end, DeadlineExceeded | ConnectionFailed) for end in ends)
    assert len(blocked) <= 2  # one for reads, one for writes: all of a session wait for the same look-up


def test_blocking_calls_end_in_time_when_the_look_up_blocks_a_thread(blocked):
    with kakaclo_sync.KakaClo("token", **SHORT) as kk:
        for call in (kk.payment.balance, lambda: kk.orders.create(ORDER)):
            with pytest.raises((DeadlineExceeded, ConnectionFailed)):
                call()
    assert not any(thread is threading.main_thread() for thread in blocked)
