"""How long a file of a shop's orders takes to read, beside the csv module, which reads the cells alone.

The file is in the 79 columns of Shopify: 10,000 orders of two items, zips with a spreadsheet's apostrophe. Times
are of the CPU, so that other work on the machine does not count; the least of some rounds is taken.

Run `python benchmarks/bench_shop.py`; the exit status is 1 when a bar is missed: 20 times the csv module, and 200 MB.
"""

from __future__ import annotations

import csv
import io
import sys
import time
import tracemalloc
from typing import TYPE_CHECKING, Final

from kakaclo_async.shop import read_orders

if TYPE_CHECKING:
    from collections.abc import Callable

ORDERS: Final = 10_000
ROUNDS: Final = 3
MOST_OVER_CSV: Final = 20.0
MOST_MEMORY: Final = 200.0
"""MB at most at one time, the text included."""

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
    "Lineitem sku": "AMN00003_AP_M",
    "Lineitem requires shipping": "true",
    "Lineitem fulfillment status": "pending",
}
COLUMNS: Final = ("Name", *FIRST, *ITEM, "Cancelled at", *(f"Other {number}" for number in range(63)))


def orders() -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="")
    writer.writeheader()
    for number in range(ORDERS):
        writer.writerow({"Name": f"#{number}", **FIRST, **ITEM})
        writer.writerow({"Name": f"#{number}", **ITEM, "Lineitem sku": "AMN00003_AP_L"})
    return text.getvalue()


def least(work: Callable[[], object]) -> float:
    taken: list[float] = []
    for _ in range(ROUNDS):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return min(taken)


def main() -> int:
    text = orders()
    found = read_orders(io.StringIO(text))
    assert (len(found.orders), len(found.rows)) == (ORDERS, 2 * ORDERS)
    with_csv = least(lambda: list(csv.DictReader(io.StringIO(text))))
    ours = least(lambda: read_orders(io.StringIO(text)))
    tracemalloc.start()
    read_orders(io.StringIO(text))
    memory = (tracemalloc.get_traced_memory()[1] + len(text)) / 1e6
    tracemalloc.stop()
    print(
        f"{2 * ORDERS:,} rows of {len(COLUMNS)} columns  csv {with_csv:.2f} s  read_orders {ours:.2f} s",
        end="  ",
    )
    print(f"{2 * ORDERS / ours:,.0f} rows/s  {ours / with_csv:.1f} times csv  {memory:.0f} MB")
    missed = ours / with_csv > MOST_OVER_CSV or memory > MOST_MEMORY
    print(f"bars: {MOST_OVER_CSV} times csv, {MOST_MEMORY:.0f} MB: {'missed' if missed else 'met'}")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
