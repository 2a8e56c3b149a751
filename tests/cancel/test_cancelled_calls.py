"""A public call that is cancelled anywhere takes nothing with it, and leaves nothing behind."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, nullcontext, suppress

import attrs
import pytest
from support.calls import CALLS, OF_CLIENT, made

from kakaclo_async import DeadlineExceeded
from kakaclo_async.sandbox import Fault

pytestmark = pytest.mark.stepped


READS = [name for name, call in OF_CLIENT.items() if call.kind not in {"write", "journal"}]
"""The others are in `test_cancelled_writes.py`."""


async def whole(call, kk, shop):
    with (
        suppress(DeadlineExceeded) if call.kind == "wait" else nullcontext()
    ):  # it waits for what never comes
        return await made(call.send(kk, shop))


@pytest.mark.parametrize("name", READS)
async def test_a_read_that_is_cancelled_anywhere_leaves_nothing_and_its_client_usable(name, everywhere, shop):
    await everywhere(lambda kk, _: whole(CALLS[name], kk, shop), only_cancelled)


async def first_row(stream):
    async with aclosing(stream):
        return await anext(stream, None)


async def test_so_does_a_stream_that_is_left_after_its_first_row(everywhere, shop):
    await everywhere(lambda kk, _: first_row(kk.products.in_category(shop.category)), only_cancelled)


async def only_cancelled(_kk, _attempt, ended):
    assert ended.error is None or ended.cancelled


TROUBLE = {
    "503": Fault("bad_gateway", status=503),
    "reset": Fault("reset_after"),
    "429": Fault("throttled", retry_after="3"),
    "slow": Fault("delay", seconds=4.0),
}


@pytest.mark.parametrize("trouble", TROUBLE)
async def test_so_it_is_while_it_waits_to_be_tried_again(trouble, everywhere, shop):
    faults = shop.sandbox.faults

    def call(kk, _):
        faults.clear()
        faults.add(attrs.evolve(TROUBLE[trouble]))
        return kk.payment.balance()

    await everywhere(call, only_cancelled, refused=trouble == "429")


async def test_so_it_is_while_it_waits_for_its_token(everywhere, shop):
    async def token():
        await asyncio.sleep(0.01)
        return shop.sandbox.token

    await everywhere(lambda kk, _: kk.payment.balance(), only_cancelled, token=token)


async def test_so_it_is_while_it_waits_for_its_permit(everywhere, shop, stride):
    async def call(kk):
        await asyncio.gather(*(kk.payment.balance() for _ in range(125)))

    await everywhere(lambda kk, _: call(kk), only_cancelled, every=stride(40))
