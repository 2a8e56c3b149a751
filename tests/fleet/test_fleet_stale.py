"""A program that has a fleet open for weeks goes by the files and the table as they are now."""

from __future__ import annotations

import pytest
from support.fleet import (
    entries,
    orders,
    sandboxes,
    serving,
    ticks,
    turn_of,
    until,
    write_shop,
    written,
)

from kakaclo_async.errors import InvalidRequest
from kakaclo_async.fleet import Fleet


async def test_an_order_for_a_shop_that_was_removed_is_refused_as_of_the_next_tick(tmp_path):
    """Nobody would place it."""
    async with sandboxes("a") as opened:
        path = written(tmp_path, entries(opened), tick=0.01)
        async with Fleet.open(path) as program, Fleet.open(path) as operator:
            await program.submit("a", orders(opened["a"], 1)[0])
            await operator.withdraw("a", "A-0")
            await operator.remove("a")
            await until(lambda: _is_refused(program, orders(opened["a"], 1)[0]))
            write_shop(tmp_path, "a", opened["a"].token)
            await until(lambda: _is_taken(program, orders(opened["a"], 1)[0]))


async def _is_refused(fleet, order):
    try:
        await fleet.submit("a", order)
    except InvalidRequest as error:
        return "has no shop a any more" in str(error)
    return False


async def _is_taken(fleet, order):
    return not await _is_refused(fleet, order)


async def test_files_that_cannot_be_read_refuse_no_order(tmp_path):
    async with sandboxes("a") as opened:
        path = written(tmp_path, entries(opened), tick=0.01)
        async with Fleet.open(path) as program:
            (tmp_path / "shops.d" / "a.toml").write_text("[shop")
            for number, order in enumerate(orders(opened["a"], 3)):
                await program.submit("a", order)
                assert len((await program.pending())["a"]) == number + 1


async def test_a_shop_that_a_program_knew_is_added_anew_only_without_orders_that_wait(tmp_path):
    async with sandboxes("a") as opened:
        path = written(tmp_path, entries(opened))
        async with Fleet.open(path) as program, Fleet.open(path) as operator:
            await program.submit("a", orders(opened["a"], 1)[0])
            await operator.remove("a", force=True)
            with pytest.raises(InvalidRequest, match="with an order that waits"):
                await program.add("a", "env:ANOTHER")
            await program.add("a", "env:ANOTHER", force=True)


async def test_a_shop_that_the_table_has_lost_has_its_turns_again(tmp_path, monkeypatch):
    """A standby that takes over, or a backup that is put back, lacks what was written last."""
    monkeypatch.setattr("kakaclo_async.fleet.roster._JOIN_EVERY", 3)
    path = written(tmp_path, [("a", "t", {}), ("b", "t2", {})])
    async with Fleet.open(path) as fleet:
        await ticks(fleet)
        await fleet._engine.table.sql("DELETE FROM fleet_shop WHERE shop = 'b'")
        await fleet._engine.table.sql("DELETE FROM fleet_turn WHERE shop = 'b'")
        assert {shop.shop for shop in (await fleet.status()).shops} == {"a", "catalog"}
        await ticks(fleet)
        assert {shop.shop for shop in (await fleet.status()).shops} == {"a", "b", "catalog"}


async def test_a_shorter_interval_counts_for_turns_that_are_due_later(tmp_path):
    async with sandboxes("a") as opened:
        path = written(tmp_path, entries(opened), watch_every=3600)
        async with serving(path) as fleet:
            await until(lambda: _has_watched(fleet))
        written(tmp_path, entries(opened), watch_every=7)
        async with Fleet.open(path) as fleet:
            await ticks(fleet)
            assert (await turn_of(fleet, "a", "watch")).due <= (await turn_of(fleet, "a", "orders")).due


async def _has_watched(fleet):
    return (await turn_of(fleet, "a", "watch")).ended


async def test_a_shop_that_is_closed_meanwhile_has_no_more_permits_than_before(tmp_path):
    """Or a fleet of more shops than are kept open sends each of them into 429s."""
    async with sandboxes("a", "b") as opened:
        path = written(tmp_path, entries(opened, rate=0.001), keep_open=1)
        async with Fleet.open(path) as fleet:
            async with fleet._pool.client("a") as kk:
                await kk.payment.balance()
            async with fleet._pool.client("b"):
                pass
            async with fleet._pool.client("a") as again:
                assert again is not kk
                assert again.stats().level > 0.9


async def test_a_slower_rate_begins_with_what_the_bucket_held(tmp_path):
    async with sandboxes("a") as opened:
        path = written(tmp_path, entries(opened, rate=0.002))
        async with Fleet.open(path) as fleet:
            async with fleet._pool.client("a") as kk:
                await kk.payment.balance()
            write_shop(tmp_path, "a", opened["a"].token, base_url=opened["a"].url, rate=0.001)
            await ticks(fleet)
            async with fleet._pool.client("a") as slower:
                assert slower is not kk
                assert slower.stats().level > 0.9


def test_commands_say_where_what_is_wrong_stands(tmp_path, monkeypatch, capsys):
    from kakaclo_async.cli.app import run

    monkeypatch.chdir(tmp_path)
    written(tmp_path, [("a", "t", {})])
    (tmp_path / "shops.d" / "a.toml").write_text('[shop.a]\ntoken = "env:NOSUCH_VARIABLE"\n')
    assert run(["fleet", "check", "--json"]) == 2
    assert '"file": "a.toml"' in capsys.readouterr().out
    assert run(["fleet", "add", "my shop", "--token-from", "env:B"]) == 2
    assert "the name 'my shop' takes a-z, 0-9, _ and -" in capsys.readouterr().err
    assert run(["fleet", "remove", "a"]) == 0
    assert "its journal and its mirror stay" in capsys.readouterr().out
