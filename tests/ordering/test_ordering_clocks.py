"""Clocks that are set while an order is in doubt settle nothing too early, and nothing never."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import aiohttp
import pytest
from support.ordering import POST, client, kill_at, submit_until_dead
from support.shop import UNLIMITED

from kakaclo_async import KakaClo, OutcomeUnknown
from kakaclo_async.codec import encode
from kakaclo_async.ordering import Journal, WriteStatus, journal as journal_module
from kakaclo_async.ordering.journal import digest_of
from kakaclo_async.sandbox import Fault

pytestmark = pytest.mark.stepped

HOUR = timedelta(hours=1)


class WallClock:
    """A wall clock that runs with the event loop, and can be set."""

    def __init__(self):
        self.offset = timedelta()
        self._start = datetime.now(UTC)
        self._loop_time = 0.0

    def now(self):
        with suppress(RuntimeError):  # in a thread, while the loop stands still
            self._loop_time = asyncio.get_running_loop().time()
        return self._start + timedelta(seconds=self._loop_time) + self.offset


@pytest.fixture
def wall(monkeypatch):
    """The machine's clock, as the journal reads it by default."""
    clock = WallClock()

    class Patched(datetime):
        @classmethod
        def now(cls, tz=None):
            return clock.now()

    monkeypatch.setattr(journal_module, "datetime", Patched)
    return clock


async def doubt(kk, journal, order, sandbox=None, fault="reset_after"):
    if sandbox is not None:
        sandbox.faults.add(Fault(fault, **POST))
    with pytest.raises(OutcomeUnknown) as caught:
        await kk.orders.submit(order, journal=journal, timeout=0)
    return caught.value


@pytest.mark.parametrize("shift", [HOUR, -HOUR])
@pytest.mark.parametrize("fresh", [True, False])
async def test_setting_the_machines_clock_during_a_doubt_neither_doubles_nor_delays_the_order(
    kk, sandbox, url, order, wall, shift, fresh
):
    journal = Journal(url)
    await doubt(kk, journal, order(), sandbox)
    start = asyncio.get_running_loop().time()

    wall.offset = shift
    created = await kk.orders.submit(order(), journal=Journal(url) if fresh else journal, timeout=None)

    [placed] = sandbox.journal
    assert placed.orders == (created.id,)
    assert asyncio.get_running_loop().time() - start < 700


@pytest.mark.parametrize("shift", [HOUR, -HOUR])
async def test_an_order_that_kakaclo_did_not_get_is_sent_after_the_quiet_time_of_the_monotonic_clock(
    kk, sandbox, url, order, wall, shift
):
    journal = Journal(url)
    told = await doubt(kk, journal, order(), sandbox, "reset_before")
    start = asyncio.get_running_loop().time()

    wall.offset = shift
    [entry] = await journal.pending()
    assert entry.settles_at - told.settles_at == pytest.approx(shift, abs=timedelta(seconds=1))
    await kk.orders.submit(order(), journal=journal, timeout=None)

    assert len(sandbox.journal) == 1
    assert 599 <= asyncio.get_running_loop().time() - start <= 660


async def test_an_order_on_a_slow_road_is_not_doubled_by_a_clock_that_is_set_ahead(sandbox, url, order, wall):
    """Without any `Date`: the monotonic clock of the process alone."""
    arrived = []

    async def answer(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"POST"):
            arrived.append(head)
        else:
            body = b'{"code":10000,"message":"ok","data":{"list":[],"total":0}}'
            head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    there = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/openapi"
    async with server, KakaClo("t", base_url=there, rate_limit=UNLIMITED) as kk:
        journal = Journal(url)
        await doubt(kk, journal, order())
        wall.offset = HOUR
        with pytest.raises(OutcomeUnknown):
            await kk.orders.submit(order(), journal=journal, timeout=30)

    assert len(arrived) == 1


@pytest.mark.parametrize("looked", [True, False])
async def test_a_clock_of_the_callers_that_is_set_ahead_is_contradicted_by_kakaclos_date(
    kk, sandbox, url, order, looked
):
    offset = timedelta()
    journal = Journal(url, now=lambda: sandbox.now() + offset)
    await doubt(kk, journal, order(), sandbox)
    if looked:
        await journal.settle(kk)

    offset = HOUR
    created = await kk.orders.submit(order(), journal=journal, timeout=None)

    [placed] = sandbox.journal
    assert placed.orders == (created.id,)


