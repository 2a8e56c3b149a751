"""What happens to an order is told once, in its natural order, with a request for each 250 orders."""

from __future__ import annotations

from kakaclo_async.feed import (
    OrderCompleted,
    OrderPaid,
    OrderShipped,
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
