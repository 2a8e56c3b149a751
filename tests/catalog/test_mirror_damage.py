"""Damage on the way, odd codes and rows that cannot be read: a mirror loses nothing else, and calls nothing gone."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from functools import partial

import pytest

from kakaclo_async import Rejected
from kakaclo_async.sandbox import Fault
from kakaclo_async.sandbox.http import products as sandbox_products, routing
from kakaclo_async.sandbox.world.view import View

PRODUCTS = "/v1/product/products"


@pytest.fixture
def answer(monkeypatch):
    """Lets the server answer products with other fields, by code."""
    document = View.document

    def instead(changes):
        def changed(view, row):
            found = document(view, row)
            return {**found, **changes.get(found["spu"], {})}

        monkeypatch.setattr(View, "document", changed)

    return instead


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"Dress \xf0\x9f\x98", "Dress \ufffd"),
        (b"Dress \\ud83d", "Dress \ufffd"),
        (b"Dress\tred", "Dress\tred"),
    ],
)
async def test_a_name_that_ends_in_half_an_emoji_is_stored_with_all_other_products(
    shop, db, mirror_of, damage, answer, name, shown
):
    sandbox, kk = shop
    spu = next(sandbox.catalog.spus())
    answer({spu: {"productName": "HERE"}})
    damage(lambda body: body.replace(b'"HERE"', b'"%b"' % name))

    report = await mirror_of(sandbox, kk).run()

    assert (report.products, report.undecodable) == (60, 0)
    assert db.one("SELECT product_name FROM product WHERE spu = ?", spu) == shown


@pytest.mark.parametrize("number", [b"1e400", b"%d" % 2**64, b"9" * 5000, b"NaN", b"6.\xff1"])
async def test_a_number_that_no_column_holds_sets_its_row_aside_alone(
    shop, db, mirror_of, damage, answer, number
):
    sandbox, kk = shop
    spu = next(sandbox.catalog.spus())
    answer({spu: {"salesVolume": "HERE"}})
    damage(lambda body: body.replace(b'"HERE"', number))

    report = await mirror_of(sandbox, kk).run()

    assert (report.products, report.undecodable) == (59, 1)
    [(key, raw)] = db.rows("SELECT key, raw FROM mirror_undecodable")
    assert key == spu == json.loads(raw)["spu"]


async def test_a_field_that_is_new_and_damaged_costs_nothing(shop, db, mirror_of, damage, answer):
    sandbox, kk = shop
    spu = next(sandbox.catalog.spus())
    answer({spu: {"newField": "HERE"}})
    damage(lambda body: body.replace(b'"HERE"', b"1e400"))
    assert (await mirror_of(sandbox, kk).run()).products == 60


@pytest.mark.parametrize("most", [2**63 - 1, -(2**63), 10**16])
async def test_numbers_whose_sum_no_column_holds_set_their_row_aside_alone(
    shop, db, mirror_of, answer, monkeypatch, most
):
    sandbox, kk = shop
    product = next(sandbox.catalog.products())
    skus = [{**sku, "stock": most} for sku in product["skuDetails"]]
    answer({product["spu"]: {"skuDetails": [*skus, {"sku": "MORE", "stock": most}]}})
    stock_of = sandbox_products._stock_of
    full = {"warehouseStockList": [{"warehouseCode": code, "qty": most} for code in "AB"]}

    def too_much(view, row, warehouse):
        found = stock_of(view, row, warehouse)
        return {**found, **full} if found["sku"] == skus[0]["sku"] else found

    monkeypatch.setattr(sandbox_products, "_stock_of", too_much)

    report = await mirror_of(sandbox, kk).run()

    assert (report.products, report.undecodable, report.complete) == (59, 2, True)
    assert set(db.rows("SELECT endpoint, key FROM mirror_undecodable")) == {
        ("products", product["spu"]),
        ("stock", skus[0]["sku"]),
    }


async def test_a_stock_row_without_a_quantity_is_set_aside_and_stores_no_stock(
    shop, db, mirror_of, monkeypatch
):
    sandbox, kk = shop
    sku = next(sandbox.catalog.skus())
    stock_of = sandbox_products._stock_of

    def without(view, row, warehouse):
        found = stock_of(view, row, warehouse)
        return {**found, "warehouseStockList": [{"warehouseCode": "G006"}]} if found["sku"] == sku else found

    monkeypatch.setattr(sandbox_products, "_stock_of", without)

    report = await mirror_of(sandbox, kk).run()

    assert (report.undecodable, report.complete) == (1, True)
    [row] = db.rows("SELECT endpoint, key, reason FROM mirror_undecodable")
    assert row == ("stock", sku, "StockLevel.warehouseStockList[0].qty is missing")
    assert db.one("SELECT count(*) FROM stock WHERE sku = ?", sku) == 0
    assert db.one("SELECT count(*) FROM stock WHERE qty IS NULL") == 0


async def test_a_code_too_long_for_an_index_sets_its_row_aside_alone(shop, db, mirror_of, answer):
    sandbox, kk = shop
    spu = next(sandbox.catalog.spus())
    answer({spu: {"skuDetails": [{"sku": "x" * 3000}]}})
    report = await mirror_of(sandbox, kk).run()
    assert (report.products, report.undecodable) == (59, 1)
    assert db.one("SELECT key FROM mirror_undecodable") == spu


async def test_a_code_that_is_damaged_makes_no_product_of_its_own(shop, db, mirror_of, damage):
    sandbox, kk = shop
    spu = next(sandbox.catalog.spus()).encode()
    damage(lambda body: body.replace(b'"spu":"%b"' % spu, b'"spu":"%b\xff"' % spu[:-1]))

    report = await mirror_of(sandbox, kk).run()

    assert (report.products, report.undecodable) == (59, 1)
    assert db.one("SELECT count(*) FROM product WHERE spu LIKE '%\ufffd'") == 0


@pytest.fixture
async def verified(shop, db, mirror_of, monkeypatch):
    """Verifies a mirror of 60 products, of which the reading meets none: each is asked for by its code."""
    sandbox, kk = shop
    mirror = mirror_of(sandbox, kk)
    await mirror.run()
    spus = [spu for (spu,) in db.rows("SELECT spu FROM product ORDER BY spu")]

    async def verify():
        async def unmet(self, window, *, all_again=False):
            for endpoint in ("products", "stock"):
                await self.database.write(partial(self._load, endpoint))

        monkeypatch.setattr("kakaclo_async.catalog.run.Run.pull", unmet)
        return await mirror.verify()

    return spus, verify


def gone(db):
    return {spu for (spu,) in db.rows("SELECT spu FROM product WHERE gone_since IS NOT NULL")}


@pytest.mark.parametrize(
    "row",
    [
        {"price": "cheap"},
        {"spu": None, "productName": "x"},
        {"spu": "AMN\ufffd"},
        {"spu": "", "skuDetails": "none"},
    ],
)
async def test_a_product_whose_row_cannot_be_read_is_not_gone_and_one_beside_it_is(
    shop, db, verified, answer, row
):
    sandbox, _ = shop
    spus, verify = verified
    sandbox.catalog.remove(spus[7])
    sandbox.skip(3600)
    answer({spus[3]: row})

    await verify()
    sandbox.skip(700)
    report = await verify()

    assert gone(db) == {spus[7]}
    assert (report.gone, report.undecodable) == (1, 1)
    assert db.one("SELECT key FROM mirror_undecodable") == spus[3]


@pytest.mark.parametrize("spell", [str.lower, lambda spu: f"{spu} "])
async def test_a_product_in_another_spelling_is_not_gone(shop, db, verified, answer, spell):
    spus, verify = verified
    answer({spus[3]: {"spu": spell(spus[3])}})
    await verify()
    assert gone(db) == set()
    assert db.one("SELECT key FROM mirror_undecodable") == spus[3]


async def test_one_code_that_is_refused_is_set_aside_and_a_refusal_of_all_is_raised(
    shop, db, verified, monkeypatch
):
    sandbox, _ = shop
    spus, verify = verified
    odd, codes_of = spus[3], routing.Request.codes

    def codes(request, name, at_most):
        found = codes_of(request, name, at_most)
        if odd in found:
            raise routing.Refusal(routing.Code.BAD_PARAMETER, "odd")
        return found

    monkeypatch.setattr(routing.Request, "codes", codes)
    report = await verify()
    assert (gone(db), report.undecodable) == (set(), 1)
    assert "odd" in db.one("SELECT reason FROM mirror_undecodable WHERE key = ?", odd)

    sandbox.faults.add(Fault("rejected", path=PRODUCTS, times=None))
    with pytest.raises(Rejected):
        await verify()
    assert gone(db) == set()


async def test_codes_that_no_request_can_ask_for_are_not_gone_and_long_ones_are_asked_for(shop, db, verified):
    sandbox, _ = shop
    spus, verify = verified
    odd = [f"{'x' * 65}", "A,B", " A", "A\t"]
    long = [f"{n:02}" + "裙" * 62 for n in range(20)]
    with closing(sqlite3.connect(db.path)) as connection:
        columns = ", ".join(name for _, name, *_ in connection.execute("PRAGMA table_info(product)"))
        for code in [*odd, *long]:
            connection.execute(
                f"INSERT INTO product ({columns}) SELECT {columns.replace('spu,', '?,', 1)}"  # noqa: S608 - our own names
                " FROM product WHERE spu = ?",
                (code, spus[0]),
            )
        connection.commit()

    report = await verify()

    assert db.one("SELECT count(*) FROM product WHERE missing_since IS NOT NULL") == len(long)
    assert report.undecodable == len(odd)
    assert {key for (key,) in db.rows("SELECT key FROM mirror_undecodable")} == set(odd)
