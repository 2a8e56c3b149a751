"""The shop that the other examples talk to."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from kakaclo_async import KakaClo
from kakaclo_async.sandbox import Sandbox


@asynccontextmanager
async def open_shop() -> AsyncIterator[KakaClo]:
    """Open the shop that KAKACLO_BASE_URL and KAKACLO_TOKEN name, else a local KakaClo in this process."""
    if "KAKACLO_BASE_URL" in os.environ:
        async with KakaClo() as kk:
            yield kk
    else:
        async with (
            Sandbox(
                products=200, index_lag=1.0
            ) as sandbox,  # orders show up after a second, not five minutes
            KakaClo(sandbox.token, base_url=sandbox.url) as kk,
        ):
            yield kk
