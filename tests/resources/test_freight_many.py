"""Quotes of many carts: what cannot be asked stands in its place, and thousands of carts hold nobody up."""

from __future__ import annotations

import asyncio
from itertools import islice

import pytest

from kakaclo_async import (
    ChannelsRequest,
    FreightQuote,
    FreightRequest,
    InvalidRequest,
    Item,
    NoFreight,
    Rejected,
)
from kakaclo_async.resources import _lookup, freight

pytestmark = [pytest.mark.stepped, pytest.mark.kakaclo_sandbox(products=20, index_lag=0)]

FREIGHT = "/v2/order/orders/channel/automationSplit"


@pytest.fixture
def item(sandbox):
    (sku,) = islice(sandbox.catalog.selling(), 1)
    return Item(sku, 1)


def bad(item):
    """Requests of which those in the places 1 to 4 cannot be asked, and why not."""
    requests = [
        ([item], "US"),
        ([item], "USA"),
        ([], "US"),
        ([item], None),
        "US",
        FreightRequest([item], "FR"),
    ]
    reasons = ["two-letter code", "at least one Item", "must not be empty", "not one str"]
    return requests, dict(enumerate(reasons, start=1))


async def test_what_cannot_be_asked_is_collected_in_its_place(kk, sandbox, item):
    requests, reasons = bad(item)
    quotes = await kk.freight.quote_many(requests, "collect")
    assert len(quotes) == 6
    assert quotes[0].options
    assert isinstance(quotes[5], FreightQuote)
    for place, reason in reasons.items():
        assert isinstance(quotes[place], InvalidRequest)
        assert str(quotes[place]).startswith(f"requests[{place}]: ")
        assert reason in str(quotes[place])
    assert sandbox.requests[FREIGHT] == 2


@pytest.mark.parametrize("place", range(1, 5))
async def test_what_cannot_be_asked_is_raised_by_its_place_before_a_permit_is_spent(kk, sandbox, item, place):
    requests, reasons = bad(item)
    with pytest.raises(InvalidRequest, match=rf"^requests\[1\]: .*{reasons[place]}"):
        await kk.freight.quote_many([requests[0], requests[place], requests[5]])
    assert sandbox.requests.total() == 0
    assert kk.stats().level == 0


@pytest.mark.parametrize("on_error", ["raise", "collect"])
async def test_an_iterable_that_fails_is_not_taken_for_all_requests(kk, sandbox, item, on_error):
    made = (FreightRequest([item], country) for country in ["US", "USA", "FR"])
    with pytest.raises(InvalidRequest, match=r"^requests\[1\]: .*two-letter code.*pass \(items, country\)"):
        await kk.freight.quote_many(made, on_error)
    assert sandbox.requests.total() == 0


async def test_an_empty_cart_of_a_matrix_has_its_error_in_its_place(kk, item):
    carts = [[item], [], [Item("NOSUCH", 1)]]
    matrix = await kk.freight.matrix(carts, ["US", "fr"])
    kinds = [type(matrix[cart, country]) for cart in map(tuple, carts) for country in ("US", "FR")]
    assert kinds == [FreightQuote] * 2 + [InvalidRequest] * 2 + [Rejected] * 2


async def test_a_cart_of_a_matrix_that_holds_no_items_is_named_and_nothing_is_sent(kk, sandbox, item):
    for cart in ("ABC", [item, "ABC"], 7):
        with pytest.raises(InvalidRequest, match=r"^carts\[1\]: "):
            await kk.freight.matrix([[item], cart], ["US"])
    assert sandbox.requests.total() == 0


async def test_a_cart_that_nothing_ships_there_is_an_error_that_names_the_country_and_the_skus(
    kk, sandbox, item
):
    sandbox.no_freight_to = ("FR",)
    other = Item(list(islice(sandbox.catalog.selling(), 2))[1], 3)

    with pytest.raises(NoFreight, match=f"nothing ships SKU .*{item.sku}.* to FR") as caught:
        await kk.freight.quote([other, item], "fr")

    assert other.sku in str(caught.value)
    assert (await kk.freight.quote([other, item], "US")).cheapest.estimated_freight > 0
    assert sandbox.requests[FREIGHT] == 2


