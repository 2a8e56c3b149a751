"""Custom products: models to print on, and the designs made of them."""

from __future__ import annotations

import json
from decimal import Decimal
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Annotated, TypeVar

import msgspec
from attrs import frozen

from kakaclo_async.sandbox.http.routing import Request, Route
from kakaclo_async.sandbox.wire import Code, Refusal
from kakaclo_async.sandbox.world.goods import Product, Shelf, Sku
from kakaclo_async.sandbox.world.places import CATEGORIES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kakaclo_async.sandbox.settings import Settings
    from kakaclo_async.sandbox.trade.ledger import Ledger
    from kakaclo_async.sandbox.world.catalog import Catalog
    from kakaclo_async.sandbox.world.clock import Timeline


T = TypeVar("T")

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
_MEASURES = (("Sleeve Length", 58, 1.27), ("1/2 bust", 46, 2.0), ("clothes length", 64, 1.0))
_ON_SALE, _OUT_OF_STOCK = 1, 4
"""What `status` of a model says."""

_PIECES = 9_999
"""Stock of a design: it is printed on demand."""

_PAGE_SIZE = 20
_Size = Annotated[int, msgspec.Meta(gt=0, le=100)]
_Number = Annotated[int, msgspec.Meta(gt=0)]
_Url = Annotated[str, msgspec.Meta(min_length=1)]


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

    def document(self) -> dict[str, object]:
        """Write it as a search finds it."""
        return {
            "id": self.number,
            "modelCode": self.code,
            "categoryName": self.category,
            "price": self.price,
            "enName": self.name,
            "imageUrl": _picture(self.code, "front"),
            "backImageUrl": _picture(self.code, "back"),
            "createDate": self.created,
            "modifyDate": self.created,
        }

    def detail(self, ordered: int) -> dict[str, object]:
        """Write all about it.

        Args:
            ordered: Pieces ordered of the designs printed on it.
        """
        sheet = {
            "sheet_name": "Size Chart",
            "size": [
                {
                    "name": name,
                    "size_value": [
                        {"name": size, "value": round(first + step * place, 2)}
                        for place, size in enumerate(self.sizes)
                    ],
                }
                for name, first, step in _MEASURES
            ],
        }
        return {
            **self.document(),
            "enDescription": f"<p>{self.name}, printed on both sides.</p>",
            "enSizeContent": json.dumps([sheet]),
            "orderCount": ordered,
            "status": self.status,
            "weight": self.weight,
            "variants": [{"size": size, "weight": self.weight} for size in self.sizes],
        }


@frozen
class Design:
    """A print on a model, on sale as a product of its own; `created` is in milliseconds since 1970."""

    number: int
    model: Model
    name: str
    image: str
    back_image: str | None
    spu: str
    created: int

    def document(self, ordered: int) -> dict[str, object]:
        """Write it as a search finds it.

        Args:
            ordered: Pieces ordered.
        """
        return {
            "id": self.number,
            "customDesignedId": 234_000_000 + self.number,
            "modelCode": self.model.code,
            "price": self.model.price,
            "enName": self.name,
            "imageUrl": self.image,
            "backImageUrl": self.back_image,
            "kkProductId": 2_300_000 + self.number,
            "orderCount": ordered,
            "spu": self.spu,
            "createDate": self.created,
            "modifyDate": self.created,
        }


class _ModelSearch(msgspec.Struct, rename="camel"):
    category_names: list[str] | None = None
    model_codes: list[str] | None = None
    last_updated_time: int | None = None
    en_name: str | None = None
    page_number: _Number = 1
    page_size: _Size = _PAGE_SIZE


class _DesignSearch(msgspec.Struct, rename="camel"):
    model_codes: list[str] | None = None
    spus: list[str] | None = None
    search_content: str | None = None
    last_updated_time: int | None = None
    page_number: _Number = 1
    page_size: _Size = _PAGE_SIZE


class _Material(msgspec.Struct, rename="camel"):
    image_name: str
    image_url: _Url


class _NewDesign(msgspec.Struct, rename="camel"):
    model_id: str
    en_name: Annotated[str, msgspec.Meta(min_length=1)]
    image_url: _Url
    back_image_url: str | None = None
    material_images: list[_Material] = []
    color_value: Annotated[str, msgspec.Meta(pattern="^#[0-9A-Fa-f]{6}$")] | None = None


