"""Rows that cannot be read: kept once, forgotten when they can be, and no reason to think that they are gone."""

from __future__ import annotations

import pytest

from kakaclo_async.sandbox.world.view import View


@pytest.fixture
def spoil(monkeypatch):
    """Makes one product unreadable; without a code, readable again."""
    document = View.document

    def spoil_one(spu=None):
        def spoiled(view, row):
            found = document(view, row)
            return {**found, "price": "cheap"} if found["spu"] == spu else found

        monkeypatch.setattr(View, "document", spoiled)

    return spoil_one


async def test_a_row_that_is_met_again_and_again_is_kept_once_and_forgotten_when_it_can_be_read(
    shop, db, mirror_of, spoil
):
    sandbox, kk = shop
    mirror = mirror_of(sandbox, kk)
    spu = next(sandbox.catalog.spus())
    spoil(spu)
    await mirror.run()
    sandbox.catalog.touch(spu)
    sandbox.skip(900)
    for _ in range(3):
        assert (await mirror.run()).undecodable == 1
        sandbox.skip(60)

    assert db.rows("SELECT endpoint, key FROM mirror_undecodable") == [("products", spu)]

    spoil()
    sandbox.catalog.touch(spu)
    sandbox.skip(900)
    await mirror.run()

    assert (await mirror.status()).undecodable == 0
    assert db.one("SELECT count(*) FROM product") == 60


async def test_verify_sets_a_known_product_aside_that_cannot_be_read_and_does_not_call_it_gone(
    shop, db, mirror_of, spoil
):
    sandbox, kk = shop
    mirror = mirror_of(sandbox, kk)
    await mirror.run()
    spu = next(sandbox.catalog.spus())
    spoil(spu)

    report = await mirror.verify()

    assert (report.gone, report.complete) == (0, True)
    assert db.rows("SELECT key FROM mirror_undecodable") == [(spu,)]
    assert db.one("SELECT gone_since FROM product WHERE spu = ?", spu) is None


async def test_the_skus_of_a_product_that_is_gone_are_gone_as_well(shop, db, mirror_of):
    sandbox, kk = shop
    mirror = mirror_of(sandbox, kk)
    await mirror.run()
    spu = next(sandbox.catalog.spus())
    skus = db.one("SELECT count(*) FROM sku WHERE spu = ?", spu)
    sandbox.catalog.remove(spu)
    sandbox.skip(3600)

    await mirror.verify()
    sandbox.skip(700)
    await mirror.run()

    assert db.one("SELECT count(*) FROM sku WHERE gone_since IS NOT NULL") == skus
    assert db.one("SELECT count(*) FROM sku WHERE spu = ? AND gone_since IS NULL", spu) == 0
