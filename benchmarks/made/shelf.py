"""A catalog of any size in a mirror's database, for the board: written in seconds, straight into its tables."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from sqlalchemy import insert

from kakaclo_async.catalog import schema
from kakaclo_async.catalog.database import MirrorDatabase

SKUS = 6
START = datetime(2025, 1, 1, tzinfo=UTC)
WORDS = (
    "Casual", "Cropped", "Pants", "Women's", "Men's", "Vintage", "Striped", "Hoodie", "Pleated", "Skirt", "Denim",
    "Jacket", "Cotton", "Loose", "Slim", "Printed", "Floral", "Knitted", "Sweater", "Tank", "Tops", "Yoga", "Leggings",
    "Pajama",
)  # fmt: skip


def rows(first: int, last: int, rng: random.Random) -> dict[str, list[dict[str, object]]]:
    """Make products as KakaClo has them, with their SKUs and stock."""
    made: dict[str, list[dict[str, object]]] = {"product": [], "sku": [], "stock": []}
    for number in range(first, last):
        spu, price = f"AMX{number:06d}", Decimal(rng.randrange(299, 6999)) / 100
        updated = START + timedelta(seconds=rng.randrange(40_000_000))
        category = rng.randrange(70)
        made["product"].append({
            "spu": spu, "product_name": " ".join(rng.sample(WORDS, 6)), "description": "Comfortable. " * 20,
            "spu_status": rng.choice((1, 1, 1, 1, 0, 2, 6)), "category_id": 3600 + category,
            "full_category_name": f"Women/Clothes/Kind {category}", "price": price, "stock": rng.randrange(900),
            "create_time": START, "update_time": updated, "seen_at": updated,
            "sku_img_url": f'[{{"skus":["{spu}_0"],"imgUrl":["https://img.kakaclo.example/{spu}.jpg"]}}]',
        })  # fmt: skip
        for place in range(SKUS):
            sku = f"{spu}_{place}"
            made["sku"].append({"sku": sku, "spu": spu, "price": price, "stock": 20, "sku_status": 1})
            country = "US" if number % 5 == 0 else "CN"
            made["stock"].append({
                "sku": sku, "warehouse_code": f"{country}1", "country_code": country, "qty": rng.randrange(30),
                "as_of": updated,
            })  # fmt: skip
    return made


async def fill(url: str, products: int) -> None:
    """Make the database."""
    database, rng = MirrorDatabase(url), random.Random(1)
    tables = {"product": schema.product, "sku": schema.sku, "stock": schema.stock}
    await database.open()
    for first in range(0, products, 5_000):
        for name, values in rows(first, min(products, first + 5_000), rng).items():
            await database.write(
                lambda on, name=name, values=values: on.execute(insert(tables[name]), values)
            )
    await database.close()
