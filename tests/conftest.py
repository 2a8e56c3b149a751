from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from functools import partial
from multiprocessing.process import BaseProcess

import pytest
from hypothesis import settings

from kakaclo_async.sandbox.http import routing
from kakaclo_async.testing import SteppedLoop

# The suite is the same in every run; `make fuzz` looks for new cases.
settings.register_profile("suite", derandomize=True, deadline=None)
settings.register_profile("fuzz", max_examples=2000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Started in the background by a shell: the processes that tests start would ignore Ctrl-C, too.
    signal.signal(signal.SIGINT, signal.default_int_handler)


pytest.register_assert_rewrite("support")

# Fixtures that start a server or an interpreter: a test that asks for one is marked `process`.
PROCESS_FIXTURES = {
    "another_pg",
    "client_script",
    "pg",
    "port",
    "pytester_run",
    "redis_url",
    "script",
    "server",
}


def pytest_itemcollected(item):
    parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
    if "postgresql" in parameters or not PROCESS_FIXTURES.isdisjoint(item.fixturenames):
        item.add_marker(pytest.mark.process)


@pytest.fixture(autouse=True)
def no_process(request, monkeypatch):
    """Keep the promise of `make quick`: without the marker `process`, a test that starts a process fails."""
    if request.node.get_closest_marker("process") or request.node.get_closest_marker("slow"):
        return

    def refuse(*_arguments, **_options):
        pytest.fail("a test that starts a process is marked `process`: see tests/conftest.py", pytrace=False)

    monkeypatch.setattr(os, "fork", refuse)
    monkeypatch.setattr(subprocess.Popen, "__init__", refuse)
    monkeypatch.setattr(BaseProcess, "start", refuse)


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
    return (
        {"stepped": partial(SteppedLoop, **stepped.kwargs)} if stepped else {"real": asyncio.new_event_loop}
    )


@pytest.fixture
def damage(monkeypatch):
    """Lets the server's answers leave with other bytes."""
    success = routing.success

    def damaged(change):
        monkeypatch.setattr(routing, "success", lambda data, message: change(success(data, message)))

    return damaged
