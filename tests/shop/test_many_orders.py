"""A file of 10,000 orders costs no more for each of them than a small one."""

from __future__ import annotations

import io
import runpy
import sys
from pathlib import Path

import pytest

BENCH = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "made" / "orders.py"))
MOST_MB = 200


def calls_of(work):
    """Count the calls of functions, which no other work on the machine changes."""
    count = 0

    def profile(frame, event, argument):
        nonlocal count
        count += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


class Counted(tuple):
    """The SKUs of a product, which count how often they are read through."""

    __slots__ = ()
    reads = 0

    def __iter__(self):
        Counted.reads += 1
        return super().__iter__()


def test_reading_costs_each_order_the_same():
    few, many, more = (
        calls_of(lambda count=count: BENCH["read_orders"](io.StringIO(BENCH["orders"](count))))
        for count in (1, 101, 401)
    )
    assert more - few < 1.1 * 4 * (many - few)


def test_the_goods_of_all_orders_are_gone_through_once_not_for_each_order():
    found = BENCH["read_orders"](io.StringIO(BENCH["orders"](300)))
    products, stocks, quote = BENCH["answers"]()
    for product in products:
        object.__setattr__(product, "sku_details", Counted(product.sku_details))
    reads = []
    for count in (100, 300):
        Counted.reads = 0
        BENCH["judge_all"](found.orders[:count], products, stocks, [quote] * count)
        reads.append(Counted.reads - len(products))
    # Beyond the one look at all of them, each order looks at its own two products, some times.
    assert 0 < reads[1] == 3 * reads[0] <= 300 * 2 * 3


@pytest.mark.process
@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells the peak")
def test_ten_thousand_orders_take_little_memory_and_each_as_much_as_any_other():
    few, some, all_of_them = map(BENCH["memory"], (10, 5_000, 10_000))
    assert all_of_them < MOST_MB
    assert all_of_them - few < 1.5 * 2 * (some - few)
