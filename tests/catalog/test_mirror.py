"""The mirror against the sandbox: what KakaClo has is what the database holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from support.serving import served

from kakaclo_async import InvalidRequest, PageDone
from kakaclo_async.catalog import Mirror


def truth(sandbox):
    """Products, SKUs and stock per warehouse, as the sandbox's own database has them."""
    products = list(sandbox.catalog.products())
    skus = {sku["sku"]: sku for product in products for sku in product["skuDetails"]}
    return products, skus, {(sku, warehouse): qty for sku, warehouse, qty in sandbox.catalog.stock_rows()}


async def test_a_mirror_holds_every_product_sku_and_stock_row(shop, db, mirror_of):
    sandbox, kk = shop

    report = await mirror_of(sandbox, kk).run()

    products, skus, stock = truth(sandbox)
    assert {spu for (spu,) in db.rows("SELECT spu FROM product")} == {row["spu"] for row in products}
    assert {sku for (sku,) in db.rows("SELECT sku FROM sku")} == skus.keys()
    assert {(sku, at): qty for sku, at, qty in db.rows("SELECT sku, warehouse_code, qty FROM stock")} == stock
    assert (report.products, report.skus) == (len(products), len(skus))
    assert report.stock == len({sku for sku, _ in stock})
    assert report.finished
    assert report.complete
    assert report.undecodable == 0


async def test_columns_are_the_snake_case_names_of_the_wire_and_hold_its_values(shop, db, mirror_of):
    sandbox, kk = shop
    await mirror_of(sandbox, kk).run()
    document = next(sandbox.catalog.products())

    row = db.one(
        "SELECT kk_product_id, product_name, spu_status, category_id, sales_volume, attributes_json,"
        " supplier_level, create_time, update_time FROM product WHERE spu = ?",
        document["spu"],
    )

    names = ("kkProductId", "productName", "spuStatus", "categoryId", "salesVolume", "attributesJson")
    assert row[:6] == tuple(document[name] for name in names)
    assert row[6] == document["supplierLevel"]
    assert [time.replace(" ", "T") + "Z" for time in row[7:]] == [
        document["createTime"],
        document["updateTime"],
    ]


async def test_money_is_stored_to_the_last_digit(shop, db, mirror_of):
    sandbox, kk = shop
    sku = next(sandbox.catalog.skus())
    sandbox.catalog.set_price(sku, Decimal("6.1600"))
    sandbox.skip(3600)

    await mirror_of(sandbox, kk).run()

    assert db.one("SELECT price FROM sku WHERE sku = ?", sku) == "6.1600"


async def test_stock_is_summed_per_sku_and_per_product(shop, db, mirror_of):
    sandbox, kk = shop
    mirror = mirror_of(sandbox, kk)
    await mirror.run()
    sku, warehouse, _ = next(iter(sandbox.catalog.stock_rows()))
    sandbox.catalog.set_stock(sku, warehouse, 977)
    sandbox.skip(3600)

    report = await mirror.run()

    assert report.stock == 1
    assert db.one("SELECT qty FROM stock WHERE sku = ? AND warehouse_code = ?", sku, warehouse) == 977
    wrong_skus = (
        "SELECT count(*) FROM sku WHERE stock <> (SELECT sum(qty) FROM stock WHERE stock.sku = sku.sku)"
    )
    wrong_products = (
        "SELECT count(*) FROM product WHERE stock <> (SELECT sum(stock) FROM sku WHERE sku.spu = product.spu)"
    )
    assert db.one(wrong_skus) == 0
    assert db.one(wrong_products) == 0


async def test_a_second_run_without_news_costs_two_requests_and_changes_nothing(shop, db, mirror_of):
    sandbox, kk = shop
    mirror = mirror_of(sandbox, kk)
    await mirror.run()
    before = db.tables()
    sandbox.skip(7200)

    report = await mirror.run()

    assert report.requests == 2
    assert report.changes == 0
    assert {**db.tables(), "mirror_done": 0} == {**before, "mirror_done": 0}


async def test_since_limits_the_first_run_and_a_later_one_reads_what_was_left_out(shop, db, mirror_of):
    sandbox, kk = shop
    mirror = mirror_of(sandbox, kk)
    since = sandbox.now() - timedelta(days=365)

    some = await mirror.run(since=since)
    rest = await mirror.run()

    assert 0 < some.products < 60
    assert some.products + rest.products == 60
    assert db.one("SELECT count(*) FROM product") == 60


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"since": datetime(2024, 1, 1)}, "has no time zone"),  # noqa: DTZ001 - that is the point
        ({"until": datetime(2024, 1, 1)}, "has no time zone"),  # noqa: DTZ001 - that is the point
        ({"until": datetime(2199, 1, 1, tzinfo=UTC)}, "is in the future"),
        (
            {"since": datetime(2024, 2, 1, tzinfo=UTC), "until": datetime(2024, 1, 1, tzinfo=UTC)},
            "not before its end",
        ),
    ],
)
async def test_a_range_that_cannot_be_is_refused_before_a_request_or_a_file(
    arguments, sentence, shop, db, mirror_of
):
    sandbox, kk = shop

    with pytest.raises(InvalidRequest, match=sentence):
        await mirror_of(sandbox, kk).run(**arguments)

    assert sandbox.requests.total() == 0
    assert not db.path.exists()


