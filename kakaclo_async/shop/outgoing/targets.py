"""The files of products that shops read: Shopify's, WooCommerce's and Google's. Data, and small functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kakaclo_async.shop.outgoing.listings_text import cut
from kakaclo_async.shop.outgoing.prices import plain
from kakaclo_async.shop.outgoing.targets_columns import (
    Line,
    Target,
    at,
    money,
    of_first,
    of_variant,
    one_each,
    same,
)
from kakaclo_async.shop.outgoing.targets_google import google_columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kakaclo_async.shop.outgoing.listings_goods import Goods, Variant
    from kakaclo_async.shop.outgoing.targets_columns import Cell, Columns, Settings


_SHOPIFY_OPTIONS: Final = 3
_SHOPIFY_TITLE: Final = 255


def _with_pictures(goods: Goods, settings: Settings) -> Iterator[Line]:
    yield from one_each(goods, settings)
    for number in range(len(goods.variants), len(goods.pictures)):
        yield Line(goods, None, number, settings)


def _option(number: int, name: bool) -> Cell:
    def cell(goods: Goods, variant: Variant) -> str:
        if not goods.option_names:  # as Shopify itself writes a product of one variant
            return at(("Title" if name else "Default Title",), number)
        return at(goods.option_names if name else variant.options, number)

    return of_variant(cell)


def _shopify_columns(options: int) -> Columns:
    return {
        "Title": lambda line: cut(line.goods.title, _SHOPIFY_TITLE),
        "URL handle": lambda line: line.goods.handle,
        "Description": of_first(lambda line: line.goods.html),
        "Vendor": of_first(lambda line: line.settings.vendor),
        "Product category": lambda _: "",
        "Type": of_first(lambda line: line.goods.category[-1] if line.goods.category else ""),
        "Tags": of_first(lambda line: ", ".join(name.replace(",", " ") for name in line.goods.category)),
        "Published on online store": of_first(lambda _: "TRUE"),
        "Status": of_first(lambda _: "active"),
        "SKU": of_variant(lambda _, variant: variant.sku),
        **{
            f"Option{number + 1} {what}": _option(number, what == "name")
            for number in range(options)
            for what in ("name", "value")
        },
        "Price": of_variant(lambda _, variant: money(variant.price)),
        "Compare-at price": lambda _: "",
        "Cost per item": of_variant(lambda _, variant: money(variant.cost)),
        "Charge tax": same("TRUE"),
        "Inventory tracker": same("shopify"),
        "Inventory quantity": of_variant(lambda _, variant: str(variant.quantity)),
        "Continue selling when out of stock": same("DENY"),
        "Weight value (grams)": of_variant(
            lambda _, variant: "" if variant.weight is None else plain(variant.weight)
        ),
        "Weight unit for display": same("g"),
        "Requires shipping": same("TRUE"),
        "Fulfillment service": same("manual"),
        "Product image URL": lambda line: at(line.goods.pictures, line.number),
        "Image position": lambda line: str(line.number + 1) if line.number < len(line.goods.pictures) else "",
        "Variant image URL": of_variant(lambda _, variant: at(variant.pictures, 0)),
        "Gift card": same("FALSE"),
    }


def _inventory_columns(options: int) -> Columns:
    return {
        "Handle": lambda line: line.goods.handle,
        "Title": lambda line: cut(line.goods.title, _SHOPIFY_TITLE),
        **{
            f"Option{number + 1} {what}": _option(number, what == "Name")
            for number in range(options)
            for what in ("Name", "Value")
        },
        "SKU": of_variant(lambda _, variant: variant.sku),
        "Location": lambda line: line.settings.location,
        "On hand (new)": of_variant(lambda _, variant: str(variant.quantity)),
    }


# WooCommerce


def _is_simple(goods: Goods) -> bool:
    return not goods.option_names


def _woo_lines(goods: Goods, settings: Settings) -> Iterator[Line]:
    if not _is_simple(goods):
        yield Line(goods, None, 0, settings)
    for number, variant in enumerate(goods.variants, start=not _is_simple(goods)):
        yield Line(goods, variant, number, settings)


def _woo_columns(options: int) -> Columns:
    columns: Columns = {
        "Type": lambda line: (
            "simple" if _is_simple(line.goods) else "variation" if line.variant else "variable"
        ),
        "SKU": lambda line: line.variant.sku if line.variant else _woo_parent(line.goods),
        "Name": lambda line: (
            line.goods.title
            if line.number == 0 or line.variant is None
            else f"{line.goods.title} - {', '.join(line.variant.options)}"
        ),
        "Published": lambda _: "1",
        "Visibility in catalog": lambda _: "visible",
        "Description": of_first(lambda line: line.goods.html),
        "In stock?": lambda line: "1" if any(each.quantity for each in _spoken_of(line)) else "0",
        "Stock": of_variant(lambda _, variant: str(variant.quantity)),
        "Backorders allowed?": lambda _: "0",
        "Weight (kg)": of_variant(
            lambda _, variant: "" if variant.weight is None else plain(variant.weight.scaleb(-3))
        ),
        "Regular price": of_variant(lambda _, variant: money(variant.price)),
        "Categories": of_first(lambda line: " > ".join(_listed(line.goods.category))),
        "Images": lambda line: ", ".join(
            address.replace(",", "%2C")
            for address in (
                line.variant.pictures[:1] if line.variant and line.number else line.goods.pictures
            )
        ),
        "Parent": lambda line: _woo_parent(line.goods) if line.variant and not _is_simple(line.goods) else "",
        "Position": lambda line: str(line.number),
    }
    for number in range(options):
        columns |= _woo_attribute(number)
    return columns


def _woo_attribute(number: int) -> Columns:
    def values(line: Line) -> str:
        own = [each.options[number] for each in _spoken_of(line) if number < len(each.options)]
        return ", ".join(_listed(dict.fromkeys(own)))

    def there(line: Line) -> bool:
        return number < len(line.goods.option_names)

    return {
        f"Attribute {number + 1} name": lambda line: at(line.goods.option_names, number),
        f"Attribute {number + 1} value(s)": values,
        f"Attribute {number + 1} visible": lambda line: "1" if there(line) and line.variant is None else "",
        f"Attribute {number + 1} global": lambda line: "1" if there(line) else "",
    }


def _spoken_of(line: Line) -> Sequence[Variant]:
    return line.goods.variants if line.variant is None else (line.variant,)


def _woo_parent(goods: Goods) -> str:
    return f"{goods.spu}-parent" if any(each.sku == goods.spu for each in goods.variants) else goods.spu


def _listed(names: Sequence[str] | dict[str, None]) -> list[str]:
    """Write names for a list with commas between them, or with `>`."""
    return [name.replace("\\", "\\\\").replace(",", "\\,").replace(">", "&gt;") for name in names]


TARGETS: Final = {
    "shopify": Target(columns=_shopify_columns, lines=_with_pictures, most_options=_SHOPIFY_OPTIONS),
    "shopify-inventory": Target(
        columns=_inventory_columns,
        lines=one_each,
        most_options=_SHOPIFY_OPTIONS,
        all_options=True,
        with_dead=True,
    ),
    "woocommerce": Target(columns=_woo_columns, lines=_woo_lines),
    "google": Target(columns=google_columns, lines=one_each, delimiter="\t", needs_link=True),
}
"""The files of products that can be written, by their names."""
