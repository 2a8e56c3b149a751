"""What storing a page and exporting a catalog costs, and how it grows with what is there already.

The floor of storing is `sqlite3` by hand: `executemany` into plain tables, no history, no look at what changed. The
floor of exporting is `sqlite3` and the csv module.
"""

from __future__ import annotations

import asyncio
import csv
import gc
import sqlite3
import tempfile
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from harness import Bar, Case, Plot, Size, Taken, Watch
from harness.databases import postgresql
from made.catalog import PLAIN, START, filled, open_plain, page, plain, put_plain, put_plain_remotely

from kakaclo_async.catalog import export
from kakaclo_async.catalog.database import MirrorDatabase
from kakaclo_async.catalog.rows import Newer
from kakaclo_async.catalog.store import put_products

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kakaclo_async import Product

PAGES = 10
WARM = 2  # the first of them, which find the connection's cache empty, and are not measured


class Shelf:
    """Databases by how many SKUs they hold, made when they are first asked for, and pages that none of them holds."""

    def __init__(self, folder: str, postgresql: str = "") -> None:
        self.folder, self._numbers = folder, count()
        self.postgresql = postgresql
        self._urls: dict[float, str] = {}
        self._plain: dict[float, str] = {}

    def pages(self) -> list[list[Product]]:
        found = [page(next(self._numbers)) for _ in range(PAGES)]
        gc.freeze()  # a mirror holds a few pages, not all of them: they are not to be searched for garbage
        return found

    def url(self, skus: float) -> str:
        if self.postgresql:
            return self.postgresql
        if skus not in self._urls:
            self._urls[skus] = asyncio.run(filled(f"{self.folder}/{skus:.0f}.db", int(skus)))
        return self._urls[skus]

    def plain(self, skus: float) -> str:
        if skus not in self._plain:
            self._plain[skus] = plain(f"{self.folder}/plain-{skus:.0f}.db", int(skus))
        return self._plain[skus]


@contextmanager
def shelf(*, with_postgresql: bool = False) -> Iterator[Shelf]:
    with ExitStack() as stack:
        url = f"{stack.enter_context(postgresql())}/postgres" if with_postgresql else ""
        yield Shelf(stack.enter_context(tempfile.TemporaryDirectory()), url)


def kakaclo(shelf: Shelf, skus: float, *, again: bool = False) -> Taken:
    url, pages = shelf.url(skus), shelf.pages()
    put = partial(put_products, seen_at=START, newer=Newer(now=START))

    async def main() -> Taken:
        database = MirrorDatabase(url)
        await database.open()
        for products in pages[:WARM]:
            await database.write(partial(put, products=products))
        with Watch() as watch:
            for products in pages[WARM:]:
                await database.write(partial(put, products=products))
            await database.close()
        return watch.per(PAGES - WARM, scale=1e3)

    if again:
        asyncio.run(main())
    return asyncio.run(main())


def by_hand(shelf: Shelf, skus: float) -> Taken:
    path, pages = shelf.plain(skus), shelf.pages()
    with closing(open_plain(path)) as connection:
        for products in pages[:WARM]:
            put_plain(connection, products)
        with Watch() as watch:
            for products in pages[WARM:]:
                put_plain(connection, products)
            connection.close()
    return watch.per(PAGES - WARM, scale=1e3)


def by_hand_remotely(shelf: Shelf, _: float) -> Taken:
    import asyncpg  # noqa: PLC0415 - an extra

    pages = shelf.pages()

    async def main() -> Taken:
        connection = await asyncpg.connect(shelf.postgresql, server_settings={"search_path": "plain"})
        await connection.execute(f"CREATE SCHEMA IF NOT EXISTS plain; {PLAIN}")
        for products in pages[:WARM]:
            await put_plain_remotely(connection, products)
        with Watch() as watch:
            for products in pages[WARM:]:
                await put_plain_remotely(connection, products)
            await connection.close()
        return watch.per(PAGES - WARM, scale=1e3)

    return asyncio.run(main())


def exported(kind: str, shelf: Shelf, skus: float) -> Taken:
    url, path = shelf.url(skus), f"{shelf.folder}/out.{kind}"

    async def main() -> Taken:
        await export(url, "product", path)  # imports what it needs
        with Watch() as watch:
            written = await export(url, "sku", path)
        return watch.per(written / 650_000)

    return asyncio.run(main())