async def test_progress_and_events_tell_each_page_with_a_real_denominator(shop, mirror_of):
    sandbox, kk = shop
    reports, events = [], []
    kk.on_event(lambda event: events.append(event) if isinstance(event, PageDone) else None)

    final = await mirror_of(sandbox, kk, progress=reports.append).run()

    assert len(reports) - 1 == len(events) <= final.requests
    assert [event.rows_done for event in events if event.what == "products"][-1] == final.products
    assert {event.rows_total for event in events if event.what == "products"} == {60}
    assert reports[-2].rows_left == 0
    assert [report.finished for report in reports[-2:]] == [False, True]
    assert reports[-1] == final


async def test_a_mirror_in_a_with_block_keeps_its_database_and_closes_it(shop, db, mirror_of):
    sandbox, kk = shop

    async with mirror_of(sandbox, kk) as mirror:
        await mirror.run()
        assert (await mirror.status()).products == 60
    await mirror.aclose()

    assert repr(mirror) == f"<Mirror sqlite:///{db.path}>"


async def test_status_counts_what_is_there_and_says_up_to_when(shop, mirror_of):
    sandbox, kk = shop
    mirror = mirror_of(sandbox, kk)
    report = await mirror.run()

    status = await mirror.status()

    assert (status.products, status.skus) == (report.products, report.skus)
    assert status.stock == len(list(sandbox.catalog.stock_rows()))
    assert status.products_until == status.stock_until
    assert (
        timedelta(0) <= sandbox.now() - timedelta(minutes=10) - status.products_until < timedelta(minutes=1)
    )
    assert status.gaps == ()
    assert status.last_change == report.changes


async def test_status_names_what_a_limited_run_left_out_between_ranges(shop, mirror_of):
    sandbox, kk = shop
    mirror = mirror_of(sandbox, kk)
    now = sandbox.now()
    await mirror.run(since=now - timedelta(days=400), until=now - timedelta(days=300))
    await mirror.run(since=now - timedelta(days=200))

    status = await mirror.status()

    assert [gap.endpoint for gap in status.gaps] == ["products", "stock"]
    assert status.gaps[0].window.end - status.gaps[0].window.start > timedelta(days=99)


async def test_a_row_that_cannot_be_decoded_is_set_aside_and_the_pull_goes_on(
    shop, db, mirror_of, monkeypatch
):
    sandbox, kk = shop
    broken = sorted(sandbox.catalog.spus())[7]
    from kakaclo_async.sandbox.world.view import View

    document = View.document

    def with_a_broken_price(view, row):
        found = document(view, row)
        return {**found, "price": "cheap"} if found["spu"] == broken else found

    monkeypatch.setattr(View, "document", with_a_broken_price)

    report = await mirror_of(sandbox, kk).run()

    assert report.undecodable == 1
    assert report.products == 59
    assert report.complete
    endpoint, key, reason, raw = db.one("SELECT endpoint, key, reason, raw FROM mirror_undecodable")
    assert (endpoint, key) == ("products", broken)
    assert reason.startswith("Product.price must be a number")
    assert "cheap" not in reason
    assert '"price":"cheap"' in raw
    assert (await mirror_of(sandbox, kk).status()).undecodable == 1


async def test_a_product_without_a_readable_time_does_not_stop_the_pull(shop, db, mirror_of, monkeypatch):
    sandbox, kk = shop
    broken = sorted(sandbox.catalog.spus())[7]
    from kakaclo_async.sandbox.world.view import View

    document = View.document

    def timeless(view, row):
        found = document(view, row)
        return {**found, "updateTime": "yesterday"} if found["spu"] == broken else found

    monkeypatch.setattr(View, "document", timeless)

    report = await mirror_of(sandbox, kk).run()

    assert (report.products, report.undecodable, report.complete) == (59, 1, True)


async def test_statuses_for_good_are_kept_and_flagged(shop, db, mirror_of):
    sandbox, kk = shop
    first, second, third = sorted(sandbox.catalog.spus())[:3]
    for spu, status in ((first, 2), (second, 3), (third, 1)):
        sandbox.catalog.set_status(spu, status)
    sandbox.skip(3600)

    await mirror_of(sandbox, kk).run()

    retired = dict(db.rows("SELECT spu, retired FROM product WHERE spu IN (?, ?, ?)", first, second, third))
    assert retired == {first: 1, second: 1, third: 0}
    assert db.one("SELECT count(*) FROM sku WHERE spu = ? AND retired = 0", first) == 0


async def test_a_server_that_filters_by_whole_days_is_mirrored_too(db, mirror_of):
    async with served(products=400, day_granular=True) as (sandbox, kk):
        report = await mirror_of(sandbox, kk).run()

    assert report.products == 400
    assert report.complete


async def test_two_runs_of_one_mirror_take_turns(shop, mirror_of):
    import asyncio

    sandbox, kk = shop
    mirror = mirror_of(sandbox, kk)

    first, second = await asyncio.gather(mirror.run(), mirror.run())

    assert {first.products, second.products} == {60, 0}


def test_a_mirror_needs_no_event_loop_to_be_made(tmp_path):
    from kakaclo_async import KakaClo

    assert isinstance(Mirror(KakaClo("t"), f"sqlite:///{tmp_path}/x.db"), Mirror)
