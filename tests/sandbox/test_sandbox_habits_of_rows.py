"""Times, hidden rows, damaged rows and dates, as odd servers answer them."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

import aiohttp
import pytest

from kakaclo_async.sandbox import Fault

PRODUCTS = "/v1/product/products"
STOCKS = "/v1/product/stocks"
ORDERS = "/v2/order/orders"


def spus(page):
    return [row["spu"] for row in page["list"]]


def at(text):
    return datetime.fromisoformat(text)


async def raw(http, path, **query):
    """Read the bytes of an answer: damaged ones are no text."""
    headers = {"Authorization": f"Bearer {http.sandbox.token}"}
    async with http.session.get(http.sandbox.url + path, params=query, headers=headers) as answer:
        assert answer.status == 200
        return await answer.read()


async def shown(http, ever):
    """Each product by its SPU, with all its times in all searches; and the order of the window."""
    rows = (await http.get(PRODUCTS, **ever))["list"]
    for row in rows:
        assert (await http.get(PRODUCTS, spus=row["spu"]))["list"] == [row]
    return {row["spu"]: row.get("updateTime", "left out") for row in rows}


def true_times(http):
    return {row["spu"]: row["updateTime"] for row in http.sandbox.catalog.products()}


async def test_some_products_can_show_a_time_in_2099(opened, ever):
    http, same = [await opened(odd_time_rate=0.4, page_size=40) for _ in range(2)]
    times, truth = await shown(http, ever), true_times(http)
    odd = {spu for spu, time in times.items() if time.startswith("2099-")}
    assert 5 < len(odd) < 30
    assert {spu: times[spu] for spu in times if spu not in odd} == {
        spu: truth[spu] for spu in truth if spu not in odd
    }
    assert list(times) == sorted(truth, key=list(times).index)
    assert await shown(same, ever) == times
    http.sandbox.odd_time_rate = 0
    assert await shown(http, ever) == truth


async def test_some_products_can_show_a_newer_time_than_the_one_they_are_found_by(opened, ever):
    http = await opened(newer_time_rate=0.5, newer_time_by=900, page_size=40)
    times, truth = await shown(http, ever), true_times(http)
    ahead = {spu: at(times[spu]) - at(truth[spu]) for spu in truth}
    assert 5 < sum(map(bool, ahead.values())) < 35
    assert timedelta() <= min(ahead.values())
    assert max(ahead.values()) <= timedelta(seconds=900)
    in_order = [truth[spu] for spu in times]
    assert in_order == sorted(in_order, reverse=True)
    late = next(spu for spu in times if ahead[spu])
    own = {"dateStartTime": truth[late], "dateEndTime": truth[late]}
    assert late in spus(await http.get(PRODUCTS, **own))


async def test_a_newer_time_is_never_later_than_now(opened):
    http = await opened(newer_time_rate=1, index_lag=0)
    spu = next(http.sandbox.catalog.spus())
    http.sandbox.catalog.touch(spu)
    http.sandbox.skip(1)
    [row] = (await http.get(PRODUCTS, spus=spu))["list"]
    assert row["updateTime"] == http.at(seconds=1)


async def test_some_products_can_lack_their_time_in_three_ways(opened, ever):
    http = await opened(missing_time_rate=0.6, page_size=40)
    times, truth = await shown(http, ever), true_times(http)
    assert {None, "", "left out"} <= set(times.values())
    assert sum(times[spu] == truth[spu] for spu in truth) > 5


async def test_a_changed_row_can_turn_up_in_a_window_that_is_long_over(http):
    catalog = http.sandbox.catalog
    spu, sku = next(catalog.spus()), list(catalog.skus())[-1]
    was = at(catalog.product(spu)["updateTime"])
    catalog.backdate(spu, 86_400)
    then = (was - timedelta(days=1)).isoformat()
    assert spus(await http.get(PRODUCTS, dateStartTime=then, dateEndTime=then)) == [spu]
    assert at(catalog.product(spu)["updateTime"]) == was - timedelta(days=1)
    catalog.set_stock(sku, "G007", 77)
    catalog.backdate(sku, 1800)
    for warehouse in ({}, {"warehouseCode": "G007"}):
        then = http.at(seconds=-1800)
        page = await http.get(STOCKS, dateStartTime=then, dateEndTime=then, **warehouse)
        assert [row["sku"] for row in page["list"]] == [sku]
        assert (await http.get(STOCKS, dateStartTime=http.at(), dateEndTime=http.at(), **warehouse))[
            "total"
        ] == 0


async def test_rows_are_set_back_at_their_rate_and_by_a_limited_span(opened, ever):
    http = await opened(index_lag=0)
    truth, stock = true_times(http), set(http.sandbox.catalog.stock_rows())
    http.sandbox.backdate_by = 3600
    http.sandbox.backdate_rate = 0.1
    http.sandbox.skip(200)
    now = true_times(http)
    back = [at(truth[spu]) - at(now[spu]) for spu in truth if truth[spu] != now[spu]]
    assert 5 < len(back) < 30
    assert timedelta() < min(back)
    assert max(back) < timedelta(hours=6)
    assert set(http.sandbox.catalog.stock_rows()) != stock
    assert (await http.get(PRODUCTS, dateStartTime=http.at(), dateEndTime=http.at(seconds=200)))["total"] == 0
    assert (await http.get(STOCKS, dateStartTime=http.at(), dateEndTime=http.at(seconds=200)))["total"] == 0


async def test_a_changed_product_can_be_hidden_until_the_index_has_seen_it(opened, ever):
    http = await opened(index_lag=300, hidden_while_lagging=True, page_size=100)
    catalog = http.sandbox.catalog
    spu, sku = next(catalog.spus()), next(catalog.skus())
    ways = [{"spus": spu}, {"skus": sku}, ever, {**ever, "sortType": "price"},
            {"categoryId": catalog.product(spu)["categoryId"]}]  # fmt: skip
    before = [await http.get(PRODUCTS, **query) for query in ways]
    assert all(spu in spus(page) for page in before)
    catalog.touch(spu)
    hidden = [await http.get(PRODUCTS, **query) for query in ways]
    assert not any(spu in spus(page) for page in hidden)
    assert [page["total"] for page in hidden] == [page["total"] - 1 for page in before]
    assert (await http.get(STOCKS, skus=sku))["total"] == 1
    http.sandbox.skip(200)
    catalog.touch(spu)
    http.sandbox.skip(299)  # the first change is seen by now, the second is not
    assert (await http.get(PRODUCTS, spus=spu))["total"] == 0
    http.sandbox.skip(1)
    assert spus(await http.get(PRODUCTS, spus=spu)) == [spu]


async def test_changed_stock_can_be_hidden_until_the_index_has_seen_it(opened, ever):
    http = await opened(index_lag=300, replica_lag=60, hidden_while_lagging=True)
    catalog = http.sandbox.catalog
    sku = next(catalog.skus())
    for_g007 = {"warehouseCode": "G007"}
    totals = [(await http.get(STOCKS, **ever))["total"] for _ in range(2)]
    await http.get(STOCKS, **ever, **for_g007)
    catalog.set_stock(sku, "G007", 5)
    for _ in range(2):
        assert (await http.get(STOCKS, skus=sku))["total"] == 0
        assert (await http.get(STOCKS, **ever))["total"] == totals[0] - 1
    assert (await http.get(PRODUCTS, skus=sku))["total"] == 1
    http.sandbox.skip(300)
    assert sorted([(await http.get(STOCKS, skus=sku))["total"] for _ in range(2)]) == [0, 1]
    http.sandbox.skip(60)
    for _ in range(2):
        assert (await http.get(STOCKS, skus=sku, **for_g007))["total"] == 1


async def test_rows_that_are_hidden_when_the_habit_ends_come_back_with_their_change(opened):
    http = await opened(index_lag=300, hidden_while_lagging=True)
    spu = next(http.sandbox.catalog.spus())
    http.sandbox.catalog.touch(spu)
    http.sandbox.hidden_while_lagging = False
    http.sandbox.catalog.touch(spu)
    assert (await http.get(PRODUCTS, spus=spu))["total"] == 0
    http.sandbox.skip(300)
    assert (await http.get(PRODUCTS, spus=spu))["total"] == 1


@pytest.mark.parametrize(
    ("kind", "piece"),
    [
        ("half_emoji", rb'"productName":"Summer \ud83d dress"'),
        ("cut_utf8", b'"productName":"Summer \xf0\x9f\x91 dress"'),
        ("raw_tab", b'"productName":"Summer\tdress"'),
        ("huge_number", b'"score":1e400'),
        ("big_integer", b'"score":18446744073709551616'),
    ],
)
async def test_one_row_of_an_answer_can_be_damaged_and_the_rest_is_intact(opened, ever, kind, piece):
    http = await opened()
    catalog = http.sandbox.catalog
    spu = list(catalog.spus())[3]
    whole = await raw(http, PRODUCTS, **ever)
    http.sandbox.damaged_rows = {spu: kind, "NOPE1": "raw_tab"}
    damaged = await raw(http, PRODUCTS, **ever)
    name = json.dumps(catalog.product(spu)["productName"]).encode()
    start = damaged.index(piece)
    assert damaged.count(piece) == 1
    if kind in ("huge_number", "big_integer"):
        assert damaged.replace(b"," + piece, b"") == whole
    else:
        assert damaged[:start] + b'"productName":' + name + damaged[start + len(piece) :] == whole
    http.sandbox.damaged_rows = {}
    assert await raw(http, PRODUCTS, **ever) == whole


async def test_rows_of_stock_skus_and_orders_can_be_damaged_too(http, order_body):
    sku = next(http.sandbox.catalog.selling())
    http.sandbox.damaged_rows = {sku: "cut_utf8"}
    cut = b"Summer \xf0\x9f\x91 dress"
    assert b'"remark":"' + cut in await raw(http, STOCKS, skus=sku)
    assert b'"skuName":"' + cut in await raw(http, PRODUCTS, skus=sku)
    http.sandbox.damaged_rows = {}
    numbers = [await http.post(ORDERS, order_body((sku, 1))) for _ in range(2)]
    orders = (await http.get(ORDERS))["list"]
    assert len(numbers) == len(orders) == 2
    http.sandbox.damaged_rows = {str(orders[0]["id"]): "half_emoji"}
    http.sandbox.damaged_field = "customOrderId"
    text = (await raw(http, ORDERS)).decode()
    assert text.count(r'"customOrderId":"Summer \ud83d dress"') == 1


async def test_every_answer_has_the_date_of_the_sandbox_and_can_have_none(opened):
    http = await opened(capacity=6)
    http.sandbox.skip(3600)
    for fault in (None, Fault("bad_gateway"), Fault("rejected"), Fault("delay", seconds=0)):
        if fault is not None:
            http.sandbox.faults.add(fault)
        _, _, headers = await http.call("GET", "/v1/payment/balance")
        assert parsedate_to_datetime(headers["Date"]) == http.sandbox.now()
    http.sandbox.date_header = False
    statuses = []
    for token in ("wrong", None, None, None):
        status, _, headers = await http.call("GET", "/v1/payment/balance", token=token)
        statuses.append(status)
        assert "Date" not in headers
    assert statuses == [401, 200, 200, 429]


async def test_an_answer_that_breaks_off_has_the_date_of_the_sandbox_too(http):
    http.sandbox.faults.add(Fault("truncated_body"))
    headers = {"Authorization": f"Bearer {http.sandbox.token}"}
    async with http.session.get(http.sandbox.url + "/v1/payment/balance", headers=headers) as answer:
        assert parsedate_to_datetime(answer.headers["Date"]) == http.sandbox.now()
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()
