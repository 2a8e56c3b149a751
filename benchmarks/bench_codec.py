"""Reading a page of 30 products with 8 SKUs each, from the bytes of the answer to models.

Everything is timed side by side in one run, as the least of many interleaved repeats: the parse alone (msgspec
with exact decimals, into dicts), this package (`protocol.read_answer`: envelope and data), and pydantic v2 on equal
models. The repeats go round a handful of pages, as a pull goes through pages that share their colours, sizes and
prices.

Run `python benchmarks/bench_codec.py`; the exit status is 1 when a bar is missed: 2.0 times the parse and 0.6 of
pydantic on typical pages. The other rows say what surprises cost.
"""

from __future__ import annotations

import random
import sys
import time
from decimal import Decimal
from enum import IntEnum, StrEnum
from itertools import count, cycle
from typing import TYPE_CHECKING, Final

import msgspec
from pydantic import AwareDatetime, BaseModel, ConfigDict, Json
from pydantic.alias_generators import to_camel

from kakaclo_async.models.common import Page
from kakaclo_async.models.product import Product
from kakaclo_async.protocol import Answer, Request, read_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PRODUCTS: Final = 30
SKUS: Final = 8
PAGES: Final = 7
REPEATS: Final = 210
MOST_OVER_PARSE: Final = 2.0
MOST_OVER_PYDANTIC: Final = 0.6

COLORS: Final = (
    "Black", "White", "Charcoal grey", "Peacock blue", "Raw white off white", "Champlain color", "Red",
    "Wine red", "Navy", "Khaki", "Pink", "Army green", "Apricot", "Light blue", "Coffee", "Mustard yellow",
)  # fmt: skip
SIZES: Final = ("XS", "S", "M", "L", "XL", "XXL", "3XL", "4XL")
PRINTS: Final = ("", "Floral", "Stripe", "Leopard", "Plaid")
WORDS: Final = (
    "women casual threaded contrast cropped pants comfortable fabric fashionable style versatile suitable "
    "daily wear school leisure vacation date party club please refer to the left size picture before "
    "purchasing due to different computer display colors actual product may be slightly loose long sleeve"
)

REQUEST: Final = Request(method="GET", path="/v1/product/products", result=Page[Product])

write = msgspec.json.Encoder(decimal_format="number").encode
parse = msgspec.json.Decoder(float_hook=Decimal).decode
serial = count(1)


