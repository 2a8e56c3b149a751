"""Every setting of a running sandbox is live, or is refused in a sentence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import attrs
import pytest

from kakaclo_async.sandbox import Fault, Sandbox, Settings
from kakaclo_async.sandbox.settings import read_setting

START = datetime(2024, 5, 1, 12, tzinfo=UTC)  # as in conftest
ORDERS = "/v2/order/orders"
BALANCE = "/v1/payment/balance"
FIXED = {
    "products": 41,
    "seed": 2,
    "years": 1.0,
    "bulk_product_share": 0.5,
    "bulk_stock_share": 0.5,
    "custom_models": 3,
    "start_at": START + timedelta(days=1),
    "clock": lambda: 1.0,
}
LIVE = {
    "token": "another",
    "tokens": ("another",),
    "log_size": 2,
    "speed": 7.0,
    "capacity": 3,
    "per_second": 9.0,
    "index_lag": 5.0,
    "replica_lag": 5.0,
    "update_rate": 0.5,
    "stock_update_rate": 0.5,
    "backdate_rate": 0.5,
    "backdate_by": 5.0,
    "url_limit": 500,
    "page_size": 7,
    "page_sizes": (7, 9),
    "page_size_every": 2,
    "page_limit": None,
    "deep_pages": "last",
    "total_cap": 4,
    "drop_row_rate": 0.5,
    "repeat_row_rate": 0.5,
    "repeat_row_mode": "extra",
    "short_page_rate": 0.5,
    "empty_page_rate": 0.5,
    "odd_time_rate": 0.5,
    "newer_time_rate": 0.5,
    "newer_time_by": 5.0,
    "missing_time_rate": 0.5,
    "lookup_limit": 0,
    "hidden_while_lagging": True,
    "index_empty": True,
    "refuses_codes": ("AMN00001",),
    "refuses_codes_status": 200,
    "damaged_rows": {"AMN00001": "raw_tab"},
    "damaged_field": "spu",
    "date_header": False,
    "day_granular": True,
    "tie_shuffle": True,
    "tie_shuffle_by": "replica",
    "row_count_as_page_size": True,
    "retry_after": True,
    "old_freight_shape": True,
    "no_freight_to": ("AQ",),
    "old_order_shape": True,
    "old_custom_shape": True,
    "numeric_refund_numbers": True,
    "order_number_as_text": True,
    "balance_form": "text",
    "number_form": "object",
    "address_field": "orderAddress",
    "split_orders": True,
    "ship_after": 1.0,
    "complete_after": 1.0,
    "refund_settle": 1.0,
    "design_delay": 1.0,
}


class Hand:
    seconds = 0.0

    def __call__(self):
        return self.seconds


def window(http):
    start, end = START - timedelta(minutes=30), http.sandbox.now()
    return {"dateStartTime": start.isoformat(), "dateEndTime": end.isoformat()}


async def updated(http, area="products"):
    return (await http.get(f"/v1/product/{area}", **window(http)))["total"]


def test_every_setting_is_in_one_of_the_groups():
    assert {*FIXED, *LIVE, "balance", "host", "port"} == set(attrs.fields_dict(Settings))


@pytest.mark.parametrize("name", FIXED)
async def test_what_the_state_was_built_from_is_refused_once_started(opened, name):
    http = await opened()
    before = getattr(http.sandbox, name)
    sentence = f"^{name} is fixed once the sandbox has started; make a new Sandbox$"
    with pytest.raises(RuntimeError, match=sentence):
        setattr(http.sandbox, name, FIXED[name])
    await http.sandbox.aclose()
    with pytest.raises(RuntimeError, match=sentence):
        setattr(http.sandbox, name, FIXED[name])
    setattr(http.sandbox, name, before)
    assert getattr(http.sandbox, name) == before


@pytest.mark.parametrize(("name", "value"), LIVE.items())
async def test_every_other_setting_can_be_changed_while_it_runs(opened, name, value):
    http = await opened()
    assert getattr(http.sandbox, name) != value
    setattr(http.sandbox, name, value)
    assert getattr(http.sandbox, name) == value
    await http.get(BALANCE)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("page_size=7", 7),
        ("drop_row_rate=0.25", 0.25),
        ("day_granular=true", True),
        ("page_limit=null", None),
        ("page_sizes=[30, 7]", (30, 7)),
        ('refuses_codes=["AMN00001"]', ("AMN00001",)),
        ('damaged_rows={"AMN00001": "raw_tab"}', {"AMN00001": "raw_tab"}),
        ("deep_pages=last", "last"),
        ("balance=7.10", Decimal("7.10")),
        ("token=12=3", "12=3"),
        ("start_at=2024-05-01T12:00:00Z", START),
    ],
)
def test_a_setting_is_read_from_text(text, value):
    name = text.partition("=")[0]
    assert read_setting(text) == (name, value)
    assert getattr(Sandbox(**{name: value}), name) == value


async def test_before_the_start_every_setting_may_change():
    sandbox = Sandbox(products=1)
    for name, value in {**FIXED, **LIVE, "balance": Decimal(7)}.items():
        setattr(sandbox, name, value)
    async with sandbox:
        assert len(list(sandbox.catalog.spus())) == 41
        assert sandbox.now() == START + timedelta(days=1)
        assert sandbox.ledger.balance == 7
        assert sandbox.log.maxlen == 2


async def test_a_seed_set_before_the_start_decides_about_the_faults_too():
    one, other = Sandbox(seed=5), Sandbox(seed=6)
    other.seed = 5
    for sandbox in (one, other):
        sandbox.faults.add(Fault("silence", times=None, probability=0.5))
    taken = [[bool(sandbox.faults.take("GET", "/")) for _ in range(50)] for sandbox in (one, other)]
    assert taken[0] == taken[1]


async def test_a_value_that_makes_no_sense_is_refused_on_a_running_sandbox_too(opened):
    http = await opened()
    with pytest.raises(ValueError, match="index_lag"):
        http.sandbox.index_lag = -1
    assert http.sandbox.index_lag == 300


async def test_the_account_is_changed_in_the_ledger(opened):
    http = await opened()
    with pytest.raises(RuntimeError, match=r"^balance is fixed once .* has started; set ledger\.balance$"):
        http.sandbox.balance = Decimal(5)
    http.sandbox.ledger.balance = Decimal(5)
    assert await http.get(BALANCE) == 5


async def test_host_and_port_are_fixed_while_it_listens(opened):
    http = await opened()
    port = http.sandbox.port
    for name, value in (("port", 0), ("host", "127.0.0.2")):
        with pytest.raises(
            RuntimeError, match=f"^{name} is fixed while the sandbox listens; close it first$"
        ):
            setattr(http.sandbox, name, value)
    http.sandbox.port = port
    await http.sandbox.aclose()
    http.sandbox.host, http.sandbox.port = "127.0.0.2", 0
    await http.sandbox.start()
    assert http.sandbox.url.startswith("http://127.0.0.2:")
    await http.get(BALANCE)


async def test_the_token_changes_at_once(opened):
    http = await opened()
    http.sandbox.token = "another"
    assert (await http.call("GET", BALANCE, token="sandbox-token"))[0] == 401
    assert (await http.call("GET", BALANCE))[0] == 200


async def test_the_log_keeps_the_newest_of_what_it_has(opened):
    http = await opened()
    for number in range(5):
        await http.call("GET", BALANCE, n=number)
    http.sandbox.log_size = 2
    assert [served.query["n"] for served in http.sandbox.log] == ["3", "4"]
    await http.call("GET", BALANCE, n=5)
    assert [served.query["n"] for served in http.sandbox.log] == ["4", "5"]


async def test_without_index_lag_searches_see_at_once_what_they_trailed(opened, order_body):
    http = await opened()
    sku = next(http.sandbox.catalog.selling())
    http.sandbox.catalog.touch(sku.partition("_")[0])
    http.sandbox.catalog.set_stock(sku, "G007", 99)
    await http.post(ORDERS, order_body((sku, 1)))
    assert (await updated(http), await updated(http, "stocks"), (await http.get(ORDERS))["total"]) == (
        0,
        0,
        0,
    )
    http.sandbox.index_lag = 0
    assert (await updated(http), await updated(http, "stocks"), (await http.get(ORDERS))["total"]) == (
        1,
        1,
        1,
    )


async def test_a_longer_index_lag_hides_what_comes_later_and_nothing_that_was_due(opened, order_body):
    http = await opened(index_lag=10)
    first, second = list(http.sandbox.catalog.spus())[:2]
    line = next(http.sandbox.catalog.selling(pieces=5)), 1
    http.sandbox.catalog.touch(first)
    await http.post(ORDERS, order_body(line))
    http.sandbox.skip(10)  # due, and not yet looked at
    http.sandbox.index_lag = 300
    http.sandbox.catalog.touch(second)
    await http.post(ORDERS, order_body(line))
    assert (await updated(http), (await http.get(ORDERS))["total"]) == (1, 1)
    http.sandbox.skip(299)
    assert (await updated(http), (await http.get(ORDERS))["total"]) == (1, 1)
    http.sandbox.skip(1)
    assert (await updated(http), (await http.get(ORDERS))["total"]) == (2, 2)


async def test_a_second_replica_comes_and_goes_and_misses_nothing(opened):
    http = await opened(index_lag=0)
    first, second, third = list(http.sandbox.catalog.spus())[:3]
    http.sandbox.catalog.touch(first)
    http.sandbox.replica_lag = 60
    http.sandbox.catalog.touch(second)
    assert sorted([await updated(http), await updated(http)]) == [1, 2]
    http.sandbox.skip(30)
    http.sandbox.replica_lag = 20
    assert [await updated(http), await updated(http)] == [2, 2]
    http.sandbox.catalog.touch(third)
    http.sandbox.replica_lag = 0
    assert [await updated(http) for _ in range(3)] == [3, 3, 3]
    http.sandbox.replica_lag = 5
    assert [await updated(http) for _ in range(3)] == [3, 3, 3]


async def test_a_second_replica_knows_stock_that_moved_and_products_that_went_before_it_came(opened):
    http = await opened(index_lag=0)
    sku, gone = next(http.sandbox.catalog.skus()), list(http.sandbox.catalog.spus())[-1]
    http.sandbox.catalog.set_stock(sku, "G007", 4321)
    http.sandbox.catalog.set_price(sku, Decimal("5.55"))
    http.sandbox.catalog.remove(gone)
    await http.get("/v1/product/stocks", skus=sku)
    http.sandbox.replica_lag = 60
    for _ in range(2):
        [row] = (await http.get("/v1/product/stocks", skus=sku, warehouseCode="G007"))["list"]
        assert row["warehouseStockList"][0]["qty"] == 4321
        [product] = (await http.get("/v1/product/products", skus=sku))["list"]
        assert product["skuDetails"][0]["price"] == Decimal("5.55")
        assert (await http.get("/v1/product/products", spus=gone))["list"] == []


async def test_the_speed_changes_from_now_on_without_a_jump(opened):
    hand = Hand()
    http = await opened(clock=hand, speed=1.0)
    began = http.sandbox.now()
    hand.seconds += 100
    http.sandbox.speed = 10.0
    assert (http.sandbox.now() - began).total_seconds() == 100
    hand.seconds += 5
    assert (http.sandbox.now() - began).total_seconds() == 150


async def test_capacity_and_rate_change_from_now_on(opened):
    hand = Hand()
    http = await opened(clock=hand, capacity=4, per_second=1.0)
    for _ in range(4):
        assert (await http.call("GET", BALANCE))[0] == 200
    assert (await http.call("GET", BALANCE))[0] == 429
    http.sandbox.capacity = 6
    assert [(await http.call("GET", BALANCE))[0] for _ in range(3)] == [200, 200, 429]
    hand.seconds += 1
    http.sandbox.per_second = 0.5  # the second that has passed leaked 1
    assert http.sandbox.level == 5
    hand.seconds += 2
    assert http.sandbox.level == 4


async def test_updates_begin_end_and_change_pace_on_a_running_sandbox(opened):
    http = await opened(index_lag=0)
    http.sandbox.skip(1000)
    assert (await updated(http), await updated(http, "stocks")) == (0, 0)
    http.sandbox.update_rate = 1.0
    http.sandbox.skip(20)
    few = await updated(http)
    assert 0 < few < 40
    assert await updated(http, "stocks") == 0
    http.sandbox.update_rate = 0
    http.sandbox.stock_update_rate = 1.0
    http.sandbox.skip(20)
    assert await updated(http) == few
    assert await updated(http, "stocks") > 0


async def test_what_was_due_before_a_change_went_by_the_old_setting(opened, order_body):
    http = await opened(index_lag=0, ship_after=100, complete_after=100)
    await http.post(ORDERS, order_body((next(http.sandbox.catalog.selling("CN")), 1)))
    http.sandbox.skip(100)  # the parcel has left, though nothing has looked
    http.sandbox.complete_after = 5000.0
    http.sandbox.skip(100)
    [order] = (await http.get(ORDERS))["list"]
    assert order["fulfillmentStatus"] == "completed"