async def test_where_nothing_ships_the_error_stands_in_the_place_of_the_quote(kk, sandbox, item):
    sandbox.no_freight_to = ("FR",)
    pairs = [([item], "US"), ([item], "FR")]

    quotes = await kk.freight.quote_many(pairs, "collect")
    matrix = await kk.freight.matrix([[item]], ["US", "FR"])

    assert [type(quote) for quote in quotes] == [FreightQuote, NoFreight]
    assert [type(quote) for quote in matrix.values()] == [FreightQuote, NoFreight]
    with pytest.raises(NoFreight, match="to FR"):
        await kk.freight.quote_many(pairs)


async def test_a_cart_of_many_skus_is_not_written_out(kk, sandbox):
    sandbox.no_freight_to = ("FR",)
    skus = sorted(islice(sandbox.catalog.selling(), 25))

    with pytest.raises(NoFreight, match=f"{skus[19]}' and 5 more to FR") as caught:
        await kk.freight.quote([Item(sku, 1) for sku in skus], "FR")

    assert skus[20] not in str(caught.value)


async def test_a_cart_of_a_class_of_its_own_is_the_cart_that_it_holds(kk, sandbox, item):
    class Ours(FreightRequest):
        """As a shop may derive it."""

    carts = [
        FreightRequest([item], "US"),
        ChannelsRequest([item], "US", "H008"),
        ChannelsRequest([item], "US", "G007"),
        Ours([item], "US"),
    ]
    assert len(set(await kk.freight.quote_many(carts))) == 1
    assert sandbox.requests[FREIGHT] == 1


# Thousands


class Turns:
    """Counts pieces of work, and the most of them in one turn of the event loop."""

    def __init__(self):
        self.done = self.most = 0

    def counting(self, function):
        def counted(*arguments):
            self.done += 1
            return function(*arguments)

        return counted

    async def watch(self):
        while True:
            before = self.done
            await asyncio.sleep(0)
            self.most = max(self.most, self.done - before)


MANY = 20_000


@pytest.mark.parametrize("name", ["quote_many", "matrix", "get_many"])
async def test_preparing_thousands_of_requests_gives_the_event_loop_its_turns(kk, monkeypatch, name):
    turns = Turns()
    asyncio.get_running_loop().set_debug(False)
    monkeypatch.setattr(freight, "_canonical", turns.counting(freight._canonical))
    monkeypatch.setattr(_lookup, "check_code", turns.counting(_lookup.check_code))
    carts = [[Item("A", 1 + number)] for number in range(MANY)]
    many = {
        "quote_many": lambda: kk.freight.quote_many([FreightRequest(cart, "US") for cart in carts]),
        "matrix": lambda: kk.freight.matrix(carts, ["US"]),
        "get_many": lambda: kk.stocks.get_many([f"A{number}" for number in range(10 * MANY)]),
    }[name]()
    watch = asyncio.create_task(turns.watch())
    call = asyncio.create_task(many)
    while not kk.stats().requests:
        await asyncio.sleep(0)
    for task in (call, watch):
        task.cancel()
    await asyncio.gather(call, watch, return_exceptions=True)
    assert turns.done >= MANY
    assert turns.most <= turns.done / 4


async def test_a_fan_out_of_thousands_keeps_few_tasks(kk, item):
    asyncio.get_running_loop().set_debug(False)
    carts = [FreightRequest([Item(item.sku, 1 + number)], "US") for number in range(5000)]
    call = asyncio.create_task(kk.freight.quote_many(carts))
    await asyncio.sleep(5)
    assert kk.stats().requests > 98
    assert len(asyncio.all_tasks()) < 1000
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
