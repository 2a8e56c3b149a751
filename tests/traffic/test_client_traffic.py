"""What one permit buys, and who gets the next one: the whole client against the sandbox, on a stepped clock."""

from __future__ import annotations

import asyncio
from itertools import islice

import pytest
from support.shop import ADDRESS

from kakaclo_async import (
    Caching,
    DeadlineExceeded,
    FreightRequest,
    Item,
    KakaClo,
    KakaCloError,
    Lane,
    NewOrder,
    NotFound,
    RateLimit,
    Rejected,
    ServerError,
    Waited,
)
from kakaclo_async.sandbox import Fault

pytestmark = [pytest.mark.stepped, pytest.mark.kakaclo_sandbox(products=200, index_lag=0)]

STOCKS = "/v1/product/stocks"
FREIGHT = "/v2/order/orders/channel/automationSplit"


def skus(sandbox, count):
    return list(islice(sandbox.catalog.skus(), count))


async def drain(kk):
    """Use up all permits that bulk calls may take."""
    bulk = kk.bulk()
    await asyncio.gather(*(bulk.payment.balance() for _ in range(98)))


async def test_500_look_ups_of_single_skus_are_17_requests(kk, sandbox):
    wanted = skus(sandbox, 500)
    levels = await asyncio.gather(*map(kk.stocks.get, wanted))
    assert [level.sku for level in levels] == wanted
    assert sandbox.requests[STOCKS] == 17


async def test_500_look_ups_without_a_free_permit_are_17_requests_too(sandbox):
    rate = RateLimit(capacity=1, per_second=2.0, margin=0)
    async with KakaClo(sandbox.token, base_url=sandbox.url, rate_limit=rate, reserve=0, max_wait=None) as kk:
        await kk.payment.balance()
        await asyncio.gather(*map(kk.stocks.get, skus(sandbox, 500)))
    assert sandbox.requests[STOCKS] == 17


async def test_repeated_and_cancelled_look_ups_cost_nothing_and_harm_nobody(kk, sandbox):
    distinct = skus(sandbox, 400)
    calls = [asyncio.create_task(kk.stocks.get(sku)) for sku in [*distinct, *distinct[:100]]]
    await asyncio.sleep(0)
    for call in calls[::10]:
        call.cancel()
    ends = await asyncio.gather(*calls, return_exceptions=True)
    for number, end in enumerate(ends):
        if number % 10:
            assert end.sku == distinct[number % 400]
        else:
            assert isinstance(end, asyncio.CancelledError)
    assert sandbox.requests[STOCKS] <= 17


async def test_each_look_up_has_its_own_not_found(kk, sandbox):
    known = skus(sandbox, 1)[0]
    ends = await asyncio.gather(
        kk.stocks.get(known), kk.stocks.get("NO1"), kk.stocks.get("NO2"), return_exceptions=True
    )
    assert ends[0].sku == known
    assert [str(end) for end in ends[1:]] == [f"no stock is known of the SKU 'NO{n}'" for n in (1, 2)]
    assert sandbox.requests[STOCKS] == 1


async def test_a_failed_request_fails_just_its_callers(kk, sandbox):
    sandbox.faults.add(Fault("server_error", path=STOCKS))
    hasty = kk.with_options(max_attempts=1)
    ends = await asyncio.gather(*map(hasty.stocks.get, skus(sandbox, 60)), return_exceptions=True)
    kinds = [type(end) for end in ends]
    assert kinds.count(ServerError) == 30
    failures = [end for end in ends if isinstance(end, ServerError)]
    assert len({id(failure) for failure in failures}) == 30
    assert sandbox.requests[STOCKS] == 2


async def test_a_refusal_of_everything_is_not_asked_apart_without_end(kk, sandbox):
    sandbox.faults.add(Fault("rejected", path=STOCKS, times=None, message="not these"))
    ends = await asyncio.gather(*map(kk.stocks.get, skus(sandbox, 30)), return_exceptions=True)
    assert {type(end) for end in ends} == {Rejected}
    assert len({id(end) for end in ends}) == 30
    assert sandbox.requests[STOCKS] == 1 + 12


