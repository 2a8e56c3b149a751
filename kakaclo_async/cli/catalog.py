"""API commands that only read: products, stock, categories, warehouses, freight, balance; what orders would cost."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated

import typer

from kakaclo_async import (
    Category,
    FreightQuote,
    InvalidRequest,
    KakaClo,
    KakaCloError,
    NotFound,
    Option,
    Product,
    StockLevel,
)
from kakaclo_async.cli.output import Result, Table
from kakaclo_async.cli.values import read_countries, read_items, several_countries
from kakaclo_async.codec import to_json


async def product(
    kk: KakaClo, spus: Annotated[list[str], typer.Argument(metavar="SPU...", help="SPU codes.")]
) -> Result:
    """Show products with their SKUs."""
    found = await kk.products.get_many(spus=spus)
    return Result(
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
) -> Result:
    """Show the stock of SKUs, per warehouse and in total."""
    levels = await kk.stocks.get_many(skus, warehouse_code=warehouse)
    return Result(
        data=[{"sku": level.sku, "qty": level.qty, "warehouses": level.warehouses} for level in levels],
        tables=(Table(("SKU", "Warehouse", "Country", "Qty"), _stock_rows(levels)),) if levels else (),
        errors=_missing(skus, {level.sku for level in levels}, "stock is known for the SKU"),
    )


def _stock_rows(levels: Iterable[StockLevel]) -> Iterator[tuple[object, ...]]:
    for level in levels:
        for place in level.warehouses:
            yield level.sku, place.warehouse_code, place.country_code, place.qty
        yield level.sku, "total", None, level.qty


def _missing(asked: Iterable[str], found: set[str], what: str) -> tuple[NotFound, ...]:
    unknown = [code for code in dict.fromkeys(asked) if code not in found]
    return tuple(NotFound(f"no {what} {code!r}", status=200) for code in unknown)


async def categories(kk: KakaClo) -> Result:
    """Show the category tree."""
    tree = await kk.categories.tree()
    rows = [row for top in tree for row in _paths(top, "")]
    return Result(data=tree, tables=(Table(("Category", "Level", "Name"), rows),))


def _paths(category: Category, above: str) -> Iterator[tuple[object, ...]]:
    path = f"{above}{category.name}"
    yield category.category_id, category.level, path
    for child in category.child:
        yield from _paths(child, f"{path}/")


async def warehouses(kk: KakaClo) -> Result:
    """Show the warehouses and their countries."""
    found = await kk.warehouses.all()
    rows = [
        (row.warehouse_code, row.country_code, row.status, row.warehouse_name_ext or row.warehouse_name)
        for row in found
    ]
    return Result(data=found, tables=(Table(("Warehouse", "Country", "Status", "Name"), rows),))


async def balance(kk: KakaClo) -> Result:
    """Show the balance that orders are paid from, in US dollars."""
    found = await kk.payment.balance()
    shown = json.dumps(to_json(found.raw)) if found.amount is None else found.amount
    return Result(
        data={"amount": found.amount, "raw": found.raw},
        tables=(Table(("Balance", "Currency"), [(shown, "USD")]),),
    )


async def freight(
    kk: KakaClo,
    items: Annotated[list[str], typer.Argument(metavar="SKU:QTY...", help="The cart.")],
    to: Annotated[
        list[str], typer.Option(help="Countries: US,FR.", metavar="US,FR", autocompletion=several_countries)
    ],
) -> Result:
    """Quote the freight of a cart to one or more countries, for every channel type."""
    cart, countries = read_items(items), read_countries(to)
    if not countries:
        raise InvalidRequest("--to names no country, for example --to US,FR")
    matrix = await kk.freight.matrix([cart], countries)
    quotes = {country: quote for (_, country), quote in matrix.items() if not isinstance(quote, KakaCloError)}
    errors = {country: error for (_, country), error in matrix.items() if isinstance(error, KakaCloError)}
    for country, error in errors.items():
        error.add_note(f"no freight to {country}")
    return Result(
        data=[{"country": country, **_quote(quote)} for country, quote in quotes.items()],
        tables=(freight_table(quotes),) if quotes else (),
        errors=tuple(errors.values()),
    )


def freight_table(quotes: Mapping[str, FreightQuote]) -> Table:
    """Return the table of quotes by country, which an order shows before it is placed."""
    rows = [row for country, quote in quotes.items() for row in _freight_rows(country, quote)]
    return Table(("To", "Channel", "Freight", "Delivery", "Best"), rows)


def _freight_rows(country: str, quote: FreightQuote) -> Iterator[tuple[object, ...]]:
    best = {id(quote.cheapest): ["cheapest"]}
    best.setdefault(id(quote.fastest), []).append("fastest")
    for option in quote.options:
        channel = option.channel_type or option.channel_name_en or option.channel_code
        notes = ", ".join(best.get(id(option), ()))
        yield country, channel, option.estimated_freight, option.delivery_time, notes


def _quote(quote: FreightQuote) -> dict[str, object]:
    return {
        "options": [
            {**attributes, "delivery_days": option.delivery_days}
            for option in quote.options
            if isinstance(attributes := to_json(option), dict)
        ],
        "cheapest": quote.cheapest.channel_type,
        "fastest": quote.fastest.channel_type,
    }
