"""Events: each step of a value is told once, in order, to whoever keeps a cursor."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest

from kakaclo_async.catalog import Change, ChangeKind


@pytest.fixture
async def mirrored(shop, mirror_of):
    """A sandbox, a mirror of it, and the number of its last change."""
    sandbox, kk = shop
    mirror = mirror_of(sandbox, kk)
    report = await mirror.run()
    return sandbox, mirror, report.changes


async def news(sandbox, mirror, after):
    sandbox.skip(3600)
    await mirror.run()
    return [change async for change in mirror.changes(after)]


async def test_a_first_run_tells_each_product_once(mirrored):
    sandbox, mirror, _ = mirrored

    changes = [change async for change in mirror.changes()]

    assert {change.kind for change in changes} == {ChangeKind.PRODUCT_ADDED}
    assert sorted(change.spu for change in changes) == sorted(sandbox.catalog.spus())
    assert [change.id for change in changes] == list(range(1, 61))


async def test_a_price_and_a_cost_that_change_are_told_with_old_and_new(mirrored):
    sandbox, mirror, after = mirrored
    sku = next(sandbox.catalog.skus())
    before = sandbox.catalog.find(sku)[1].price
    sandbox.catalog.set_price(sku, Decimal("99.5000"))

    [change] = await news(sandbox, mirror, after)

    assert change == Change(
        id=after + 1,
        at=change.at,
        kind=ChangeKind.PRICE_CHANGED,
        spu=sku.partition("_")[0],
        sku=sku,
        old=str(before),
        new="99.5000",
    )
    assert timedelta(0) <= sandbox.now() - change.at < timedelta(minutes=1)


async def test_the_same_price_with_more_zeros_is_no_change(mirrored, db):
    sandbox, mirror, after = mirrored
    sku = next(sandbox.catalog.skus())
    price = sandbox.catalog.find(sku)[1].price
    sandbox.catalog.set_price(sku, Decimal(f"{price}00"))

    assert await news(sandbox, mirror, after) == []
    assert db.one("SELECT price FROM sku WHERE sku = ?", sku) == f"{price}00"


async def test_stock_that_moves_runs_out_and_comes_back_are_three_kinds(mirrored):
    sandbox, mirror, after = mirrored
    sku, warehouse, qty = next(row for row in sandbox.catalog.stock_rows() if row[2] > 5)
    others = sandbox.catalog.qty(sku) - qty
    for code, at, _ in list(sandbox.catalog.stock_rows()):
        if code == sku and at != warehouse:
            sandbox.catalog.set_stock(sku, at, 0)
    sandbox.catalog.set_stock(sku, warehouse, qty - 1)
    [moved] = await news(sandbox, mirror, after)
    assert (moved.kind, moved.old, moved.new) == (ChangeKind.STOCK_CHANGED, str(qty + others), str(qty - 1))

    sandbox.catalog.set_stock(sku, warehouse, 0)
    [sold_out] = await news(sandbox, mirror, moved.id)
    sandbox.catalog.set_stock(sku, warehouse, 8)
    [back] = await news(sandbox, mirror, sold_out.id)

    assert (sold_out.kind, sold_out.old, sold_out.new) == (ChangeKind.SOLD_OUT, str(qty - 1), "0")
    assert (back.kind, back.old, back.new) == (ChangeKind.BACK_IN_STOCK, "0", "8")
    assert sold_out.sku == back.sku == sku


async def test_a_status_is_told_for_the_product_and_for_each_sku(mirrored):
    sandbox, mirror, after = mirrored
    spu = next(spu for spu in sandbox.catalog.spus() if sandbox.catalog.product(spu)["spuStatus"] == 1)
    sandbox.catalog.set_status(spu, 3)

    changes = await news(sandbox, mirror, after)

    assert {change.kind for change in changes} == {ChangeKind.STATUS_CHANGED}
    assert changes[0].sku is None
    assert (changes[0].old, changes[0].new) == ("1", "3")
    assert len(changes) <= 1 + len(sandbox.catalog.product(spu)["skuDetails"])


async def test_a_new_product_is_one_event_and_its_stock_follows_silently(mirrored):
    sandbox, mirror, after = mirrored
    spu = sandbox.catalog.add_product()

    changes = await news(sandbox, mirror, after)

    assert [(change.kind, change.spu) for change in changes] == [(ChangeKind.PRODUCT_ADDED, spu)]


async def test_a_cursor_sees_what_came_after_it_and_nothing_twice(mirrored):
    sandbox, mirror, after = mirrored
    skus = list(sandbox.catalog.skus())[:3]
    for sku in skus:
        sandbox.catalog.set_price(sku, Decimal("77.7700"))
    first = await news(sandbox, mirror, after)

    rest = [change async for change in mirror.changes(first[0].id)]

    assert rest == first[1:]
    assert [change async for change in mirror.changes(first[-1].id)] == []


async def test_many_changes_come_in_order_across_batches(mirrored, monkeypatch):
    from kakaclo_async.catalog import database

    _, mirror, after = mirrored
    monkeypatch.setattr(database, "_BATCH", 7)

    assert [change.id async for change in mirror.changes()] == list(range(1, after + 1))


async def test_older_rows_never_replace_newer_ones(mirrored, db):
    """What an interrupted window still has to tell may be older than what a later cycle stored."""
    sandbox, mirror, after = mirrored
    sku, warehouse, _ = next(iter(sandbox.catalog.stock_rows()))
    later = f"{sandbox.now() + timedelta(seconds=3500):%Y-%m-%d %H:%M:%S}"
    from sqlite3 import connect

    with connect(db.path) as connection:
        connection.execute("UPDATE product SET update_time = ?, product_name = 'newer'", [later])
        connection.execute("UPDATE stock SET as_of = ?, qty = 4321 WHERE sku = ?", [later, sku])
        connection.execute("DELETE FROM mirror_done")
    connection.close()

    assert await news(sandbox, mirror, after) == []
    assert db.one("SELECT count(*) FROM product WHERE product_name <> 'newer'") == 0
    assert db.one("SELECT qty FROM stock WHERE sku = ? AND warehouse_code = ?", sku, warehouse) == 4321


async def test_verify_marks_what_is_gone_and_only_that(mirrored, db):
    sandbox, mirror, after = mirrored
    first, second, *_ = sorted(sandbox.catalog.spus())
    sandbox.catalog.remove(first)
    sandbox.skip(400)
    sandbox.catalog.touch(second)  # it leaves the window, so the reading does not meet it

    seen_once = await mirror.verify()
    sandbox.skip(700)
    report = await mirror.run()

    assert (seen_once.missing, seen_once.gone, report.gone) == (1, 0, 1)
    assert report.complete
    assert db.rows("SELECT spu FROM product WHERE gone_since IS NOT NULL") == [(first,)]
    told = [change async for change in mirror.changes(after)]
    assert [(change.kind, change.spu, change.sku) for change in told] == [(ChangeKind.GONE, first, None)]
    again = await mirror.verify()
    assert (again.missing, again.gone) == (0, 0)


async def test_verify_repairs_what_was_altered(mirrored, db):
    sandbox, mirror, _ = mirrored
    before = db.tables()
    from sqlite3 import connect

    with connect(db.path) as connection:
        connection.execute("UPDATE sku SET price = '1.00' WHERE rowid % 3 = 0")
        connection.execute("UPDATE stock SET qty = 0 WHERE rowid % 3 = 0")
        connection.execute("DELETE FROM stock WHERE rowid % 7 = 0")
    connection.close()

    report = await mirror.verify()

    assert report.changes > 0
    after = db.tables()
    assert after["sku"] == before["sku"]
    assert after["stock"] == before["stock"]
    assert after["product"] == before["product"]


async def test_a_sku_that_its_product_lists_no_more_is_gone_and_may_come_back(mirrored, db, monkeypatch):
    sandbox, mirror, after = mirrored
    from kakaclo_async.sandbox.world.view import View

    spu = next(spu for spu in sandbox.catalog.spus() if len(sandbox.catalog.product(spu)["skuDetails"]) > 1)
    dropped = sandbox.catalog.product(spu)["skuDetails"][0]["sku"]
    document = View.document

    def shortened(view, row):
        found = document(view, row)
        details = [sku for sku in found["skuDetails"] if sku["sku"] != dropped]
        return {**found, "skuDetails": details}

    monkeypatch.setattr(View, "document", shortened)
    sandbox.catalog.touch(spu)
    lost = await news(sandbox, mirror, after)
    assert [(change.kind, change.sku) for change in lost] == [(ChangeKind.GONE, dropped)]
    assert db.one("SELECT gone_since IS NOT NULL FROM sku WHERE sku = ?", dropped) == 1

    monkeypatch.undo()
    sandbox.catalog.touch(spu)
    back = await news(sandbox, mirror, after + 1)
    assert [(change.kind, change.sku) for change in back] == [(ChangeKind.SKU_ADDED, dropped)]
    assert db.one("SELECT gone_since IS NULL FROM sku WHERE sku = ?", dropped) == 1


@pytest.mark.parametrize("details", [[], None, "absent"])
async def test_a_product_that_comes_without_any_skus_loses_none(mirrored, db, monkeypatch, details):
    sandbox, mirror, after = mirrored
    from kakaclo_async.sandbox.world.view import View

    spu = next(sandbox.catalog.spus())
    document = View.document

    def bare(view, row):
        found = {**document(view, row), "skuDetails": details}
        return {name: value for name, value in found.items() if value != "absent"}

    monkeypatch.setattr(View, "document", bare)
    sandbox.catalog.touch(spu)
    told = await news(sandbox, mirror, after)

    assert ChangeKind.GONE not in {change.kind for change in told}
    assert db.one("SELECT count(*) FROM sku WHERE gone_since IS NOT NULL") == 0


@pytest.mark.parametrize("turns", [1, 2, 5, 20])
async def test_a_reader_whose_wait_was_cancelled_goes_on_where_it_was(mirrored, turns):
    _, mirror, after = mirrored
    changes, ids = mirror.changes(), []
    while True:
        waiting = asyncio.ensure_future(anext(changes, None))
        for _ in range(turns):
            await asyncio.sleep(0)
        waiting.cancel()
        [change] = await asyncio.gather(waiting, return_exceptions=True)
        if isinstance(change, asyncio.CancelledError):
            change = await anext(changes, None)
        if change is None:
            break
        ids.append(change.id)
    assert ids == list(range(1, after + 1))
