"""Custom products: models to print on, and the designs made of them."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Annotated, TypeVar

import msgspec

from kakaclo_async.sandbox.http.routing import Request, Route
from kakaclo_async.sandbox.trade.designs import ON_SALE, Design, Model, picture, product_of, seeded_models
from kakaclo_async.sandbox.wire import Code, Refusal, iso, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kakaclo_async.sandbox.settings import Settings
    from kakaclo_async.sandbox.trade.ledger import Ledger
    from kakaclo_async.sandbox.world.catalog import Catalog
    from kakaclo_async.sandbox.world.clock import Timeline


T = TypeVar("T")

_MEASURES = (("Sleeve Length", 58, 1.27), ("1/2 bust", 46, 2.0), ("clothes length", 64, 1.0))

_Size = Annotated[int, msgspec.Meta(gt=0, le=100)]
_Number = Annotated[int, msgspec.Meta(gt=0)]
_Url = Annotated[str, msgspec.Meta(min_length=1)]


class _Search(msgspec.Struct, rename="camel"):
    model_codes: list[str] | None = None
    last_updated_time: int | None = None
    page_number: _Number = 1
    page_size: _Size = 20

    def page_of(self, found: Sequence[T], write: Callable[[T], object]) -> dict[str, object]:
        first = (self.page_number - 1) * self.page_size
        return {"list": [write(row) for row in found[first : first + self.page_size]], "total": len(found)}


class _ModelSearch(_Search, rename="camel"):
    category_names: list[str] | None = None
    en_name: str | None = None


class _DesignSearch(_Search, rename="camel"):
    spus: list[str] | None = None
    search_content: str | None = None


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
        self._models = {model.number: model for model in seeded_models(settings, int(timeline.now()))}
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
        return wanted.page_of(found, lambda model: self._written(_model_document(model)))

    def model(self, request: Request) -> object:
        """Answer all about one model."""
        model = self._find(request.path["id"])
        ordered = sum(self._ledger.ordered[design.spu] for design in self._designs if design.model is model)
        return self._written(_model_detail(model, ordered))

    def designs(self, request: Request) -> object:
        """Answer the account's designs, newest first."""
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
        return wanted.page_of(
            found,
            lambda design: self._written(_design_document(design, self._ledger.ordered[design.spu])),
        )

    def add(self, request: Request) -> object:
        """Make a product of a design; it is on sale a little later."""
        new = request.read(_NewDesign)
        model = self._find(new.model_id)
        if model.status != ON_SALE:
            raise Refusal(Code.OUT_OF_STOCK, f"model {model.number} is out of stock")
        self._asked += 1
        self._timeline.after(self._settings.design_delay, partial(self._put_on_sale, self._asked, model, new))
        return ""

    def _written(self, document: dict[str, object]) -> dict[str, object]:
        if not self._settings.old_custom_shape:
            return document
        older: dict[str, object] = {}
        for name, value in document.items():
            if name in {"createDate", "modifyDate"} and isinstance(value, int):
                older[name] = iso(value / 1000).replace("T", " ").rstrip("Z")
            elif name == "customDesignedId":
                older[name] = str(value)
        return {**document, **older}

    def _put_on_sale(self, number: int, model: Model, new: _NewDesign) -> None:
        spu, now = f"{model.code}D{number:04d}", self._timeline.now()
        design = Design(number, model, new.en_name, new.image_url, new.back_image_url, spu, int(now * 1000))
        self._designs.append(design)
        self._catalog.add_product(product_of(design, new.color_value or "#FFFFFF"))

    def _find(self, number: str) -> Model:
        model = self._models.get(whole(number) or 0)
        if model is None:
            raise Refusal(Code.UNKNOWN_MODEL, f"there is no model {number!r}")
        return model


def _among(value: str, allowed: Sequence[str] | None) -> bool:
    return not allowed or value in allowed


def _model_document(model: Model) -> dict[str, object]:
    return {
        "id": model.number,
        "modelCode": model.code,
        "categoryName": model.category,
        "price": model.price,
        "enName": model.name,
        "imageUrl": picture(model.code, "front"),
        "backImageUrl": picture(model.code, "back"),
        "createDate": model.created,
        "modifyDate": model.created,
    }


def _model_detail(model: Model, ordered: int) -> dict[str, object]:
    sizes = [
        {
            "name": name,
            "size_value": [
                {"name": size, "value": round(first + step * place, 2)}
                for place, size in enumerate(model.sizes)
            ],
        }
        for name, first, step in _MEASURES
    ]
    return {
        **_model_document(model),
        "enDescription": f"<p>{model.name}, printed on both sides.</p>",
        "enSizeContent": json.dumps([{"sheet_name": "Size Chart", "size": sizes}]),
        "orderCount": ordered,
        "status": model.status,
        "weight": model.weight,
        "variants": [{"size": size, "weight": model.weight} for size in model.sizes],
    }


def _design_document(design: Design, ordered: int) -> dict[str, object]:
    return {
        "id": design.number,
        "customDesignedId": 234_000_000 + design.number,
        "modelCode": design.model.code,
        "price": design.model.price,
        "enName": design.name,
        "imageUrl": design.image,
        "backImageUrl": design.back_image,
        "kkProductId": 2_300_000 + design.number,
        "orderCount": ordered,
        "spu": design.spu,
        "createDate": design.created,
        "modifyDate": design.created,
    }
