"""A mirror of servers with odd habits: what is not certain is a gap, nothing is called gone too soon, clocks may lie."""

from __future__ import annotations

from contextlib import closing, suppress
from datetime import timedelta
from sqlite3 import connect

import pytest
from support.serving import served

from kakaclo_async import InvalidRequest, Rejected
from kakaclo_async.catalog import Mirror
from kakaclo_async.sandbox.http.products import ProductArea
from kakaclo_async.sandbox.world.view import View

HABITS = {
    "sizes": {"page_sizes": (20, 30), "page_size_every": 9},
    "counts to 90": {"total_cap": 90, "page_limit": 90},
    "counts to 90 and shows nothing behind": {"total_cap": 90, "page_limit": 90, "deep_pages": "empty"},
    "lacks rows": {"drop_row_rate": 0.1},
    "rows twice": {"repeat_row_rate": 0.1},
    "rows twice as well": {"repeat_row_rate": 0.1, "repeat_row_mode": "extra"},
    "short": {"short_page_rate": 0.1, "empty_page_rate": 0.05},
    "2099": {"odd_time_rate": 0.02},
    "newer": {"newer_time_rate": 0.02},
    "no time": {"missing_time_rate": 0.02},
    "days": {"day_granular": True},
    "days and order": {"day_granular": True, "tie_shuffle": True},
    "bulk": {"bulk_stock_share": 0.3, "bulk_product_share": 0.3},
    "bulk, counted to 90": {"bulk_stock_share": 0.3, "total_cap": 90, "page_limit": 90},
    "bulk, counted to 90, pages on": {"bulk_stock_share": 0.3, "total_cap": 90, "page_limit": None},
    "replicas": {"replica_lag": 3.0, "tie_shuffle": True, "tie_shuffle_by": "replica"},
    "all": {
        "page_sizes": (20, 30),
        "page_size_every": 50,
        "drop_row_rate": 0.03,
        "repeat_row_rate": 0.03,
        "short_page_rate": 0.03,
        "odd_time_rate": 0.02,
        "newer_time_rate": 0.02,
        "total_cap": 300,
        "bulk_stock_share": 0.1,
    },
}
UNREST = {"calm": {}, "drift": {"update_rate": 0.05, "stock_update_rate": 0.2}}


@pytest.mark.long
@pytest.mark.parametrize("unrest", UNREST)
@pytest.mark.parametrize("name", HABITS)
async def test_what_a_mirror_calls_complete_is_complete(name, unrest, db):
    settings = {"products": 150, "capacity": 1e9, "per_second": 1e9, "index_lag": 0.0}
    async with served(**settings, **HABITS[name], **UNREST[unrest]) as (sandbox, kk):
        known = set(sandbox.catalog.spus())
        skus = set(sandbox.catalog.skus())
        report = await Mirror(kk, db.url, now=sandbox.now).run()

        products = {spu for (spu,) in db.rows("SELECT spu FROM product")}
        stock = {sku for (sku,) in db.rows("SELECT DISTINCT sku FROM stock")}
        moved = set[str]() if unrest == "calm" else moved_lately(sandbox)

    assert report.finished
    assert report.requests < 1000
    if not any(gap.endpoint == "products" for gap in report.gaps):
        assert known - products <= moved
    if not any(gap.endpoint == "stock" for gap in report.gaps):
        assert skus - stock <= moved
    if unrest == "calm" and name not in {"all", "days and order", "sizes", "replicas"}:
        assert report.complete


def moved_lately(sandbox):
    """Codes that were updated after the window's end: they come with the next run."""
    until = int((sandbox.now() - timedelta(minutes=10)).timestamp())
    found = set[str]()
    for _ in range(2):  # replicas take turns, and one of them may not have seen yet what moved in the other
        view = sandbox.catalog.searched()
        found.update(map(view.register.spu, view.products.rows(until, 1 << 33)))
        found.update(map(view.register.sku_code, view.stock.rows(until, 1 << 33)))
    return found


@pytest.mark.long
@pytest.mark.parametrize("deep", ["refused", "empty"])
async def test_stock_of_a_second_that_cannot_be_paged_is_asked_for_by_code(deep, db, mirror_of):
    bulk = {"bulk_stock_share": 0.5, "total_cap": 90, "page_limit": 90, "deep_pages": deep}
    async with served(products=240, index_lag=0.0, **bulk) as (sandbox, kk):
        mirror = mirror_of(sandbox, kk)
        report = await mirror.run()
        again = await mirror.run()
        truth = {sku: sandbox.catalog.qty(sku) for sku in sandbox.catalog.skus()}

    assert report.complete
    assert again.requests <= 2  # none within the same second
    assert dict(db.rows("SELECT sku, sum(qty) FROM stock GROUP BY sku")) == truth
    assert dict(db.rows("SELECT sku, stock FROM sku")) == truth