async def test_what_kakaclos_date_contradicts_is_told_with_the_time_at_which_it_can_be_settled(
    kk, sandbox, url, order
):
    offset = timedelta()
    journal = Journal(url, now=lambda: sandbox.now() + offset)
    await doubt(kk, journal, order(), sandbox, "reset_before")
    offset = HOUR

    [entry] = await journal.settle(kk)

    left = entry.settles_at - entry.seen_at
    assert (entry.status, timedelta(seconds=595) < left < timedelta(seconds=602)) == (
        WriteStatus.UNKNOWN,
        True,
    )
    sandbox.skip(left.total_seconds() + 1)
    [entry] = await journal.settle(kk)
    assert entry.status is WriteStatus.NOT_EXECUTED


async def test_a_worker_that_comes_after_a_kill_and_a_step_of_the_clock_believes_kakaclos_date(
    sandbox, url, order
):
    offset = timedelta()
    sandbox.faults.add(Fault("reset_after", **POST))
    doomed = Journal(url, now=sandbox.now)
    dead = kill_at(doomed, 2, "before")
    async with client(sandbox) as kk:
        await submit_until_dead(kk, order(), doomed, dead)
    assert len(sandbox.journal) == 1

    offset = HOUR
    async with client(sandbox) as kk:
        journal = Journal(url, now=lambda: sandbox.now() + offset)
        created = await kk.orders.submit(order(), journal=journal, timeout=None)

    [placed] = sandbox.journal
    assert placed.orders == (created.id,)


async def test_a_clock_of_ours_that_was_behind_and_is_put_right_settles_nothing_once_a_date_was_seen(
    kk, sandbox, url, order
):
    offset = -HOUR
    await kk.payment.balance()  # an answer of any kind
    journal = Journal(url, now=lambda: sandbox.now() + offset)
    await doubt(kk, journal, order(), sandbox)

    offset = timedelta()
    created = await kk.orders.submit(order(), journal=journal, timeout=None)

    [placed] = sandbox.journal
    assert placed.orders == (created.id,)


async def test_a_clock_that_is_stepped_together_with_kakaclos_is_believed(kk, sandbox, journal, order):
    await doubt(kk, journal, order(), sandbox, "reset_before")
    sandbox.skip(601)

    [entry] = await journal.settle(kk)

    assert entry.status is WriteStatus.NOT_EXECUTED


VERSION_1 = """
CREATE TABLE kakaclo_write (
    kind VARCHAR NOT NULL, "key" VARCHAR NOT NULL, digest VARCHAR(64) NOT NULL, payload BLOB NOT NULL, notes TEXT,
    state VARCHAR NOT NULL, outcome VARCHAR, why TEXT, attempts INTEGER NOT NULL, holder VARCHAR,
    held_until DOUBLE, sent_from DOUBLE, sent_until DOUBLE, created_at DOUBLE NOT NULL, done_at DOUBLE,
    PRIMARY KEY (kind, "key")
);
CREATE INDEX kakaclo_write_state ON kakaclo_write (state);
CREATE TABLE kakaclo_journal (version INTEGER NOT NULL);
INSERT INTO kakaclo_journal VALUES (1);
"""


async def test_a_journal_of_version_1_is_brought_up_to_date_with_its_doubts(
    kk, sandbox, url, order, tmp_path
):
    payload = encode(order())
    sent = sandbox.now().timestamp() - 700
    with closing(sqlite3.connect(tmp_path / "orders.db")) as connection:
        connection.executescript(VERSION_1)
        connection.execute(
            "INSERT INTO kakaclo_write (kind, key, digest, payload, state, attempts, sent_from, sent_until, created_at)"
            " VALUES ('order', 'SHOP-1', ?, ?, 'sent', 1, ?, ?, ?)",
            [digest_of(payload), payload, sent, sent, sent],
        )
        connection.commit()

    journal = Journal(url, now=sandbox.now)
    [entry] = await journal.settle(kk)
    assert entry.status is WriteStatus.NOT_EXECUTED
    created = await kk.orders.submit(order(), journal=journal)
    assert sandbox.journal[0].orders == (created.id,)


async def test_the_sandboxs_date_goes_with_its_own_clock(kk, sandbox):
    sandbox.skip(86_400)
    async with aiohttp.ClientSession() as session, session.get(sandbox.url + "/v1/payment/balance") as answer:
        date = parsedate_to_datetime(answer.headers["Date"])

    assert abs(date - sandbox.now()) <= timedelta(seconds=1)
