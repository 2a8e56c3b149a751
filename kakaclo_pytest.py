"""The pytest plugin of kakaclo: a local KakaClo and a client of it as fixtures, for async and for blocking code.

A module of its own, because pytest loads it in every run: the packages are loaded by the fixtures only.
"""

from __future__ import annotations

import inspect
from contextlib import suppress
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar, cast, get_args

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    import kakaclo_async
    import kakaclo_sync
    from kakaclo_async.sandbox import Sandbox, Settings

    S = TypeVar("S", bound=Settings)

_Scope: TypeAlias = Literal["function", "class", "module", "package", "session"]


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers", "kakaclo_sandbox(**settings): settings of the sandbox that a test's fixtures give"
    )


def _make_for(scope: _Scope) -> None:
    """Make the async fixtures of tests that run on the event loop of a scope."""
    from pytest_asyncio import fixture  # noqa: PLC0415 - a project without it has blocking tests

    async def sandbox(request: pytest.FixtureRequest) -> AsyncGenerator[Sandbox, None]:
        from kakaclo_async.sandbox import Sandbox  # noqa: PLC0415 - see above

        async with _make_sandbox(Sandbox, request) as sandbox:
            yield sandbox

    async def client(kakaclo_sandbox: Sandbox) -> AsyncGenerator[kakaclo_async.KakaClo, None]:
        from kakaclo_async import KakaClo  # noqa: PLC0415 - see above

        sandbox = kakaclo_sandbox
        async with KakaClo(sandbox.token, base_url=sandbox.url, rate_limit=_rate_of(sandbox)) as client:
            yield client

    for make in (sandbox, client):
        name = f"_kakaclo_{make.__name__}_{scope}"
        globals()[name] = fixture(make, loop_scope=scope, name=name)


with suppress(ImportError):
    for each in get_args(_Scope):
        _make_for(each)


def _on_loop_of_test(kind: str, request: pytest.FixtureRequest) -> object:
    """Return the fixture that lives on the event loop of the test that asks."""
    node: pytest.Item = request.node
    marker = node.get_closest_marker("asyncio")
    own = (marker.kwargs.get("loop_scope") or marker.kwargs.get("scope")) if marker else None
    try:
        scope = own or request.config.getini("asyncio_default_test_loop_scope") or "function"
    except ValueError:
        raise pytest.UsageError("kakaclo_client and kakaclo_sandbox need pytest-asyncio") from None
    return request.getfixturevalue(f"_kakaclo_{kind}_{scope}")


@pytest.fixture
def kakaclo_sandbox(request: pytest.FixtureRequest) -> Sandbox:
    """A local KakaClo of its own for each test; its settings come from the marker `kakaclo_sandbox`."""
    return cast("Sandbox", _on_loop_of_test("sandbox", request))


@pytest.fixture
def kakaclo_client(request: pytest.FixtureRequest) -> kakaclo_async.KakaClo:
    """A client of `kakaclo_sandbox`, with its token, its address and its rate limit."""
    return cast("kakaclo_async.KakaClo", _on_loop_of_test("client", request))


@pytest.fixture
def kakaclo_environment(
    kakaclo_sync_sandbox: kakaclo_sync.Sandbox, monkeypatch: pytest.MonkeyPatch
) -> kakaclo_sync.Sandbox:
    """Let the clients that an app makes by itself talk to `kakaclo_sync_sandbox`, which runs on a thread of its own.

    It sets KAKACLO_BASE_URL and KAKACLO_TOKEN for the test.
    """
    monkeypatch.setenv("KAKACLO_BASE_URL", kakaclo_sync_sandbox.url)
    monkeypatch.setenv("KAKACLO_TOKEN", kakaclo_sync_sandbox.token)
    monkeypatch.delenv("KAKACLO_TOKEN_FROM", raising=False)
    return kakaclo_sync_sandbox


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
    if marker is None:
        return kind()
    if marker.args:
        raise pytest.UsageError("the marker kakaclo_sandbox takes settings by name, such as products=30")
    known = inspect.signature(kind).parameters
    if unknown := [name for name in marker.kwargs if name not in known]:
        raise pytest.UsageError(
            f"the marker kakaclo_sandbox: there is no setting {unknown[0]!r} of a sandbox"
        )
    return kind(**marker.kwargs)


def _rate_of(sandbox: Settings) -> kakaclo_async.RateLimit:
    """Return the rate limit, in real seconds, of a client that shall get all that a sandbox gives."""
    from kakaclo_async import RateLimit  # noqa: PLC0415 - see above

    return RateLimit(int(sandbox.capacity), sandbox.per_second * sandbox.speed)
