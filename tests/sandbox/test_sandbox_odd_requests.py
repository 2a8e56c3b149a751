"""Requests that no client of this package sends are answered as documented all the same: never with HTTP 500."""

from __future__ import annotations

import io
import json
from urllib.parse import quote

import aiohttp
import pytest
from support.contract import ENDPOINTS, answer_problems, parameters
from yarl import URL

pytestmark = pytest.mark.kakaclo_sandbox(products=20, index_lag=0, capacity=10_000)

MANY_DIGITS = "9" * 5000
POSTS = sorted(path for method, path in ENDPOINTS if method == "POST")
WITH_ID = sorted(endpoint for endpoint in ENDPOINTS if "{id}" in endpoint[1])
NUMBERS = sorted(
    (path, name)
    for (_, path), operation in ENDPOINTS.items()
    for name, parameter in parameters(operation, "query").items()
    if parameter["schema"]["type"] == "integer"
)
WINDOW = "dateStartTime=2020-01-01T00:00:00Z&dateEndTime=2024-01-01T00:00:00Z"
BODIES = {
    "empty": b"",
    "cut off": b"{",
    "a list": b"[]",
    "no UTF-8": b'{"remark": "\xff", "Remark": "\xff", "enName": "\xff", "shipToCountry": "\xff"}',
    "no UTF-8 inside": b'{"orderItems": [{"itemId": "\xff"}], "spus": ["\xff"], "modelId": "\xff"}',
    "half an emoji": b'{"remark": "\\ud83d", "Remark": "\\ud83d", "enName": "\\ud83d"}',
    "deep": b'{"x": ' + b"[" * 3000 + b"]" * 3000 + b"}",
    "deep and open": b'{"a":' * 3000,
    "huge number": b'{"pageNumber": 1e400, "quantity": 1e400}',
    "many digits": f'{{"pageNumber": {MANY_DIGITS}, "lastUpdatedTime": {MANY_DIGITS}}}'.encode(),
    "large": b'{"remark": "' + b"x" * 1_200_000 + b'", "Remark": "x"}',
}


@pytest.fixture
async def ask(sandbox):
    """Send a request as it is; return what is wrong with its answer."""
    async with aiohttp.ClientSession(sandbox.url.removesuffix("/openapi")) as session:

        async def send(method, path, body=None):
            url = URL(f"/openapi{path}", encoded=True)
            headers = {"Authorization": f"Bearer {sandbox.token}"}
            content = None if body is None else io.BytesIO(body)
            async with session.request(method, url, data=content, headers=headers) as response:
                assert response.content_type == "application/json", response.status
                return answer_problems(method, path.partition("?")[0], response.status, await response.read())

        yield send


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
async def test_a_body(ask, path, body):
    assert await ask("POST", path.replace("{id}", "1"), body) == []


@pytest.mark.parametrize(
    "number", [MANY_DIGITS, "9" * 19, "0", "-1", "1.5", "²", "٣", ""], ids=lambda text: text[:9]
)
@pytest.mark.parametrize(("path", "name"), NUMBERS)
async def test_a_number_in_the_query(ask, path, name, number):
    path = path.replace("{id}", "1")
    assert await ask("GET", f"{path}?{WINDOW}&{name}={quote(number)}") == []


@pytest.mark.parametrize(
    "code", ["a%2Fb", "%2F", "%00", "%0A", "%FF", "%C2%B2", MANY_DIGITS], ids=lambda text: text[:9]
)
@pytest.mark.parametrize(("method", "path"), WITH_ID)
async def test_a_number_in_the_path(ask, method, path, code):
    body = b'{"remark": "x", "Remark": "x"}' if method == "POST" else None
    assert await ask(method, path.replace("{id}", code), body) == []


@pytest.mark.parametrize("quantity", [10**16 - 1, 10**16, 10**30])
@pytest.mark.parametrize(
    "path", [path for path in POSTS if path.endswith(("/channel", "/automationSplit", "/orders"))]
)
async def test_a_quantity(ask, sandbox, path, quantity):
    lines = [{"sku": next(iter(sandbox.catalog.selling(pieces=5))), "quantity": quantity}]
    address = {"country": "US", "phone": "1", "recipient": "A", "province": "B"}
    body = {"products": lines, "shipToCountry": "US", "orderItemsList": lines, "orderAddresses": address}
    assert await ask("POST", path, json.dumps(body).encode()) == []


async def test_a_model_of_many_digits(ask):
    body = {"modelId": MANY_DIGITS, "enName": "A", "imageUrl": "https://img.example/a.png"}
    assert await ask("POST", "/v1/product/custom/customDesigned/addProduct", json.dumps(body).encode()) == []
