"""Changes for those who list SKUs in a shop: stock as it can be sold, in one country or in all, and nothing twice."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise

import pytest
from hypothesis import given, settings, strategies as st
from sqlalchemy import select

from kakaclo_async import InvalidRequest
from kakaclo_async.catalog import ChangeKind, export, schema
from kakaclo_async.catalog.database import MirrorDatabase
from kakaclo_async.catalog.rows import Newer
from kakaclo_async.catalog.store import mark_gone, put_products, put_stock
from kakaclo_async.models.product import Product, ProductStatus, Sku, StockLevel, WarehouseStock

START = datetime(2026, 1, 1, tzinfo=UTC)
STOCK_KINDS = {ChangeKind.STOCK_CHANGED, ChangeKind.SOLD_OUT, ChangeKind.BACK_IN_STOCK}
SELLING = {None, 1, 4, 5}


def product(*skus, spu="P"):
    return Product(spu=spu, sku_details=tuple(skus))


def sku(code="A", stock=None, status=1):
    return Sku(sku=code, stock=stock, sku_status=ProductStatus(status))


def level(code="A", **countries):
    held = (
        WarehouseStock(warehouse_code=name, country_code=name, qty=qty) for name, qty in countries.items()
    )
    return StockLevel(sku=code, warehouses=tuple(held))


class Tables:
    """A mirror's database into which pages are put one by one."""

    def __init__(self, path, url=None):
        self.path = path
        self.database = MirrorDatabase(url or f"sqlite:///{path}")
        self.now = START

    async def put(self, page):
        """Store a product or stock, or mark an SPU as gone."""
        self.now += timedelta(minutes=1)
        common = {"seen_at": self.now, "newer": Newer(now=self.now)}
        if isinstance(page, str):
            work = partial(mark_gone, spus=[page], since=self.now)
        elif isinstance(page, Product):
            work = partial(put_products, products=[page], **common)
        else:
            work = partial(put_stock, levels=[page], as_of=self.now, **common)
        await self.database.write(work)


@pytest.fixture
async def tables(tmp_path):
    """A mirror of one SKU, of which 4 pieces lie in the US and 16 in China."""
    found = Tables(tmp_path / "catalog.db")
    await found.database.open()
    for page in (product(sku(stock=20)), level(US=4, CN=16)):
        await found.put(page)
    yield found
    await found.database.close()


LISTENERS = {
    "all": {},
    "listed": {"only": ["A"]},
    "US": {"country": "US"},
    "CN": {"country": "cn "},
    "DE": {"country": "DE"},
}


@pytest.mark.parametrize(
    ("pages", "told"),
    [
        (
            [level(US=0, CN=20)],
            {"US": [("sold_out", "4", "0", "US")], "CN": [("stock_changed", "16", "20", "CN")]},
        ),
        (
            [level(CN=16)],
            {
                "all": [("stock_changed", "20", "16", None)],
                "listed": [("stock_changed", "20", "16", None)],
                "US": [("sold_out", "4", "0", "US")],
            },
        ),
        (
            [level(US=4, CN=16, DE=1)],
            {
                "all": [("stock_changed", "20", "21", None)],
                "listed": [("stock_changed", "20", "21", None)],
                "DE": [("back_in_stock", "0", "1", "DE")],
            },
        ),
        (
            [level()],
            {
                "all": [("sold_out", "20", "0", None)],
                "listed": [("sold_out", "20", "0", None)],
                "US": [("sold_out", "4", "0", "US")],
                "CN": [("sold_out", "16", "0", "CN")],
            },
        ),
        ([level(US=4, CN=16)], {}),
    ],
)
async def test_each_listener_is_told_its_own_stock_once(pages, told, tables):
    after = (await tables.database.status()).last_change
    for page in pages:
        await tables.put(page)

    for name, wanted in LISTENERS.items():
        found = [
            (change.kind.value, change.old, change.new, change.country)
            async for change in tables.database.changes(after, **wanted)
        ]
        assert found == told.get(name, []), name


