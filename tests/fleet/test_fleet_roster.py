"""Only a worker with settled files tells the others which shops there are and which are paused; commands do not."""

from __future__ import annotations

import shutil

import pytest
from support.fleet import (
    entries,
    failure_of,
    orders,
    placed,
    sandboxes,
    serving,
    ticks,
    until,
    write_shop,
    written,
)
from support.postgresql import needs_postgresql

from kakaclo_async.errors import ConfigurationError, InvalidRequest
from kakaclo_async.fleet import Fleet


async def paused_in(fleet):
    return await fleet._engine.table.paused()


async def looks(fleet):
    for _ in range(2):
        await fleet._roster.look()


@pytest.mark.parametrize("is_paused", [True, False])
async def test_who_opens_a_fleet_with_other_files_changes_no_pause(tmp_path, is_paused):
    """A file that is being written lacks its end for a moment, and another machine's may be older."""
    path = written(tmp_path, [("a", "t", {"paused": is_paused})])
    async with Fleet.open(path) as fleet:
        await looks(fleet)
        write_shop(tmp_path, "a", "t", paused=not is_paused)
        async with Fleet.open(path) as other:
            await other.status()
            await other.ring("a")
        assert await paused_in(fleet) == ({"a"} if is_paused else set())


async def test_a_name_that_is_not_known_takes_no_file_up_that_is_half_written(tmp_path):
    path = written(tmp_path, [("a", "t", {"paused": True})])
    async with Fleet.open(path) as fleet:
        await looks(fleet)
        write_shop(tmp_path, "a", "t")
        with pytest.raises(InvalidRequest, match="has no shop nosuch"):
            await fleet.ring("nosuch")
        await fleet.add("b", "env:B")
        await fleet.remove("b")
        assert fleet._settings.shops["a"].paused
        assert await paused_in(fleet) == {"a", "b"}  # what is gone has no turns either
        await looks(fleet)
        assert await paused_in(fleet) == {"b"}


async def test_a_shop_that_was_added_meanwhile_is_known_at_once(tmp_path):
    async with sandboxes("a") as opened, serving(written(tmp_path)) as fleet:
        [(name, token, values)] = entries(opened)
        write_shop(tmp_path, name, token, **values)
        await fleet.submit("a", orders(opened["a"], 1)[0])
        await until(lambda: placed(opened["a"]) == ["A-0"])


async def test_a_shop_that_was_removed_elsewhere_and_is_added_anew_has_its_new_token(tmp_path):
    path = written(tmp_path)
    async with Fleet.open(path) as fleet, Fleet.open(path) as other:
        await fleet.add("a", "env:OLD")
        await other.remove("a")
        await fleet.add("a", "env:NEW")
        assert fleet._settings.shops["a"].token == "env:NEW"


async def test_a_pause_that_only_older_files_had_is_resumed(tmp_path):
    path = written(tmp_path, [("a", "t", {"paused": True})])
    async with Fleet.open(path) as fleet:
        await looks(fleet)
    write_shop(tmp_path, "a", "t")
    async with Fleet.open(path) as fleet:
        await fleet.resume("a")
        assert await paused_in(fleet) == set()


async def test_a_worker_goes_by_the_pause_of_its_own_file_whatever_the_table_says(tmp_path):
    async with sandboxes("a") as opened:
        path = written(tmp_path, entries(opened, paused=True))
        async with Fleet.open(path) as fleet:
            await fleet._engine.table.resume("a")
            await fleet.submit("a", orders(opened["a"], 1)[0])
            await fleet.turn("orders", "a")
            assert placed(opened["a"]) == []


async def test_a_worker_whose_journals_have_moved_begins_no_turn(tmp_path):
    """It may have been frozen while they were."""
    async with sandboxes("a") as opened:
        path = written(tmp_path, entries(opened))
        async with Fleet.open(path) as old:
            await old.submit("a", orders(opened["a"], 1)[0])
            shutil.copytree(tmp_path / "shops", tmp_path / "moved")
            written(tmp_path, entries(opened), home="sqlite:///moved/{shop}")
            await Fleet.open(path).migrate(moved=True)
            with pytest.raises(ConfigurationError, match="journals are in"):
                await old.turn("orders", "a")
            assert placed(opened["a"]) == []
        async with Fleet.open(path) as fleet:
            await fleet.turn("orders", "a")
        assert placed(opened["a"]) == ["A-0"]


@pytest.mark.process
@needs_postgresql()
async def test_a_folder_of_files_elsewhere_is_another_home_for_an_engine_that_is_shared(tmp_path, shared):
    settings = shared | {"home": "sqlite:///shops/{shop}", "workers": 1}
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    one, two = (written(tmp_path / folder, [("a", "t", {})], **settings) for folder in ("one", "two"))
    await Fleet.open(one).migrate()
    async with Fleet.open(one):
        with pytest.raises(ConfigurationError, match="journals are in"):
            await Fleet.open(two).__aenter__()


async def test_a_function_that_hangs_keeps_no_order_waiting(tmp_path, monkeypatch):
    monkeypatch.setattr("kakaclo_async.fleet.turns._HOOK_PATIENCE", 0.05)
    forever = []

    async def hang(shop, entry):
        forever.append(entry.key)
        await until(lambda: False)

    async with sandboxes("a") as opened:
        path = written(tmp_path, entries(opened))
        good, bad = orders(opened["a"], 2)
        async with serving(path, on_declined=hang) as fleet:
            await fleet.submit("a", declined(bad))
            await until(lambda: forever)
            await fleet.submit("a", good)
            await until(lambda: placed(opened["a"]) == ["A-0"])
            await failure_of(fleet, "a", "orders", "a function of the fleet's owner took more")


def declined(order):
    import attrs

    return attrs.evolve(order, items=[attrs.evolve(order.items[0], sku="NOSUCH_SKU")])


async def test_tick_by_tick_a_removed_shop_goes_and_comes_back(tmp_path):
    path = written(tmp_path, [("a", "t", {}), ("b", "t2", {})])
    async with Fleet.open(path) as fleet:
        await ticks(fleet)
        (tmp_path / "shops.d" / "a.toml").unlink()
        await ticks(fleet)
        assert {shop.shop for shop in (await fleet.status()).shops} == {"b", "catalog"}
        write_shop(tmp_path, "a", "t")
        await ticks(fleet)
        assert {shop.shop for shop in (await fleet.status()).shops} == {"a", "b", "catalog"}


async def test_a_shop_that_comes_back_while_another_process_tells_that_it_is_gone_has_its_turns(tmp_path):
    path = written(tmp_path, [("a", "t", {})])
    async with Fleet.open(path) as fleet, Fleet.open(path) as other:
        await looks(fleet)
        table = other._engine.table
        sql = table.sql

        async def between(statement, /, **values):
            rows = await sql(statement, **values)
            if "filed = 2 WHERE" in statement:
                await fleet._roster.revive(await fleet._engine.table.gone())
            return rows

        table.sql = between
        await table.keep([], {}, drop=True)
        assert {shop.shop for shop in (await fleet.status()).shops} == {"a", "catalog"}


async def test_turns_that_a_shop_has_no_more_are_gone(tmp_path):
    path = written(tmp_path, [("a", "t", {})], catalog="own")
    async with Fleet.open(path) as fleet:
        await looks(fleet)
        assert await fleet._engine.table.begin("mirror", "a") is not None
        written(tmp_path, catalog="shared")
        await looks(fleet)
        assert await fleet._engine.table.begin("mirror", "a") is None
        assert await fleet._engine.table.begin("mirror", "catalog") is not None
