"""Models to print on, and designs printed on them."""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING

from attrs import frozen

from kakaclo_async.sandbox.world.goods import Product, Shelf, Sku
from kakaclo_async.sandbox.world.places import CATEGORIES

if TYPE_CHECKING:
    from kakaclo_async.sandbox.settings import Settings


_KINDS = (
    "Hoodie",
    "Jacket",
    "Pants",
    "Polo Shirt",
    "Shirt",
    "Skirt",
    "Swimsuit",
    "T-shirt",
    "Underwear",
    "Vest",
)
_FORMS = ("Round neck", "V-neck", "Raglan", "Long sleeve", "Short sleeve", "Zipped", "All-over print")
_SIZES = ("XS", "S", "M", "L", "XL", "2XL", "3XL", "4XL")
ON_SALE, _OUT_OF_STOCK = 1, 4
"""What `status` of a model says."""

_PIECES = 9_999
"""Stock of a design: it is printed on demand."""


@frozen
class Model:
    """A product without a print; `created` is in milliseconds since 1970."""

    number: int
    code: str
    category: str
    name: str
    price: Decimal
    weight: Decimal
    status: int
    sizes: tuple[str, ...]
    created: int


@frozen
class Design:
    """A print on a model, sold as a product; `created` is in milliseconds since 1970."""

    number: int
    model: Model
    name: str
    image: str
    back_image: str | None
    spu: str
    created: int


def product_of(design: Design, colour: str) -> Product:
    """Return the product that a design is sold as: one SKU per size of its model."""
    model = design.model
    skus = tuple(
        Sku(
            code=f"{design.spu}_{size}",
            colour=colour,
            size=size,
            extra=None,
            cost=model.price,
            price=model.price,
            status=Shelf.ON,
            weight=int(model.weight),
            size_cm=(30, 25, 3),
            material="100% Cotton",
            image=design.image,
            stock=(_PIECES,),
        )
        for size in model.sizes
    )
    return Product(
        number=2_300_000 + design.number,
        spu=design.spu,
        name=design.name,
        description=model.name,
        category=min(number for number, node in CATEGORIES.items() if len(node.path) == 3),
        created=design.created // 1000,
        sales=0,
        attributes="{}",
        supplier_level="A",
        size_image=picture(model.code, "size"),
        warehouses=("G007",),
        skus=skus,
    )


def seeded_models(settings: Settings, now: int) -> list[Model]:
    """Make the models; one in nine is out of stock."""
    rng = Random(f"models {settings.seed}")
    found: list[Model] = []
    for number in range(1, settings.custom_models + 1):
        kind = rng.choice(_KINDS)
        found.append(
            Model(
                number=number,
                code=f"PODQR{rng.choice('AB')}{number:03d}",
                category=kind,
                name=f"{rng.choice(_FORMS)} {kind}",
                price=Decimal(rng.randint(520, 2400)).scaleb(-2),
                weight=Decimal(rng.randint(12_000, 60_000)).scaleb(-2),
                status=_OUT_OF_STOCK if number % 9 == 0 else ON_SALE,
                sizes=_SIZES[: rng.randint(4, len(_SIZES))],
                created=(now - rng.randint(3600, 300 * 86_400)) * 1000,
            )
        )
    return found


def picture(code: str, part: str) -> str:
    """Return the URL of a picture that does not exist."""
    return f"https://img.kakaclo.example/custom/{code}_{part}.png"
