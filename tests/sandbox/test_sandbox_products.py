from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal

import pytest

PRODUCTS = "/v1/product/products"


def spus(rows):
    return [row["spu"] for row in rows]


async def test_categories_and_warehouses_are_answered(http, sample):
    tree = (await http.get("/v1/product/category"))["list"]
    assert set(sample("v1_product_category")["data"]["list"][0]) <= set(tree[0])
    warehouses = (await http.get("/v1/product/countryAndWarehouse"))["list"]
    names = set(sample("v1_product_countryAndWarehouse")["data"]["list"][0]) - {"warehouseName"}
    assert names <= set(warehouses[0])
    assert {row["countryCode"] for row in warehouses if row["status"]} == {"CN", "US"}
    assert {row["status"] for row in warehouses} == {0, 1}


async def test_a_product_has_every_field_of_the_published_sample(http, sample):
    published = sample("v1_product_products")["data"]["list"][0]
    [product] = (await http.get(PRODUCTS, spus=next(http.sandbox.catalog.spus())))["list"]
    assert set(published) <= set(product)
    assert set(published["skuDetails"][0]) <= set(product["skuDetails"][0])
    assert set(published["skuImgUrl"][0]) <= set(product["skuImgUrl"][0])
    assert json.loads(product["attributesJson"])
    pictured = [sku for pictures in product["skuImgUrl"] for sku in pictures["skus"]]
    assert sorted(pictured) == sorted(sku["sku"] for sku in product["skuDetails"])


async def test_money_is_a_json_number_with_all_its_digits(http):
    sku = next(http.sandbox.catalog.skus())
    http.sandbox.catalog.set_price(sku, Decimal("6.1600"))
    _, text, _ = await http.call("GET", PRODUCTS, skus=sku)
    assert '"price":6.1600' in text


async def test_products_are_found_by_codes_and_unknown_codes_are_left_out(http):
    first, second, *_ = http.sandbox.catalog.products()
    found = await http.get(PRODUCTS, spus=f"{first['spu']},NOPE1, {second['spu']}")
    assert spus(found["list"]) == [first["spu"], second["spu"]]
    assert (found["total"], found["pageNumber"]) == (2, 1)
    by_sku = await http.get(PRODUCTS, skus=f"{second['skuDetails'][-1]['sku']},{second['spu']}_NO_SUCH")
    assert by_sku["list"] == [json.loads(json.dumps(second, default=float), parse_float=Decimal)]


async def test_a_window_holds_its_bounds_and_all_pages_hold_all_products(http, ever):
    rows = await http.pages(PRODUCTS, **ever)
    assert sorted(spus(rows)) == sorted(http.sandbox.catalog.spus())
    times = [row["updateTime"] for row in rows]
    assert times == sorted(times, reverse=True)
    edges = {"dateStartTime": times[30], "dateEndTime": times[5]}
    inside = await http.pages(PRODUCTS, **edges)
    assert [row["updateTime"] for row in inside] == [t for t in times if times[30] <= t <= times[5]]


async def test_a_page_beyond_the_end_is_empty(http, ever):
    page = await http.get(PRODUCTS, pageNumber=99, **ever)
    assert (page["list"], page["total"], page["pageSize"]) == ([], 40, 30)


async def test_a_category_holds_the_products_of_all_categories_below_it(http):
    truth = list(http.sandbox.catalog.products())
    tree = (await http.get("/v1/product/category"))["list"]
    found = Counter()
    for top in tree:
        rows = await http.pages(PRODUCTS, categoryId=top["categoryId"])
        assert all(row["fullCategoryName"].startswith(top["name"] + "/") for row in rows)
        found.update(spus(rows))
    assert found == Counter(row["spu"] for row in truth)
    leaf = truth[0]["categoryId"]
    rows = await http.pages(PRODUCTS, categoryId=leaf)
    assert sorted(spus(rows)) == sorted(row["spu"] for row in truth if row["categoryId"] == leaf)


async def test_category_and_window_together_mean_both(http, ever):
    category = next(http.sandbox.catalog.products())["categoryId"]
    nothing = {**ever, "dateEndTime": ever["dateStartTime"]}
    assert (await http.get(PRODUCTS, categoryId=category, **nothing))["total"] == 0
    assert (await http.get(PRODUCTS, categoryId=category, **ever))["total"] > 0


