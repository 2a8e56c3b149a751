"""What a journal holds can be read by later versions: payloads, digests and keys stay as they are."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import attrs
import pytest
from support.ordering import POST
from support.shop import ADDRESS

from kakaclo_async import Item, MaterialImage, NewDesign, NewOrder, OutcomeUnknown, RefundItem
from kakaclo_async.codec import encode
from kakaclo_async.ordering import WriteStatus
from kakaclo_async.ordering.journal import digest_of
from kakaclo_async.ordering.orders import read_order
from kakaclo_async.ordering.refunds import read_design, refund_key
from kakaclo_async.resources._journal import RefundRequest
from kakaclo_async.resources.custom import design_key
from kakaclo_async.sandbox import Fault

ORDER = NewOrder(
    address=attrs.evolve(ADDRESS, zip=None),
    items=[Item("DRESS", 2), Item("HAT", 1), Item("DRESS", 1)],
    channel_type="Express",
    custom_order_id="SHOP-1",
    remark="Grüße",
    sale_platform="Shopify",
)
STORED = (
    '{"orderAddresses":{"country":"US","phone":"555 0100 999","recipient":"Nobody Shall-See",'
    '"province":"Florida","street1":"1 Secret St","city":"Orlando"},'
    '"orderItemsList":[{"sku":"DRESS","quantity":2},{"sku":"HAT","quantity":1},{"sku":"DRESS","quantity":1}],'
    '"channelType":"Express","customOrderId":"SHOP-1","remark":"Grüße","salePlatform":"Shopify"}'
).encode()
DESIGN = NewDesign(
    model_id=20,
    en_name="Dinosaur",
    image_url="https://img.example/a.png",
    material_images=[MaterialImage("a", "https://img.example/b.png")],
    color_value="#A72525",
)


def rows(url):
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        return connection.execute("SELECT key, state, payload FROM kakaclo_write").fetchall()


def test_an_order_keeps_its_payload_and_its_digest():
    assert encode(ORDER) == STORED
    assert digest_of(STORED) == "10358489b0fb4131f89bb7f952df0f3a99be9f90519a179456519a579c02e354"
    assert read_order(STORED) == ORDER


def test_a_design_keeps_its_key():
    assert design_key(encode(DESIGN)) == "8d9166fee1849271343332ab1e1042db"
    assert read_design(encode(DESIGN)) == DESIGN


@pytest.mark.parametrize(
    ("items", "key"),
    [
        (None, "7/869676badca6e56a"),
        ((Item("HAT", 1), RefundItem(item_id="1", sku_code="DRESS", quantity=1)), "7/04fe5c193b334149"),
    ],
)
def test_a_refund_keeps_its_key(items, key):
    asked = RefundRequest(order_id="7", items=items, reason="Other", remark=None, again="x")

    assert refund_key(asked) == key


@pytest.mark.stepped
async def test_an_order_that_is_done_leaves_its_items_alone(kk, journal, url, order):
    placed = order()
    await kk.orders.submit(placed, journal=journal)

    [item] = placed.items
    [(_, state, payload)] = rows(url)
    assert (state, json.loads(payload)) == ("done", {"orderItemsList": [{"sku": item.sku, "quantity": 1}]})
    assert (await journal.find("SHOP-1")).items == (item,)


@pytest.mark.stepped
async def test_an_order_that_the_journal_alone_has_is_sent_as_it_was_stored(kk, sandbox, journal, url, order):
    sandbox.faults.add(Fault("reset_before", **POST))
    with pytest.raises(OutcomeUnknown):
        await kk.orders.submit(order(remark="Grüße"), journal=journal, timeout=0)
    sandbox.skip(700)
    [entry] = await journal.settle(kk)
    [(_, state, payload)] = rows(url)
    assert (entry.status, state) == (WriteStatus.NOT_EXECUTED, "lost")

    assert await journal.finish(kk) == ()

    assert [served.body for served in sandbox.log if served.method == "POST"][-1] == payload
    assert len(sandbox.journal) == 1
