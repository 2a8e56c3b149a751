"""A sandbox that answers as fast as it is asked, and a client of it."""

from __future__ import annotations

from contextlib import asynccontextmanager

from kakaclo_async import KakaClo
from kakaclo_async.sandbox import Sandbox
from support.shop import UNLIMITED


@asynccontextmanager
async def served(**settings):
    """A sandbox without a rate limit, and a client of it."""
    settings = {"products": 60, "capacity": 1e9, "per_second": 1e9} | settings
    async with (
        Sandbox(**settings) as sandbox,
        KakaClo(sandbox.token, base_url=sandbox.url, rate_limit=UNLIMITED, max_attempts=1) as kk,
    ):
        yield sandbox, kk
