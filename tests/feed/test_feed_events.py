"""What happens to an order is told once, in its natural order, with a request for each 250 orders."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import attrs
import pytest

from kakaclo_async import Item
from kakaclo_async.feed import (
    BalanceLow,
    Feed,
    OrderCancelled,
    OrderCompleted,
    OrderPaid,
    OrderShipped,
    OrderSplit,
    RefundSettled,
    read_event,
)

ORDERS = "/v2/order/orders"
HOUR, DAY = 3600, 86_400


async def told(feed, after=0):
    return [event async for event in feed.events(after)]


async def test_an_order_is_told_from_payment_to_arrival(kk, sandbox, feed, place):
    number = await place("SHOP-1")

    for seconds in (0, 7 * HOUR, 6 * DAY):
        sandbox.skip(seconds)
        await feed.turn(kk)

    paid, shipped, completed = await told(feed)
    [parcel] = sandbox.ledger.orders[number].parcels
    assert (type(paid), type(shipped), type(completed)) == (OrderPaid, OrderShipped, OrderCompleted)
    assert {(event.order_id, event.custom_order_id) for event in (paid, shipped, completed)} == {
        (number, "SHOP-1")
    }
    assert paid.amount == sandbox.ledger.orders[number].final
    assert (shipped.package, shipped.tracking_code, shipped.carrier) == (
        parcel.number,
        parcel.tracking,
        parcel.carrier,
    )
    assert [item.quantity for item in shipped.items] == [1]
    assert paid.seq < shipped.seq < completed.seq


async def test_what_happened_between_two_looks_comes_in_its_natural_order(kk, sandbox, feed, place):
    await place()
    sandbox.skip(30 * DAY)
    await feed.turn(kk)
    assert [event.type for event in await told(feed)] == ["OrderPaid", "OrderShipped", "OrderCompleted"]


async def test_refunds_are_told_with_what_came_back_and_end_in_a_cancellation(kk, sandbox, feed, place):
    sku = next(iter(sandbox.catalog.selling(pieces=5)))
    number = await place("SHOP-1", Item(sku, 3))
    price = sandbox.ledger.orders[number].items[0].price
    await feed.turn(kk)

    for pieces in ([Item(sku, 1)], None):
        await kk.refunds.request(number, pieces)
        sandbox.skip(60)
        await feed.turn(kk)  # it is asked for
        sandbox.skip(HOUR)
        await feed.turn(kk)

    _, part, rest, cancelled = await told(feed)
    final = sandbox.ledger.orders[number].final
    assert (part.amount, part.total) == (price, price)
    assert (rest.amount, rest.total) == (final - price, final)
    assert (type(part), type(rest), type(cancelled)) == (RefundSettled, RefundSettled, OrderCancelled)


async def test_a_declined_refund_is_told_with_nothing_that_came_back(kk, sandbox, feed, place):
    number = await place()
    refund = await kk.refunds.request(number)
    sandbox.skip(60)
    await feed.turn(kk)
    sandbox.ledger.settle(refund, granted=False)
    sandbox.skip(60)
    await feed.turn(kk)

    _, settled = await told(feed)
    assert (settled.type, settled.amount, settled.total) == ("RefundSettled", 0, 0)


@pytest.mark.parametrize("form", ["value", "list"], ids=["one number came back", "all numbers came back"])
async def test_a_split_is_told_before_anything_of_the_orders_that_it_brought(
    kk, sandbox, feed, place, two_countries, form
):
    sandbox.split_orders, sandbox.number_form = True, form
    number = await place("SHOP-1", *two_countries)
    for seconds in (0, 60, 7 * HOUR, 13 * HOUR):
        sandbox.skip(seconds)
        await feed.turn(kk)

    events = await told(feed)
    numbers = tuple(sandbox.journal[-1].orders)
    [split] = [event for event in events if isinstance(event, OrderSplit)]
    assert (split.order_id, split.custom_order_id, split.numbers) == (number, "SHOP-1", numbers)
    for other in numbers[1:]:
        assert all(event.seq > split.seq for event in events if event.order_id == other)
    shipped = [event.order_id for event in events if isinstance(event, OrderShipped)]
    assert sorted(shipped) == sorted(numbers)
    assert len([event for event in events if isinstance(event, OrderPaid)]) == len(numbers) == 2


async def test_a_part_that_shows_late_is_found_in_the_end(kk, sandbox, feed, place, two_countries):
    sandbox.split_orders = True
    await place("SHOP-1", *two_countries)
    first, second = sandbox.journal[-1].orders
    hidden = sandbox.ledger._searched
    sandbox.ledger.searched()
    late = hidden.pop(second)
    for _ in range(3):
        await feed.turn(kk)
        sandbox.skip(60)
    assert [event.type for event in await told(feed)] == ["OrderPaid"]
    hidden[second] = late
    for _ in range(3):
        sandbox.skip(HOUR)
        await feed.turn(kk)
    assert [(event.type, event.order_id) for event in await told(feed)] == [
        ("OrderPaid", first),
        ("OrderSplit", first),
        ("OrderPaid", second),
    ]


async def test_what_is_split_off_later_is_found_as_well(kk, sandbox, feed, place, two_countries):
    sandbox.split_orders = True
    await place("SHOP-1", *two_countries)
    first, second = sandbox.journal[-1].orders
    orders = sandbox.ledger._searched
    sandbox.ledger.searched()
    apart = orders[first], orders.pop(second)
    orders[first] = attrs.evolve(apart[0], items=(*apart[0].items, *apart[1].items))
    await feed.turn(kk)
    orders[first], orders[second] = apart
    for _ in range(3):
        sandbox.skip(60)
        await feed.turn(kk)
    assert [(event.type, event.order_id) for event in await told(feed)] == [
        ("OrderPaid", first),
        ("OrderSplit", first),
        ("OrderPaid", second),
    ]


async def many(sandbox, journal, count):
    """Let a journal know of so many orders, without sending each."""
    skus = list(sandbox.catalog.selling(pieces=20))
    address = {"country": "US"}
    found = {}
    for turn in range(count):
        sku = skus[turn % len(skus)]
        line = type("Line", (), {"sku": sku, "quantity": 1})
        number = sandbox.ledger.place([line], address, "Standard", f"SHOP-{turn}", None)
        payload = b'{"orderItemsList":[{"sku":"%s","quantity":1}]}' % sku.encode()
        found[f"SHOP-{turn}"] = (number, payload, "digest")
    await journal._store.adopt("order", found)


async def test_a_turn_asks_once_for_250_orders_and_nothing_while_none_is_due(kk, sandbox, journal, feed):
    await many(sandbox, journal, 510)
    first = await feed.turn(kk, seconds=60)
    asked = sandbox.requests[ORDERS]
    idle = await feed.turn(kk, seconds=60)
    assert (first.orders, first.requests, first.events, asked) == (510, 3, 510, 3)
    assert (idle.orders, idle.requests, idle.events, sandbox.requests[ORDERS]) == (0, 0, 0, 3)
    assert first.problems == ()


async def test_old_orders_are_looked_at_seldom_and_those_that_are_over_never_again(kk, sandbox, feed, place):
    number = await place()
    looks = []
    for _ in range(12):
        looks.append((await feed.turn(kk)).orders)
        sandbox.skip(600)
    sandbox.ship_after = 0
    assert sum(looks) == 12  # each sixtieth of two hours is less than ten minutes
    sandbox.skip(20 * DAY)
    await feed.turn(kk)
    assert sandbox.ledger.orders[number].completed is not None
    asked = sandbox.requests[ORDERS]
    turn = await feed.turn(kk)
    sandbox.skip(300 * DAY)
    assert ((await feed.turn(kk)).orders, turn.due_at, sandbox.requests[ORDERS]) == (0, None, asked)


async def test_an_unknown_status_breaks_nothing(kk, sandbox, feed, place, damage):
    await place()
    damage(
        lambda body: body.replace(b'"status":"processing"', b'"status":"on_the_moon"').replace(
            b'"fulfillmentStatus":"waiting_to_ship"', b'"fulfillmentStatus":"floating"'
        )
    )
    turn = await feed.turn(kk)
    sandbox.skip(30 * DAY)
    await feed.turn(kk)
    assert turn.problems == ()
    assert [event.type for event in await told(feed)] == ["OrderPaid", "OrderShipped", "OrderCompleted"]


async def test_an_order_that_cannot_be_read_keeps_no_other_from_being_told(kk, sandbox, feed, place, damage):
    bad, good = await place("SHOP-1"), await place("SHOP-2")

    def without_freight(body):
        others, name, own = body.partition(b'"SHOP-1"')
        return others + name + own.replace(b'"freightAmount":', b'"freightAmount":"free","was":', 1)

    damage(without_freight)
    turn = await feed.turn(kk)
    assert [event.order_id for event in await told(feed)] == [good]
    [problem] = turn.problems
    assert bad in problem
    damage(lambda body: body)
    sandbox.skip(60)
    await feed.turn(kk)
    assert [event.order_id for event in await told(feed)] == [good, bad]


async def test_a_low_balance_is_told_once_until_it_was_enough_again(kk, sandbox, journal):
    feed = Feed(journal, balance_below=Decimal(100), shop="acme", now=sandbox.now)
    for balance in (500, 99, 50, 100, 99):
        sandbox.ledger.balance = Decimal(balance)
        await feed.turn(kk)
        await feed.turn(kk)  # it is asked for each five minutes
        sandbox.skip(300)
    low = await told(feed)
    assert [(type(event), event.amount, event.below, event.shop) for event in low] == [
        (BalanceLow, Decimal(99), Decimal(100), "acme")
    ] * 2
    assert sandbox.requests["/v1/payment/balance"] == 5
    assert len({event.id for event in low}) == 2


async def test_a_turn_that_had_no_time_for_all_orders_asks_for_the_balance_all_the_same(kk, sandbox, journal):
    await many(sandbox, journal, 510)
    feed = Feed(journal, balance_below=10**10, now=sandbox.now)
    turn = await feed.turn(kk, seconds=0)
    assert (turn.orders, turn.requests) == (250, 2)
    assert BalanceLow in {type(event) for event in await feed.read(limit=1000)}


async def test_orders_that_were_placed_before_are_left_alone(kk, sandbox, journal, place):
    await place("SHOP-1")
    sandbox.skip(DAY)
    feed = Feed(journal, since=sandbox.now() - timedelta(hours=1), now=sandbox.now)
    await place("SHOP-2")
    await feed.turn(kk)
    assert [event.custom_order_id for event in await told(feed)] == ["SHOP-2"]


async def test_events_come_back_from_plain_data_also_those_of_a_newer_version(kk, sandbox, feed, place):
    await place()
    sandbox.skip(30 * DAY)
    await feed.turn(kk)
    for event in await told(feed):
        assert read_event(event.document) == event
        assert type(event).from_dict(event.to_dict()) == event
        newer = {**event.document, "type": "OrderTeleported", "planet": "Mars"}
        assert read_event(newer).id == event.id