@pytest.mark.parametrize(
    ("sort_type", "field"),
    [("salasVolume", "salesVolume"), ("stock", "stock"), ("price", "price"), ("updateTime", "updateTime")],
)
@pytest.mark.parametrize("sort_by", ["asc", "desc"])
async def test_products_are_sorted_as_asked(http, ever, sort_type, field, sort_by):
    rows = await http.pages(PRODUCTS, sortType=sort_type, sortBy=sort_by, **ever)
    values = [row[field] for row in rows]
    assert len(set(spus(rows))) == 40
    assert values == sorted(values, reverse=sort_by == "desc")


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({}, "required"),
        ({"spus": ",".join(f"A{n}" for n in range(31))}, "31 codes"),
        ({"skus": ",".join(f"A{n}" for n in range(31))}, "31 codes"),
        ({"dateStartTime": "2024-01-01T00:00:00Z"}, "belong together"),
        ({"dateEndTime": "2024-01-01T00:00:00Z"}, "belong together"),
        ({"dateStartTime": "2024-01-02T00:00:00Z", "dateEndTime": "2024-01-01T00:00:00Z"}, "after"),
        ({"dateStartTime": "2024-01-02T00:00:00", "dateEndTime": "2024-01-03T00:00:00"}, "UTC time"),
        ({"dateStartTime": "yesterday", "dateEndTime": "today"}, "UTC time"),
        (
            {"dateStartTime": "2024-01-01T00:00:00Z", "dateEndTime": "2024-05-01T12:00:01Z"},
            "current",
        ),
        ({"categoryId": "3600", "sortType": "colour"}, "sortType"),
        ({"categoryId": "3600", "sortBy": "up"}, "sortBy"),
        ({"categoryId": "3600", "pageNumber": "0"}, "pageNumber"),
        ({"categoryId": "3600", "pageNumber": "-1"}, "pageNumber"),
        ({"categoryId": "all"}, "categoryId"),
    ],
)
async def test_a_search_that_the_contract_does_not_allow_is_refused(http, query, says):
    assert says in await http.refusal("GET", PRODUCTS, **query)


async def test_touching_a_product_moves_its_time_and_nothing_else(http):
    catalog = http.sandbox.catalog
    spu = next(catalog.spus())
    before = catalog.product(spu)
    http.sandbox.skip(60)
    catalog.touch(spu)
    assert catalog.product(spu) == {**before, "updateTime": http.at(seconds=60)}


async def test_stock_changes_the_sums_and_not_the_update_time(http):
    catalog = http.sandbox.catalog
    before = next(catalog.products())
    sku = before["skuDetails"][0]
    http.sandbox.skip(60)
    catalog.set_stock(sku["sku"], "G004", 1000)
    [after] = (await http.get(PRODUCTS, spus=before["spu"]))["list"]
    assert after["updateTime"] == before["updateTime"]
    assert after["skuDetails"][0]["stock"] == catalog.qty(sku["sku"])
    assert after["stock"] == sum(row["stock"] for row in after["skuDetails"])
    assert catalog.qty(sku["sku"], "G004") == 1000


async def test_statuses_prices_and_removals_show(http):
    catalog = http.sandbox.catalog
    product = next(row for row in catalog.products() if len(row["skuDetails"]) > 2)
    spu, sku = product["spu"], product["skuDetails"][1]["sku"]
    catalog.set_status(spu, 3)
    assert catalog.product(spu)["spuStatus"] == 3
    catalog.set_status(sku, 6)
    assert catalog.product(spu)["spuStatus"] == 6
    catalog.set_status(sku, 4)
    assert catalog.product(spu)["spuStatus"] == 5
    catalog.set_status(sku, 1)
    assert catalog.product(spu)["spuStatus"] == 1
    catalog.set_price(spu, Decimal("9.99"))
    catalog.set_price(sku, Decimal("1.11"))
    changed = catalog.product(spu)
    assert changed["price"] == Decimal("1.11")
    assert {row["price"] for row in changed["skuDetails"]} == {Decimal("9.99"), Decimal("1.11")}
    catalog.remove(spu)
    assert (await http.get(PRODUCTS, spus=spu))["list"] == []
    assert (await http.get("/v1/product/stocks", skus=sku))["list"] == []
    assert spu not in set(catalog.spus())
    assert sku not in {row[0] for row in catalog.stock_rows()}
    for gone in (catalog.touch, catalog.product, catalog.remove):
        with pytest.raises(LookupError, match=spu):
            gone(spu)
    with pytest.raises(LookupError, match=sku):
        catalog.qty(sku)
    with pytest.raises(LookupError, match="NOPE1_B"):
        catalog.set_stock("NOPE1_B", "G004", 1)


async def test_stock_below_zero_or_nowhere_is_refused(http):
    sku = next(http.sandbox.catalog.skus())
    for warehouse, qty in (("G004", -1), ("MOON", 1)):
        with pytest.raises(ValueError, match=warehouse):
            http.sandbox.catalog.set_stock(sku, warehouse, qty)


async def test_a_new_product_is_found_by_all_ways(http):
    catalog = http.sandbox.catalog
    await http.get("/v1/product/stocks", warehouseCode="G007", skus="A")
    http.sandbox.skip(60)
    spu = catalog.add_product()
    product = catalog.product(spu)
    assert len(set(catalog.spus())) == 41
    now = http.at(seconds=60)
    window = {"dateStartTime": now, "dateEndTime": now}
    for query in ({"spus": spu}, {"skus": product["skuDetails"][0]["sku"]}, window):
        assert spus((await http.get(PRODUCTS, **query))["list"]) == [spu]
    stocks = (await http.get("/v1/product/stocks", **window))["list"]
    assert {row["sku"] for row in stocks} == {row["sku"] for row in product["skuDetails"]}


