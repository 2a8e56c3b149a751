from __future__ import annotations

import json
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import aiohttp
import pytest

from kakaclo_async.sandbox import Sandbox

SAMPLES = Path(__file__).parents[1] / "samples"
START = datetime(2024, 5, 1, 12, tzinfo=UTC)


def stopped_clock():
    return 0.0


class Http:
    """A plain HTTP client of one sandbox: no SDK."""

    def __init__(self, sandbox, session):
        self.sandbox = sandbox
        self.session = session

    def at(self, **after):
        """Write the time of the start, or a while after it."""
        return iso(START + timedelta(**after))

    async def call(self, method, path, *, body=None, token=None, **query):
        """Return (status, text, headers)."""
        headers = {"Authorization": f"Bearer {token or self.sandbox.token}"}
        url = self.sandbox.url + path
        async with self.session.request(
            method, url, json=body, params=query, headers=headers, allow_redirects=False
        ) as answer:
            return answer.status, await answer.text(), answer.headers

    async def document(self, method, path, **request):
        status, text, _ = await self.call(method, path, **request)
        assert status == 200, text
        return json.loads(text, parse_float=Decimal)

    async def get(self, path, **query):
        document = await self.document("GET", path, **query)
        assert document["code"] == 10000, document
        return document["data"]

    async def post(self, path, body):
        document = await self.document("POST", path, body=body)
        assert document["code"] == 10000, document
        return document["data"]

    async def refusal(self, method, path, body=None, **query):
        """Return the message of a business error."""
        document = await self.document(method, path, body=body, **query)
        assert document["code"] != 10000, document
        assert "data" not in document
        return document["message"]

    async def pages(self, path, **query):
        """Read all pages of a listing, one after the other."""
        rows, number = [], 0
        while True:
            number += 1
            page = await self.get(path, pageNumber=number, **query)
            rows += page["list"]
            if not page["list"] or len(rows) >= page["total"]:
                return rows


@pytest.fixture
async def opened():
    """Open sandboxes whose clock stands still between `skip`s; yields a function of settings."""
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())

        async def open_one(**settings):
            settings = {
                "products": 40,
                "clock": stopped_clock,
                "start_at": START,
                "capacity": 100_000,
                **settings,
            }
            sandbox = await stack.enter_async_context(Sandbox(**settings))
            return Http(sandbox, session)

        yield open_one


@pytest.fixture
async def http(opened):
    """A sandbox without index lag."""
    return await opened(index_lag=0)


def iso(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture
def ever():
    """A window that holds all that a fresh sandbox holds."""
    return {"dateStartTime": iso(START - timedelta(days=3000)), "dateEndTime": iso(START)}


@pytest.fixture
def sample():
    return lambda name: json.loads((SAMPLES / f"{name}.json").read_text(), parse_float=Decimal)


@pytest.fixture
def order_body():
    def make(*lines, **more):
        return {
            "orderAddresses": {
                "country": "US",
                "phone": "07 82 24 67 93",
                "recipient": "Ada",
                "province": "Ohio",
            },
            "orderItemsList": [{"sku": sku, "quantity": quantity} for sku, quantity in lines],
            "channelType": "Standard",
            **more,
        }

    return make
