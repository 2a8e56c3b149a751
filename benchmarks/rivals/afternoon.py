"""The script that a user writes in an afternoon: aiohttp, a semaphore, a retry on 429, `sqlite3`.

It pages through all products by their update time, some pages at once, and in halves where there are more than KakaClo
shows of one search; then it asks for the stock of their SKUs, 30 to a request. It knows nothing of rows that move
between pages while products are updated, of a bucket, or of lanes.
"""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import aiohttp

TABLES = """
    CREATE TABLE IF NOT EXISTS product (spu TEXT PRIMARY KEY, name TEXT, price REAL, stock INTEGER, updated TEXT);
    CREATE TABLE IF NOT EXISTS sku (sku TEXT PRIMARY KEY, spu TEXT, name TEXT, price REAL, option1 TEXT, option2 TEXT);
    CREATE TABLE IF NOT EXISTS stock (sku TEXT, warehouse TEXT, qty INTEGER, PRIMARY KEY (sku, warehouse));
"""

SHOWN = 9_990  # the last whole page of the 10,000 rows that a search shows


@dataclass
class Told:
    """What it did."""

    requests: int = 0
    refused: int = 0


class Script:
    """All of it, against one server into one file."""

    def __init__(
        self, http: aiohttp.ClientSession, url: str, database: sqlite3.Connection, speed: float
    ) -> None:
        self._http, self._url, self._database, self._speed = http, url, database, speed
        self._turn = asyncio.Semaphore(10)
        self.told = Told()
        database.executescript(TABLES)

    async def get(self, path: str, query: dict[str, str]) -> dict[str, Any]:
        pause = 1.0
        while True:
            async with self._turn:
                self.told.requests += 1
                async with self._http.get(self._url + path, params=query) as answer:
                    if answer.status != 429:
                        answer.raise_for_status()
                        data: dict[str, Any] = (await answer.json())["data"]
                        return data
            self.told.refused += 1
            await asyncio.sleep(pause / self._speed)
            pause = min(2 * pause, 30.0)

    async def products(self, start: datetime, until: datetime) -> list[str]:
        query = {"dateStartTime": written(start), "dateEndTime": written(until)}
        first = await self.get("/v1/product/products", query | {"pageNumber": "1"})
        if first["total"] > SHOWN:
            middle = start + (until - start) / 2
            return [*await self.products(start, middle), *await self.products(middle, until)]
        codes = self.put(first["list"])
        pages = range(2, -(-first["total"] // 30) + 1)

        async def read(number: int) -> None:
            page = await self.get("/v1/product/products", query | {"pageNumber": str(number)})
            codes.extend(self.put(page["list"]))

        await asyncio.gather(*map(read, pages))
        return codes

    def put(self, rows: list[dict[str, Any]]) -> list[str]:
        skus = [(sku, row["spu"]) for row in rows for sku in row["skuDetails"]]
        with self._database:
            self._database.executemany(
                "INSERT OR REPLACE INTO product VALUES (?, ?, ?, ?, ?)",
                [
                    (row["spu"], row["productName"], row["price"], row["stock"], row["updateTime"])
                    for row in rows
                ],
            )
            self._database.executemany(
                "INSERT OR REPLACE INTO sku VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (sku["sku"], spu, sku["skuName"], sku["price"], sku.get("option1"), sku.get("option2"))
                    for sku, spu in skus
                ],
            )
        return [sku["sku"] for sku, _ in skus]

    async def stock(self, codes: list[str]) -> None:
        async def read(some: list[str]) -> None:
            page = await self.get("/v1/product/stocks", {"skus": ",".join(some), "pageNumber": "1"})
            with self._database:
                self._database.executemany(
                    "INSERT OR REPLACE INTO stock VALUES (?, ?, ?)",
                    [
                        (row["sku"], at["warehouseCode"], at["qty"])
                        for row in page["list"]
                        for at in row["warehouseStockList"]
                    ],
                )

        await asyncio.gather(*(read(codes[start : start + 30]) for start in range(0, len(codes), 30)))


def written(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


async def run(url: str, token: str, file: str, until: datetime, speed: float = 1.0) -> Told:
    """Copy the catalog of a server that is so many times as fast as KakaClo."""
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(headers=headers) as http:
        with closing(sqlite3.connect(file)) as database:
            script = Script(http, url, database, speed)
            await script.stock(await script.products(until - timedelta(days=3650), until))
            return script.told
