"""Files of a shop's orders: to read them, and to check them with answers that are there already.

The csv module, which reads the cells alone, reads the same file in turn.
"""

from __future__ import annotations

import csv
import io
from contextlib import contextmanager
from typing import TYPE_CHECKING

from harness import Bar, Case, Size, Taken, Watch
from made.orders import memory, orders, read_and_check

from kakaclo_async.shop import read_orders

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.case import Contender


@contextmanager
def files() -> Iterator[dict[int, str]]:
    yield {}


def contender(work: Callable[[io.StringIO], object]) -> Contender:
    def measure(texts: dict[int, str], count: float) -> Taken:
        text = texts.get(int(count)) or texts.setdefault(int(count), orders(int(count)))
        with Watch() as watch:
            work(io.StringIO(text))
        return watch.per(2 * count, scale=1e6)

    return measure


CASES = (
    Case(
        name="orders",
        title="reading a file of orders, two rows each",
        unit="us of CPU for a row",
        world=files,
        contenders={
            "csv.DictReader": contender(lambda file: list(csv.DictReader(file))),
            "read_orders": contender(read_orders),
            "read and checked": contender(read_and_check),
        },
        base="csv.DictReader",
        quick=Size(5, (500,)),
        full=Size(7, (10_000,)),
        bars=(
            Bar("read_orders", over="csv.DictReader", most=20),
            Bar(
                "read and checked",
                most=200,
                goal=True,
                cause="such a host changes its speed: it took 108 us when csv.DictReader took 6.3",
            ),
        ),
        note="A goal of 200 us is 5,000 rows per second.",
    ),
    Case(
        name="orders-memory",
        title="the most memory that a process needs for a file of orders",
        unit="MB",
        by="count",
        contenders={"read and checked": lambda _, count: memory(int(count))},
        base="read and checked",
        points="orders",
        quick=Size(0),
        full=Size(1, (10, 1_000, 10_000)),
        bars=(Bar("read and checked", most=200),),
    ),
)
