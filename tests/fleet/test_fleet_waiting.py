"""What became of orders that were not placed: declined ones are counted, listed and told of."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from support.fleet import entries, failure_of, orders, placed, sandboxes, serving, until, write_shop, written
from support.ordering import POST

from kakaclo_async.errors import ConfigurationError, Conflict, InvalidRequest
from kakaclo_async.fleet import Fleet
from kakaclo_async.fleet.table import TABLES
from kakaclo_async.sandbox import Fault

REFUSED = {"message": "no such channel", "code": 40099, **POST}


async def shop_of(fleet, name):
    return next(shop for shop in (await fleet.status()).shops if shop.shop == name)


async def test_a_declined_order_is_counted_and_listed_until_it_is_placed(tmp_path):
    async with sandboxes("a") as opened, Fleet.open(written(tmp_path, entries(opened))) as fleet:
        sandbox = opened["a"]
        sandbox.faults.add(Fault("rejected", **REFUSED))
        [order] = orders(sandbox, 1)
        await fleet.submit("a", order)
        await fleet.turn("orders", "a")
        assert (await shop_of(fleet, "a")).declined == 1
        [entry] = (await fleet.pending())["a"]
        assert (entry.key, str(entry.status)) == ("A-0", "declined")
        assert "no such channel" in entry.why
        again = await fleet.submit("a", order)
        assert str(again.status) == "waiting"
        assert "no such channel" in again.why
        await fleet.turn("orders", "a")
        assert (await shop_of(fleet, "a")).declined == 0
        assert placed(sandbox) == ["A-0"]
        assert await fleet.pending() == {}


async def test_each_declined_order_is_told_at_least_once_also_when_that_failed_before(tmp_path):
    told = []

    def note(shop, entry):
        told.append((shop, entry.key, entry.attempts))
        if len(told) == 1:
            raise RuntimeError("the owner's own mistake")

    async with sandboxes("a") as opened:
        sandbox = opened["a"]
        first, second, third = orders(sandbox, 3)
        sandbox.faults.add(Fault("rejected", **REFUSED, times=2))
        path = written(tmp_path, entries(opened, at_once=1), orders_every=0.1)
        async with Fleet.open(path) as fleet:
            for order in (first, second, third):
                await fleet.submit("a", order)
            await fleet.turn("orders", "a")  # nobody listens
        async with serving(path, on_declined=note) as fleet:
            await until(lambda: len(told) == 3)
            assert placed(sandbox) == ["A-2"]
            sandbox.faults.add(Fault("rejected", **REFUSED))
            await fleet.submit("a", first)
            await until(lambda: len(told) == 4)
            await until(lambda: _healed(fleet))
    assert told == [("a", "A-0", 1), ("a", "A-0", 1), ("a", "A-1", 1), ("a", "A-0", 2)]


async def _healed(fleet):
    return (await shop_of(fleet, "a")).error is None


async def test_what_waits_in_a_fleet_can_be_withdrawn_and_what_may_have_been_sent_cannot(tmp_path):
    async with sandboxes("a") as opened, Fleet.open(written(tmp_path, entries(opened, at_once=1))) as fleet:
        sandbox = opened["a"]
        sandbox.faults.add(Fault("rejected", **REFUSED))
        sandbox.faults.add(Fault("reset_after", **POST))
        declined, doubt, late = orders(sandbox, 3)
        await fleet.submit("a", declined)
        await fleet.turn("orders", "a")
        await fleet.submit("a", doubt)
        await fleet.turn("orders", "a")
        await fleet.submit("a", late)
        for key, status in {"A-0": "declined", "A-2": "waiting"}.items():
            taken = await fleet.withdraw("a", key)
            assert str(taken.status) == status
            assert await fleet.withdraw("a", key) is None
        with pytest.raises(Conflict, match="cannot be withdrawn: it may have been placed"):
            await fleet.withdraw("a", "A-1")
        await fleet.turn("orders", "a")
        assert placed(sandbox) == ["A-1"]
        assert [entry.key for entry in (await fleet.pending())["a"]] == ["A-1"]
        with pytest.raises(InvalidRequest, match="no shop b"):
            await fleet.withdraw("b", "A-1")


async def test_what_waits_is_counted_also_where_no_turn_counts_it(tmp_path):
    async with sandboxes("a", "b", "c") as opened:
        path = written(tmp_path, entries(opened))
        async with Fleet.open(path) as fleet:
            await fleet.submit("a", orders(opened["a"], 1)[0])
            assert (await shop_of(fleet, "a")).pending == 1  # nobody serves
            assert not (tmp_path / "shops" / "b" / "orders.db").exists()
        async with serving(path) as fleet:
            await until(lambda: placed(opened["a"]))
            for name in ("b", "c"):
                await fleet.pause(name)
            for order in orders(opened["b"], 3):
                await fleet.submit("b", order)
            assert (await shop_of(fleet, "b")).pending == 3
            await fleet.withdraw("b", "A-1")
            assert (await shop_of(fleet, "b")).pending == 2
            assert (await shop_of(fleet, "c")).pending == 0


async def test_a_shop_that_its_settings_pause_is_not_resumed_in_silence(tmp_path):
    path = written(tmp_path, [("a", "t", {"paused": True})])
    async with Fleet.open(path) as fleet:
        await fleet.pause("a")
        with pytest.raises(
            ConfigurationError, match="shop a stays paused, for its settings have paused = true"
        ):
            await fleet.resume("a")
    write_shop(tmp_path, "a", "t")
    async with Fleet.open(path) as fleet:
        assert not (await shop_of(fleet, "a")).paused  # the operator's pause has ended


@pytest.mark.parametrize("how", ["the settings", "the token's file"])
async def test_an_order_in_doubt_is_not_placed_by_the_account_of_a_changed_token(tmp_path, how):
    other = "other-token-000"
    async with sandboxes("a", tokens=(other,)) as opened:
        sandbox = opened["a"]
        quick = {"quiet_time": 0.3, "timeout": 2}
        path = written(tmp_path, entries(opened, **quick), orders_every=0.1)
        sandbox.faults.add(Fault("reset_after", **POST))
        async with serving(path) as fleet:
            await fleet.submit("a", orders(sandbox, 1)[0])
            await until(lambda: placed(sandbox))
            if how == "the settings":
                write_shop(tmp_path, "a", other, base_url=sandbox.url, **quick, at_once=3)
            else:
                (tmp_path / "a.token").write_text(other)
            entry = await until(lambda: _doubt_of_another_token(fleet))
            assert str(entry.status) == "unknown"
            await failure_of(fleet, "a", "orders", "order A-0 is in doubt: it was sent with another")
            assert [one.custom_order_id for one in sandbox.shop(other).ledger.placed] == []
            (tmp_path / "a.token").write_text(sandbox.token)
            await until(lambda: _nothing_is_pending(fleet))
        assert placed(sandbox) == ["A-0"]
        assert [one.custom_order_id for one in sandbox.shop(other).ledger.placed] == []


async def _doubt_of_another_token(fleet):
    [entry] = (await fleet.pending())["a"]
    return entry if "sent with another token" in (entry.why or "") else None


async def _nothing_is_pending(fleet):
    return await fleet.pending() == {}


async def test_a_table_of_an_earlier_version_gets_what_it_lacks(tmp_path):
    path = written(tmp_path, [("a", "t", {})])
    with closing(sqlite3.connect(tmp_path / "fleet.db")) as connection:
        for statement in (*TABLES, "INSERT INTO fleet_version (version) VALUES (1)"):
            connection.execute(statement)
        connection.commit()
    for _ in range(2):
        async with Fleet.open(path) as fleet:
            assert (await shop_of(fleet, "a")).declined == 0
    with closing(sqlite3.connect(tmp_path / "fleet.db")) as connection:
        connection.execute("UPDATE fleet_version SET version = version + 1")
        connection.commit()
    with pytest.raises(ConfigurationError, match="update kakaclo"):
        await Fleet.open(path).__aenter__()