DEATHS = {
    "discontinued": product(sku(stock=20, status=3)),
    "deleted": product(sku(stock=20, status=2)),
    "off the shelf": product(sku(stock=20, status=0)),
    "not listed any more": product(sku("B", stock=1)),
    "gone with its product": "P",
}


@pytest.mark.parametrize("death", DEATHS)
async def test_a_sku_that_dies_with_stock_left_is_sold_out_for_those_who_list_it(death, tables):
    after = (await tables.database.status()).last_change
    await tables.put(DEATHS[death])

    stock = {}
    for name, wanted in LISTENERS.items():
        stock[name] = [
            (change.kind.value, change.old, change.new)
            async for change in tables.database.changes(after, **wanted)
            if change.kind in STOCK_KINDS
        ]
    assert stock == {
        "all": [],
        "listed": [("sold_out", "20", "0")],
        "US": [("sold_out", "4", "0")],
        "CN": [("sold_out", "16", "0")],
        "DE": [],
    }


@pytest.mark.parametrize("death", [name for name in DEATHS if name != "not listed any more"])
async def test_stock_of_the_dead_moves_for_nobody_who_lists_it_and_a_return_is_told(death, tables):
    await tables.put(DEATHS[death])
    after = (await tables.database.status()).last_change
    await tables.put(level(US=7, CN=16))
    moved = [change.kind.value async for change in tables.database.changes(after)]
    unheard = [change async for change in tables.database.changes(after, country="US")]
    unheard += [change async for change in tables.database.changes(after, only=["A"])]
    after = (await tables.database.status()).last_change
    await tables.put(product(sku(stock=23)))

    assert moved == ["stock_changed"]
    assert unheard == []
    for wanted, step in (({"country": "US"}, ("0", "7", "US")), ({"only": ["P"]}, ("0", "23", None))):
        back = [
            (change.old, change.new, change.country)
            async for change in tables.database.changes(after, **wanted)
            if change.kind is ChangeKind.BACK_IN_STOCK
        ]
        assert back == [step]


async def test_a_listener_of_some_codes_hears_of_them_and_of_their_products(tables):
    await tables.put(product(sku("B", stock=1), spu="Q"))
    after = (await tables.database.status()).last_change
    for page in (product(sku(stock=20, status=1), sku("C")), product(sku("B", stock=2), spu="Q"), "P", "Q"):
        await tables.put(page)

    async def heard(*codes, **wanted):
        found = tables.database.changes(after, only=codes, **wanted)
        return [(change.kind.value, change.sku) async for change in found]

    assert await heard("A") == [("gone", None), ("sold_out", "A")]
    assert await heard("A", country="US") == [("gone", None), ("sold_out", "A")]
    assert await heard("Q") == [("stock_changed", "B"), ("gone", None), ("sold_out", "B")]
    assert await heard("Q", country="US") == [("gone", None)]
    assert await heard("nobody") == []


async def test_both_kinds_of_database_tell_the_same(url):
    tables = Tables(None, url)
    await tables.database.open()
    try:
        for page in (product(sku(stock=20)), level(US=4, CN=16), level(US=3, CN=16), "P"):
            await tables.put(page)
        told = [change.kind.value async for change in tables.database.changes(country="us", only=["A"])]
    finally:
        await tables.database.close()

    assert told == ["product_added", "stock_changed", "gone", "sold_out"]


async def test_prices_and_states_are_told_in_every_country(tables):
    after = (await tables.database.status()).last_change
    await tables.put(product(sku(stock=20, status=4)))

    assert [change.kind.value async for change in tables.database.changes(after, country="US")] == [
        "status_changed"
    ]


@pytest.mark.parametrize("wanted", [{"country": "USA"}, {"country": ""}, {"only": "A"}])
async def test_a_country_or_codes_that_make_no_sense_are_refused_at_once(wanted, tables):
    with pytest.raises(InvalidRequest):
        tables.database.changes(**wanted)


