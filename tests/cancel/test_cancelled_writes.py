"""A write that is cancelled anywhere is never doubled or lost, and never unknown without a word."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing

import attrs
import pytest
from support.calls import BY_ENDPOINT, CALLS, OF_CLIENT

from kakaclo_async import OutcomeUnknown
from kakaclo_async.ordering import Journal
from kakaclo_async.sandbox import Fault

pytestmark = pytest.mark.stepped

POST = {"method": "POST"}
TROUBLE = {
    "": None,
    "429": Fault("throttled", retry_after="3", **POST),
    "lost": Fault("server_error", takes_effect=False, **POST),
    "taken": Fault("server_error", takes_effect=True, **POST),
    "reset": Fault("reset_after", **POST),
}


WRITES = [name for name, call in OF_CLIENT.items() if call.kind == "write"]
JOURNALLED = [name for name, call in OF_CLIENT.items() if call.kind == "journal"]
LONG = 900.0
"""Seconds until a write gives up."""


@pytest.mark.parametrize("trouble", TROUBLE)
@pytest.mark.parametrize("name", WRITES)
async def test_a_write_that_is_cancelled_is_done_or_not_or_says_that_it_is_not_known(
    name, trouble, everywhere, shop
):
    write = CALLS[name]
    known = set()

    def call(kk, number):
        mine = shop.at(number, own=LONG)
        set_up(mine, trouble)
        return write.send(kk, mine)

    async def judge(kk, number, ended):
        done = await write.done(kk, shop.at(number))
        assert len(done) <= 1
        if ended.cancelled:
            assert not done
            known.add("cancelled")
        elif isinstance(ended.error, OutcomeUnknown):
            known.add("unknown")
        else:
            assert ended.error is None
            assert done
            known.add("done")

    await everywhere(call, judge, refused=trouble == "429")
    assert {"cancelled", "unknown"} <= known


def set_up(shop, trouble):
    """Have what the write is about, and let the request that writes meet the trouble."""
    assert shop.paid
    shop.sandbox.faults.clear()
    if (fault := TROUBLE[trouble]) is not None:
        for endpoint, call in BY_ENDPOINT.items():
            if call.kind == "write":
                _, _, path = endpoint.partition(" ")
                shop.sandbox.faults.add(attrs.evolve(fault, path=re.sub(r"\{\w+\}", "*", path)))


@pytest.fixture
def journal(shop, tmp_path, monkeypatch):
    monkeypatch.setattr("kakaclo_async.ordering.database._PRAGMAS", ("synchronous = OFF",))
    return Journal(f"sqlite:///{tmp_path}/orders.db", quiet_time=5.0, now=shop.sandbox.now)


def states(tmp_path, key):
    """Return what a journal has below a key."""
    with closing(sqlite3.connect(tmp_path / "orders.db")) as connection:
        rows = connection.execute(
            "SELECT state, holder, outcome FROM kakaclo_write WHERE key LIKE ?", (f"{key}%",)
        )
        return rows.fetchall()


@pytest.mark.parametrize("trouble", TROUBLE)
@pytest.mark.parametrize("name", JOURNALLED)
async def test_a_journal_knows_what_a_cancelled_write_may_have_done_and_the_next_call_settles_it(
    name, trouble, everywhere, shop, journal, tmp_path, stride
):
    write = CALLS[name]

    def mine(number):
        return shop.at(number, own=LONG, journal=journal)

    def call(kk, number):
        set_up(mine(number), trouble)
        return write.send(kk, mine(number))

    async def judge(kk, number, ended):
        done = await write.done(kk, mine(number))
        assert len(done) <= 1
        rows = states(tmp_path, write.key(mine(number))) if (tmp_path / "orders.db").exists() else []
        assert [holder for state, holder, _ in rows if holder] == []
        state = rows[0][0] if rows else "ready"
        assert done or state in {"ready", "lost", "sent"}
        assert state in {"done", "sent"} or not done
        if ended.error is None:
            assert state == "done"
        elif not ended.cancelled:
            assert isinstance(ended.error, OutcomeUnknown)
        shop.sandbox.faults.clear()
        await write.send(kk, mine(number))
        assert len(await write.done(kk, mine(number))) == 1

    await everywhere(call, judge, refused=trouble == "429", every=stride(90 if trouble == "lost" else 11))