async def test_an_index_that_answers_empty_marks_nothing(shop, mirror_of, db):
    sandbox, kk = shop
    mirror = mirror_of(sandbox, kk)
    await mirror.run()
    sandbox.index_empty = True
    first = await mirror.verify()
    sandbox.skip(700)
    second = await mirror.verify()

    assert (first.gone, second.gone) == (0, 0)
    assert second.unbelieved == 60
    assert db.one("SELECT count(*) FROM product WHERE gone_since IS NOT NULL") == 0


async def test_look_ups_that_show_fewer_than_they_count_prove_nothing(shop, mirror_of, db):
    sandbox, kk = shop
    mirror = mirror_of(sandbox, kk)
    await mirror.run()
    gone = min(sandbox.catalog.spus())
    for spu in sorted(sandbox.catalog.spus())[1:]:
        sandbox.catalog.touch(spu)  # none of them is met by the reading
    sandbox.catalog.remove(gone)
    sandbox.skip(300)
    sandbox.lookup_limit = 20

    seen_once = await mirror.verify()
    sandbox.skip(700)
    report = await mirror.verify()

    assert seen_once.missing <= 1
    assert report.gone <= 1
    assert db.rows("SELECT spu FROM product WHERE gone_since IS NOT NULL") in ([], [(gone,)])


async def test_a_product_that_is_hidden_for_a_moment_is_not_gone(shop, mirror_of, db):
    sandbox, kk = shop
    mirror = mirror_of(sandbox, kk)
    await mirror.run()
    sandbox.hidden_while_lagging = True
    sandbox.catalog.touch(next(sandbox.catalog.spus()))
    seen_once = await mirror.verify()
    sandbox.skip(700)
    report = await mirror.run()

    assert (seen_once.missing, seen_once.gone, report.gone) == (1, 0, 0)
    assert db.one("SELECT count(*) FROM product WHERE missing_since IS NOT NULL") == 0


async def test_a_clock_that_is_ahead_for_one_run_hides_nothing_from_the_next(shop, mirror_of, db):
    sandbox, kk = shop
    with suppress(Rejected):
        await Mirror(kk, db.url, now=lambda: sandbox.now() + timedelta(hours=3)).run()
    for spu in sandbox.catalog.spus():
        sandbox.catalog.touch(spu)
    for sku, warehouse, qty in list(sandbox.catalog.stock_rows()):
        sandbox.catalog.set_stock(sku, warehouse, qty + 1)
    sandbox.skip(3600)

    report = await mirror_of(sandbox, kk).run()

    assert report.products == 60
    assert report.complete
    assert db.one("SELECT max(as_of) FROM stock") < f"{sandbox.now():%Y-%m-%d %H:%M:%S}"
    assert (await mirror_of(sandbox, kk).status()).products_until < sandbox.now()


async def test_a_verification_by_a_clock_that_is_ahead_is_made_up_to_the_true_time(shop, db):
    sandbox, kk = shop

    report = await Mirror(kk, db.url, now=lambda: sandbox.now() + timedelta(hours=3)).verify()

    assert report.complete
    assert report.products == 60


async def test_a_server_that_answers_for_the_future_does_not_make_it_read(shop, mirror_of, db, monkeypatch):
    """A clock that is ahead asks for times to come; KakaClo may answer what it has instead of refusing."""
    monkeypatch.setattr(
        ProductArea,
        "_window",
        lambda _, request: (int(request.moment("dateStartTime")), int(request.moment("dateEndTime"))),
    )
    sandbox, kk = shop
    ahead = Mirror(kk, db.url, now=lambda: sandbox.now() + timedelta(hours=3))
    await ahead.run()
    until = (await ahead.status()).products_until
    for spu in sandbox.catalog.spus():
        sandbox.catalog.touch(spu)
    sandbox.skip(3600)

    report = await mirror_of(sandbox, kk).run()

    assert until < sandbox.now() - timedelta(minutes=60)
    assert report.products == 60


async def test_a_clock_that_is_behind_is_put_right_by_the_first_answer(shop, mirror_of, db):
    sandbox, kk = shop
    slow = Mirror(kk, db.url, now=lambda: sandbox.now() - timedelta(hours=5))
    await slow.run()  # the first of its process, as from a timetable

    assert sandbox.now() - (await slow.status()).products_until < timedelta(minutes=11)


async def test_a_verification_by_a_clock_that_is_behind_reads_nothing_twice(shop, db):
    sandbox, kk = shop
    slow = Mirror(kk, db.url, now=lambda: sandbox.now() - timedelta(hours=5))
    new = next(iter(sandbox.catalog.spus()))
    sandbox.catalog.touch(new)  # of the hours that the clock does not know of
    sandbox.skip(3600)

    report = await slow.verify()

    assert report.products == 60
    assert db.one("SELECT count(*) FROM product WHERE spu = ?", new) == 1


