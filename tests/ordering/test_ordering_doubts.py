"""What counts as a doubt at the edges of the protocol, and what a slow token function must not do."""

from __future__ import annotations

import asyncio
import logging

import pytest
from support.ordering import POST, client
from support.shop import UNLIMITED

from kakaclo_async import DeadlineExceeded, KakaClo, OutcomeUnknown, RateLimited
from kakaclo_async.ordering import Journal
from kakaclo_async.sandbox import Fault

pytestmark = pytest.mark.stepped


@pytest.mark.parametrize("takes_effect", [True, False])
async def test_a_redirect_is_a_doubt(kk, sandbox, journal, order, takes_effect):
    sandbox.faults.add(Fault("redirect", takes_effect=takes_effect, times=2, **POST))

    with pytest.raises(OutcomeUnknown, match="'SHOP-0'"):
        await kk.orders.create(order("SHOP-0"))
    created = await kk.orders.submit(order(), journal=journal, timeout=None)

    assert [placed.orders[0] for placed in sandbox.journal][-1] == created.id
    assert len(sandbox.journal) == 1 + takes_effect


@pytest.mark.parametrize("takes_effect", [True, False])
async def test_the_end_of_a_doubt_is_told_in_the_log(kk, sandbox, journal, order, takes_effect, caplog):
    caplog.set_level(logging.INFO, "kakaclo.orders")
    sandbox.faults.add(Fault("redirect", takes_effect=takes_effect, **POST))
    with pytest.raises(OutcomeUnknown):
        await kk.orders.submit(order(), journal=journal, timeout=0)
    assert caplog.messages == []
    await kk.orders.submit(order(), journal=journal, timeout=None)
    found, absent = int(takes_effect), int(not takes_effect)
    assert caplog.messages == [
        f"of 1 writes in doubt (order) {found} were found at KakaClo, and {absent} were surely not carried out"
    ]


@pytest.mark.parametrize("status", [400, 401, 404, 408])
@pytest.mark.parametrize("takes_effect", [True, False])
async def test_a_gateways_page_is_a_doubt_and_the_order_is_placed_once(
    kk, sandbox, journal, order, status, takes_effect
):
    sandbox.faults.add(Fault("bad_gateway", status=status, takes_effect=takes_effect, **POST))

    with pytest.raises(OutcomeUnknown, match=f"HTTP {status}"):
        await kk.orders.submit(order(), journal=journal, timeout=0)
    created = await kk.orders.submit(order(), journal=journal, timeout=None)

    assert [placed.orders[0] for placed in sandbox.journal] == [created.id]


@pytest.mark.parametrize("status", ["201 Created", "202 Accepted", "204 No Content"])
async def test_a_success_that_is_none_of_the_apis_is_a_doubt(order, status):
    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/openapi"
    async with server, KakaClo("t", base_url=url, rate_limit=UNLIMITED) as kk:
        with pytest.raises(OutcomeUnknown, match="'SHOP-1'"):
            await kk.orders.create(order())


async def test_an_order_whose_token_took_too_long_is_not_sent_without_a_claim(sandbox, url, order):
    free = asyncio.Event()

    async def token():
        await free.wait()
        return sandbox.token

    slow = Journal(url, now=sandbox.now, lease=3.0)
    async with KakaClo(token, base_url=sandbox.url, rate_limit=UNLIMITED) as one, client(sandbox) as other:
        first = asyncio.create_task(one.orders.submit(order(), journal=slow, timeout=None))
        await asyncio.sleep(1)
        slow._leases.get()._keeper.cancel()  # as if the database were away from this worker
        await asyncio.sleep(4)
        with pytest.raises(OutcomeUnknown):
            await other.orders.submit(order(), journal=Journal(url, now=sandbox.now), timeout=0)
        free.set()
        created = await first

    [placed] = sandbox.journal
    assert placed.orders == (created.id,)
    assert (await slow.find("SHOP-1")).attempts == 2  # the first ended with the claim, before it was sent


@pytest.mark.parametrize("call", ["settle", "finish"])
async def test_settling_obeys_a_max_wait_that_the_view_names_and_else_outlasts_refusals(
    kk, sandbox, journal, order, call
):
    sandbox.faults.add(Fault("reset_after", **POST))
    with pytest.raises(OutcomeUnknown):
        await kk.orders.submit(order(), journal=journal, timeout=0)
    sandbox.faults.add(Fault("throttled", retry_after="3", times=None))
    clock = asyncio.get_running_loop().time
    began = clock()

    with pytest.raises((DeadlineExceeded, RateLimited)):
        await getattr(journal, call)(kk.with_options(max_wait=10.0))
    assert clock() - began < 10.0 + 30.0 + 1.0
    patient = asyncio.create_task(getattr(journal, call)(kk))
    await asyncio.sleep(300)
    assert not patient.done()
    sandbox.faults.clear()
    assert await patient == ()
