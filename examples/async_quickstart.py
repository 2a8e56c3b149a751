"""Look at a product, its stock and its freight, with asyncio.

Runs against your shop when KAKACLO_TOKEN and KAKACLO_BASE_URL are set (see `kakaclo sandbox`), and else against a local
KakaClo of its own.
"""

import asyncio
import os
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

from kakaclo_async import Item, KakaClo, NotFound
from kakaclo_async.sandbox import Sandbox


async def main() -> None:
    async with AsyncExitStack() as stack:
        if "KAKACLO_BASE_URL" in os.environ:
            kk = KakaClo()
        else:
            sandbox = await stack.enter_async_context(Sandbox())
            kk = KakaClo(sandbox.token, base_url=sandbox.url)
        await stack.enter_async_context(kk)
        ...


asyncio.run(main())
