"""The pytest plugin of kakaclo: a local KakaClo and a client of it as fixtures, for async and for blocking code.

A module of its own, because pytest loads it in every run: the packages are loaded by the fixtures only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from pytest_asyncio import fixture as async_fixture

    import kakaclo_async
    import kakaclo_sync
    from kakaclo_async.sandbox import Sandbox, Settings

    S = TypeVar("S", bound=Settings)
else:
    try:
        from pytest_asyncio import fixture as async_fixture
    except ImportError:  # pytest then says by itself that async fixtures need a plugin
        async_fixture = pytest.fixture


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers", "kakaclo_sandbox(**settings): settings of the sandbox that a test's fixtures give"
    )


@async_fixture
async def kakaclo_sandbox(request: pytest.FixtureRequest) -> AsyncGenerator[Sandbox, None]:
    """A local KakaClo of its own for each test; its settings come from the marker `kakaclo_sandbox`."""
    from kakaclo_async.sandbox import Sandbox  # noqa: PLC0415 - see above

    async with _make_sandbox(Sandbox, request) as sandbox:
        yield sandbox


@async_fixture
async def kakaclo_client(kakaclo_sandbox: Sandbox) -> AsyncGenerator[kakaclo_async.KakaClo, None]:
    """A client of `kakaclo_sandbox`, with its token, its address and its rate limit."""
    from kakaclo_async import KakaClo  # noqa: PLC0415 - see above

    sandbox = kakaclo_sandbox
    async with KakaClo(sandbox.token, base_url=sandbox.url, rate_limit=_rate_of(sandbox)) as client:
        yield client


@pytest.fixture
def kakaclo_sync_sandbox(request: pytest.FixtureRequest) -> Generator[kakaclo_sync.Sandbox, None, None]:
    """A local KakaClo of its own for each test, blocking; its settings come from the marker `kakaclo_sandbox`."""
    from kakaclo_sync import Sandbox  # noqa: PLC0415 - see above

    with _make_sandbox(Sandbox, request) as sandbox:
        yield sandbox


@pytest.fixture
def kakaclo_sync_client(
    kakaclo_sync_sandbox: kakaclo_sync.Sandbox,
) -> Generator[kakaclo_sync.KakaClo, None, None]:
    """A blocking client of `kakaclo_sync_sandbox`, with its token, its address and its rate limit."""
    from kakaclo_sync import KakaClo  # noqa: PLC0415 - see above

    sandbox = kakaclo_sync_sandbox
    with KakaClo(sandbox.token, base_url=sandbox.url, rate_limit=_rate_of(sandbox)) as client:
        yield client


def _make_sandbox(kind: type[S], request: pytest.FixtureRequest) -> S:
    """Make the sandbox that a test's marker asks for."""
    node: pytest.Item = request.node
    marker = node.get_closest_marker("kakaclo_sandbox")
    return kind(**(marker.kwargs if marker else {}))


def _rate_of(sandbox: Settings) -> kakaclo_async.RateLimit:
    """Return the rate limit, in real seconds, of a client that shall get all that a sandbox gives."""
    from kakaclo_async import RateLimit  # noqa: PLC0415 - see above

    return RateLimit(int(sandbox.capacity), sandbox.per_second * sandbox.speed)