quantities = st.integers(0, 3)
products = st.builds(
    product,
    st.builds(sku, stock=quantities, status=st.sampled_from([1, 1, 1, 0, 3, 6])),
)
levels = st.builds(
    lambda us, cn: level(**{name: qty for name, qty in (("US", us), ("CN", cn)) if qty is not None}),
    st.none() | quantities,
    st.none() | quantities,
)


@settings(max_examples=40, deadline=None)
@given(st.lists(products | levels | st.just("P") | st.just(product(sku("B"))), max_size=12))
def test_whatever_comes_events_lead_each_listener_from_step_to_step_to_what_can_be_sold_now(pages):
    async def store():
        with tempfile.TemporaryDirectory() as folder:
            tables = Tables(f"{folder}/catalog.db")
            await tables.database.open()
            try:
                for page in pages:
                    await tables.put(page)
                told = {
                    name: [change async for change in tables.database.changes(**wanted) if change.sku == "A"]
                    for name, wanted in LISTENERS.items()
                }
                async with tables.database.reading() as connection:
                    rows = (await connection.execute(select(schema.sku))).mappings().all()
                    stock = (await connection.execute(select(schema.stock))).mappings().all()
                return told, [row for row in rows if row["sku"] == "A"], stock
            finally:
                await tables.database.close()

    told, rows, stock = asyncio.run(store())

    for name in ("listed", "US", "CN"):
        steps = [change for change in told[name] if change.kind in STOCK_KINDS]
        for before, after in pairwise(steps):
            assert before.new == after.old
        for step in steps:
            assert step.old != step.new
            assert (step.kind is ChangeKind.SOLD_OUT) == (int(step.old or 0) > 0 and step.new == "0")
        if steps:
            [row] = rows
            sells = row["gone_since"] is None and row["sku_status"] in SELLING
            there = (
                row["stock"]
                if name == "listed"
                else sum(at["qty"] for at in stock if at["country_code"] == name)
            )
            assert steps[-1].new == str(there if sells else 0)


async def older(tables, version):
    """Put a mirror's tables back to a version before countries were known."""
    await tables.database.close()
    with closing(sqlite3.connect(tables.path)) as connection:
        if version < schema.COUNTRIES:
            connection.execute("DELETE FROM change WHERE country IS NOT NULL")
            connection.execute("ALTER TABLE change DROP COLUMN country")
        if version < schema.DROPS_CHANGES:
            connection.execute("DROP TABLE mirror_number")
            connection.execute("DROP INDEX ix_product_missing_since")
            connection.execute("ALTER TABLE product DROP COLUMN missing_since")
        connection.execute("UPDATE mirror_schema SET version = ?", [version])
        connection.commit()


@pytest.mark.parametrize("version", [3, 4])
async def test_a_mirror_of_an_older_version_is_read_as_it_is(version, tables, tmp_path):
    await tables.put(level(US=3, CN=16))
    await older(tables, version)

    every = [change.kind.value async for change in tables.database.changes()]
    in_the_us = [change.kind.value async for change in tables.database.changes(country="US", only=["A"])]
    counts = [await export(f"sqlite:///{tables.path}", table, tmp_path / table, format="csv") for table in ("product", "change")]  # fmt: skip

    assert every == ["product_added", "stock_changed"]
    assert in_the_us == ["product_added"]
    assert counts == [1, 2]
    assert (tmp_path / "product").read_text().splitlines()[0].endswith("missing_since")


async def test_a_mirror_that_was_brought_up_to_date_tells_countries_from_then_on(tables):
    await tables.put(level(US=3, CN=16))
    await older(tables, 4)
    await tables.database.open()
    await tables.put(level(US=2, CN=16))

    assert [(change.old, change.new, change.country) async for change in tables.database.changes(2)] == [
        ("19", "18", None)
    ]
    assert [
        (change.old, change.new, change.country)
        async for change in tables.database.changes(country="US")
        if change.kind in STOCK_KINDS
    ] == [("3", "2", "US")]
