from __future__ import annotations

STOCKS = "/v1/product/stocks"


def flat(rows):
    return {
        (row["sku"], line["warehouseCode"], line["qty"]) for row in rows for line in row["warehouseStockList"]
    }


async def test_all_pages_hold_all_stock(http, ever):
    rows = await http.pages(STOCKS, **ever)
    assert flat(rows) == set(http.sandbox.catalog.stock_rows())
    assert len({row["sku"] for row in rows}) == len(rows)


async def test_a_stock_row_has_the_fields_of_the_published_sample_and_no_time(http, sample):
    published = sample("v1_product_stocks_one")["data"]["list"][0]
    [row] = (await http.get(STOCKS, skus=next(http.sandbox.catalog.skus())))["list"]
    assert set(row) == set(published)
    assert set(row["warehouseStockList"][0]) == set(published["warehouseStockList"][0])


async def test_stock_is_found_by_sku_and_unknown_ones_are_left_out(http):
    one, two, *_ = http.sandbox.catalog.skus()
    page = await http.get(STOCKS, skus=f"{two},NOPE1_B,{one}")
    assert [row["sku"] for row in page["list"]] == [two, one]
    assert page["total"] == 2


async def test_the_newest_stock_comes_first_and_windows_go_by_its_own_time(http):
    catalog = http.sandbox.catalog
    one, two, *_ = catalog.skus()
    http.sandbox.skip(60)
    catalog.set_stock(one, "G007", 5)
    http.sandbox.skip(60)
    catalog.set_stock(two, "G007", 6)
    recent = {"dateStartTime": http.at(), "dateEndTime": http.at(seconds=120)}
    page = await http.get(STOCKS, **recent)
    assert [row["sku"] for row in page["list"]] == [two, one]
    catalog.set_stock(one, "W001", 7)
    page = await http.get(STOCKS, **recent)
    assert page["list"][0]["sku"] in (one, two)
    assert page["total"] == 2


async def test_one_warehouse_shows_its_own_stock_by_its_own_times(http, ever):
    catalog = http.sandbox.catalog
    expected = {row for row in catalog.stock_rows() if row[1] == "W001"}
    rows = await http.pages(STOCKS, warehouseCode="W001", **ever)
    assert flat(rows) == expected
    sku = next(iter(expected))[0]
    http.sandbox.skip(60)
    now = http.at(seconds=60)
    catalog.set_stock(sku, "G007", 9)
    window = {"dateStartTime": now, "dateEndTime": now}
    assert (await http.get(STOCKS, warehouseCode="W001", **window))["total"] == 0
    assert (await http.get(STOCKS, **window))["total"] == 1
    catalog.set_stock(sku, "W001", 3)
    assert flat((await http.get(STOCKS, warehouseCode="W001", **window))["list"]) == {(sku, "W001", 3)}
    assert flat((await http.get(STOCKS, warehouseCode="W001", skus=sku))["list"]) == {(sku, "W001", 3)}


async def test_a_warehouse_first_asked_for_late_shows_all_changes_too(http, ever):
    catalog = http.sandbox.catalog
    skus = list(catalog.skus())
    only_cn = next(
        sku for sku in skus if "W001" not in {row[1] for row in catalog.stock_rows() if row[0] == sku}
    )
    catalog.set_stock(only_cn, "W001", 11)
    catalog.set_stock(only_cn, "G004", 12)
    catalog.remove(next(spu for spu in catalog.spus() if spu != only_cn.partition("_")[0]))
    added = catalog.add_product()
    rows = await http.pages(STOCKS, warehouseCode="W001", **ever)
    assert flat(rows) == {row for row in catalog.stock_rows() if row[1] == "W001"}
    assert (only_cn, "W001", 11) in flat(rows)
    catalog.remove(added)
    another = [catalog.add_product() for _ in range(8)]
    rows = await http.pages(STOCKS, warehouseCode="W001", **ever)
    assert flat(rows) == {row for row in catalog.stock_rows() if row[1] == "W001"}
    assert any(row["sku"].partition("_")[0] in another for row in rows)


async def test_stock_searches_that_are_not_allowed_are_refused(http, ever):
    assert "required" in await http.refusal("GET", STOCKS)
    assert "31 codes" in await http.refusal("GET", STOCKS, skus=",".join(f"A{n}" for n in range(31)))
    assert "MOON" in await http.refusal("GET", STOCKS, warehouseCode="MOON", **ever)


async def test_stock_trails_the_database_too(opened):
    http = await opened(index_lag=300)
    sku = next(http.sandbox.catalog.skus())
    http.sandbox.catalog.set_stock(sku, "G004", 4321)
    assert (sku, "G004", 4321) not in flat((await http.get(STOCKS, skus=sku))["list"])
    http.sandbox.skip(300)
    assert (sku, "G004", 4321) in flat((await http.get(STOCKS, skus=sku))["list"])
