"""Pages as KakaClo answers them: products as it has them and with surprises, stock, and orders."""

from __future__ import annotations

import random
from decimal import Decimal
from itertools import count
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

PRODUCTS: Final = 30
SKUS: Final = 8
ORDERS: Final = 30

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

write = msgspec.json.Encoder(decimal_format="number").encode
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
    return listed(rows, seed)


def add_fields(row: dict[str, object]) -> None:
    row["brand"] = "KK"
    for sku in row["skuDetails"]:
        sku["batchNo"] = "B1"


def number_texts(row: dict[str, object]) -> None:
    for sku in row["skuDetails"]:
        sku |= {name: str(sku[name]) for name in ("price", "cost", "stock")}


def empty_texts(row: dict[str, object]) -> None:
    for sku in row["skuDetails"]:
        sku["cost"] = ""


def text_numbers(row: dict[str, object]) -> None:
    for sku in row["skuDetails"]:
        sku["material"] = 100


def distinct_options(seed: int) -> bytes:
    """Make a page in which no option is like another, nor like one of another page."""
    return page_document(seed, lambda: f" {next(serial)}")


def listed(rows: list[dict[str, object]], seed: int) -> bytes:
    data = {"list": rows, "total": 12_345, "pageNumber": seed + 1, "pageSize": len(rows)}
    return write({"code": 10000, "data": data, "message": "Success!"})


def stock_document(seed: int) -> bytes:
    """Make a page of the stock of 30 SKUs in two warehouses each."""
    draw = random.Random(seed)
    rows = [
        {
            "warehouseStockList": [
                {"countryCode": country, "qty": draw.randrange(200), "warehouseCode": code}
                for country, code in (("CN_N", "G006"), ("CN_S", "G007"))
            ],
            "sku": f"FSZW{draw.randrange(10**5):05}_Y_{draw.choice(SIZES)}_NUB",
        }
        for _ in range(30)
    ]
    return listed(rows, seed)


def item_document(draw: random.Random) -> dict[str, object]:
    each, number = money(draw, 3, 40), str(draw.randrange(10**6, 10**7))
    return {
        "id": number, "itemId": number, "refundStatus": "NULL", "productName": None, "productNum": 1, "option3": None,
        "imageUrl": picture(draw, "AMN01214", "AMN01214_B_S_AK"), "skuCode": f"AMN{draw.randrange(10**5):05}_B_S_AK",
        "option1": option("color", draw.choice(COLORS)), "option2": option("size", draw.choice(SIZES)), "total": each,
        "amount": each,
    }  # fmt: skip


def order_document(draw: random.Random) -> dict[str, object]:
    items, number = [item_document(draw) for _ in range(2)], str(draw.randrange(10**12, 10**13))
    package = {
        "deliveryTime": "2022-09-29T03:25:02Z", "trackingCode": f"WNBAA{draw.randrange(10**10):010}YQ",
        "id": f"KA{number}_1", "status": "shipped", "carrier": "wandexpress", "carrierType": "last", "items": items,
        "logisticsSearchUrl": "https://t.17track.net/en?v=2",
    }  # fmt: skip
    address = {
        "country": "US", "city": "Orlando", "phone": "+1 555 0100", "recipient": "Test Alpha", "street1": "1 Main St",
        "street2": None, "province": "FL", "zip": "32801", "vat": None, "ioss": None,
    }  # fmt: skip
    return {
        "id": number, "customOrderId": f"SHOP-{number[-6:]}", "remark": None, "status": "processing",
        "financialStatus": "paid", "fulfillmentStatus": "fully_shipped", "refundStatus": "NULL",
        "purchaseDate": "2022-09-28T03:32:17Z", "payDate": "2022-09-28T03:32:23Z", "completedDate": None,
        "cancelDate": None, "refundDate": None, "shippingAddress": address, "warehouseId": 1,
        "finalAmount": money(draw, 20, 90), "freightAmount": money(draw, 3, 30), "subTotalAmount": money(draw, 3, 60),
        "orderItems": items, "fulfillments": [package], "createDate": "2022-09-28T03:22:16Z",
        "modifyDate": "2022-09-29T08:27:21Z",
    }  # fmt: skip


def orders_document(seed: int) -> bytes:
    """Make a page of 30 orders of two items, shipped in one package."""
    draw = random.Random(seed)
    return listed([order_document(draw) for _ in range(ORDERS)], seed)
