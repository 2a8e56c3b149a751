"""A worker dies at any point: whoever comes next finishes its orders, each once."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import pytest
from support.ordering import POST, client, kill_at, submit_until_dead

from kakaclo_async import OutcomeUnknown
from kakaclo_async.errors import LeaseLost
from kakaclo_async.ordering import Journal, WriteStatus
from kakaclo_async.sandbox import Fault

pytestmark = pytest.mark.stepped


async def die(sandbox, url, order, number, when):
    """Submit an order in a worker that dies before or after its transaction of this number."""
    doomed = Journal(url, now=sandbox.now)
    dead = kill_at(doomed, number, when)
    async with client(sandbox) as kk:
        await submit_until_dead(kk, order, doomed, dead)


async def finish(sandbox, url, order):
    """Submit it in another worker; the number must be that of the only order that KakaClo got."""
    async with client(sandbox) as kk:
        created = await kk.orders.submit(order, journal=Journal(url, now=sandbox.now), timeout=None)
    [placed] = sandbox.journal
    assert placed.orders == (created.id,)


async def test_before_the_intent_nothing_was_sent_and_nothing_is_known(sandbox, url, order):
    await die(sandbox, url, order(), 1, "before")

    assert sandbox.requests.total() == 0
    start = sandbox.now()
    await finish(sandbox, url, order())
    assert (sandbox.now() - start).total_seconds() < 60


async def test_between_intent_and_sending_the_order_is_in_doubt_and_sent_by_the_next(sandbox, url, order):
    await die(sandbox, url, order(), 1, "after")

    assert sandbox.requests.total() == 0
    [entry] = await Journal(url, now=sandbox.now).pending()
    assert entry.status is WriteStatus.SENDING
    await finish(sandbox, url, order())


async def test_after_sending_the_order_is_found_by_the_next(sandbox, url, order):
    sandbox.faults.add(Fault("reset_after", **POST))
    await die(sandbox, url, order(), 2, "before")

    assert len(sandbox.journal) == 1
    await finish(sandbox, url, order())


async def test_between_the_answer_and_its_record_the_order_is_found_by_the_next(sandbox, url, order):
    await die(sandbox, url, order(), 2, "before")

    assert len(sandbox.journal) == 1
    await finish(sandbox, url, order())


async def test_after_the_record_the_next_needs_no_request(sandbox, url, order):
    await die(sandbox, url, order(), 2, "after")

    requests = sandbox.requests.total()
    await finish(sandbox, url, order())
    assert sandbox.requests.total() == requests


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", [2, 3, 5])
@pytest.mark.parametrize("kind", ["reset_before", "reset_after"])
async def test_no_moment_of_a_search_is_a_bad_one_to_die(sandbox, url, order, kind, number, when):
    sandbox.faults.add(Fault(kind, **POST))
    await die(sandbox, url, order(), number, when)

    await finish(sandbox, url, order())


async def test_dying_again_and_again_places_one_order(sandbox, url, order):
    sandbox.faults.add(Fault("reset_before", times=2, **POST))
    for number in (2, 1, 3, 1):
        sandbox.skip(700)
        await die(sandbox, url, order(), number, "after")

    await finish(sandbox, url, order())


async def test_a_request_that_arrives_after_its_worker_died_is_found_within_the_quiet_time(
    sandbox, url, order
):
    """The connection outlives the client by minutes: what travels arrives, and is no second order."""
    road = await LongRoad.build(sandbox, seconds=250.0)
    try:
        async with client(sandbox) as kk:
            kk._sender.state.transport._base_url = road.url
            with pytest.raises(OutcomeUnknown):
                await kk.orders.submit(order(), journal=Journal(url, now=sandbox.now), timeout=0)
        assert sandbox.journal == []
        await finish(sandbox, url, order())
    finally:
        await road.close()


class LongRoad:
    """Carries requests on to the sandbox after a while, whether or not anybody waits for the answer."""

    @classmethod
    async def build(cls, sandbox, seconds):
        self = cls()
        self._sandbox, self._seconds, self._tasks = sandbox, seconds, set()
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/openapi"
        return self

    async def _carry(self, reader, writer):
        request = await reader.readuntil(b"\r\n\r\n")
        size = int(request.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        request += await reader.readexactly(size)
        await asyncio.sleep(self._seconds)
        _, onward = await asyncio.open_connection("127.0.0.1", self._sandbox.port)
        onward.write(request)
        await onward.drain()
        await asyncio.sleep(1)
        onward.close()
        writer.close()

    async def close(self):
        self._server.close()
        await self._server.wait_closed()


async def test_two_workers_with_the_same_order_place_it_once(sandbox, url, order):
    async with client(sandbox) as one, client(sandbox) as other:
        created = await asyncio.gather(
            *(
                kk.orders.submit(order(), journal=Journal(url, now=sandbox.now))
                for kk in (one, other)
                for _ in range(10)
            )
        )

    [placed] = sandbox.journal
    assert {c.id for c in created} == set(placed.orders)


async def test_a_second_worker_waits_for_the_first_and_takes_its_outcome(sandbox, url, order):
    sandbox.faults.add(Fault("delay", seconds=20.0, **POST))
    async with client(sandbox) as one, client(sandbox) as other:
        first = asyncio.create_task(one.orders.submit(order(), journal=Journal(url, now=sandbox.now)))
        while not sandbox.journal:
            await asyncio.sleep(0)
        journal = Journal(url, now=sandbox.now)
        with pytest.raises(OutcomeUnknown, match="another worker is sending it"):
            await other.orders.submit(order(), journal=journal, timeout=5)
        assert await other.orders.submit(order(), journal=journal) == await first

    assert len(sandbox.journal) == 1


async def test_a_worker_that_waits_long_for_its_turn_keeps_its_claim(sandbox, url, order):
    async with client(sandbox, max_wait=None) as one, client(sandbox) as other:
        one._sender.state.gate._bucket.throttled = None
        gate = one._sender.state.gate
        real, free = gate.enter, asyncio.Event()

        async def enter(*arguments, **options):
            await free.wait()
            return await real(*arguments, **options)

        gate.enter = enter
        submitted = one.bulk().orders.submit(order(), journal=Journal(url, now=sandbox.now))
        first = asyncio.create_task(submitted)
        await asyncio.sleep(300)
        with pytest.raises(OutcomeUnknown, match="another worker"):
            await other.orders.submit(order(), journal=Journal(url, now=sandbox.now), timeout=5)
        free.set()
        await first

    assert len(sandbox.journal) == 1


async def test_a_worker_that_lost_its_claim_while_it_stood_still_sends_nothing(sandbox, url, order):
    journal = Journal(url, now=sandbox.now)
    async with client(sandbox) as one, client(sandbox) as other:
        real, free = one._sender.state.gate.enter, asyncio.Event()

        async def enter(*arguments, **options):
            await free.wait()
            return await real(*arguments, **options)

        one._sender.state.gate.enter = enter
        first = asyncio.create_task(one.orders.submit(order(), journal=journal, timeout=None))
        await asyncio.sleep(1)
        leases = journal._leases.get()
        leases._keeper.cancel()  # as if the machine had been asleep
        sandbox.skip(100)
        second = await other.orders.submit(order(), journal=Journal(url, now=sandbox.now), timeout=None)
        free.set()
        assert await first == second

    assert len(sandbox.journal) == 1


async def test_a_worker_whose_claim_runs_out_while_its_request_is_under_way_leaves_one_order(
    sandbox, url, order
):
    """It is slow, not dead: its request arrives when another worker may already want to send."""
    road = await LongRoad.build(sandbox, seconds=25.0)
    slow, quick = (Journal(url, now=sandbox.now, lease=5.0) for _ in range(2))
    try:
        async with client(sandbox, timeout=30.0) as one, client(sandbox) as other:
            one._sender.state.transport._base_url = road.url
            first = asyncio.create_task(one.orders.submit(order(), journal=slow, timeout=None))
            await asyncio.sleep(1)
            slow._leases.get()._keeper.cancel()  # as if the database were away from this worker
            await asyncio.sleep(10)
            [entry] = await quick.pending()
            assert (entry.status, sandbox.journal) == (WriteStatus.UNKNOWN, [])

            second = await other.orders.submit(order(), journal=quick, timeout=None)

            assert await first == second
    finally:
        await road.close()
    [placed] = sandbox.journal
    assert placed.orders == (second.id,)


async def test_the_quiet_time_of_a_lost_claim_counts_from_the_last_moment_at_which_it_could_be_used(
    sandbox, url, order
):
    """Its request leaves just before the claim ends, arrives 25 s later, and shows after the index lag."""
    slow, quick = (Journal(url, now=sandbox.now, quiet_time=310.0) for _ in range(2))
    dead = kill_at(slow, 2, "before")
    road = await LongRoad.build(sandbox, seconds=25.0)
    try:
        async with client(sandbox, timeout=30.0) as one, client(sandbox) as other:
            one._sender.state.transport._base_url = road.url
            real, free = one._sender.state.gate.enter, asyncio.Event()

            async def enter(*arguments, **options):
                await free.wait()
                return await real(*arguments, **options)

            one._sender.state.gate.enter = enter
            first = asyncio.create_task(submit_until_dead(one, order(), slow, dead))
            await asyncio.sleep(1)
            slow._leases.get()._keeper.cancel()
            second = asyncio.create_task(other.orders.submit(order(), journal=quick, timeout=None))
            await asyncio.sleep(57)
            free.set()
            await first
            await second
    finally:
        await road.close()
    assert len(sandbox.journal) == 1


@pytest.mark.parametrize("first", ["renewal", "look"])
async def test_a_late_worker_and_a_look_that_decides_never_both_win(sandbox, url, first):
    journal = Journal(url, now=sandbox.now, lease=5.0)
    store, leases = journal._store, journal._leases.get()
    lease = leases.new(30.0)
    await store.enter("order", "SHOP-1", b"{}", "digest", lease)
    leases.keep(lease)
    leases._keeper.cancel()  # as if the machine had been asleep
    sandbox.skip(700)
    ripe = await store.open("order")
    assert ripe[0].may_be_settled

    async def renew():
        until = sandbox.now().timestamp() + 5
        if await store.renew({lease.token}, until):
            lease.until, lease.deadline = until, asyncio.get_running_loop().time() + 5

    steps = [renew(), store.settle("order", {}, {}, ripe)]
    for step in steps if first == "renewal" else reversed(steps):
        await step

    [entry] = await journal.pending()
    if first == "renewal":
        assert entry.status is WriteStatus.SENDING
        lease.check()
    else:
        assert entry.status is WriteStatus.NOT_EXECUTED
        with pytest.raises(LeaseLost):
            lease.check()


async def test_a_claim_that_begins_when_another_ends_is_kept_up(sandbox, url):
    journal = Journal(url, now=sandbox.now)
    store, leases = journal._store, journal._leases.get()
    one, other = leases.new(30.0), leases.new(30.0)
    await store.enter("order", "A", b"{}", "digest", one)
    await store.enter("order", "B", b"{}", "digest", other)
    leases.keep(one)
    await asyncio.sleep(1)

    leases.drop(one)
    leases.keep(other)
    await asyncio.sleep(300)

    other.check()
    leases.drop(other)


WORKER = """
import asyncio, sys
from kakaclo_async import Address, Item, KakaClo, NewOrder
from kakaclo_async.ordering import Journal

async def main(url, token, database, sku):
    address = Address(country="US", phone="1", recipient="A", province="B")
    order = NewOrder(address=address, items=[Item(sku, 1)], custom_order_id="SHOP-1")
    async with KakaClo(token, base_url=url) as kk:
        created = await kk.orders.submit(
            order, journal=Journal(database, quiet_time=1.0, lease=1.0), timeout=None
        )
        print(created.id)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.process
async def test_kill_9_between_the_commit_and_the_answer_leaves_one_order(sandbox, url, order):
    sku = order().items[0].sku
    arguments = [sys.executable, "-c", WORKER, sandbox.url, sandbox.token, url, sku]
    sandbox.index_lag = 0
    sandbox.faults.add(Fault("silence", **POST))
    first = await asyncio.create_subprocess_exec(*arguments)
    while not sandbox.journal:
        await asyncio.sleep(0.01)
    os.kill(first.pid, signal.SIGKILL)
    await first.wait()

    second = await asyncio.create_subprocess_exec(*arguments, stdout=asyncio.subprocess.PIPE)
    output, _ = await second.communicate()

    [placed] = sandbox.journal
    assert placed.orders == (output.decode().strip(),)
