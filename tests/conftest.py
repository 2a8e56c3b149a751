from __future__ import annotations

import asyncio
import os
import signal

import pytest
from hypothesis import settings

from kakaclo_async.testing import SteppedLoop

# The suite is the same in every run; `make fuzz` looks for new cases.
settings.register_profile("suite", derandomize=True, deadline=None)
settings.register_profile("fuzz", max_examples=2000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Started in the background by a shell: the processes that tests start would ignore Ctrl-C, too.
    signal.signal(signal.SIGINT, signal.default_int_handler)


pytest.register_assert_rewrite("support")


@pytest.fixture
def sandbox(kakaclo_sandbox):
    """The package's own fixture; the marker `kakaclo_sandbox` sets it up, for a test, a module or a folder."""
    return kakaclo_sandbox


@pytest.fixture
def kk(kakaclo_client):
    return kakaclo_client


def pytest_configure(config):
    config.addinivalue_line("markers", "stepped: the event loop's clock jumps to the next timer")


def pytest_asyncio_loop_factories(item):
    stepped = item.get_closest_marker("stepped")
    return {"stepped": SteppedLoop} if stepped else {"real": asyncio.new_event_loop}
