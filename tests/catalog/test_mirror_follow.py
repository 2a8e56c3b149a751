"""Following: cycle after cycle, through outages, until told to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sqlite3
from contextlib import closing
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy.exc import DBAPIError
from support.postgresql import needs_postgresql
from support.serving import served

from kakaclo_async import (
    ConfigurationError,
    ConnectionFailed,
    DatabaseAway,
    InvalidRequest,
    Rejected,
    Unauthorized,
)
from kakaclo_async.catalog import ChangeKind
from kakaclo_async.catalog.follow import Follower
from kakaclo_async.database import engines
from kakaclo_async.database.url import DatabaseUrl
from kakaclo_async.sandbox import Fault


class Night:
    """A `sleep` that lets the sandbox's time pass instead, and does something before each cycle."""

    def __init__(self, sandbox, *nights):
        self.sandbox = sandbox
        self.nights = list(nights)
        self.pauses = []

    async def __call__(self, seconds):
        self.pauses.append(seconds)
        self.sandbox.skip(max(seconds, 1200))
        if not self.nights:
            raise asyncio.CancelledError
        result = self.nights.pop(0)()
        if result is not None:
            await result


async def test_changes_are_told_while_following_and_a_quiet_cycle_costs_two_requests(shop, mirror_of):
    sandbox, kk = shop
    sku = next(sandbox.catalog.skus())
    seen, costs = [], []

    def quiet():
        costs.append(sandbox.requests.total())

    night = Night(sandbox, lambda: sandbox.catalog.set_price(sku, Decimal("55.55")), quiet, quiet, quiet)
    mirror = mirror_of(sandbox, kk, sleep=night)

    with pytest.raises(asyncio.CancelledError):
        await mirror.follow(every=60, on_change=seen.append, after=60)

    assert [(change.kind, change.sku) for change in seen] == [(ChangeKind.PRICE_CHANGED, sku)]
    assert costs[-1] - costs[-2] == 2
    assert all(0 < pause <= 60 for pause in night.pauses)


async def test_without_a_cursor_only_what_is_still_to_come_is_told(shop, mirror_of):
    sandbox, kk = shop
    await mirror_of(sandbox, kk).run()
    seen = []

    async def on_change(change):
        await asyncio.sleep(0)
        seen.append(change.kind)

    night = Night(sandbox, lambda: sandbox.catalog.add_product() and None, lambda: None)
    with pytest.raises(asyncio.CancelledError):
        await mirror_of(sandbox, kk, sleep=night).follow(on_change=on_change)

    assert seen == [ChangeKind.PRODUCT_ADDED]


async def test_an_outage_of_hours_is_waited_for_with_growing_pauses(shop, mirror_of, db):
    sandbox, kk = shop
    outage = [sandbox.aclose] + [lambda: None] * 8 + [sandbox.start, lambda: None]
    night = Night(sandbox, *outage)

    with pytest.raises(asyncio.CancelledError):
        await mirror_of(sandbox, kk, sleep=night).follow(every=60)

    assert [round(pause, -1) for pause in night.pauses[1:6]] == [120, 240, 480, 600, 600]
    assert night.pauses[-1] <= 60
    assert db.one("SELECT count(*) FROM product") == 60
    status = await mirror_of(sandbox, kk).status()
    assert status.products_until == status.stock_until
    assert status.gaps == ()
    assert sandbox.now() - status.stock_until < timedelta(minutes=35)


async def test_an_outage_of_weeks_is_waited_for_in_steps_of_ten_minutes():
    pauses = []

    async def run():
        if len(pauses) <= 3000:
            raise ConnectionFailed("nobody there", sent=False)

    async def sleep(seconds):
        pauses.append(seconds)
        if len(pauses) > 3001:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        follower = Follower(run=run, changes=None, on_change=None, every=60.0, handled=0, sleep=sleep)
        await follower.follow(stop_on_signals=False)

    assert [round(pause) for pause in pauses[:6]] == [120, 240, 480, 600, 600, 600]
    assert round(pauses[3000]) == 600
    assert round(pauses[3001]) == 60


async def test_the_end_of_an_outage_is_told_once(caplog):
    caplog.set_level(logging.INFO, "kakaclo.mirror")
    cycles = [True, False, False, True, True]

    async def run():
        if not cycles.pop(0):
            raise ConnectionFailed("nobody there", sent=False)

    async def sleep(_seconds):
        if not cycles:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        follower = Follower(run=run, changes=None, on_change=None, every=60.0, handled=0, sleep=sleep)
        await follower.follow(stop_on_signals=False)

    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING", "INFO"]
    assert caplog.messages[-1] == "mirroring works again, after 2 failures in a row"


