"""A file of a shop's orders in the 79 columns of Shopify, and what KakaClo would say to it.

10,000 orders of two items, 2,000 SKUs, zips with a spreadsheet's apostrophe.
"""

from __future__ import annotations

import csv
import io
import subprocess
import sys
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kakaclo_async import FreightOption, FreightQuote, Product, ProductStatus, Sku, StockLevel, WarehouseStock
from kakaclo_async.cli.shop.judging import judge_all
from kakaclo_async.shop import read_orders

if TYPE_CHECKING:
    from kakaclo_async.shop import OrderFile

ORDERS: Final = 10_000
PRODUCTS: Final = 200
SKUS: Final = 10
"""Of each product."""

FIRST: Final = {
    "Financial Status": "paid",
    "Fulfillment Status": "unfulfilled",
    "Shipping Name": "Test Alpha",
    "Shipping Address1": "1 Main St",
    "Shipping City": "Orlando",
    "Shipping Zip": "'32801",
    "Shipping Province": "FL",
    "Shipping Country": "US",
    "Shipping Phone": "+1 555 0100",
}
ITEM: Final = {
    "Lineitem quantity": "1",
    "Lineitem name": "Thing",
    "Lineitem requires shipping": "true",
    "Lineitem fulfillment status": "pending",
}
COLUMNS: Final = (
    "Name", *FIRST, *ITEM, "Lineitem sku", "Cancelled at", *(f"Other {number}" for number in range(63)),
)  # fmt: skip


def code(number: int) -> str:
    return f"S{number % PRODUCTS:05d}_{number // PRODUCTS % SKUS}"


def orders(count: int = ORDERS) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="")
    writer.writeheader()
    for number in range(count):
        writer.writerow({"Name": f"#{number}", **FIRST, **ITEM, "Lineitem sku": code(2 * number)})
        writer.writerow({"Name": f"#{number}", **ITEM, "Lineitem sku": code(2 * number + 1)})
    return text.getvalue()


def answers() -> tuple[list[Product], list[StockLevel], FreightQuote]:
    """Return what KakaClo would say."""
    codes = [[f"S{product:05d}_{place}" for place in range(SKUS)] for product in range(PRODUCTS)]
    products = [
        Product(
            spu=f"S{place:05d}",
            sku_details=tuple(
                Sku(sku=sku, price=Decimal("5.9800"), sku_status=ProductStatus.ON_SHELF) for sku in skus
            ),
        )
        for place, skus in enumerate(codes)
    ]
    held = (WarehouseStock(warehouse_code="W1", qty=100_000),)
    stocks = [StockLevel(sku=sku, warehouses=held) for skus in codes for sku in skus]
    option = FreightOption(channel_type="Standard", estimated_freight=Decimal("7.94"))
    return products, stocks, FreightQuote(options=(option,))


def read_and_check(source: io.StringIO | str) -> OrderFile:
    found = read_orders(source)
    products, stocks, quote = answers()
    priced = judge_all(found.orders, products, stocks, [quote] * len(found.orders))
    assert all(check.ok and check.total for _, check, _ in priced)
    return found


def memory(count: int = ORDERS) -> float:
    """Return what a process of its own needs to read and check a file of some orders, interpreter included, in MB."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "orders.csv"
        file.write_text(orders(count))
        done = subprocess.run(
            [sys.executable, __file__, str(file)], check=True, capture_output=True, text=True
        )
        return float(done.stdout)


if __name__ == "__main__":
    read_and_check(sys.argv[1])
    held = next(
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")
    )
    print(int(held.split()[1]) / 1024)
