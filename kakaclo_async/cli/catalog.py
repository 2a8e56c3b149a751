"""Commands that read the catalog: products, stock, categories, warehouses."""

from collections.abc import Iterable, Iterator
from typing import Annotated

import typer

from kakaclo_async import Category, KakaClo, NotFound, Option, Product, StockLevel
from kakaclo_async.cli.output import Answer, Table, to_plain


async def product(
    kk: KakaClo, spus: Annotated[list[str], typer.Argument(metavar="SPU...", help="SPU codes.")]
) -> Answer:
    """Show products with their SKUs."""
    found = await kk.products.get_many(spus=spus)
    return Answer(
        data=found,
        tables=tuple(table for row in found for table in _product_tables(row)),
        errors=_missing(spus, {row.spu for row in found}, "product has the SPU code"),
    )


def _product_tables(found: Product) -> tuple[Table, Table]:
    facts = Table(
        ("SPU", found.spu),
        [
            ("Name", found.product_name),
            ("Status", found.spu_status),
            ("Category", found.full_category_name),
            ("Price from", found.price),
            ("Stock", found.stock),
            ("Sold", found.sales_volume),
            ("Supplier level", found.supplier_level),
            ("Updated", found.update_time),
        ],
    )
    skus = Table(
        ("SKU", "Status", "Options", "Price", "Cost", "Stock", "Weight g"),
        [
            (
                sku.sku,
                sku.sku_status,
                _options(sku.option1, sku.option2, sku.option3),
                sku.price,
                sku.cost,
                sku.stock,
                sku.package_weight,
            )
            for sku in found.sku_details
        ],
    )
    return facts, skus


def _options(*options: Option | None) -> str:
    return ", ".join(option.value for option in options if option is not None and option.value)


async def stock(
    kk: KakaClo,
    skus: Annotated[list[str], typer.Argument(metavar="SKU...", help="SKU codes.")],
    warehouse: Annotated[str | None, typer.Option(help="Only this warehouse, by its code.")] = None,
) -> Answer:
    """Show the stock of SKUs, per warehouse and in all."""
    levels = await kk.stocks.get_many(skus, warehouse_code=warehouse)
    return Answer(
        data=[
            {"sku": level.sku, "qty": level.qty, "warehouses": to_plain(level.warehouses)} for level in levels
        ],
        tables=(Table(("SKU", "Warehouse", "Country", "Qty"), _stock_rows(levels)),) if levels else (),
        errors=_missing(skus, {level.sku for level in levels}, "stock is known of the SKU"),
    )


def _stock_rows(levels: Iterable[StockLevel]) -> Iterator[tuple[object, ...]]:
    for level in levels:
        for place in level.warehouses:
            yield level.sku, place.warehouse_code, place.country_code, place.qty
        yield level.sku, "in all", None, level.qty


def _missing(asked: Iterable[str], found: set[str], what: str) -> tuple[NotFound, ...]:
    unknown = [code for code in dict.fromkeys(asked) if code not in found]
    return tuple(NotFound(f"no {what} {code!r}", status=200) for code in unknown)


async def categories(kk: KakaClo) -> Answer:
    """Show the category tree."""
    tree = await kk.categories.tree()
    rows = [row for top in tree for row in _paths(top, "")]
    return Answer(data=tree, tables=(Table(("Category", "Level", "Name"), rows),))


def _paths(category: Category, above: str) -> Iterator[tuple[object, ...]]:
    path = f"{above}{category.name}"
    yield category.category_id, category.level, path
    for child in category.child:
        yield from _paths(child, f"{path}/")


async def warehouses(kk: KakaClo) -> Answer:
    """Show the warehouses and their countries."""
    found = await kk.warehouses.all()
    rows = [
        (row.warehouse_code, row.country_code, row.status, row.warehouse_name_ext or row.warehouse_name)
        for row in found
    ]
    return Answer(data=found, tables=(Table(("Warehouse", "Country", "Status", "Name"), rows),))