async def test_a_change_is_told_again_until_it_was_handled(shop, mirror_of):
    sandbox, kk = shop
    await mirror_of(sandbox, kk).run()
    handled = []

    def fails_at_the_third(change):
        if len(handled) == 2:
            raise ConnectionFailed("the shop is down", sent=False)  # not what following itself waits for
        handled.append(change.id)

    with pytest.raises(ConnectionFailed, match="the shop is down"):
        await mirror_of(sandbox, kk).follow(on_change=fails_at_the_third, after=0)
    seen = []
    night = Night(sandbox)
    with pytest.raises(asyncio.CancelledError):
        await mirror_of(sandbox, kk, sleep=night).follow(
            on_change=lambda change: seen.append(change.id), after=handled[-1]
        )

    assert handled == [1, 2]
    assert seen == list(range(3, 61))


async def test_a_cycle_that_fails_tells_what_it_stored_before(shop, mirror_of):
    sandbox, kk = shop
    seen = []
    stocks = Fault("server_error", times=1, path="/v1/product/stocks")
    sandbox.faults.add(stocks)
    night = Night(sandbox)

    with pytest.raises(asyncio.CancelledError):
        await mirror_of(sandbox, kk, sleep=night).follow(
            on_change=lambda change: seen.append(change.id), after=0
        )

    assert night.pauses[0] > 60
    assert seen


async def test_a_database_that_is_locked_for_a_while_is_waited_for(shop, mirror_of, db, monkeypatch):
    sandbox, kk = shop
    monkeypatch.setattr(engines, "LOCK_TIMEOUT", 0.1)
    other = sqlite3.connect(db.path.with_name("other.db"), isolation_level=None)
    other.execute("ATTACH ? AS mirror", [str(db.path)])

    def lock():
        other.execute("BEGIN IMMEDIATE")
        other.execute("UPDATE mirror.mirror_schema SET version = version")

    night = Night(sandbox, lock, lambda: other.execute("ROLLBACK") and None, lambda: None)
    with closing(other), pytest.raises(asyncio.CancelledError):
        await mirror_of(sandbox, kk, sleep=night).follow(every=60)

    assert night.pauses[1] > 60
    assert night.pauses[2] <= 60


@needs_postgresql()
async def test_a_server_that_restarts_is_waited_for(shop, mirror_of, pg, server):
    sandbox, kk = shop
    sku = next(sandbox.catalog.skus())
    seen = []
    night = Night(
        sandbox,
        lambda: asyncio.to_thread(server.restart),
        lambda: sandbox.catalog.set_price(sku, Decimal("55.55")),
        lambda: None,
        lambda: None,
    )

    with pytest.raises(asyncio.CancelledError):
        await mirror_of(sandbox, kk, pg.url, sleep=night).follow(on_change=seen.append, after=60)

    assert [(change.kind, change.sku) for change in seen] == [(ChangeKind.PRICE_CHANGED, sku)]


READ_ONLY = "ALTER DATABASE {} SET default_transaction_read_only = on"
NO_TIME = "ALTER DATABASE {} SET statement_timeout = 1"


@needs_postgresql()
@pytest.mark.parametrize("trouble", [READ_ONLY, NO_TIME], ids=["a failover", "a statement timeout"])
async def test_what_a_server_refuses_for_a_while_is_waited_for(trouble, shop, mirror_of, pg, server):
    sandbox, kk = shop
    sku = next(sandbox.catalog.skus())
    name = pg.url.rpartition("/")[2]
    elsewhere = type(pg)(f"{server}/postgres")
    seen = []

    async def settle(*statements):
        for statement in statements:
            await elsewhere.rows(statement.format(name))
        ended = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = $1"
        await elsewhere.rows(ended, name)

    night = Night(
        sandbox,
        lambda: settle(trouble),
        lambda: sandbox.catalog.set_price(sku, Decimal("55.55")),
        lambda: settle("ALTER DATABASE {} RESET ALL"),
        lambda: None,
        lambda: None,
    )

    with pytest.raises(asyncio.CancelledError):
        await mirror_of(sandbox, kk, pg.url, sleep=night).follow(on_change=seen.append, after=60)

    assert [(change.kind, change.sku) for change in seen] == [(ChangeKind.PRICE_CHANGED, sku)]
    assert night.pauses[1] > 60


