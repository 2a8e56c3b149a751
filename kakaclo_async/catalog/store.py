"""Write pages of products and stock, and note what they changed.

One writer, so rows are compared with those stored before in the same transaction: that finds the changes, keeps
what is newer, and needs no trigger. Every statement is built once and run with a list of rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, exists, func, select, update

from kakaclo_async.catalog import schema
from kakaclo_async.catalog.events import (
    by_country,
    gone,
    product_changes,
    seen_by_all,
    sku_changes,
    sold_off,
    stock_changes,
)
from kakaclo_async.catalog.held import as_held, how_held, read
from kakaclo_async.catalog.rows import (
    Row,
    levels_with_held_codes,
    product_values,
    run_for_each,
    sku_values,
    stock_values,
    with_held_codes,
)
from kakaclo_async.database.migrations import among

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from sqlalchemy import Executable
    from sqlalchemy.engine import Connection

    from kakaclo_async.catalog.rows import Newer, Values
    from kakaclo_async.models.product import Product, StockLevel


_product, _sku, _stock, _change = schema.product.c, schema.sku.c, schema.stock.c, schema.change.c

_PRODUCTS_BEFORE = select(*as_held(_product)).where(among(_product.spu, "spus"))
_SKUS_BEFORE = select(*as_held(_sku)).where(among(_sku.spu, "spus"))
_WHAT_SELLS = (_sku.sku, _sku.spu, _sku.stock, _sku.sku_status, _sku.gone_since)
_SKU_STOCKS_BEFORE = select(*_WHAT_SELLS).where(among(_sku.sku, "skus"))
_SKUS_LEFT = select(*_WHAT_SELLS).where(among(_sku.spu, "spus"), _sku.gone_since.is_(None))
_STOCK_BEFORE = select(*as_held(_stock)).where(among(_stock.sku, "skus"))
_STOCK_SUMS = (
    select(_stock.sku, _stock.country_code, func.sum(_stock.qty).label("qty"))
    .where(among(_stock.sku, "skus"))
    .group_by(_stock.sku, _stock.country_code)
)
_DROP_WAREHOUSE = delete(schema.stock).where(
    _stock.sku == bindparam("of_sku"), _stock.warehouse_code == bindparam("at")
)
_SET_SKU_STOCK = update(schema.sku).where(_sku.sku == bindparam("of_sku")).values(stock=bindparam("qty"))
_SUM_PRODUCT_STOCK = (
    update(schema.product)
    .where(among(_product.spu, "spus"))
    .values(
        stock=select(func.coalesce(func.sum(_sku.stock), 0))
        .where(_sku.spu == _product.spu, _sku.gone_since.is_(None))
        .scalar_subquery()
    )
)
_MARK_SKU_GONE = (
    update(schema.sku).where(_sku.sku == bindparam("of_sku")).values(gone_since=bindparam("since"))
)
_MARK_GONE = (
    update(schema.product)
    .where(among(_product.spu, "spus"))
    .values(gone_since=bindparam("since"), missing_since=None)
)
_MARK_ITS_SKUS_GONE = (
    update(schema.sku)
    .where(among(_sku.spu, "spus"), _sku.gone_since.is_(None))
    .values(gone_since=bindparam("since"))
)
_SPUS = (
    select(_product.spu)
    .where(_product.spu > bindparam("after"), _product.gone_since.is_(None))
    .order_by(_product.spu)
    .limit(bindparam("most"))
)
_MISSING = select(_product.spu).where(
    _product.missing_since <= bindparam("since"), _product.gone_since.is_(None)
)
_LIVE = select(func.count()).select_from(schema.product).where(_product.gone_since.is_(None))
_MARK_MISSING = (
    update(schema.product)
    .where(among(_product.spu, "spus"), _product.missing_since.is_(None))
    .values(missing_since=bindparam("since"))
)
_WITHOUT_STOCK = (
    select(_sku.sku)
    .where(
        _sku.sku > bindparam("after"),
        _sku.gone_since.is_(None),
        ~exists().where(_stock.sku == _sku.sku, _stock.as_of >= bindparam("since")),
    )
    .order_by(_sku.sku)
    .limit(bindparam("most"))
)
# In their order: times grow with numbers, so only what is dropped is read.
_FIRST_KEPT = select(_change.id).where(_change.at > bindparam("until")).order_by(_change.id).limit(1)


def put_products(
    connection: Connection, products: Sequence[Product], *, seen_at: datetime, newer: Newer
) -> int:
    """Store products with their SKUs, unless something newer is there; what says the same is not written again.

    Args:
        connection: the transaction.
        products: no SPU twice.
        seen_at: now.
        newer: what stays.

    Returns:
        The changes noted.
    """
    if not products:
        return 0
    dialect = connection.dialect.name
    of_product, of_sku = how_held(schema.product, dialect), how_held(schema.sku, dialect)
    products = with_held_codes(products, dialect)
    spus = [product.spu for product in products]
    before = {row[0]: row for row in read(connection, _PRODUCTS_BEFORE, spus=spus)}
    updated = of_product.place("update_time")
    fresh = [
        product
        for product in products
        if not newer.stays(
            before[product.spu][updated] if product.spu in before else None, product.update_time
        )
    ]
    skus_before = {row[0]: row for row in read(connection, _SKUS_BEFORE, spus=list(before))}
    codes = {sku.sku for product in fresh for sku in product.sku_details}
    held = _stock_held(connection, codes | skus_before.keys())
    sums = {code: sum(of.values()) for code, of in held.items()}

    seen = of_product.time(seen_at)
    at_status = of_product.place("spu_status")
    at_spu, at_stock, at_gone = map(of_sku.place, ("spu", "stock", "gone_since"))
    product_rows: dict[str, Values] = {}
    sku_rows: dict[str, Values] = {}
    changes: list[Row] = []
    for product in fresh:
        details = {
            sku.sku: sku_values(sku, spu=product.spu, stock=sums.get(sku.sku, sku.stock))
            for sku in product.sku_details
        }
        # One that lists no SKU keeps those that it has, and their sum.
        shown = list(details.values()) or [
            row for row in skus_before.values() if row[at_spu] == product.spu and row[at_gone] is None
        ]
        stock = sum(row[at_stock] or 0 for row in shown) if shown else product.stock
        row = product_values(product, stock=stock, seen_at=seen, time=of_product.time)
        old = of_product.row(before.get(product.spu))
        changes += product_changes(old, {"spu": product.spu, "spu_status": row[at_status]})
        new_product = old is None or old["gone_since"] is not None
        for code, detail in details.items():
            was = skus_before.get(code)
            if not (new_product if was is None else of_sku.is_same(was, detail)):
                changes += sku_changes(
                    of_sku.row(was), of_sku.row(detail), new_product=new_product, held=held.get(code, {})
                )
        product_rows[product.spu] = row
        sku_rows |= details
    listed = {product.spu for product in fresh if product.sku_details}  # none at all is an answer in part
    unlisted = (row for code, row in skus_before.items() if code not in sku_rows)
    missing = [row for row in map(of_sku.row, unlisted) if row["spu"] in listed and row["gone_since"] is None]
    changes += map(gone, missing)
    changes += [event for row in missing for event in sold_off(row, held.get(str(row["sku"]), {}))]

    of_product.write(connection, of_product.news(before, product_rows))
    of_sku.write(connection, of_sku.news(skus_before, sku_rows))
    run_for_each(connection, _MARK_SKU_GONE, [{"of_sku": row["sku"], "since": seen_at} for row in missing])
    _note(connection, changes, seen_at)
    return seen_by_all(changes)


def put_stock(
    connection: Connection, levels: Sequence[StockLevel], *, as_of: datetime, seen_at: datetime, newer: Newer
) -> int:
    """Store stock per warehouse, unless something newer is there, and sum it per SKU and product.

    Args:
        connection: the transaction.
        levels: no SKU twice.
        as_of: the end of the range that was pulled.
        seen_at: now.
        newer: what stays.

    Returns:
        The changes noted.
    """
    if not levels:
        return 0
    of_stock = how_held(schema.stock, connection.dialect.name)
    levels = levels_with_held_codes(levels, connection.dialect.name)
    codes = [level.sku for level in levels]
    stored: dict[str, dict[str, Values]] = {}
    for row in read(connection, _STOCK_BEFORE, skus=codes):
        stored.setdefault(row[0], {})[row[1]] = row
    fresh = [
        level
        for level in levels
        if not any(newer.stays(row[-1], as_of) for row in stored.get(level.sku, {}).values())
    ]
    skus_before = _rows_by("sku", connection, _SKU_STOCKS_BEFORE, skus=codes)

    rows: dict[tuple[object, ...], Values] = {}  # a key once, also where codes differ by what is not held
    dropped: list[Row] = []
    changes: list[Row] = []
    moved: list[Row] = []
    for level in fresh:
        at_warehouses = stock_values(level, as_of=of_stock.time(as_of))
        before = stored.get(level.sku, {})
        rows |= {row[:2]: row for row in of_stock.news(before, at_warehouses)}
        dropped += [Row(of_sku=level.sku, at=code) for code in before.keys() - at_warehouses.keys()]
        old = skus_before.get(level.sku)
        if old is not None:
            now = by_country(row[2:4] for row in at_warehouses.values())
            # What was never known has not changed.
            was = by_country(row[2:4] for row in before.values()) if before else now
            changes += stock_changes(old, old | {"stock": level.qty}, was, now)
            if old["stock"] != level.qty:
                moved.append(old | {"stock": level.qty})

    of_stock.write(connection, rows.values())
    run_for_each(connection, _DROP_WAREHOUSE, dropped)
    run_for_each(connection, _SET_SKU_STOCK, [{"of_sku": row["sku"], "qty": row["stock"]} for row in moved])
    if moved:
        connection.execute(_SUM_PRODUCT_STOCK, {"spus": sorted({str(row["spu"]) for row in moved})})
    _note(connection, changes, seen_at)
    return seen_by_all(changes)


def spus_after(connection: Connection, last: str, most: int) -> list[str]:
    """Return SPUs in order that are not gone, from `last` on."""
    return [row.spu for row in connection.execute(_SPUS, {"after": last, "most": most})]


def missing_since(connection: Connection, moment: datetime) -> list[str]:
    """Return the SPUs that KakaClo was asked for by a moment, and did not know."""
    return sorted(connection.scalars(_MISSING, {"since": moment}))


def live_products(connection: Connection) -> int:
    """Count the products that are not gone."""
    return connection.scalar(_LIVE) or 0


def skus_without_stock(connection: Connection, since: datetime, last: str, most: int) -> list[str]:
    """Return SKUs in order, from `last` on, whose stock was not received since a moment of the index."""
    found = connection.execute(_WITHOUT_STOCK, {"since": since, "after": last, "most": most})
    return [row.sku for row in found]


def mark_missing(connection: Connection, spus: Sequence[str], *, since: datetime) -> None:
    """Note that KakaClo was asked for products by code, and did not know them: once is no proof."""
    if spus:
        connection.execute(_MARK_MISSING, {"spus": spus, "since": since})


def mark_gone(connection: Connection, spus: Sequence[str], *, since: datetime) -> None:
    """Flag products that KakaClo was asked for by code, and did not know, with their SKUs."""
    if not spus:
        return
    left = _rows_by("sku", connection, _SKUS_LEFT, spus=list(spus))
    held = _stock_held(connection, left)
    connection.execute(_MARK_ITS_SKUS_GONE, {"spus": spus, "since": since})
    connection.execute(_MARK_GONE, {"spus": spus, "since": since})
    changes = [gone({"spu": spu}) for spu in spus]
    changes += [event for code, row in left.items() for event in sold_off(row, held.get(code, {}))]
    _note(connection, changes, since)


def drop_changes(connection: Connection, until: datetime) -> None:
    """Forget the changes noted by a moment, and note which was the last of them."""
    first_kept = connection.scalar(_FIRST_KEPT, {"until": until})
    older = () if first_kept is None else (_change.id < first_kept,)
    last = connection.scalar(select(func.max(_change.id)).where(*older))
    if last is not None:
        connection.execute(delete(schema.change).where(_change.id <= last))
        dropped = (schema.DROPPED_UNTIL, last)
        how_held(schema.mirror_number, connection.dialect.name).write(connection, [dropped])


def _stock_held(connection: Connection, skus: Iterable[str]) -> dict[str, dict[str, int]]:
    """Return what lies in each country, of the SKUs whose stock was received."""
    found: dict[str, list[Values]] = {}
    for sku, *of_country in read(connection, _STOCK_SUMS, skus=list(skus)):
        found.setdefault(sku, []).append(tuple(of_country))
    return {code: by_country(rows) for code, rows in found.items()}


def _note(connection: Connection, changes: Sequence[Row], at: datetime) -> None:
    of_change = how_held(schema.change, connection.dialect.name)
    noted = of_change.time(at)
    of_change.write(
        connection, [(noted, *(change[name] for name in of_change.names[1:])) for change in changes]
    )


def _rows_by(key: str, connection: Connection, statement: Executable, **codes: list[str]) -> dict[str, Row]:
    return {str(row[key]): row for row in _rows(connection, statement, **codes)}


def _rows(connection: Connection, statement: Executable, **codes: list[str]) -> Iterator[Row]:
    found = connection.execute(statement, codes)
    names = tuple(found.keys())
    return (dict(zip(names, row, strict=True)) for row in found.all())
