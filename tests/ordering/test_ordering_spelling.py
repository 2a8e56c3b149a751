"""Orders that an earlier version wrote down, before countries, channel types and SKUs had one spelling, are the same."""

from __future__ import annotations

import json

import attrs
import pytest
from support.ordering import POST
from support.shop import ADDRESS

from kakaclo_async import Conflict, Item, OutcomeUnknown
from kakaclo_async.codec import encode
from kakaclo_async.ordering import WriteStatus
from kakaclo_async.ordering.orders import OrderWrites
from kakaclo_async.ordering.writes import digest_of
from kakaclo_async.sandbox import Fault

pytestmark = pytest.mark.stepped


def as_written(order, *, country="US", channel="Standard", blank=""):
    """Return the payload of an order as an earlier version wrote it."""
    body = json.loads(encode(order))
    body["orderAddresses"]["country"] = country
    body["channelType"] = channel
    for line in body["orderItemsList"]:
        line["sku"] = f"{blank}{line['sku']}{blank}"
    return json.dumps(body).encode()


OLD = [
    {"country": "us"},
    {"country": "Us"},
    {"channel": "standard"},
    {"country": "us", "channel": "STANDARD", "blank": " "},
    {"blank": " "},
]


async def adopt(kk, journal, order, payload):
    kept = OrderWrites(kk._sender).redact(payload)
    await journal._store.adopt("order", {order.custom_order_id: ("1000000000001", kept, digest_of(payload))})


@pytest.mark.parametrize("old", OLD)
async def test_an_order_that_is_done_is_the_same_however_it_was_written(kk, sandbox, journal, order, old):
    placed = order()
    await adopt(kk, journal, placed, as_written(placed, **old))

    created = await kk.orders.submit(placed, journal=journal)

    assert created.id == "1000000000001"
    assert sandbox.requests.total() == 0


@pytest.mark.parametrize(
    "changed",
    [
        {"address": attrs.evolve(ADDRESS, country="GB")},
        {"address": attrs.evolve(ADDRESS, zip="32802")},
        {"channel_type": "Express"},
        {"remark": "x"},
    ],
)
async def test_another_order_stays_a_conflict(kk, sandbox, journal, order, changed):
    await adopt(kk, journal, order(), as_written(order(), country="us", channel="standard", blank=" "))

    with pytest.raises(Conflict):
        await kk.orders.submit(order(**changed), journal=journal)
    with pytest.raises(Conflict):
        await kk.orders.submit(order("SHOP-1", Item(order().items[0].sku, 2)), journal=journal)
    assert sandbox.requests.total() == 0


@pytest.mark.parametrize("old", OLD)
async def test_an_order_in_doubt_is_settled_by_the_same_however_it_was_written(
    kk, sandbox, journal, order, old, monkeypatch
):
    placed = order()
    with monkeypatch.context() as earlier:
        earlier.setattr("kakaclo_async.ordering.journal.encode", lambda given: as_written(given, **old))
        sandbox.faults.add(Fault("reset_after", **POST))
        with pytest.raises(OutcomeUnknown):
            await kk.orders.submit(placed, journal=journal, timeout=0)

    created = await kk.orders.submit(placed, journal=journal, timeout=None)

    assert [created.id] == list(sandbox.ledger.orders)
    assert (await journal.find("SHOP-1")).status is WriteStatus.DONE


async def test_an_order_that_an_earlier_version_left_is_sent_in_capitals(
    kk, sandbox, journal, order, monkeypatch
):
    with monkeypatch.context() as earlier:
        earlier.setattr(
            "kakaclo_async.ordering.journal.encode", lambda given: as_written(given, country="us")
        )
        sandbox.faults.add(Fault("bad_gateway", **POST))
        with pytest.raises(OutcomeUnknown):
            await kk.orders.submit(order(), journal=journal, timeout=0)
    sandbox.skip(700)

    await journal.finish(kk)

    [made] = sandbox.ledger.orders.values()
    assert made.address["country"] == "US"


@pytest.mark.parametrize("written", ["us", " US "])
async def test_a_country_in_small_letters_is_the_same_order(kk, sandbox, journal, order, written):
    first = await kk.orders.submit(order(), journal=journal)

    again = await kk.orders.submit(order(address=attrs.evolve(ADDRESS, country=written)), journal=journal)

    assert again.ids == first.ids
    assert len(sandbox.ledger.orders) == 1
