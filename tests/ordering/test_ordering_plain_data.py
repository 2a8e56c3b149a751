"""Plain data is taken wherever a model is, on both faces; what is wrong with it is told at once, before a permit is spent."""

from __future__ import annotations

import asyncio
from functools import partial

import attrs
import pytest
from support.leaks import CORE, PERSON, Search, shown
from support.shop import ADDRESS

import kakaclo_sync
from kakaclo_async import FreightRequest, InvalidRequest, Item, NewOrder
from kakaclo_async.ordering import Journal

BAD = {
    "address": PERSON.to_dict() | {"country": f"no {CORE}", "phone": ""},
    "items": [{"sku": "A", "quantity": 0}, {"quantity": 1}],
    "chanel_type": "Express",
}
PATHS = [
    "address.country: ",
    "address.phone: ",
    "items[0].quantity: ",
    "items[1].sku: it is missing",
    "chanel_type: ",
]
CART = [{"sku": "A", "quantity": 0}, {"sku": "B", "quantities": 1}]
LINE = {"item_id": "1", "sku_code": "", "quantity": 0}


def calls(kk, journal):
    """Return each call that takes models with plain data that is wrong in more than one way, and what it must tell."""
    return {
        "create": (partial(kk.orders.create, BAD), PATHS),
        "submit": (partial(kk.orders.submit, BAD, journal=journal), PATHS),
        "quote": (partial(kk.freight.quote, CART, "Nowhere"), ["items[0].quantity: ", "items[1].quantities: ", "country: "]),
        "quote_many": (
            partial(kk.freight.quote_many, [{"items": CART, "country": "X"}, (CART, "US")]),
            ["requests[0]: ", "items[0].quantity: ", "country: ", "requests[1]: "],
        ),
        "matrix": (partial(kk.freight.matrix, [CART], ["US"]), ["carts[0]: ", "items[0].quantity: ", "items[1].quantities: "]),
        "channels": (partial(kk.freight.channels, CART, "US"), ["items[0].quantity: ", "items[1].quantities: "]),
        "request": (partial(kk.refunds.request, "1", [LINE, CART[0]]),
                    ["items[0].sku_code: ", "items[0].quantity: ", "items[1].quantity: "]),
        "plan": (partial(kk.refunds.plan, "1", [LINE]), ["items[0].sku_code: ", "items[0].quantity: "]),
    }  # fmt: skip


NAMES = list(calls(kakaclo_sync.KakaClo("t"), None))


@pytest.mark.parametrize("name", NAMES)
async def test_all_problems_are_told_at_once_and_nothing_is_sent(kk, sandbox, tmp_path, name):
    call, told = calls(kk, Journal(f"sqlite:///{tmp_path}/orders.db"))[name]
    with pytest.raises(InvalidRequest) as caught:
        await call()
    assert [part for part in told if part not in str(caught.value)] == []
    assert sandbox.requests.total() == 0
    Search()(name, *shown(caught.value))


@pytest.mark.parametrize("name", NAMES)
async def test_blocking_callers_are_told_the_same(sandbox, tmp_path, name):
    def run():
        with kakaclo_sync.KakaClo(sandbox.token, base_url=sandbox.url) as kk:
            call, told = calls(kk, kakaclo_sync.Journal(f"sqlite:///{tmp_path}/orders.db"))[name]
            with pytest.raises(InvalidRequest) as caught:
                call()
            return [part for part in told if part not in str(caught.value)]

    assert await asyncio.to_thread(run) == []
    assert sandbox.requests.total() == 0


async def test_an_order_of_plain_data_is_the_order(kk, sandbox, order, tmp_path):
    item = order().items[0]
    document = {"address": attrs.asdict(ADDRESS), "items": [item.to_dict()], "custom_order_id": "A"}
    journal = Journal(f"sqlite:///{tmp_path}/orders.db", now=sandbox.now)

    created = await kk.orders.submit(document, journal=journal)
    again = await kk.orders.submit(NewOrder.from_dict(document), journal=journal)
    other = await kk.orders.create(document | {"custom_order_id": "B"})

    assert created == again
    assert other.custom_order_id == "B"
    assert len(sandbox.ledger.orders) == 2


async def test_carts_of_plain_data_are_quoted_like_items(kk, sandbox, order):
    item = order().items[0]
    plain = item.to_dict()

    quote = await kk.freight.quote([plain], "us")
    assert await kk.freight.quote([item], "US") == quote
    many = await kk.freight.quote_many(
        [{"items": [plain], "country": "US"}, ([plain], "US"), FreightRequest([plain], "US")]
    )
    matrix = await kk.freight.matrix([[plain]], ["US"])

    assert set(many) == {quote}
    assert matrix[[Item(item.sku, item.quantity)], "US"] == quote
    assert sandbox.requests["/v2/order/orders/channel/automationSplit"] == 1


async def test_a_refund_takes_lines_of_plain_data(kk, sandbox, order):
    placed = order()
    created = await kk.orders.create(placed)
    sandbox.skip(400)
    plain = placed.items[0].to_dict()

    assert await kk.refunds.plan(created.id, [plain]) == await kk.refunds.plan(created.id, placed.items[:1])
    lines = (await kk.refunds.plan(created.id, [plain])).refund.order_items
    assert (await kk.refunds.plan(created.id, [line.to_dict() for line in lines])).refund.order_items == lines


NO_MODEL = ["x", 5, None, [["sku", "A"]], True]
"""What the body of a web request may be in place of an object, or of a list of lines."""


REFUNDS = ("request", "plan")  # without lines they are about the whole order


@pytest.mark.parametrize(
    ("name", "given"),
    [(name, given) for name in NAMES for given in NO_MODEL if given is not None or name not in REFUNDS],
)
async def test_what_is_neither_a_model_nor_plain_data_is_refused(kk, sandbox, tmp_path, name, given):
    call, _ = calls(kk, Journal(f"sqlite:///{tmp_path}/orders.db"))[name]
    before, after = (call.args[:1], call.args[2:]) if name in REFUNDS else ((), call.args[1:])
    with pytest.raises(InvalidRequest):
        await call.func(*before, given, *after, **call.keywords)
    assert sandbox.requests.total() == 0


@pytest.mark.parametrize("given", NO_MODEL, ids=repr)
async def test_a_check_finds_that_it_was_given_no_order(kk, sandbox, given):
    [problem] = (await kk.orders.check(given)).problems
    assert problem.field == ""
    assert str(problem).startswith("it must be the fields of NewOrder, not ")
    assert sandbox.requests.total() == 0


async def test_the_address_of_a_journal_is_no_journal(kk, sandbox):
    """Mirrors take an address, so people write one here as well; it may hold a password, and is not repeated."""
    url = "postgresql://me:secret@host/orders"
    order = NewOrder(address=ADDRESS, items=[Item("A", 1)], custom_order_id="shop-1")
    calls = (
        partial(kk.orders.submit, order, journal=url),
        partial(kk.orders.family, "shop-1", journal=url),
        partial(kk.refunds.request, "1000000371651", journal=url),
    )
    for call in calls:
        with pytest.raises(InvalidRequest, match=r"journal must be a Journal, such as Journal\(") as caught:
            await call()
        assert "secret" not in str(caught.value)
    assert sandbox.requests.total() == 0
