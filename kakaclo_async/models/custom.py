"""Custom products: the models that can be printed on, and the designs made of them."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Final

import attrs

from kakaclo_async.models._checks import as_tuple, each, optional_text, text
from kakaclo_async.models.common import LOOSE, OpenIntEnum, Record
from kakaclo_async.models.product import SizeContent
from kakaclo_async.travel.shown import Shown

POD_DESIGNER_URL: Final = "https://www.kakaclo.com/pod-designer"
"""The page where people design products; what they save there shows up in `custom.designs`, and as products."""

POD_DESIGNS_URL: Final = "https://www.kakaclo.com/commodity/customProduct/list"
"""The page that lists what people designed."""


class ModelStatus(OpenIntEnum):
    """Whether a model can be ordered."""

    ON_SHELF = 1
    OUT_OF_STOCK = 4


@attrs.frozen(kw_only=True)
class DesignModel(Record):
    """A model to design on, as a search shows it (`POST /v1/product/custom/designModel/search`).

    Attributes:
        price: US dollars.
        create_date: UTC, like modify_date; None when it cannot be read.
    """

    _shown = ("id", "model_code", "en_name", "price", "category_name")

    id: int | None = None
    model_code: str | None = None
    category_name: str | None = None
    price: Decimal | None = None
    en_name: str | None = None
    image_url: str | None = None
    back_image_url: str | None = None
    create_date: datetime | None = attrs.field(default=None, metadata=LOOSE)
    modify_date: datetime | None = attrs.field(default=None, metadata=LOOSE)


@attrs.frozen(kw_only=True)
class ModelVariant(Record):
    """A size of a model; the weight is in grams."""

    size: str | None = None
    weight: Decimal | None = None


@attrs.frozen(kw_only=True)
class DesignModelDetail(DesignModel):
    """A model with all that is known of it (`GET /v1/product/custom/designModel/detail/{id}`).

    Attributes:
        en_description: HTML.
        weight: grams.
    """

    en_description: str | None = None
    en_size_content: SizeContent | None = None
    order_count: int | None = None
    status: ModelStatus | None = None
    weight: Decimal | None = None
    variants: tuple[ModelVariant, ...] = ()


@attrs.frozen(kw_only=True)
class Design(Record):
    """A designed product (`POST /v1/product/custom/customDesigned/search`); its SKUs are found by its `spu`.

    Attributes:
        custom_designed_id: a text, though the API writes a number at times.
        price: US dollars.
        create_date: UTC, like modify_date; None when it cannot be read.
    """

    _shown = ("id", "custom_designed_id", "spu", "en_name", "price")

    id: int | None = None
    custom_designed_id: str | None = attrs.field(default=None, metadata=LOOSE)
    model_code: str | None = None
    price: Decimal | None = None
    en_name: str | None = None
    image_url: str | None = None
    back_image_url: str | None = None
    kk_product_id: int | None = None
    order_count: int | None = None
    spu: str | None = None
    create_date: datetime | None = attrs.field(default=None, metadata=LOOSE)
    modify_date: datetime | None = attrs.field(default=None, metadata=LOOSE)


@attrs.frozen
class MaterialImage(Shown):
    """A picture that a design is made of.

    Raises:
        InvalidRequest: when a field is empty.
    """

    image_name: str = attrs.field(validator=text())
    image_url: str = attrs.field(validator=text())


def _model_id(value: int | str) -> str:
    # Models carry their id as a number, and this request alone wants it as a text.
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value  # type: ignore[return-value] # validated


def _images_tuple(images: Iterable[MaterialImage]) -> tuple[MaterialImage, ...]:
    return as_tuple(images)


@attrs.frozen(kw_only=True)
class NewDesign(Shown):
    """A design to add (`POST /v1/product/custom/customDesigned/addProduct`).

    Attributes:
        model_id: `DesignModel.id`, as a number or a text.
        material_images: any iterable is accepted.
        color_value: "#A72525".

    Raises:
        InvalidRequest: when a required field is empty.
    """

    _shown = ("model_id", "en_name", "color_value", "material_images")

    model_id: str = attrs.field(converter=_model_id, validator=text())
    en_name: str = attrs.field(validator=text())
    image_url: str = attrs.field(validator=text())
    back_image_url: str | None = attrs.field(default=None, validator=optional_text())
    material_images: tuple[MaterialImage, ...] = attrs.field(
        default=(), converter=_images_tuple, validator=each(MaterialImage)
    )
    color_value: str | None = attrs.field(default=None, validator=optional_text())