def words(draw: random.Random, most: int) -> str:
    text = " ".join(draw.choices(WORDS.split(), k=most // 5))
    return text[:most].title()


def picture(draw: random.Random, spu: str, sku: str) -> str:
    return f"https://img.kakaclo.com/image%2F{spu}%2F{sku}%2F{draw.getrandbits(128):032x}.jpg"


def money(draw: random.Random, low: int, high: int) -> Decimal:
    places = draw.choice((2, 2, 2, 4))
    return Decimal(draw.randrange(low * 10**places, high * 10**places)).scaleb(-places)


def option(name: str, value: str) -> str:
    return write({"name": name, "value": value}).decode()


def sku_document(draw: random.Random, spu: str, place: int, distinct: str) -> dict[str, object]:
    sku = f"{spu}_{draw.choice(COLORS)[:2].upper()}_{SIZES[place]}_AU"
    printed = draw.random() < 0.5
    return {
        "mainImg": picture(draw, spu, sku),
        "cost": money(draw, 2, 30),
        "packageWeight": draw.randrange(90, 900),
        "skuStatus": draw.choice((1, 1, 1, 1, 0, 6)),
        "packageWidth": draw.randrange(15, 40),
        "skuName": words(draw, 60),
        "packageHeight": draw.randrange(1, 9),
        "material": draw.choice(("100% Cotton", "95% Polyester, 5% Spandex", "Linen")),
        "price": money(draw, 3, 40),
        "option3": option("print", draw.choice(PRINTS) + distinct) if printed else None,
        "packageLength": 32,
        "option1": option("color", draw.choice(COLORS) + distinct),
        "option2": option("size", SIZES[place] + distinct),
        "sku": sku,
        "stock": draw.randrange(400),
    }


def product_document(draw: random.Random, distinct: Callable[[], str]) -> dict[str, object]:
    spu = f"AMN{draw.randrange(10**5):05}"
    skus = [sku_document(draw, spu, place, distinct()) for place in range(SKUS)]
    seasons = ("Spring-Summer", "Autumn", "Winter")
    return {
        "attributesJson": write(
            {"season": draw.choice(seasons), "waistline": draw.choice(("Mid waist", "High waist"))}
        ).decode(),
        "kkProductId": draw.randrange(10**6, 2 * 10**6),
        "salesVolume": draw.randrange(5000),
        "spuStatus": 1,
        "description": words(draw, 400),
        "updateTime": f"2024-0{draw.randrange(1, 10)}-{draw.randrange(1, 29):02}T{draw.randrange(24):02}:29:18Z",
        "productName": words(draw, 60),
        "createTime": f"2022-01-{draw.randrange(1, 29):02}T03:{draw.randrange(60):02}:18Z",
        "price": money(draw, 3, 40),
        "fullCategoryName": "Women/Bottoms/Cropped Pants",
        "skuDetails": skus,
        "sizeImagePath": picture(draw, spu, spu),
        "spu": spu,
        "stock": draw.randrange(3000),
        "categoryId": draw.randrange(3000, 4000),
        "supplierLevel": draw.choice(("", "A", "B", "C")),
        "skuImgUrl": [
            {
                "imgUrl": [picture(draw, spu, spu) for _ in range(3)],
                "skus": [sku["sku"] for sku in skus[place : place + 2]],
            }
            for place in range(0, SKUS, 2)
        ],
    }


def page_document(
    seed: int, distinct: Callable[[], str] = str, change: Callable[[dict[str, object]], None] | None = None
) -> bytes:
    draw = random.Random(seed)
    rows = [product_document(draw, distinct) for _ in range(PRODUCTS)]
    for row in rows if change else ():
        change(row)
    data = {"list": rows, "total": 12_345, "pageNumber": seed, "pageSize": PRODUCTS}
    return write({"code": 10000, "data": data, "message": "Success!"})


def add_fields(row: dict[str, object]) -> None:
    row["brand"] = "KK"
    for sku in row["skuDetails"]:
        sku["batchNo"] = "B1"


def number_texts(row: dict[str, object]) -> None:
    for sku in row["skuDetails"]:
        sku |= {"price": str(sku["price"]), "stock": str(sku["stock"]), "cost": ""}


def text_numbers(row: dict[str, object]) -> None:
    for sku in row["skuDetails"]:
        sku["material"] = 100


class Status(IntEnum):
    """The codes of `spuStatus` and `skuStatus`."""

    OFF_SHELF = 0
    ON_SHELF = 1
    DELETED = 2
    DISCONTINUED = 3
    CLEARANCE = 4
    PARTIAL_CLEARANCE = 5
    OUT_OF_STOCK = 6


class Level(StrEnum):
    """The supplier levels."""

    NOT_CONNECTED = ""
    A = "A"
    B = "B"
    C = "C"


class Model(BaseModel):
    """The base of the equal models; unknown fields are dropped here and kept by the package."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True)


class OptionModel(Model):
    """An option out of its string."""

    name: str | None = None
    value: str | None = None


class SkuModel(Model):
    """A SKU."""

    sku: str
    sku_name: str | None = None
    main_img: str | None = None
    package_length: Decimal | None = None
    package_width: Decimal | None = None
    package_height: Decimal | None = None
    package_weight: Decimal | None = None
    cost: Decimal | None = None
    price: Decimal | None = None
    stock: int | None = None
    option1: Json[OptionModel] | None = None
    option2: Json[OptionModel] | None = None
    option3: Json[OptionModel] | None = None
    material: str | None = None
    sku_status: Status | None = None


class ImagesModel(Model):
    """Pictures of SKUs."""

    skus: tuple[str, ...] = ()
    img_url: tuple[str, ...] = ()


class ProductModel(Model):
    """A product."""

    spu: str
    kk_product_id: int | None = None
    product_name: str | None = None
    description: str | None = None
    size_image_path: str | None = None
    spu_status: Status | None = None
    category_id: int | None = None
    full_category_name: str | None = None
    sales_volume: int | None = None
    attributes_json: Json[dict[str, str]] | None = None
    price: Decimal | None = None
    stock: int | None = None
    supplier_level: Level | None = None
    create_time: AwareDatetime | None = None
    update_time: AwareDatetime | None = None
    sku_details: tuple[SkuModel, ...] = ()
    sku_img_url: tuple[ImagesModel, ...] = ()


class PageModel(Model):
    """A page."""

    list: tuple[ProductModel, ...]
    total: int | None = None
    page_number: int | None = None
    page_size: int | None = None


class EnvelopeModel(Model):
    """An answer."""

    code: int
    message: str
    data: PageModel


def read(body: bytes) -> Page[Product]:
    return read_answer(REQUEST, Answer(200, {}, body))


def read_with_pydantic(body: bytes) -> EnvelopeModel:
    return EnvelopeModel.model_validate_json(body)


def check_equal(body: bytes) -> None:
    """Both read the same, but for the last zeros of money, which pydantic loses."""
    ours, theirs = read(body), read_with_pydantic(body).data.list
    assert len(ours) == len(theirs) == PRODUCTS
    for product, other in zip(ours, theirs, strict=True):
        assert (product.spu, product.update_time) == (other.spu, other.update_time)
        for sku, copy_error in zip(product.sku_details, other.sku_details, strict=True):
            assert (sku.sku, sku.price, sku.sku_status) == (
                copy_error.sku,
                copy_error.price,
                copy_error.sku_status,
            )
            assert sku.option1.value == copy_error.option1.value


def least(readers: list[Callable[[bytes], object]], pages: Iterator[bytes]) -> list[float]:
    """Return the least time of each reader in milliseconds, all of them on the same pages in turns."""
    best = [float("inf")] * len(readers)
    for _ in range(REPEATS):
        body = next(pages)
        for place, reader in enumerate(readers):
            start = time.perf_counter()
            reader(body)
            best[place] = min(best[place], time.perf_counter() - start)
    return [seconds * 1e3 for seconds in best]


def main() -> int:
    typical = [page_document(seed) for seed in range(PAGES)]
    check_equal(typical[0])
    numbered = [page_document(seed, lambda: f" {next(serial)}") for seed in range(REPEATS)]
    cases: dict[str, tuple[list[bytes], bool]] = {
        "typical": (typical, True),
        "two unknown fields in every row": (
            [page_document(s, change=add_fields) for s in range(PAGES)],
            True,
        ),
        "numbers as texts, empty costs": (
            [page_document(s, change=number_texts) for s in range(PAGES)],
            False,
        ),
        "every option distinct": (numbered, True),
        "a number for a text in every row": (
            [page_document(s, change=text_numbers) for s in range(PAGES)],
            False,
        ),
    }
    print(f"{PRODUCTS} products with {SKUS} SKUs each, {len(typical[0]):,} bytes, least of {REPEATS}\n")
    print(f"{'milliseconds':34}{'parse':>8}{'kakaclo':>9}{'pydantic':>10}{'/parse':>9}{'/pydantic':>11}")
    missed = False
    for name, (pages, pydantic_reads) in cases.items():
        readers = [parse, read, read_with_pydantic] if pydantic_reads else [parse, read]
        floor, ours, *others = least(readers, cycle(pages))
        theirs = f"{others[0]:10.3f}" if others else f"{'refuses':>10}"
        share = f"{ours / others[0]:11.2f}" if others else ""
        print(f"{name:34}{floor:8.3f}{ours:9.3f}{theirs}{ours / floor:9.2f}{share}")
        if name == "typical":
            missed = ours > MOST_OVER_PARSE * floor or ours > MOST_OVER_PYDANTIC * others[0]
    print(
        f"\nbars on typical pages: {MOST_OVER_PARSE} of the parse, {MOST_OVER_PYDANTIC} of pydantic:", end=" "
    )
    print("missed" if missed else "met")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
