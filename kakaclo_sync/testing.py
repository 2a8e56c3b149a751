"""The blocking half of the pytest plugin: a local KakaClo and a client of it as fixtures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kakaclo_async.testing.plugin import make_sandbox, rate_of

if TYPE_CHECKING:
    from collections.abc import Generator

    from kakaclo_sync import KakaClo, Sandbox


@pytest.fixture
def kakaclo_sync_sandbox(request: pytest.FixtureRequest) -> Generator[Sandbox, None, None]:
    """A local KakaClo of its own for each test, blocking; its settings come from the marker `kakaclo_sandbox`."""
    from kakaclo_sync.sandbox import Sandbox  # noqa: PLC0415 - this module is loaded by every run of pytest

    with make_sandbox(Sandbox, request) as sandbox:
        yield sandbox


@pytest.fixture
def kakaclo_sync_client(kakaclo_sync_sandbox: Sandbox) -> Generator[KakaClo, None, None]:
    """A blocking client of `kakaclo_sync_sandbox`, with its token, its address and its rate limit."""
    from kakaclo_sync.client import KakaClo  # noqa: PLC0415 - see above

    sandbox = kakaclo_sync_sandbox
    with KakaClo(sandbox.token, base_url=sandbox.url, rate_limit=rate_of(sandbox)) as client:
        yield client