async def test_selectors_do_not_mix(kk, sandbox):
    product = next(iter(sandbox.catalog.products()))
    sku = product["skuDetails"][0]["sku"]
    await asyncio.gather(
        kk.products.get(product["spu"]),
        kk.products.get_many(skus=[sku]),
        kk.stocks.get(sku),
        kk.stocks.get_many([sku]),
        kk.stocks.get(sku, warehouse_code="G004"),
    )
    assert sandbox.requests["/v1/product/products"] == 2
    assert sandbox.requests[STOCKS] == 2


async def test_a_few_codes_ride_with_their_siblings_and_many_travel_alone(kk, sandbox):
    wanted = skus(sandbox, 95)
    await asyncio.gather(
        kk.stocks.get(wanted[0]), kk.stocks.get_many(wanted[:20]), kk.stocks.get_many(wanted[5:30])
    )
    assert sandbox.requests[STOCKS] == 1
    levels = await kk.stocks.get_many([*wanted, "NOSUCH"])
    assert [level.sku for level in levels] == wanted
    assert sandbox.requests[STOCKS] == 1 + 4


async def test_a_look_up_that_cannot_have_a_permit_in_time_fails_alone(sandbox):
    rate = RateLimit(capacity=1, per_second=0.1, margin=0)
    async with KakaClo(sandbox.token, base_url=sandbox.url, rate_limit=rate, reserve=0) as kk:
        first, second = skus(sandbox, 2)
        await kk.payment.balance()
        look_up = asyncio.create_task(kk.stocks.get(first))
        with pytest.raises(DeadlineExceeded) as caught:
            await kk.with_options(max_wait=5).stocks.get(second)
        assert caught.value.retry_in > 5
        assert (await look_up).sku == first


