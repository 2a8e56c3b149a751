"""The jobs of the bulk lane take turns; what settles a doubt about money goes before them, and starves none."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta
from itertools import islice

import attrs
import pytest
from hypothesis import example, given, strategies as st
from support.shop import ADDRESS

from kakaclo_async import DeadlineExceeded, FreightRequest, Item, NewOrder, OutcomeUnknown
from kakaclo_async.events import Job, Lane
from kakaclo_async.ordering import Journal
from kakaclo_async.ratelimit.bucket import LaneQueue
from kakaclo_async.sandbox import Fault

pytestmark = [pytest.mark.stepped, pytest.mark.kakaclo_sandbox(products=200, index_lag=0)]

INTERACTIVE, BULK = Lane.INTERACTIVE, Lane.BULK
LEAK = 0.5  # seconds per permit
ORDERS = "/v2/order/orders"


def now():
    return asyncio.get_running_loop().time()


@attrs.define(slots=False)
class Lines:
    """Calls that wait at a gate without a free permit, and the order in which they get one."""

    gate: object
    served: list = attrs.field(factory=list)
    tasks: list = attrs.field(factory=list)
    jobs: dict = attrs.field(factory=dict)

    def add(self, name, count, *, urgent=False, lane=BULK, job=True, **options):
        made = self.jobs.setdefault(name, Job(urgent)) if job else None

        async def call():
            with await self.gate.enter(lane, job=made, **options):
                self.served.append(name)

        added = [asyncio.create_task(call()) for _ in range(count)]
        self.tasks += added
        return added

    async def end(self):
        await asyncio.gather(*self.tasks, return_exceptions=True)
        return "".join(self.served)


@pytest.fixture
async def lines(make_gate):
    """No permit is free, and the reserve is 0: bulk calls get one each half second."""
    gate = make_gate(capacity=1, margin=0, reserve=0)
    await gate.enter(BULK)
    return Lines(gate)


# The order of a lane


async def test_jobs_take_turns_whenever_they_come_and_however_large_they_are(lines):
    lines.add("A", 12)
    await asyncio.sleep(1.1)
    lines.add("B", 3)
    lines.add("C", 2)
    assert await lines.end() == "AA" + "ABC" * 2 + "AB" + "A" * 7


async def test_all_single_calls_are_one_job_in_the_order_they_come(lines):
    for name in "abcd":
        lines.add(name, 1, job=False)
    lines.add("J", 4)
    assert await lines.end() == "aJbJcJdJ"


async def test_a_small_job_takes_twice_its_own_time_beside_a_huge_one_which_loses_nothing(lines):
    huge = lines.add("H", 400)
    await asyncio.sleep(0.1)
    small = lines.add("s", 20)
    await asyncio.gather(*small)
    assert now() <= 2 * 20 * LEAK + LEAK
    await asyncio.gather(*huge)
    assert now() == pytest.approx(420 * LEAK, rel=1e-3)


@pytest.mark.parametrize("others", [1, 2, 5])
async def test_among_several_jobs_each_has_its_share(lines, others):
    for number in range(others):
        lines.add(str(number), 300)
    small = lines.add("s", 20)
    await asyncio.gather(*small)
    assert now() == pytest.approx(20 * (others + 1) * LEAK, abs=LEAK)


async def test_a_job_that_asks_for_one_permit_after_another_has_its_share_too(lines):
    lines.add("H", 200)
    job = Job()
    for _ in range(10):  # as a pull reads a list, page after page
        with await lines.gate.enter(BULK, job=job):
            await asyncio.sleep(LEAK / 5)
    assert now() <= 2 * 10 * LEAK + LEAK
    assert len(lines.served) in {9, 10, 11}
    for task in lines.tasks:
        task.cancel()


async def test_urgent_jobs_go_before_the_others_and_leave_them_a_tenth(lines):
    lines.add("H", 40)
    await asyncio.sleep(0.1)
    lines.add("u", 20, urgent=True)
    lines.add("v", 2, urgent=True)
    served = await lines.end()
    assert served[:22].startswith("uvuvuuuuu" + "H" + "uuuuuuuuu" + "H")
    assert served.rstrip("H").count("H") == 2


async def test_urgent_jobs_never_go_before_interactive_calls(lines):
    lines.add("u", 5, urgent=True)
    lines.add("i", 3, lane=INTERACTIVE, job=False)
    assert await lines.end() == "iii" + "u" * 5


async def test_urgent_jobs_are_not_starved_by_interactive_calls(lines):
    lines.add("i", 60, lane=INTERACTIVE, job=False)
    lines.add("H", 60)
    lines.add("u", 3, urgent=True)
    served = await lines.end()
    assert served[:30].count("u") == 3
    assert "H" not in served[:30]


async def test_a_retry_goes_to_the_head_of_its_job_and_of_no_other(lines):
    lines.add("A", 2)
    lines.add("B", 2)
    await asyncio.sleep(0)
    lines.jobs["a"] = lines.jobs["A"]
    lines.add("a", 2, again=True)
    assert await lines.end() == "aBaBAA"


async def test_a_job_whose_requests_all_fail_takes_no_more_than_its_turns(lines):
    broken = Job()

    async def fail():
        for attempt in range(5):
            with await lines.gate.enter(BULK, job=broken, again=attempt > 0):
                lines.served.append("x")

    failing = [asyncio.create_task(fail()) for _ in range(30)]
    await asyncio.sleep(0)
    await asyncio.gather(*lines.add("s", 20))
    assert "".join(lines.served).count("x") <= 21
    for task in failing:
        task.cancel()


# Cancellation and throttling


async def test_cancelled_calls_cost_no_turn_and_leave_nothing_behind(lines):
    rng = random.Random(3)
    for name in "ABC":
        lines.add(name, 30)
    await asyncio.sleep(0)
    for task in rng.sample(lines.tasks, 45) + lines.add("D", 10):
        task.cancel()
    served = await lines.end()
    assert len(served) == 45
    assert now() == pytest.approx(45 * LEAK, rel=1e-3)
    least = min(served.count(name) for name in "ABC")
    assert all(set(served[3 * turn : 3 * turn + 3]) == set("ABC") for turn in range(least))
    assert lines.gate.queued(BULK) == 0


async def test_after_a_429_each_job_has_its_turns_among_the_retries(make_shop, make_gate):
    shop = make_shop()
    shop.fill()  # another program has spent the permits
    gate = make_gate(reserve=0)
    served = []

    async def call(name, job):
        await shop.call(gate, BULK, job=job)
        served.append(name)

    jobs = {"H": Job(), "s": Job()}
    huge = [asyncio.create_task(call("H", jobs["H"])) for _ in range(150)]
    await asyncio.sleep(0)
    await asyncio.gather(*(call("s", jobs["s"]) for _ in range(20)))
    assert shop.refused > 0
    assert served.count("H") <= 30
    await asyncio.gather(*huge)


@attrs.define(eq=False)
class Waits:
    job: Job | None
    again: bool
    turn: asyncio.Future


JOBS = [None, Job(), Job(), Job(urgent=True), Job(urgent=True)]
CALLS = st.lists(st.tuples(st.sampled_from(JOBS), st.booleans(), st.integers(1, 12)), max_size=8)


@example(calls=[(JOBS[3], False, 20)], gone=12, later=[(None, False, 3)], job=JOBS[3], again=False)
@given(
    CALLS,
    st.integers(0, 30),
    CALLS,
    st.sampled_from(JOBS),
    st.booleans(),
)
def test_a_queue_knows_the_place_of_a_newcomer_and_the_order_to_come(calls, gone, later, job, again):
    queue = LaneQueue()
    loop = asyncio.new_event_loop()

    def push(calls):
        for called, is_retry, times in calls:
            for _ in range(times):
                queue.push(Waits(called, is_retry, loop.create_future()))

    push(calls)
    for _ in range(gone):
        queue.pop()
    push(later)
    place = queue.ahead_of(job, again=again)
    newcomer = Waits(job, again, loop.create_future())
    queue.push(newcomer)
    to_come = list(queue)
    assert to_come.index(newcomer) == place
    assert queue.size == len(to_come)
    assert [queue.pop() for _ in to_come] == to_come
    assert queue.pop() is None
    loop.close()


async def test_a_call_of_a_job_is_refused_at_once_by_the_place_that_it_would_have(lines):
    lines.add("H", 100)
    await asyncio.sleep(0)
    assert lines.gate.eta(BULK, lines.jobs["H"]) == pytest.approx(101 * LEAK, abs=1e-3)
    assert lines.gate.eta(BULK, Job()) == lines.gate.eta(BULK) == pytest.approx(2 * LEAK, abs=1e-3)
    assert lines.gate.eta(BULK, Job(urgent=True)) == pytest.approx(LEAK, abs=1e-3)
    with pytest.raises(DeadlineExceeded):
        await lines.gate.enter(BULK, job=lines.jobs["H"], max_wait=10)
    assert now() < 0.1
    assert (await lines.gate.enter(BULK, max_wait=1.1)).waited == pytest.approx(2 * LEAK, abs=1e-3)
    for task in lines.tasks:
        task.cancel()


# The whole client


async def drain(kk):
    """Use up all permits that bulk calls may take."""
    await asyncio.gather(*(kk.bulk().payment.balance() for _ in range(98)))


def carts(sandbox, count, first=0):
    (sku,) = islice(sandbox.catalog.skus(), 1)
    return [FreightRequest([Item(sku, 1 + first + number)], "US") for number in range(count)]


async def all_orders(kk, sandbox):
    return [order async for order in kk.orders.query(created_from=sandbox.now() - timedelta(days=9))]


async def stop(task):
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


SMALL_JOBS = {
    "quote_many": (40, lambda kk, sandbox: kk.freight.quote_many(carts(sandbox, 40, first=5000))),
    "matrix": (
        40,
        lambda kk, sandbox: kk.freight.matrix([cart.items for cart in carts(sandbox, 40, 5000)], ["FR"]),
    ),
    "get_many": (24, lambda kk, sandbox: kk.stocks.get_many([f"NO{number}" for number in range(720)])),
    "listing": (1, all_orders),
    "single call": (1, lambda kk, _: kk.bulk().payment.balance()),
}


@pytest.mark.parametrize("name", SMALL_JOBS)
async def test_a_job_beside_a_fan_out_of_hundreds_takes_about_twice_its_own_time(kk, sandbox, name):
    requests, job = SMALL_JOBS[name]
    await drain(kk)
    huge = asyncio.create_task(kk.freight.quote_many(carts(sandbox, 400)))
    await asyncio.sleep(1)
    began = now()
    await job(kk, sandbox)
    assert now() - began <= (2 * requests + 2) * LEAK
    assert not huge.done()
    await stop(huge)


async def test_a_pull_beside_a_fan_out_has_its_share(kk, sandbox):
    until = sandbox.now() - timedelta(minutes=10)
    await drain(kk)
    huge = asyncio.create_task(kk.freight.quote_many(carts(sandbox, 400)))
    await asyncio.sleep(1)
    began = now()
    rows = [row async for row in kk.products.updated(until - timedelta(days=5000), until)]
    assert len(rows) == 200
    assert now() - began <= (2 * sandbox.requests["/v1/product/products"] + 3) * LEAK
    await stop(huge)


async def test_the_calls_of_one_view_are_as_many_jobs_as_they_are(kk, sandbox):
    """Not the view takes turns, but what is called on it."""
    await drain(kk)
    bulk = kk.bulk()
    huge = asyncio.create_task(bulk.freight.quote_many(carts(sandbox, 400)))
    await asyncio.sleep(1)
    began = now()
    await bulk.freight.quote_many(carts(sandbox, 10, first=5000))
    assert now() - began <= 22 * LEAK
    await stop(huge)


FREIGHT = "/v2/order/orders/channel/automationSplit"


async def test_a_small_job_of_carts_that_a_huge_one_waits_to_ask_for_does_not_wait_for_its_turns(kk, sandbox):
    await drain(kk)
    asked = carts(sandbox, 400)
    huge = asyncio.create_task(kk.freight.quote_many(asked))
    await asyncio.sleep(1)
    began = now()
    quotes = await kk.freight.quote_many(asked[200:230])
    assert now() - began <= 62 * LEAK
    assert (await huge)[200:230] == quotes
    assert sandbox.requests[FREIGHT] == 400


async def test_equal_jobs_at_once_cost_as_much_as_one(kk, sandbox):
    asked = carts(sandbox, 150)
    many = await asyncio.gather(*(kk.freight.quote_many(asked) for _ in range(3)))
    assert many[0] == many[1] == many[2]
    assert sandbox.requests[FREIGHT] == 150


async def test_what_is_known_when_its_permit_comes_is_not_asked_again(kk, sandbox):
    await drain(kk)
    asked = carts(sandbox, 30)
    job = asyncio.create_task(kk.freight.quote_many(asked))
    await asyncio.sleep(1)
    last = await kk.freight.quote(asked[-1].items, "US")  # interactive
    assert (await job)[-1] == last
    assert sandbox.requests[FREIGHT] == 30


async def test_a_job_goes_on_when_the_one_that_asks_for_its_cart_is_cancelled(kk, sandbox):
    sandbox.faults.add(Fault("delay", path=FREIGHT, seconds=5, times=None))
    asked = carts(sandbox, 30)
    first = asyncio.create_task(kk.freight.quote_many(asked))
    await asyncio.sleep(1)
    second = asyncio.create_task(kk.freight.quote_many(asked))
    await asyncio.sleep(1)
    await stop(first)
    assert len(await second) == 30
    assert sandbox.requests[FREIGHT] == 30
    cache = kk._sender.state.freight
    assert (cache._flights, cache._sent) == ({}, {})
    third = asyncio.create_task(kk.freight.quote_many(carts(sandbox, 30, first=100)))
    await asyncio.sleep(1)
    await stop(third)
    assert (cache._flights, cache._sent) == ({}, {})


async def test_an_order_is_found_at_once_whatever_waits_in_the_bulk_lane(kk, sandbox):
    (sku,) = islice(sandbox.catalog.selling(pieces=5), 1)
    made = await kk.orders.create(NewOrder(address=ADDRESS, items=[Item(sku, 1)]))
    await drain(kk)
    queued = [asyncio.create_task(kk.bulk().payment.balance()) for _ in range(200)]
    jobs = [asyncio.create_task(kk.freight.quote_many(carts(sandbox, 100, n * 1000))) for n in range(5)]
    await asyncio.sleep(1)
    began = now()
    found = await kk.orders.find(made.custom_order_id, sandbox.now() - timedelta(days=1))
    assert [order.id for order in found] == [made.id]
    assert now() - began <= 2 * LEAK
    for task in (*queued, *jobs):
        await stop(task)


@pytest.mark.parametrize("how", ["submit", "settle"])
async def test_a_journal_settles_a_doubt_before_bulk_jobs_go_on(kk, sandbox, tmp_path, how):
    (sku,) = islice(sandbox.catalog.selling(pieces=5), 1)
    journal = Journal(f"sqlite:///{tmp_path}/orders.db", now=sandbox.now)
    order = NewOrder(address=ADDRESS, items=[Item(sku, 1)], custom_order_id="A")
    await drain(kk)
    jobs = [asyncio.create_task(kk.freight.quote_many(carts(sandbox, 100, n * 1000))) for n in range(5)]
    await asyncio.sleep(1)
    sandbox.faults.add(Fault("reset_after", path=ORDERS, method="POST"))
    if how == "submit":
        assert (await kk.orders.submit(order, journal=journal)).id
    else:
        with pytest.raises(OutcomeUnknown):
            await kk.orders.submit(order, journal=journal, timeout=0)
        assert await journal.settle(kk) == ()
    assert now() <= 1 + 10 * LEAK
    assert len(sandbox.ledger.orders) == 1
    for task in jobs:
        await stop(task)


async def test_a_bulk_view_that_is_refused_by_its_max_wait_is_told_by_its_own_place(kk, sandbox):
    await drain(kk)
    huge = asyncio.create_task(kk.freight.quote_many(carts(sandbox, 400)))
    await asyncio.sleep(1)
    assert kk.eta("bulk") <= 2 * LEAK + 1e-3
    assert (await kk.bulk().with_options(max_wait=2 * LEAK + 0.1).payment.balance()).amount
    await stop(huge)