def exported_by_pyarrow(shelf: Shelf, skus: float) -> Taken:
    """Read all rows at once, as one does in an afternoon, and write them as Parquet."""
    import pyarrow as pa  # noqa: PLC0415 - an extra
    from pyarrow import parquet  # noqa: PLC0415 - an extra

    with Watch() as watch, closing(sqlite3.connect(shelf.url(skus).removeprefix("sqlite:///"))) as connection:
        rows = connection.execute("SELECT * FROM sku ORDER BY sku")
        names = [column[0] for column in rows.description]
        columns = zip(*rows.fetchall(), strict=True)
        table = pa.table({name: list(values) for name, values in zip(names, columns, strict=True)})
        parquet.write_table(table, Path(shelf.folder, "hand.parquet"))
    return watch.per(skus / 650_000)


def exported_by_hand(shelf: Shelf, skus: float) -> Taken:
    with Watch() as watch, closing(sqlite3.connect(shelf.url(skus).removeprefix("sqlite:///"))) as connection:
        rows = connection.execute("SELECT * FROM sku ORDER BY sku")
        with Path(shelf.folder, "hand.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(column[0] for column in rows.description)
            writer.writerows(rows)
    return watch.per(skus / 650_000)


BY_HAND = (
    "sqlite3 by hand, which keeps no history and compares nothing, takes more than the goal on this machine, and more "
    "than the 4.8 ms that 50,000 SKU rows a second would be"
)
REMOTE = (
    "asyncpg by hand, which keeps no history and compares nothing, takes more than the goal on this "
    "machine; the binding of values, and the comparison with what is stored, take the rest"
)
COMPARED = "to find out that nothing has changed, all values are bound, sent and compared as if they had"
LOOP = "a loop over sqlite3 with csv takes as long on this machine: rows become Python's values first"

CASES = (
    Case(
        name="store",
        title="storing a page of 30 products with 8 SKUs, into SQLite",
        unit="ms of CPU",
        world=shelf,
        contenders={
            "sqlite3 by hand": by_hand,
            "kakaclo": kakaclo,
            "unchanged": partial(kakaclo, again=True),
        },
        base="sqlite3 by hand",
        points="SKUs stored",
        quick=Size(5, (1_000,)),
        full=Size(9, (1_000, 10_000, 100_000, 1_000_000)),
        bars=(
            Bar(over="sqlite3 by hand", most=3.0, at=1_000),
            Bar(most=2.0, goal=True, at=1_000, cause=BY_HAND),
            Bar("unchanged", most=2.0, goal=True, at=1_000, cause=COMPARED),
        ),
        plot=Plot("growth", x="SKUs in the mirror", y="ms of CPU for a page of 240 SKUs", log_x=True),
        note="All open the file with the same pragmas, store two pages that are not measured and then eight that are; "
        "closing, which empties the log into the file, is measured with them. `unchanged` stores the same pages again. "
        "The hand-written tables keep no history, compare nothing, have no foreign key, and one index where the mirror "
        "has eleven.",
    ),
    Case(
        name="store-postgresql",
        title="storing a page of 30 products with 8 SKUs, into PostgreSQL",
        unit="ms of CPU",
        world=partial(shelf, with_postgresql=True),
        contenders={
            "asyncpg by hand": by_hand_remotely,
            "kakaclo": kakaclo,
            "unchanged": partial(kakaclo, again=True),
        },
        base="asyncpg by hand",
        quick=Size(0),
        full=Size(9),
        bars=(Bar(most=3.0, goal=True, cause=REMOTE), Bar("unchanged", most=3.0, goal=True, cause=COMPARED)),
        note="The CPU of this process, not of the server. All store two pages that are not measured and then eight "
        "that are; closing is measured with them. The hand-written tables are those of `store`.",
    ),
    Case(
        name="export",
        title="exporting SKUs",
        unit="s of CPU for 650,000 rows",
        world=shelf,
        contenders={
            "sqlite3 and csv": exported_by_hand,
            "sqlite3 and pyarrow": exported_by_pyarrow,
            "csv": partial(exported, "csv"),
            "parquet": partial(exported, "parquet"),
        },
        base="sqlite3 and csv",
        points="rows",
        quick=Size(5, (20_000,)),
        full=Size(5, (65_000, 650_000)),
        bars=(
            Bar("csv", over="sqlite3 and csv", most=3.0),
            Bar("parquet", over="sqlite3 and csv", most=2.0),
            Bar("parquet", over="sqlite3 and pyarrow", most=2.0),
            Bar("csv", most=5.0, goal=True, cause=LOOP),
            Bar("parquet", most=3.0, goal=True, cause=LOOP),
        ),
    ),
)
