"""The pytest plugin: a local KakaClo and a client of it as fixtures."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from pytest_asyncio import fixture as async_fixture

    from kakaclo_async.client import KakaClo
    from kakaclo_async.ratelimit.bucket import RateLimit
    from kakaclo_async.sandbox import Sandbox, Settings

    S = TypeVar("S", bound=Settings)
else:
    try:
        from pytest_asyncio import fixture as async_fixture
    except ImportError:  # pytest then says by itself that nobody runs async fixtures
        async_fixture = pytest.fixture


pytest_plugins = ["kakaclo_sync.testing"]  # the blocking twins


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers", "kakaclo_sandbox(**settings): settings of the sandbox that a test's fixtures give"
    )


def make_sandbox(kind: type[S], request: pytest.FixtureRequest) -> S:
    """Make the sandbox that a test's marker asks for."""
    node: pytest.Item = request.node
    marker = node.get_closest_marker("kakaclo_sandbox")
    return kind(**(marker.kwargs if marker else {}))


def rate_of(sandbox: Settings) -> RateLimit:
    """Return the rate limit, in real seconds, of a client that shall get all that a sandbox gives."""
    from kakaclo_async.ratelimit.bucket import RateLimit  # noqa: PLC0415 - this module is loaded by every run of pytest

    return RateLimit(int(sandbox.capacity), sandbox.per_second * sandbox.speed)


@async_fixture
async def kakaclo_sandbox(request: pytest.FixtureRequest) -> AsyncGenerator[Sandbox, None]:
    """A local KakaClo of its own for each test; its settings come from the marker `kakaclo_sandbox`."""
    from kakaclo_async.sandbox import Sandbox  # noqa: PLC0415 - see above

    async with make_sandbox(Sandbox, request) as sandbox:
        yield sandbox


@async_fixture
async def kakaclo_client(kakaclo_sandbox: Sandbox) -> AsyncGenerator[KakaClo, None]:
    """A client of `kakaclo_sandbox`, with its token, its address and its rate limit."""
    from kakaclo_async.client import KakaClo  # noqa: PLC0415 - see above

    sandbox = kakaclo_sandbox
    async with KakaClo(sandbox.token, base_url=sandbox.url, rate_limit=rate_of(sandbox)) as client:
        yield client
