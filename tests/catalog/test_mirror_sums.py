"""Whatever comes in whatever order, the sums of stock are those of the rows, and events tell each step."""

from __future__ import annotations

import asyncio
import tempfile
from datetime import UTC, datetime, timedelta
from functools import partial

from hypothesis import example, given, settings, strategies as st
from sqlalchemy import select

from kakaclo_async.catalog import ChangeKind, schema
from kakaclo_async.catalog.database import MirrorDatabase
from kakaclo_async.catalog.rows import Newer
from kakaclo_async.catalog.store import put_products, put_stock
from kakaclo_async.models.product import Product, Sku, StockLevel, WarehouseStock

START = datetime(2024, 1, 1, tzinfo=UTC)
SPUS = ("P1", "P2")
STOCK_KINDS = {ChangeKind.STOCK_CHANGED, ChangeKind.SOLD_OUT, ChangeKind.BACK_IN_STOCK}
SKUS = ("A", "B", "C", "D")

quantities = st.integers(-1, 3) | st.none()
warehouses = st.builds(
    WarehouseStock,
    warehouse_code=st.sampled_from(["G007", "W001", None]),
    country_code=st.sampled_from(["CN", "US"]),
    qty=st.integers(-1, 3),
)
levels = st.builds(
    StockLevel, sku=st.sampled_from(SKUS), warehouses=st.lists(warehouses, max_size=3).map(tuple)
)


@st.composite
def products(draw):
    spu = draw(st.sampled_from(SPUS))
    own = SKUS[:2] if spu == "P1" else SKUS[2:]
    details = draw(st.lists(st.sampled_from(own), unique=True))
    return Product(
        spu=spu,
        stock=draw(quantities),
        update_time=START + timedelta(hours=draw(st.integers(0, 5))),
        sku_details=tuple(Sku(sku=code, stock=draw(quantities)) for code in details),
    )


steps = st.lists(
    st.tuples(st.just("products"), st.lists(products(), unique_by=lambda row: row.spu, max_size=2))
    | st.tuples(st.just("stock"), st.lists(levels, unique_by=lambda row: row.sku, max_size=4)),
    max_size=12,
)


async def store_all(pages):
    """Store pages one after another; return the tables in the end, and the changes."""
    with tempfile.TemporaryDirectory() as folder:
        database = MirrorDatabase(f"sqlite:///{folder}/catalog.db")
        await database.open()
        try:
            for number, (kind, rows) in enumerate(pages):
                now = START + timedelta(days=1, minutes=number)
                if kind == "products":
                    await database.write(
                        partial(put_products, products=rows, seen_at=now, newer=Newer(now=now))
                    )
                else:
                    await database.write(
                        partial(put_stock, levels=rows, as_of=now, seen_at=now, newer=Newer(now=now))
                    )
            async with database.reading() as connection:
                found = [
                    (await connection.execute(select(table))).mappings().all()
                    for table in (schema.product, schema.sku, schema.stock)
                ]
            return *found, [change async for change in database.changes()]
        finally:
            await database.close()


LISTED_ONCE = [
    ("products", [Product(spu="P1", stock=0, update_time=START, sku_details=skus)])
    for skus in ((Sku(sku="A", stock=1),), ())
]


@settings(max_examples=25, deadline=None)
@given(steps)
@example(LISTED_ONCE)  # the second answer, without its SKUs, is one in part
def test_sums_are_those_of_the_rows_and_each_step_of_a_sum_is_told_once(pages):
    product_rows, sku_rows, stock_rows, changes = asyncio.run(store_all(pages))

    told = {level.sku: level.qty for kind, rows in pages if kind == "stock" for level in rows}
    held = dict.fromkeys(told, 0)
    for row in stock_rows:
        held[row["sku"]] += row["qty"] or 0
    assert held == told
    present = [row for row in sku_rows if row["gone_since"] is None]
    assert all(row["stock"] == told[row["sku"]] for row in sku_rows if row["sku"] in told)
    for product in product_rows:
        sums = [row["stock"] or 0 for row in present if row["spu"] == product["spu"]]
        assert product["stock"] == sum(sums) or not sums
    for row in sku_rows:
        check_steps([change for change in changes if change.sku == row["sku"]], row)


def check_steps(changes, row):
    """Old values join the new ones before them, unless the SKU came anew; the last one is what is stored."""
    last = None
    for change in changes:
        if change.kind in STOCK_KINDS:
            assert last is None or change.old == last
            assert change.old != change.new
            before, now = int(change.old or 0), int(change.new or 0)
            assert (change.kind is ChangeKind.SOLD_OUT) == (before > 0 >= now)
            assert (change.kind is ChangeKind.BACK_IN_STOCK) == (change.old is not None and before <= 0 < now)
            last = change.new
        else:
            last = None
    assert last in {None, str(row["stock"])}