class CustomArea:
    """The endpoints under `/v1/product/custom`."""

    def __init__(self, settings: Settings, catalog: Catalog, ledger: Ledger, timeline: Timeline) -> None:
        self._settings = settings
        self._catalog = catalog
        self._ledger = ledger
        self._timeline = timeline
        self._models = {model.number: model for model in _seeded_models(settings, int(timeline.now()))}
        self._designs: list[Design] = []
        self._asked = 0

    def routes(self) -> tuple[Route, ...]:
        """List the endpoints."""
        area = "/v1/product/custom"
        return (
            Route("GET", f"{area}/modelCategoryName/search", self.category_names, "Success!"),
            Route("POST", f"{area}/designModel/search", self.models),
            Route("GET", f"{area}/designModel/detail/{{id}}", self.model, "Success!"),
            Route("POST", f"{area}/customDesigned/search", self.designs, "Success!"),
            Route("POST", f"{area}/customDesigned/addProduct", self.add, "Success!"),
        )

    def category_names(self, _: Request) -> object:
        """Answer the categories that have models."""
        return sorted({model.category for model in self._models.values()})

    def models(self, request: Request) -> object:
        """Answer models, newest first."""
        wanted = request.read(_ModelSearch)
        found = [
            model
            for model in sorted(self._models.values(), key=lambda model: (-model.created, model.number))
            if _among(model.category, wanted.category_names)
            and _among(model.code, wanted.model_codes)
            and model.created >= (wanted.last_updated_time or 0)
            and (wanted.en_name or "").casefold() in model.name.casefold()
        ]
        rows = _cut(found, wanted.page_number, wanted.page_size)
        return {"list": [model.document() for model in rows], "total": len(found)}

    def model(self, request: Request) -> object:
        """Answer all about one model."""
        model = self._find(request.path["id"])
        ordered = sum(self._ledger.ordered[design.spu] for design in self._designs if design.model is model)
        return model.detail(ordered)

    def designs(self, request: Request) -> object:
        """Answer one's own designs, newest first."""
        wanted = request.read(_DesignSearch)
        self._timeline.now()
        words = (wanted.search_content or "").casefold()
        found = [
            design
            for design in reversed(self._designs)
            if _among(design.model.code, wanted.model_codes)
            and _among(design.spu, wanted.spus)
            and design.created >= (wanted.last_updated_time or 0)
            and words in f"{design.name} {design.spu}".casefold()
        ]
        rows = _cut(found, wanted.page_number, wanted.page_size)
        documents = [design.document(self._ledger.ordered[design.spu]) for design in rows]
        return {"list": documents, "total": len(found)}

    def add(self, request: Request) -> object:
        """Make a product of a design; it is on sale a little later."""
        new = request.read(_NewDesign)
        model = self._find(new.model_id)
        if model.status != _ON_SALE:
            raise Refusal(Code.OUT_OF_STOCK, f"model {model.number} is out of stock")
        self._asked += 1
        self._timeline.after(self._settings.design_delay, partial(self._put_on_sale, self._asked, model, new))
        return ""

    def _put_on_sale(self, number: int, model: Model, new: _NewDesign) -> None:
        spu, now = f"{model.code}D{number:04d}", self._timeline.now()
        design = Design(number, model, new.en_name, new.image_url, new.back_image_url, spu, int(now * 1000))
        self._designs.append(design)
        self._catalog.add_product(_product_of(design, new.color_value or "#FFFFFF"))

    def _find(self, number: str) -> Model:
        model = self._models.get(int(number)) if number.isascii() and number.isdigit() else None
        if model is None:
            raise Refusal(Code.UNKNOWN_MODEL, f"there is no model {number!r}")
        return model


def _among(value: str, allowed: Sequence[str] | None) -> bool:
    return not allowed or value in allowed


def _cut(rows: Sequence[T], number: int, size: int) -> Sequence[T]:
    return rows[(number - 1) * size : number * size]


def _product_of(design: Design, colour: str) -> Product:
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
        size_image=_picture(model.code, "size"),
        warehouses=("G007",),
        skus=skus,
    )


def _seeded_models(settings: Settings, now: int) -> list[Model]:
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
                status=_OUT_OF_STOCK if number % 9 == 0 else _ON_SALE,
                sizes=_SIZES[: rng.randint(4, len(_SIZES))],
                created=(now - rng.randint(3600, 300 * 86_400)) * 1000,
            )
        )
    return found


def _picture(code: str, part: str) -> str:
    return f"https://img.kakaclo.example/custom/{code}_{part}.png"
