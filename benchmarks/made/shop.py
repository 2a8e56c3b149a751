"""How the package's clients and those of others are made: the same server, the same connections."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
from harness.servers import TOKEN

from kakaclo_async import KakaClo, RateLimit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

FREE = RateLimit(10**9, 10**7)
STOCKS = "/v1/product/stocks"
QUOTES = "/v2/order/orders/channel/automationSplit"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


@asynccontextmanager
async def client(url: str, rate: RateLimit = FREE, **options: Any) -> AsyncIterator[KakaClo]:
    """Open this package's client."""
    async with KakaClo(TOKEN, base_url=url, rate_limit=rate, max_wait=None, **options) as kk:
        yield kk


@asynccontextmanager
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """Open a bare session."""
    async with aiohttp.ClientSession(headers=HEADERS) as opened:
        yield opened
