"""What the pages of the catalog read from a mirror: the products of a page, one product, where something lies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs
from sqlalchemy import select

from kakaclo_async.catalog import schema
from kakaclo_async.database.migrations import among

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Executable

    from kakaclo_async.database.engines import Reader

    Row = Mapping[str, Any]

_MOST_CHANGES: Final = 2_000
_of, _sku, _stock, _change = schema.product.c, schema.sku.c, schema.stock.c, schema.change.c
_SHOWN: Final = (
    _of.spu, _of.product_name, _of.spu_status, _of.full_category_name, _of.price, _of.stock, _of.update_time,
    _of.sku_img_url, _of.gone_since,
)  # fmt: skip


async def products(connection: Reader, spus: Sequence[str]) -> list[Row]:
    """Read what a list shows of some products, in their order."""
    found = await _rows(connection, select(*_SHOWN).where(among(_of.spu, list(spus))))
    rows = {row["spu"]: row for row in found}
    return [rows[spu] for spu in spus if spu in rows]


async def in_stock(connection: Reader, spus: Sequence[str], country: str) -> set[str]:
    """Tell which of some products have a SKU that lies in a country."""
    there = (
        select(_sku.spu)
        .join(schema.stock, _stock.sku == _sku.sku)
        .where(among(_sku.spu, list(spus)), _stock.country_code == country, _stock.qty > 0)
    )
    return set((await connection.execute(there.distinct())).scalars())


async def countries(connection: Reader) -> tuple[str, ...]:
    """Return the countries in which something lies."""
    codes = select(_stock.country_code).where(_stock.qty > 0).distinct().order_by(_stock.country_code)
    return tuple(code for code in (await connection.execute(codes)).scalars() if code)


@attrs.frozen(kw_only=True)
class Detail:
    """All that a mirror knows of a product.

    Attributes:
        product: its row.
        skus: its SKUs.
        stock: of each SKU, by warehouse.
        warehouses: those that hold some of it, with their countries.
        changes: of its SKUs, newest first, `_MOST_CHANGES` at most.
    """

    product: Row
    skus: Sequence[Row]
    stock: Mapping[str, Mapping[str, int | None]]
    warehouses: Sequence[tuple[str, str | None]]
    changes: Sequence[Row]


async def detail(connection: Reader, spu: str) -> Detail | None:
    """Read a product; None where there is none."""
    version = await connection.run_sync(schema.MIGRATIONS.check_version)
    found = await _rows(connection, select(*schema.columns(schema.product, version)).where(_of.spu == spu))
    if not found:
        return None
    codes = select(_sku.sku).where(_sku.spu == spu)
    held = await _rows(connection, select(schema.stock).where(_stock.sku.in_(codes)))
    stock: dict[str, dict[str, int | None]] = {}
    for row in held:
        stock.setdefault(row["sku"], {})[row["warehouse_code"]] = row["qty"]
    places = {row["warehouse_code"]: row["country_code"] for row in held}
    # By the index on SKUs; a product's own events would cost a look at every change there is.
    about = select(*schema.columns(schema.change, version)).where(_change.sku.in_(codes))
    return Detail(
        product=found[0],
        skus=await _rows(connection, select(schema.sku).where(_sku.spu == spu).order_by(_sku.sku)),
        stock=stock,
        warehouses=sorted(places.items(), key=lambda place: (place[1] or "", place[0])),
        changes=await _rows(connection, about.order_by(_change.id.desc()).limit(_MOST_CHANGES)),
    )


async def _rows(connection: Reader, wanted: Executable) -> list[Row]:
    found = await connection.execute(wanted)
    names = list(found.keys())
    return [dict(zip(names, row, strict=True)) for row in found.all()]
