import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from support.children import import_path
from support.toys import Shop

HERE = Path(__file__).parent
SHOP = {"products": 50, "index_lag": 0, "capacity": 100_000, "per_second": 10_000}


def pytest_itemcollected(item):
    if item.get_closest_marker("kakaclo_sandbox") is None:
        item.add_marker(pytest.mark.kakaclo_sandbox(**SHOP))


@pytest.fixture
def script():
    """Run a script in a process of its own; whatever it writes to stderr, a warning too, fails the test.

    It is sent a Ctrl-C as soon as `interrupt_when` says so. Unmeasured, it runs without coverage, which has locks
    of its own to hang on.
    """

    def run(code, *, status=0, env=None, interrupt_when=None, measured=True):
        variables = {name: value for name, value in os.environ.items() if measured or "COVERAGE" not in name}
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=HERE,
            env=variables | {"PYTHONPATH": import_path()} | (env or {}),
        )
        with process:
            try:
                if interrupt_when is not None:
                    while not interrupt_when() and process.poll() is None:
                        time.sleep(0.001)
                    process.send_signal(signal.SIGINT)
                output, complaints = process.communicate(timeout=100)
            finally:
                process.kill()
        assert complaints == ""
        assert process.returncode == status
        return output.split()

    return run


@pytest.fixture
def shop():
    before = set(threading.enumerate())
    shop = Shop()
    yield shop
    shop.core.let_end.set()
    shop.close()
    assert [thread.name for thread in threading.enumerate() if thread not in before] == []


@pytest.fixture
def sandbox(kakaclo_sync_sandbox):
    return kakaclo_sync_sandbox


@pytest.fixture
def kk(kakaclo_sync_client):
    return kakaclo_sync_client


@pytest.fixture
def client_script(script, sandbox):
    """Run a script that finds a client of the sandbox in `kk`."""
    settings = {"KAKACLO_TOKEN": sandbox.token, "KAKACLO_BASE_URL": sandbox.url}
    head = "from support.shop import ADDRESS\nfrom kakaclo_sync import *\nkk = KakaClo(rate_limit=RateLimit(100_000, 10_000))\n"
    return lambda code, **options: script(head + textwrap.dedent(code), env=settings, **options)
