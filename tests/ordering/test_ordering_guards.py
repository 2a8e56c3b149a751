"""Guards: off by default, and then nothing passes them."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest
from support.ordering import POST, client

from kakaclo_async import ConfigurationError, Guards, InvalidRequest, Item, KakaClo, NewDesign, NoFreight
from kakaclo_async.sandbox import Fault

pytestmark = pytest.mark.stepped


async def test_a_read_only_client_changes_nothing(sandbox, journal, order):
    async with client(sandbox, guards=Guards(read_only=True)) as kk:
        assert (await kk.orders.check(order())).ok
        requests = sandbox.requests.total()
        design = NewDesign(model_id=1, en_name="A", image_url="https://img.example/a.png")
        with pytest.warns(DeprecationWarning, match="V1"):
            v1 = kk.v1
        for write in (
            kk.orders.create(order()),
            kk.orders.submit(order(), journal=journal),
            kk.bulk().refunds.request("1", remark="x"),
            v1.orders.create(order()),
            v1.refunds.request("1", "x"),
        ):
            with pytest.raises(InvalidRequest, match="was not sent: this client is read-only"):
                await write
        with pytest.raises(InvalidRequest, match="read-only"):
            await kk.custom.add_design(design)

    assert {served.path for served in list(sandbox.log)[requests:] if served.method == "POST"} <= {
        "/v1/product/custom/customDesigned/search"
    }
    assert await journal.pending() == ()


async def test_an_order_above_the_limit_is_refused_with_its_price(sandbox, journal, order):
    async with client(sandbox) as kk:
        price = (await kk.orders.check(order())).total
    async with client(sandbox, guards=Guards(max_order_amount=price)) as kk:
        await kk.orders.create(order())
        double = order("SHOP-2", Item(order().items[0].sku, 2))
        for write in (kk.orders.create(double), kk.orders.submit(double, journal=journal)):
            with pytest.raises(InvalidRequest, match=f"'SHOP-2' was not sent: it costs .* allow {price}"):
                await write

    assert len(sandbox.journal) == 1


async def test_a_limit_of_money_is_not_gone_round_by_an_unknown_price_or_by_v1(sandbox, order):
    sandbox.old_freight_shape = True
    async with client(sandbox, guards=Guards(max_order_amount=10**6)) as kk:
        with pytest.raises(InvalidRequest, match="price cannot be told"):
            await kk.orders.create(order())
        with (
            pytest.warns(DeprecationWarning, match="V1"),
            pytest.raises(InvalidRequest, match="kk.orders, not kk.v1"),
        ):
            await kk.v1.orders.create(order())

    assert sandbox.journal == []


async def test_an_order_that_nothing_ships_is_not_sent_past_a_limit_of_money(sandbox, journal, order):
    sandbox.no_freight_to = ("US",)
    async with client(sandbox, guards=Guards(max_order_amount=10**6)) as kk:
        for write in (kk.orders.create(order()), kk.orders.submit(order(), journal=journal)):
            with pytest.raises(NoFreight, match="'SHOP-1' was not placed: nothing ships SKU .* to US"):
                await write

    assert sandbox.journal == []
    assert await journal.pending() == ()


async def test_orders_per_hour_are_counted_over_all_views(sandbox, journal, order):
    async with client(sandbox, guards=Guards(max_orders_per_hour=2)) as kk:
        await kk.orders.create(order("A"))
        await asyncio.sleep(600)
        await kk.bulk().orders.submit(order("B"), journal=journal)
        with pytest.raises(InvalidRequest, match="allow 2 orders per hour; submit it again in 3000 s"):
            await kk.orders.submit(order("C"), journal=journal)
        await kk.refunds.request(sandbox.journal[0].orders[0], remark="refunds are no orders")
        await asyncio.sleep(3001)
        await kk.orders.submit(order("C"), journal=journal)

    assert [placed.custom_order_id for placed in sandbox.journal] == ["A", "B", "C"]


async def test_an_order_that_was_refused_for_the_rate_counts_once(sandbox, order):
    sandbox.faults.add(Fault("throttled", times=2, **POST))
    async with client(sandbox, guards=Guards(max_orders_per_hour=2)) as kk:
        await kk.orders.create(order("A"))
        await kk.orders.create(order("B"))

    assert len(sandbox.journal) == 2


async def test_no_orders_per_hour_are_none(sandbox, order):
    async with client(sandbox, guards=Guards(max_orders_per_hour=0)) as kk:
        with pytest.raises(InvalidRequest, match="allow 0 orders per hour"):
            await kk.orders.create(order())


@pytest.mark.parametrize(
    ("environments", "settings"),
    [
        ({"test"}, {"environment": "test"}),
        ({"production", "test"}, {}),
        ({"local"}, {"base_url": "http://127.0.0.1:9/openapi"}),
        ({"https://proxy.example/openapi"}, {"base_url": "https://proxy.example/openapi/"}),
    ],
)
def test_an_allowed_environment_is_allowed(environments, settings):
    KakaClo("t", guards=Guards(environments=environments), **settings)


@pytest.mark.parametrize(
    ("environments", "settings", "named"),
    [
        ({"test"}, {}, "allow test, not production"),
        ({"test", "local"}, {"environment": "production"}, "allow local, test, not production"),
        ({"production"}, {"base_url": "http://127.0.0.1:9/openapi"}, "not local"),
        ({"production"}, {"base_url": "https://proxy.example"}, "not https://proxy.example"),
        ((), {}, "allow no environment"),
    ],
)
def test_any_other_environment_is_refused_at_once(environments, settings, named):
    with pytest.raises(ConfigurationError, match=named):
        KakaClo("t", guards=Guards(environments=environments), **settings)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"max_order_amount": 9.99}, "floats are not exact"),
        ({"max_order_amount": -1}, "at least 0"),
        ({"max_order_amount": "NaN"}, "not NaN"),
        ({"max_order_amount": "plenty"}, "amount of US dollars, not 'plenty'"),
        ({"max_orders_per_hour": -1}, "at least 0"),
        ({"environments": "test"}, "a set of names"),
    ],
)
def test_guards_that_cannot_be_are_refused(settings, text):
    with pytest.raises(ConfigurationError, match=text):
        Guards(**settings)


def test_guards_take_money_in_exact_forms():
    assert Guards(max_order_amount="9.99").max_order_amount == Decimal("9.99")