class ServerError(Exception):
    def __init__(self, sqlstate):
        super().__init__("the server said so")
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("57014", DatabaseAway),  # canceled by a timeout
        ("25006", DatabaseAway),  # read-only, as after a failover
        ("25P03", DatabaseAway),  # idle in a transaction for too long
        ("57P01", DatabaseAway),  # ended by its administrator
        ("57P03", DatabaseAway),  # in recovery mode
        ("53300", DatabaseAway),  # too many connections
        ("40001", DatabaseAway),  # a serialization failure
        ("40P01", DatabaseAway),  # a deadlock
        ("08006", DatabaseAway),  # a lost connection
        ("53100", ConfigurationError),  # a full disk
        ("42501", ConfigurationError),  # no privilege
        ("22003", ConfigurationError),  # a number out of range
    ],
)
def test_an_error_that_may_pass_is_an_outage_and_any_other_is_not(code, kind):
    where = DatabaseUrl.parse("postgresql://shop:secret@h/d", holds="mirror", example="x.db")
    with pytest.raises(ConfigurationError) as caught, where.errors():
        raise DBAPIError("SELECT", {}, ServerError(code))

    assert type(caught.value) is kind


@pytest.mark.parametrize("fate", ["moved", "deleted", "replaced"])
async def test_a_file_that_is_moved_away_meanwhile_ends_it_with_one_error(
    fate, shop, mirror_of, db, tmp_path
):
    sandbox, kk = shop

    def befall():
        if fate == "deleted":
            db.path.unlink()
        else:
            db.path.rename(tmp_path / "elsewhere.db")
        if fate == "replaced":
            db.path.write_bytes((tmp_path / "elsewhere.db").read_bytes())

    with pytest.raises(ConfigurationError, match="catalog.db was moved, deleted or replaced") as caught:
        await mirror_of(sandbox, kk, sleep=Night(sandbox, befall, lambda: None)).follow()

    assert not isinstance(caught.value, DatabaseAway)
    assert db.path.exists() is (fate == "replaced")


async def test_a_refusal_ends_it_unless_a_cycle_has_worked(shop, mirror_of):
    sandbox, kk = shop
    busy = Fault("rejected", message="the system is busy")
    sandbox.faults.add(busy)
    with pytest.raises(Rejected, match="the system is busy"):
        await mirror_of(sandbox, kk, sleep=Night(sandbox)).follow()

    night = Night(sandbox, lambda: sandbox.faults.add(busy) and None, lambda: None)
    with pytest.raises(asyncio.CancelledError):
        await mirror_of(sandbox, kk, sleep=night).follow(every=60)

    assert night.pauses[1] > 60 >= night.pauses[2]


async def test_a_refused_token_ends_it(shop, mirror_of):
    sandbox, kk = shop

    def revoke():
        sandbox.token = "another"

    with pytest.raises(Unauthorized):
        await mirror_of(sandbox, kk, sleep=Night(sandbox, revoke)).follow()


async def test_stop_lets_it_return_and_leaves_a_database_that_goes_on(mirror_of, db):
    async with served(products=400) as (sandbox, kk):
        mirror = mirror_of(sandbox, kk, progress=lambda report: report.requests > 9 and mirror.stop())

        await mirror.follow()

        assert db.one("SELECT count(*) FROM product") < 400
        assert (await mirror_of(sandbox, kk).run()).complete
        assert db.one("SELECT count(*) FROM product") == 400


async def test_sigterm_stops_it_cleanly(shop, mirror_of):
    sandbox, kk = shop
    mirror = mirror_of(sandbox, kk, progress=lambda _: os.kill(os.getpid(), signal.SIGTERM))

    await mirror.follow(stop_on_signals=True)

    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert (await mirror_of(sandbox, kk).run()).complete


async def test_a_cancelled_follow_raises_what_it_must(shop, mirror_of):
    sandbox, kk = shop
    mirror = mirror_of(sandbox, kk, progress=lambda _: task.cancel())
    task = asyncio.create_task(mirror.follow())

    with pytest.raises(asyncio.CancelledError):
        await task

    assert (await mirror_of(sandbox, kk).run()).complete


async def test_an_interval_below_a_second_or_a_second_follow_is_refused(shop, mirror_of):
    sandbox, kk = shop
    with pytest.raises(InvalidRequest, match="at least 1 second"):
        await mirror_of(sandbox, kk).follow(every=0.2)

    async def again():
        with pytest.raises(InvalidRequest, match="following already"):
            await mirror.follow()

    mirror = mirror_of(sandbox, kk, sleep=Night(sandbox, again))
    with pytest.raises(asyncio.CancelledError):
        await mirror.follow()
