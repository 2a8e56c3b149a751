from __future__ import annotations

import pytest

from kakaclo_async import KakaClo
from kakaclo_async.sandbox import Sandbox


@pytest.fixture
async def sandbox():
    async with Sandbox(products=120, index_lag=0, ship_after=7200, refund_settle=600) as sandbox:
        yield sandbox


@pytest.fixture
async def kk(sandbox):
    async with KakaClo(sandbox.token, base_url=sandbox.url) as kk:
        yield kk
