"""Calls with little time settle a doubt, too: the look for it has time of its own, and goes on when they have left."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta

import pytest
from support.ordering import POST, client

from kakaclo_async import MaterialImage, NewDesign, OutcomeUnknown
from kakaclo_async.codec import encode
from kakaclo_async.errors import LeaseLost
from kakaclo_async.ordering import Journal
from kakaclo_async.ordering.leases import Writes
from kakaclo_async.resources.custom import send_design
from kakaclo_async.resources.orders.placing import place
from kakaclo_async.resources.refunds import ask_for_refund
from kakaclo_async.sandbox import Fault
from kakaclo_async.sandbox.trade.delivery import Line
from kakaclo_async.sending import sender_of

pytestmark = pytest.mark.stepped

SHORT = {"timeout": 0.5}
LIST = "/v2/order/orders"


def looks(sandbox, path=LIST):
    return sum(served.method == "GET" and served.path == path for served in sandbox.log)


async def in_doubt(kk, sandbox, journal, order):
    """Leave an order in doubt that KakaClo has, and that its list shows by now."""
    sandbox.faults.add(Fault("reset_after", **POST))
    with pytest.raises(OutcomeUnknown):
        await kk.orders.submit(order, journal=journal, timeout=0)
    sandbox.skip(301)


async def submitted(kk, order, journal, *, times=12, timeout=0.5):
    """Submit it again and again, as a queue does, until its outcome is known."""
    for _ in range(times):
        try:
            return await kk.orders.submit(order, journal=journal, timeout=timeout)
        except OutcomeUnknown:
            pass
    pytest.fail(f"still unknown after {times} submits")


@pytest.mark.parametrize("timeout", [0.01, 0.5, 1.0, 1.5])
async def test_a_short_submit_spends_its_time_on_a_look(kk, sandbox, journal, order, timeout):
    await in_doubt(kk, sandbox, journal, order())
    created = await kk.orders.submit(order(), journal=journal, timeout=timeout)
    assert [placed.orders for placed in sandbox.journal] == [(created.id,)]
    assert looks(sandbox) == 1


async def test_each_of_several_processes_looks_in_its_short_time(sandbox, url, journal, order):
    async with client(sandbox) as kk:
        await in_doubt(kk, sandbox, journal, order())
    async with client(sandbox) as kk:
        created = await kk.orders.submit(order(), journal=Journal(url, now=sandbox.now), **SHORT)
    assert [placed.orders for placed in sandbox.journal] == [(created.id,)]


async def test_submits_that_are_cancelled_early_settle_it_in_the_background(kk, sandbox, journal, order):
    await in_doubt(kk, sandbox, journal, order())
    for _ in range(12):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                created = await kk.orders.submit(order(), journal=journal)
                break
        await asyncio.sleep(2)  # nobody waits when the look is due
    assert [placed.orders for placed in sandbox.journal] == [(created.id,)]
    assert looks(sandbox) == 1


async def test_an_order_that_kakaclo_did_not_get_is_sent_again_by_short_submits(kk, sandbox, journal, order):
    sandbox.faults.add(Fault("reset_after", takes_effect=False, **POST))
    with pytest.raises(OutcomeUnknown):
        await kk.orders.submit(order(), journal=journal, timeout=0)
    sandbox.skip(601)
    created = await submitted(kk, order(), journal)
    assert [placed.orders for placed in sandbox.journal] == [(created.id,)]


@pytest.mark.parametrize(
    "options",
    [
        SHORT,
        {"timeout": 0.5, "max_wait": 0.5},
        {"attempt_timeout": 0.1},
        {"max_wait": 0.0},
        {"max_attempts": 1},
    ],
    ids=str,
)
@pytest.mark.parametrize("by", ["submit", "settle"])
async def test_the_limits_of_a_view_do_not_bind_the_look(kk, sandbox, journal, order, options, by):
    await in_doubt(kk, sandbox, journal, order())
    sandbox.faults.add(Fault("delay", path=LIST, method="GET", seconds=0.4, times=None))
    sandbox.faults.add(Fault("bad_gateway", path=LIST, method="GET"))
    if by == "settle":
        assert await journal.settle(kk.with_options(**options)) == ()
    created = await submitted(kk.with_options(**options), order(), journal)
    assert [placed.orders for placed in sandbox.journal] == [(created.id,)]


def place_others(sandbox, sku, count):
    """Orders of others, enough for several pages of the list."""
    for number in range(count):
        sandbox.catalog.set_stock(sku, "G007", 99)
        sandbox.ledger.place([Line(sku, 1)], {"country": "US"}, "Standard", f"OTHER-{number}", None)
    sandbox.skip(301)


async def test_a_search_of_many_pages_goes_on_from_one_short_submit_to_the_next(kk, sandbox, journal, order):
    await in_doubt(kk, sandbox, journal, order())
    place_others(sandbox, order("X").items[0].sku, 800)
    sandbox.faults.add(Fault("delay", path=LIST, method="GET", seconds=0.4, times=None))
    created = await submitted(kk, order(), journal)
    assert created.id == sandbox.journal[0].orders[0]
    assert looks(sandbox) <= 8  # one search of four pages, read as a list that may move


async def test_what_was_read_before_a_look_failed_is_matched(kk, sandbox, journal, order):
    await in_doubt(kk, sandbox, journal, order())
    place_others(sandbox, order("X").items[0].sku, 600)
    list_of = [served.query["pageNumber"] async for served in listed(kk, sandbox)]
    sandbox.faults.add(Fault("rejected", path=LIST, method="GET", skip=list_of.index("3") + 1, times=None))
    await journal.settle(kk)
    assert (await journal.find("SHOP-1")).outcome == sandbox.journal[0].orders[0]


async def test_a_refund_that_was_found_before_a_look_failed_is_found(kk, sandbox, journal, order):
    orders = [(await kk.orders.create(order(key))).id for key in ("A", "B")]
    sandbox.skip(301)
    sandbox.faults.add(Fault("reset_after", path="*/refund", method="POST", times=2))
    for number in orders:
        with pytest.raises(OutcomeUnknown):
            await kk.refunds.request(number, journal=journal, timeout=0)
    sandbox.skip(601)
    sandbox.faults.add(Fault("server_error", path="*/refund/*", method="GET", skip=1, times=None))
    await journal.settle(kk)
    pending = await journal.pending()
    assert len(pending) == 1  # and it is not called absent, for nobody looked
    assert pending[0].status == "unknown"


async def listed(kk, sandbox):
    """Yield the requests of one search."""
    before = len(sandbox.log)
    assert [order async for order in kk.orders.query(created_from=sandbox.now() - timedelta(days=1))]
    for served in list(sandbox.log)[before:]:
        yield served


async def test_looks_of_short_submits_keep_their_distance(kk, sandbox, journal, order):
    sandbox.faults.add(Fault("reset_after", takes_effect=False, **POST))
    began = asyncio.get_running_loop().time()
    for _ in range(100):
        with pytest.raises(OutcomeUnknown):
            await kk.orders.submit(order(), journal=journal, timeout=0.1)
    assert 1 <= looks(sandbox) <= asyncio.get_running_loop().time() - began + 1


async def test_a_short_refund_finds_what_it_asked_for_before(kk, sandbox, journal, order):
    created = await kk.orders.create(order())
    sandbox.skip(301)
    sandbox.faults.add(Fault("reset_after", path="*/refund", method="POST"))
    with pytest.raises(OutcomeUnknown):
        await kk.refunds.request(created.id, journal=journal, timeout=0)
    number = await kk.refunds.request(created.id, journal=journal, **SHORT)
    assert [*sandbox.ledger.refunds] == [number]


async def test_a_short_call_finds_the_design_that_it_added_before(kk, sandbox, journal):
    models = [await kk.custom.model(model.id) async for model in kk.custom.models()]
    image = "https://img.example/a.png"
    design = NewDesign(
        model_id=next(model.id for model in models if model.status == 1),
        en_name="Dinosaur",
        image_url=image,
        material_images=[MaterialImage("a", image)],
    )
    sandbox.faults.add(Fault("reset_after", path="*/addProduct", method="POST"))
    with pytest.raises(OutcomeUnknown):
        await kk.custom.add_design(design, journal=journal, timeout=0)
    sandbox.skip(400)
    added = await kk.custom.add_design(design, journal=journal, **SHORT)
    assert [found async for found in kk.custom.designs()] == [added]


@pytest.mark.parametrize("timeout", [0.01, 0.5, 0.9])
async def test_a_short_submit_looks_once_it_can_tell_however_short_before_another_looked(
    kk, sandbox, journal, order, timeout
):
    sandbox.faults.add(Fault("reset_after", takes_effect=False, **POST))
    with pytest.raises(OutcomeUnknown) as unknown:
        await kk.orders.submit(order(), journal=journal, timeout=0)
    await asyncio.sleep((unknown.value.settles_at - sandbox.now()).total_seconds() - 0.2)
    for _ in range(2):  # the first begins too early
        with contextlib.suppress(OutcomeUnknown):
            created = await kk.orders.submit(order(), journal=journal, timeout=timeout)
        await asyncio.sleep(max(0, 0.3 - timeout))
    assert looks(sandbox) == 2
    assert [placed.orders for placed in sandbox.journal] == [(created.id,)]


async def test_submits_of_what_no_look_can_settle_keep_their_pace(kk, sandbox, journal, order):
    await in_doubt(kk, sandbox, journal, order())
    sandbox.skip(601)
    sandbox.faults.add(Fault("bad_gateway", path=LIST, method="GET", times=None))
    once = kk.with_options(max_attempts=1)
    for _ in range(20):
        with pytest.raises(OutcomeUnknown):
            await once.orders.submit(order(), journal=journal, timeout=0.1)
    assert looks(sandbox) <= 20


IMAGE = "https://shop.test/front.png"
DESIGN = NewDesign(model_id=1, en_name="Mug", image_url=IMAGE, material_images=[MaterialImage("a", IMAGE)])
SENDING = {
    "order": lambda sender, order, check: place(sender, order, encode(order), check_lease=check),
    "refund": lambda sender, _, check: ask_for_refund(
        sender, "10001", b"{}", custom_order_id=None, check_lease=check
    ),
    "design": lambda sender, _, check: send_design(
        sender, DESIGN, encode(DESIGN), patience=1, check_lease=check
    ),
}


@pytest.mark.parametrize("kind", SENDING)
async def test_a_lease_that_ends_between_its_last_look_and_the_leaving_keeps_the_write_back(
    kk, sandbox, order, kind
):
    """The process was stopped in between, and another worker has taken over."""
    assert SENDING.keys() == {writes.kind for writes in Writes.__subclasses__()}
    checks = []

    def check():
        checks.append(kind)
        if len(checks) > 1:
            raise LeaseLost("over")

    with pytest.raises(LeaseLost):
        await SENDING[kind](sender_of(kk), order(), check)
    assert len(checks) == 3
    sent = {served.path for served in sandbox.log if served.method == "POST"}
    assert [path for path in sent if path.endswith(("/orders", "/refund", "/addProduct"))] == []
