"""A redis-server of our own on a free port, for tests that need a real one."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry


@contextlib.contextmanager
def running(port, *options):
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("redis-server is not installed")
    server = subprocess.Popen(
        [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", *options],
        stdout=subprocess.DEVNULL,
    )
    try:
        with redis.Redis(port=port, retry=Retry(NoBackoff(), 0)) as client:
            wait_for(client)
        yield
    finally:
        server.terminate()
        server.wait()


def wait_for(client, patience=10.0):
    until = time.monotonic() + patience
    while True:
        try:
            client.ping()
        except redis.AuthenticationError:
            return
        except redis.ConnectionError:
            if time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return