async def test_the_search_trails_the_database_by_the_index_lag(opened):
    http = await opened(index_lag=300)
    catalog = http.sandbox.catalog
    spu = next(catalog.spus())
    http.sandbox.skip(10)
    catalog.set_price(spu, Decimal("3.21"))
    new = catalog.add_product()
    http.sandbox.skip(299)
    old = (await http.get(PRODUCTS, spus=f"{spu},{new}"))["list"]
    assert spus(old) == [spu]
    assert old[0]["price"] != Decimal("3.21")
    http.sandbox.skip(1)
    fresh = (await http.get(PRODUCTS, spus=f"{spu},{new}"))["list"]
    assert spus(fresh) == [spu, new]
    assert fresh[0]["price"] == Decimal("3.21")


async def test_what_a_settled_window_holds_only_ever_leaves_it(opened, ever):
    http = await opened(products=120, update_rate=0.5, index_lag=300)
    seen = None
    for _ in range(8):
        http.sandbox.skip(60)
        now = set(spus(await http.pages(PRODUCTS, **ever)))
        assert seen is None or now <= seen
        seen = now
    assert len(seen) < 120


async def test_a_stale_replica_answers_every_other_request(opened):
    http = await opened(index_lag=0, replica_lag=10)
    spu = next(http.sandbox.catalog.spus())
    http.sandbox.catalog.set_price(spu, Decimal("3.21"))
    prices = [(await http.get(PRODUCTS, spus=spu))["list"][0]["price"] for _ in range(4)]
    assert prices[0] == prices[2] == Decimal("3.21")
    assert prices[1] == prices[3] != Decimal("3.21")
    http.sandbox.skip(10)
    prices = {(await http.get(PRODUCTS, spus=spu))["list"][0]["price"] for _ in range(2)}
    assert prices == {Decimal("3.21")}


async def test_updates_come_at_their_rates_whenever_somebody_looks(opened):
    http = await opened(products=200, update_rate=1.0, stock_update_rate=2.0, index_lag=0)
    http.sandbox.skip(1000)
    recent = {"dateStartTime": http.at(), "dateEndTime": http.at(seconds=1000)}
    rows = await http.pages(PRODUCTS, **recent)
    assert len(rows) > 180  # 1,000 updates leave hardly one of 200 untouched
    assert len({row["updateTime"] for row in rows}) > 100
    assert (await http.get("/v1/product/stocks", **recent))["total"] > 300
    assert {row["spu"]: row["price"] for row in rows} == {
        row["spu"]: row["price"] for row in http.sandbox.catalog.products() if row["updateTime"] > http.at()
    }


async def test_an_empty_catalog_has_nothing_to_update(opened, ever):
    http = await opened(products=0, update_rate=1.0, stock_update_rate=1.0)
    http.sandbox.skip(100)
    assert (await http.get(PRODUCTS, **ever))["total"] == 0


async def test_bulk_jobs_touch_many_products_in_one_second(http):
    http.sandbox.skip(60)
    touched = http.sandbox.catalog.touch_many(25)
    now = http.at(seconds=60)
    page = await http.get(PRODUCTS, dateStartTime=now, dateEndTime=now)
    assert sorted(spus(page["list"])) == sorted(touched)
    assert len(set(touched)) == 25


async def test_deep_pages_are_refused_beyond_the_limit(opened, ever):
    http = await opened(page_limit=60)
    assert len((await http.get(PRODUCTS, pageNumber=2, **ever))["list"]) == 10
    assert "first 60 rows" in await http.refusal("GET", PRODUCTS, pageNumber=3, **ever)
    assert "first 60 rows" in await http.refusal("GET", "/v1/product/stocks", pageNumber=3, **ever)


async def test_totals_can_stop_counting(opened, ever):
    http = await opened(total_cap=25)
    assert (await http.get(PRODUCTS, **ever))["total"] == 25


async def test_a_server_can_look_at_days_only(opened):
    http = await opened(day_granular=True, products=200)
    some = next(http.sandbox.catalog.products())["updateTime"]
    page = await http.get(PRODUCTS, dateStartTime=some, dateEndTime=some)
    expected = [row for row in http.sandbox.catalog.products() if row["updateTime"][:10] == some[:10]]
    assert page["total"] == len(expected)


@pytest.mark.parametrize("query", [{}, {"categoryId": "3600"}])
async def test_ties_can_come_in_another_order_each_time(opened, ever, query):
    http = await opened(tie_shuffle=True, index_lag=0, products=60, page_size=100)
    for spu in http.sandbox.catalog.spus():
        http.sandbox.catalog.touch(spu)
    orders = [spus((await http.get(PRODUCTS, **{**ever, **query}))["list"]) for _ in range(3)]
    assert sorted(orders[0]) == sorted(orders[1])
    assert orders[0] != orders[1]


async def test_the_page_size_can_be_the_number_of_rows(opened, ever):
    http = await opened(row_count_as_page_size=True)
    assert [(await http.get(PRODUCTS, pageNumber=n, **ever))["pageSize"] for n in (1, 2)] == [30, 10]
