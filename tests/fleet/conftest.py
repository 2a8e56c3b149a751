from __future__ import annotations

import itertools

import pytest
from support.fleet import QUICK
from support.ports import free_port
from support.postgresql import running_server
from support.redis_server import running

_numbers = itertools.count()


@pytest.fixture(scope="session")
def server():
    with running_server() as url:
        yield url


@pytest.fixture(scope="session")
def port():
    """Of a Redis server."""
    found = free_port()
    with running(found):
        yield found


@pytest.fixture
def shared(server, port):
    """The settings of a fleet of several workers: an empty database, and Redis."""
    import psycopg

    name = f"fleet{next(_numbers)}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        connection.execute(f"CREATE DATABASE {name}_homes")
    url = f"{server}/{name}"
    return QUICK | {
        "engine": url,
        "home": f"{url}_homes",
        "bucket": f"redis://127.0.0.1:{port}/{next(_numbers) % 16}",
    }


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch):
    """No test waits for the disk: they kill processes, not machines."""
    pragmas = ("synchronous = OFF", "secure_delete = ON")
    monkeypatch.setattr("kakaclo_async.ordering.database._PRAGMAS", pragmas)
