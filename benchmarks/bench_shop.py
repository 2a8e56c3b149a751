"""What a file of a shop's orders costs: to read it, and to check it with answers that are there already.

The file is in the 79 columns of Shopify: 10,000 orders of two items, 2,000 SKUs, zips with a spreadsheet's apostrophe.
The csv module, which reads the cells alone, reads the same file in turn with `read_orders`. Times are of the CPU, so
that other work on the machine does not count; the least of some rounds is taken. Memory is the most that a process of
its own holds, interpreter included.

Run `python benchmarks/bench_shop.py`; the exit status is 1 when a bar is missed: 5,000 rows per second read and
checked, 20 times the csv module, and 200 MB.
"""

from __future__ import annotations

import csv
import io
import re
import subprocess
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kakaclo_async import FreightOption, FreightQuote, Product, ProductStatus, Sku, StockLevel, WarehouseStock
from kakaclo_async.cli.shop.judging import judge_all
from kakaclo_async.shop import read_orders

if TYPE_CHECKING:
    from collections.abc import Callable

    from kakaclo_async.shop import OrderFile

ORDERS: Final = 10_000
PRODUCTS: Final = 200
SKUS: Final = 10
"""Of each product."""
ROUNDS: Final = 3
LEAST_ROWS: Final = 5_000
MOST_OVER_CSV: Final = 20.0
MOST_MEMORY: Final = 200.0

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


def peak_memory(file: str) -> float:
    """Read and check a file; return the most memory that this process has held so far, in MB."""
    read_and_check(file)
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    if found is None:
        raise RuntimeError("this system does not tell")
    return int(found[1]) / 1024


def memory(count: int = ORDERS) -> float:
    """Return what a process of its own needs for a file of some orders, in MB."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "orders.csv"
        file.write_text(orders(count))
        command = [sys.executable, __file__, "memory-of", str(file)]
        return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def least(*works: Callable[[], object]) -> list[float]:
    """Return the least time of each, in turns."""
    taken = [float("inf")] * len(works)
    for _ in range(ROUNDS):
        for place, work in enumerate(works):
            start = time.process_time()
            work()
            taken[place] = min(taken[place], time.process_time() - start)
    return taken


def main() -> int:
    text = orders()
    found = read_and_check(io.StringIO(text))
    assert (len(found.orders), len(found.rows)) == (ORDERS, 2 * ORDERS)
    with_csv, read, both = least(
        lambda: list(csv.DictReader(io.StringIO(text))),
        lambda: read_orders(io.StringIO(text)),
        lambda: read_and_check(io.StringIO(text)),
    )
    rows, held = 2 * ORDERS, memory()
    print(f"{rows:,} rows of {len(COLUMNS)} columns, {PRODUCTS * SKUS:,} SKUs")
    print(f"csv.DictReader     {with_csv:6.2f} s  {rows / with_csv:9,.0f} rows/s")
    print(f"read_orders        {read:6.2f} s  {rows / read:9,.0f} rows/s  {read / with_csv:.1f} times csv")
    print(f"read and checked   {both:6.2f} s  {rows / both:9,.0f} rows/s  {both / with_csv:.1f} times csv")
    print(f"memory             {held:6.0f} MB")
    missed = rows / both < LEAST_ROWS or read / with_csv > MOST_OVER_CSV or held > MOST_MEMORY
    bars = f"{LEAST_ROWS:,} rows/s, {MOST_OVER_CSV:.0f} times csv, {MOST_MEMORY:.0f} MB"
    print(f"bars: {bars}: {'missed' if missed else 'met'}")
    return int(missed)


if __name__ == "__main__":
    if sys.argv[1:2] == ["memory-of"]:
        print(peak_memory(sys.argv[2]))
    else:
        sys.exit(main())
