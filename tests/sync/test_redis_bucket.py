"""One bucket in Redis under blocking clients, across a fork."""

from __future__ import annotations

import pytest
from support import redis_server
from support.ports import free_port


@pytest.fixture(scope="module")
def redis_url():
    port = free_port()
    with redis_server.running(port):
        yield f"redis://127.0.0.1:{port}"


def test_a_forked_child_opens_its_own_connection_to_the_bucket(client_script, redis_url):
    assert client_script(f"""
        import os, sys, warnings
        warnings.filterwarnings("ignore", message=".*multi-threaded.*fork")
        kk = KakaClo(bucket=RedisBucket("{redis_url}", rate_limit=RateLimit(100, 100)))
        print(type(kk.payment.balance()).__name__, flush=True)
        pid = os.fork()
        if pid == 0:
            print(type(kk.payment.balance()).__name__, flush=True)
            sys.exit()
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        print(type(kk.payment.balance()).__name__)
    """) == ["Balance", "Balance", "0", "Balance"]