async def test_1000_quotes_of_which_900_equal_another_are_100_requests(kk, sandbox):
    a, b = skus(sandbox, 2)
    carts = [FreightRequest([Item(a, 1 + n % 10), Item(b, 1 + n // 10 % 10)], "US") for n in range(1000)]
    quotes = await kk.freight.quote_many(carts)
    assert len(quotes) == 1000
    assert sandbox.requests[FREIGHT] == 100
    assert quotes[0] == quotes[100] != quotes[1]


async def test_a_quote_is_kept_for_ten_minutes(kk, sandbox):
    (sku,) = skus(sandbox, 1)
    await kk.freight.quote([Item(sku, 1), Item(sku, 1)], "us")
    await kk.bulk().freight.quote([Item(sku, 2)], "US")
    assert sandbox.requests[FREIGHT] == 1
    await asyncio.sleep(601)
    await kk.freight.quote([Item(sku, 2)], "US")
    assert sandbox.requests[FREIGHT] == 2


async def test_placing_an_order_drops_the_quotes_of_its_skus_alone(kk, sandbox):
    ordered, other = islice(sandbox.catalog.selling("CN", pieces=3), 2)
    for sku in (ordered, other):
        await kk.freight.quote([Item(sku, 1)], "US")
    await kk.orders.create(NewOrder(address=ADDRESS, items=[Item(ordered, 1)]))
    for sku in (ordered, other):
        await kk.freight.quote([Item(sku, 1)], "US")
    assert sandbox.requests[FREIGHT] == 3


async def test_reference_data_is_kept_for_a_day(kk, sandbox):
    for _ in range(3):
        await asyncio.gather(
            kk.categories.tree(), kk.warehouses.all(), kk.custom.category_names(), kk.custom.model(1)
        )
    assert sandbox.requests.total() == 4
    await asyncio.sleep(86_401)
    await kk.categories.tree()
    assert sandbox.requests.total() == 5


async def test_caching_can_be_turned_off(sandbox):
    async with KakaClo(sandbox.token, base_url=sandbox.url, caching=Caching(freight=0, reference=0)) as kk:
        item = Item(skus(sandbox, 1)[0], 1)
        for _ in range(2):
            await asyncio.gather(*(kk.freight.quote([item], "US") for _ in range(5)))
            await kk.categories.tree()
    assert sandbox.requests[FREIGHT] == 2
    assert sandbox.requests["/v1/product/category"] == 2


async def test_errors_are_not_kept(kk, sandbox):
    with pytest.raises(Rejected):
        await kk.freight.quote([Item("NOSUCH", 1)], "US")
    with pytest.raises(Rejected):
        await kk.freight.quote([Item("NOSUCH", 1)], "US")
    assert sandbox.requests[FREIGHT] == 2


async def test_an_interactive_quote_does_not_wait_for_a_bulk_one_that_is_equal(kk, sandbox):
    await drain(kk)
    bulk = kk.bulk()
    queue = [asyncio.create_task(bulk.payment.balance()) for _ in range(100)]
    item = Item(skus(sandbox, 1)[0], 1)
    slow = asyncio.create_task(bulk.freight.quote([item], "US"))
    await asyncio.sleep(0.1)
    clock = asyncio.get_running_loop().time
    started = clock()
    await kk.freight.quote([item], "US")
    assert clock() - started < 0.5
    await asyncio.gather(slow, *queue)


async def test_cancelling_a_fan_out_cancels_what_is_queued(kk, sandbox):
    await drain(kk)
    (sku,) = skus(sandbox, 1)
    carts = [FreightRequest([Item(sku, 1 + n)], "US") for n in range(300)]
    before = sandbox.requests.total()
    fan_out = asyncio.create_task(kk.freight.quote_many(carts))
    await asyncio.sleep(3)
    fan_out.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fan_out
    sent = sandbox.requests.total() - before
    assert 0 < sent < 20
    assert kk.stats().lanes[Lane.BULK].queued == 0
    await asyncio.sleep(60)
    assert sandbox.requests.total() - before == sent


async def test_collected_errors_lose_no_other_quote(kk, sandbox):
    sandbox.faults.add(Fault("server_error", path=FREIGHT, times=3))
    hasty = kk.with_options(max_attempts=1)
    (sku,) = skus(sandbox, 1)
    carts = [FreightRequest([Item(sku, 1 + n)], "US") for n in range(10)]
    quotes = await hasty.freight.quote_many(carts, on_error="collect")
    assert [isinstance(quote, ServerError) for quote in quotes].count(True) == 3
    assert len([quote for quote in quotes if not isinstance(quote, KakaCloError)]) == 7


@pytest.mark.long
async def test_interactive_calls_do_not_wait_behind_3334_bulk_calls(kk, sandbox):
    bulk = kk.bulk()
    queue = [asyncio.create_task(bulk.payment.balance()) for _ in range(3334)]
    await asyncio.sleep(1)
    waits = []
    stop = kk.on_event(
        lambda event: (
            waits.append(event.seconds)
            if isinstance(event, Waited) and event.lane is Lane.INTERACTIVE
            else None
        )
    )
    for _ in range(20):  # while the reserve lasts
        await kk.payment.balance()
    assert max(waits) == 0.0
    for _ in range(30):
        await kk.payment.balance()
    assert len(waits) == 50
    assert max(waits) <= 0.5 + 0.01  # one leak interval
    stop()
    assert sandbox.throttled == 0
    for call in queue:
        call.cancel()
    await asyncio.gather(*queue, return_exceptions=True)
    assert kk.stats().lanes[Lane.BULK].queued == 0


async def test_a_stream_is_bulk_by_itself(kk, sandbox):
    found = [
        product
        async for product in kk.products.in_category(next(iter(sandbox.catalog.products()))["categoryId"])
    ]
    assert found
    stats = kk.stats()
    assert stats.lanes[Lane.INTERACTIVE].requests == 0
    assert stats.lanes[Lane.BULK].requests == stats.requests


@pytest.mark.long
async def test_all_requests_take_no_longer_than_the_bucket_needs_and_meet_no_429(kk, sandbox):
    clock = asyncio.get_running_loop().time
    started = clock()
    bulk = kk.bulk()
    await asyncio.gather(*(bulk.payment.balance() for _ in range(600)))
    least = (600 - 118 + 20) / 2.0  # the margin of 2, and the reserve once
    assert clock() - started <= least * 1.01 + 0.5
    assert sandbox.throttled == 0
    with pytest.raises(NotFound):
        await kk.products.get("NOSUCH")
