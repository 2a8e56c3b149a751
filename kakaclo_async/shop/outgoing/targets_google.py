"""Google Merchant's file of products."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from kakaclo_async.shop.outgoing.listings_text import cut, plain_text, short_code
from kakaclo_async.shop.outgoing.prices import plain
from kakaclo_async.shop.outgoing.targets_columns import at, money, of_variant, same

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kakaclo_async.shop.outgoing.listings_goods import Goods, Variant
    from kakaclo_async.shop.outgoing.targets_columns import Cell, Columns, Line


_GOOGLE_ID: Final = 50
_GOOGLE_TITLE: Final = 150
_GOOGLE_TEXT: Final = 5000
_GOOGLE_PICTURES: Final = 10
_GENDERS: Final = {
    **dict.fromkeys(("women", "womens", "woman", "ladies", "girls", "girl"), "female"),
    **dict.fromkeys(("men", "mens", "man", "boys", "boy"), "male"),
    **dict.fromkeys(("kids", "kid", "children", "baby", "babies", "toddler", "unisex"), "unisex"),
}
_AGES: Final = {
    **dict.fromkeys(("newborn",), "newborn"),
    **dict.fromkeys(("baby", "babies", "infant", "infants"), "infant"),
    **dict.fromkeys(("toddler", "toddlers"), "toddler"),
    **dict.fromkeys(("girls", "girl", "boys", "boy", "kids", "kid", "children"), "kids"),
    **dict.fromkeys(("women", "womens", "woman", "ladies", "men", "mens", "man", "unisex"), "adult"),
}


def gender_of(category: Sequence[str]) -> str:
    """Return Google's gender for a category: what its upper names say, and "unisex" only if no other is named."""
    found = [_GENDERS[word] for word in _words(category) if word in _GENDERS]
    return next((gender for gender in found if gender != "unisex"), found[0] if found else "")


def age_of(category: Sequence[str]) -> str:
    """Return Google's age group for a category, by the first of its names that tells one."""
    return next((_AGES[word] for word in _words(category) if word in _AGES), "")


def _words(category: Sequence[str]) -> list[str]:
    return re.findall(r"[a-z]+", " ".join(category).casefold().replace("'", "").replace("\u2019", ""))


def _google_title(goods: Goods, variant: Variant) -> str:
    ending = f" - {', '.join(variant.options)}" if variant.options else ""
    if len(ending) > _GOOGLE_TITLE // 2:
        ending = ""
    return f"{cut(' '.join(goods.title.split()), _GOOGLE_TITLE - len(ending))}{ending}"


def _google_option(*names: str) -> Cell:
    def cell(goods: Goods, variant: Variant) -> str:
        held = zip(goods.option_names, variant.options, strict=True)
        return cut(
            next((value for name, value in held if name.casefold() in names and value != "-"), ""), 100
        )

    return of_variant(cell)


def _google_link(line: Line) -> str:
    sku = line.variant.sku if line.variant else ""
    link = line.settings.link.replace("{handle}", line.goods.handle)
    return link.replace("{spu}", line.goods.spu).replace("{sku}", sku)


def google_columns(_: int) -> Columns:
    """Return its columns, which are the same for any number of options."""
    return {
        "id": of_variant(lambda _, variant: short_code(variant.sku, _GOOGLE_ID)),
        "title": of_variant(_google_title),
        "description": lambda line: cut(plain_text(line.goods.text) or line.goods.title, _GOOGLE_TEXT),
        "link": _google_link,
        "image_link": of_variant(lambda _, variant: at(variant.pictures, 0)),
        "additional_image_link": of_variant(
            lambda _, variant: ",".join(
                address.replace(",", "%2C") for address in variant.pictures[1 : 1 + _GOOGLE_PICTURES]
            )
        ),
        "availability": of_variant(lambda _, variant: "in_stock" if variant.quantity else "out_of_stock"),
        "price": of_variant(lambda _, variant: f"{money(variant.price)} USD"),
        "condition": same("new"),
        "identifier_exists": same("no"),
        "item_group_id": lambda line: short_code(line.goods.spu, _GOOGLE_ID) if line.goods.grouped else "",
        "color": _google_option("color", "colour"),
        "size": _google_option("size"),
        "gender": lambda line: gender_of(line.goods.category),
        "age_group": lambda line: age_of(line.goods.category),
        "product_type": lambda line: " > ".join(line.goods.category),
        "shipping_weight": of_variant(
            lambda _, variant: "" if variant.weight is None else f"{plain(variant.weight)} g"
        ),
    }
