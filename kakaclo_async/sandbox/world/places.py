"""Categories and warehouses: the parts of the catalog that never move."""

from __future__ import annotations

from attrs import frozen


@frozen
class Category:
    """A node of the category tree.

    Attributes:
        number: `categoryId`.
        name: Its own name.
        path: The numbers from the top down to this one.
        names: The names from the top down to this one.
    """

    number: int
    name: str
    path: tuple[int, ...]
    names: tuple[str, ...]


@frozen
class Warehouse:
    """A warehouse.

    Attributes:
        number: `warehouseId`.
        code: `warehouseCode`.
        name: Chinese name.
        country: Country code.
        country_name: Chinese name of the country.
        enabled: Whether it delivers.
    """

    number: int
    code: str
    name: str
    country: str
    country_name: str
    enabled: bool


WAREHOUSES = {
    warehouse.code: warehouse
    for warehouse in (
        Warehouse(1, "G004", "广州一仓", "CN", "中国", enabled=True),
        Warehouse(13, "G007", "义乌仓", "CN", "中国", enabled=True),
        Warehouse(12, "G006", "杭州仓", "CN", "中国", enabled=False),
        Warehouse(21, "W001", "洛杉矶仓", "US", "美国", enabled=True),
    )
}

COUNTRY_OF = {code: warehouse.country for code, warehouse in WAREHOUSES.items()}

DEFAULT_WAREHOUSE = "G007"
"""Stands in for a warehouse that is unknown or not named, when channels are asked for."""

_GROUPS = ("Women", "Men", "Girls", "Boys")

_GARMENTS = {
    "Tops": ("T-Shirts", "Blouses", "Hoodies", "Sweaters", "Tank Tops"),
    "Bottoms": ("Jeans", "Leggings", "Shorts", "Cropped Pants"),
    "Outerwear": ("Jackets", "Coats", "Vests"),
    "Sets": ("Tracksuits", "Pajama Sets", "Two-Piece Outfits"),
    "Activewear": ("Sports Bras", "Yoga Pants", "Swimwear"),
}


def _build() -> dict[int, Category]:
    found: dict[int, Category] = {}

    def add(name: str, parent: Category | None) -> Category:
        number = 3600 + len(found)
        path, names = (parent.path, parent.names) if parent else ((), ())
        node = found[number] = Category(number, name, (*path, number), (*names, name))
        return node

    for group in _GROUPS:
        top = add(group, None)
        for kind, garments in _GARMENTS.items():
            middle = add(kind, top)
            for garment in garments:
                add(garment, middle)
    return found


CATEGORIES = _build()
"""By number, parents before their children; three levels."""