async def test_a_time_that_lies_in_2099_protects_nothing(shop, mirror_of, db):
    sandbox, kk = shop
    mirror = mirror_of(sandbox, kk)
    await mirror.run()
    with closing(connect(db.path)) as connection, connection:
        connection.execute("UPDATE product SET update_time = '2099-01-01 00:00:00', product_name = 'wrong'")
        connection.execute("UPDATE stock SET as_of = '2099-01-01 00:00:00', qty = 77777")
    for spu in sandbox.catalog.spus():
        sandbox.catalog.touch(spu)
    for sku, warehouse, qty in list(sandbox.catalog.stock_rows()):
        sandbox.catalog.set_stock(sku, warehouse, qty + 1)
    sandbox.skip(3600)

    await mirror.run()

    assert db.one("SELECT count(*) FROM product WHERE product_name = 'wrong'") == 0
    assert db.one("SELECT count(*) FROM stock WHERE qty = 77777") == 0


async def test_verify_repairs_a_product_whose_time_went_back(shop, mirror_of, db):
    sandbox, kk = shop
    mirror = mirror_of(sandbox, kk)
    await mirror.run()
    spu = next(sandbox.catalog.spus())
    sandbox.catalog.backdate(spu, 86_400)
    sandbox.skip(3600)
    before = db.one("SELECT update_time FROM product WHERE spu = ?", spu)

    await mirror.verify()

    assert db.one("SELECT update_time FROM product WHERE spu = ?", spu) < before


async def test_verify_writes_nothing_that_has_not_changed(shop, mirror_of, db):
    sandbox, kk = shop
    mirror = mirror_of(sandbox, kk)
    await mirror.run()
    with closing(connect(db.path)) as connection, connection:
        for table in ("product", "sku", "stock"):
            connection.execute(f"CREATE TABLE written_{table} (n)")
            written = f"INSERT INTO written_{table} VALUES (1)"  # noqa: S608 - our own names
            connection.execute(f"CREATE TRIGGER of_{table} AFTER UPDATE ON {table} BEGIN {written}; END")
    sku = next(sandbox.catalog.skus())
    sandbox.catalog.set_price(sku, 77)
    sandbox.skip(3600)

    report = await mirror.verify()

    assert report.products == 60
    assert db.one("SELECT count(*) FROM written_sku") == 1
    assert db.one("SELECT count(*) FROM written_product") == 1
    assert db.one("SELECT count(*) FROM written_stock") == 0


async def test_changes_are_kept_as_long_as_asked_and_a_cursor_before_that_is_told(shop, mirror_of, db):
    sandbox, kk = shop
    await mirror_of(sandbox, kk).run()
    sandbox.skip(7200)
    sku = next(sandbox.catalog.skus())
    sandbox.catalog.set_price(sku, 77)
    sandbox.skip(3600)

    mirror = mirror_of(sandbox, kk, keep_changes=timedelta(hours=2))
    await mirror.run()

    assert [change.sku for change in [c async for c in mirror.changes()] if change.sku] == [sku]
    with pytest.raises(InvalidRequest, match="those up to 60 were dropped"):
        [change async for change in mirror.changes(after=30)]
    assert [change.id async for change in mirror.changes(after=60)] == [61]


@pytest.mark.parametrize("odd", ["A,B", "x" * 100, "A\tB", "A\0B"])
async def test_a_sku_that_cannot_be_asked_for_stops_no_run(db, mirror_of, monkeypatch, odd):
    document = View.document

    def shown(view, row):
        found = document(view, row)
        if row == 0:
            found["skuDetails"] = [*found["skuDetails"], {**found["skuDetails"][0], "sku": odd}]
        return found

    monkeypatch.setattr(View, "document", shown)
    bulk = {"bulk_stock_share": 0.5, "total_cap": 90, "page_limit": 90, "deep_pages": "refused"}
    async with served(products=240, index_lag=0.0, **bulk) as (sandbox, kk):
        report = await mirror_of(sandbox, kk).run()

    assert report.finished
    assert not report.complete  # the stock of that one is not known
    assert db.one("SELECT count(*) FROM sku WHERE sku = ?", odd) == 1
    assert db.one("SELECT count(DISTINCT sku) FROM stock") == db.one("SELECT count(*) FROM sku") - 1


async def test_a_sku_that_is_refused_stops_no_run(db, mirror_of):
    bulk = {"bulk_stock_share": 0.5, "total_cap": 90, "page_limit": 90, "deep_pages": "refused"}
    async with served(products=240, index_lag=0.0, **bulk) as (sandbox, kk):
        sandbox.refuses_codes = tuple(sandbox.catalog.skus())[::40]
        report = await mirror_of(sandbox, kk).run()

    unknown = db.one("SELECT count(*) FROM sku WHERE sku NOT IN (SELECT sku FROM stock)")
    assert report.finished
    assert 0 < unknown <= len(sandbox.refuses_codes)
    assert not report.complete
