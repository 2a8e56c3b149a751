"""Files that vanish, come back, are half written, or differ between machines: no pause is lost, and no shop forgotten."""

from __future__ import annotations

import errno

import pytest
from support.fleet import entries, orders, placed, sandboxes, serving, ticks, until, write_shop, written
from support.postgresql import needs_postgresql

from kakaclo_async.errors import DatabaseAway
from kakaclo_async.fleet import Fleet
from kakaclo_async.fleet.local import _Sqlite
from kakaclo_async.fleet.values import Ended


async def shops_of(fleet):
    return {shop.shop for shop in (await fleet.status()).shops}


async def has_shops(fleet, *names):
    return await shops_of(fleet) == {*names}


async def test_a_pause_outlives_the_file_of_its_shop_until_the_shop_is_resumed(tmp_path):
    async with sandboxes("a", "b") as opened:
        path = written(tmp_path, entries(opened), catalog="own")
        async with serving(path) as fleet:
            await fleet.pause("a")
            (tmp_path / "shops.d" / "a.toml").rename(tmp_path / "a.away")
            await until(lambda: has_shops(fleet, "b"))
            (tmp_path / "a.away").rename(tmp_path / "shops.d" / "a.toml")
            await until(lambda: has_shops(fleet, "a", "b"))
            assert {shop.shop for shop in (await fleet.status()).shops if shop.paused} == {"a"}
            for name, sandbox in opened.items():
                await fleet.submit(name, orders(sandbox, 1)[0])
            await until(lambda: placed(opened["b"]) == ["A-0"])
            assert placed(opened["a"]) == []
            await fleet.resume("a")
            await until(lambda: placed(opened["a"]) == ["A-0"])


async def test_a_shop_that_is_removed_and_added_anew_is_paused_still(tmp_path):
    """What waits there is placed when somebody has looked, and says so."""
    async with Fleet.open(written(tmp_path)) as fleet:
        await fleet.add("a", "env:A")
        await fleet.pause("a")
        await fleet.remove("a")
        assert await shops_of(fleet) == set()
        await fleet.add("a", "env:A")
        assert {shop.shop for shop in (await fleet.status()).shops if shop.paused} == {"a"}


async def test_a_shop_that_another_process_has_removed_has_no_turns_until_the_worker_sees_it(
    tmp_path, caplog
):
    path = written(tmp_path, [("a", "t", {}), ("b", "t", {})])
    async with Fleet.open(path) as fleet, Fleet.open(path) as other:
        await ticks(fleet)
        await other.remove("a")
        for _ in range(3):
            await fleet._tick(await fleet._engine.table.gone())
            assert await shops_of(fleet) == {"b", "catalog"}
    assert caplog.messages == []


async def test_what_was_told_of_a_catalog_is_known_still_when_its_shops_file_comes_back(tmp_path):
    """Or what changes in the catalog meanwhile would be told to nobody."""
    async with Fleet.open(written(tmp_path, [("a", "t", {})], catalog="own")) as fleet:
        table = fleet._engine.table
        await table.end("mirror", "a", await table.begin("mirror", "a"), Ended(after=60.0, told=7))
        (tmp_path / "shops.d" / "a.toml").unlink()
        await ticks(fleet)
        assert await shops_of(fleet) == set()
        assert await table.begin("mirror", "a") is None
        write_shop(tmp_path, "a", "t")
        await ticks(fleet)
        assert (await table.begin("mirror", "a")).told == 7


@pytest.mark.process
@needs_postgresql()
async def test_a_worker_with_older_files_leaves_no_shop_without_turns_and_ends_no_pause(tmp_path, shared):
    async with sandboxes("a", "b", "c") as opened:
        (old := tmp_path / "old").mkdir()
        older = written(old, entries({"a": opened["a"]}), **shared)
        path = written(tmp_path, entries(opened), **shared)
        await Fleet.open(path).migrate()
        async with serving(path) as fleet:
            await fleet.pause("c")
            async with serving(older) as stale:
                await until(lambda: stale._roster.is_kept)
            for name, sandbox in opened.items():
                await fleet.submit(name, orders(sandbox, 1)[0])
            await until(lambda: placed(opened["a"]) == placed(opened["b"]) == ["A-0"])
            await fleet.ring("c", "orders")
            await until(lambda: has_shops(fleet, "a", "b", "c", "catalog"))
            assert {shop.shop for shop in (await fleet.status()).shops if shop.paused} == {"c"}
            assert placed(opened["c"]) == []


async def test_a_shop_that_the_files_of_another_process_lack_has_its_turns_still(tmp_path, caplog):
    async with sandboxes("a") as opened:
        path = written(tmp_path, entries(opened))
        async with serving(path) as fleet, Fleet.open(path) as other:
            await until(lambda: fleet._roster.is_kept)
            await other._engine.table.keep([], {}, drop=True)
            await until(lambda: has_shops(fleet, "a", "catalog"))
            await fleet.submit("a", orders(opened["a"], 1)[0])
            await until(lambda: placed(opened["a"]) == ["A-0"])
    assert "the files of another process lack a, catalog" in caplog.text


async def test_a_shop_that_is_added_while_the_database_is_away_has_its_turns_when_it_is_back(
    tmp_path, monkeypatch
):
    is_away = True
    run = _Sqlite.__call__

    async def fail(self, statement, /, **values):
        if is_away and statement.startswith("INSERT INTO fleet_turn"):
            raise DatabaseAway("away")
        return await run(self, statement, **values)

    async with Fleet.open(written(tmp_path, [("a", "t", {})])) as fleet:
        await ticks(fleet)
        monkeypatch.setattr(_Sqlite, "__call__", fail)
        write_shop(tmp_path, "b", "t")
        await fleet._roster.look()
        with pytest.raises(DatabaseAway):
            await fleet._roster.look()
        with pytest.raises(DatabaseAway):
            await fleet._roster.look()
        is_away = False
        await fleet._roster.look()
        assert await shops_of(fleet) == {"a", "b", "catalog"}


async def test_the_home_and_the_engine_of_a_process_stay_as_they_were_when_it_began(tmp_path, caplog):
    """Or an order that waits in the old home would be lost, and one in doubt there be placed again in the new one."""
    async with sandboxes("a") as opened:
        path = written(tmp_path, entries(opened), catalog="own")
        async with serving(path) as fleet:
            await fleet.pause("a")
            await fleet.submit("a", orders(opened["a"], 1)[0])
            url = "postgresql://h/fleet"
            written(tmp_path, engine=url, home=f"{url}_homes", bucket="redis://h", watch_every=1234)
            await until(lambda: fleet._settings.watch_every == 1234)
            await fleet.resume("a")
            await until(lambda: placed(opened["a"]) == ["A-0"])
            assert "local" in repr(fleet)
    told = [record.getMessage() for record in caplog.records if "restart" in record.getMessage()]
    assert len(told) == 1
    assert told[0].startswith("engine, home, bucket in fleet.toml changed")


async def test_a_file_counts_once_nobody_has_written_to_it_between_two_looks(tmp_path):
    async with Fleet.open(written(tmp_path, [("a", "t", {"paused": True})])) as fleet:
        file = tmp_path / "shops.d" / "a.toml"
        whole = file.read_text()
        await ticks(fleet)
        file.write_text(whole.replace("paused = true\n", ""))
        await fleet._roster.look()
        file.write_text(whole.replace("paused = true\n", "at_once = 2\npaused = true\n"))
        await fleet._roster.look()
        assert fleet._settings.shops["a"].at_once == 4
        assert {shop.shop for shop in (await fleet.status()).shops if shop.paused} == {"a"}
        await fleet._roster.look()
        assert fleet._settings.shops["a"].at_once == 2


async def test_a_worker_looks_twice_in_each_tick_so_that_a_change_counts_within_one(tmp_path, monkeypatch):
    looks = []

    async def note(every, look):
        looks.append((every, look))

    monkeypatch.setattr("kakaclo_async.fleet.fleet.ticking", note)
    async with serving(written(tmp_path, [("a", "t", {})], tick=0.5)) as fleet:
        await until(lambda: looks)
        assert looks == [(0.25, fleet._roster.look)]


async def test_a_file_that_was_emptied_removes_no_shop(tmp_path, caplog):
    async with Fleet.open(written(tmp_path, [("a", "t", {})])) as fleet:
        for text in ("", "[shop]\n", "# soon\n"):
            (tmp_path / "shops.d" / "a.toml").write_text(text)
            await ticks(fleet)
            assert await shops_of(fleet) == {"a", "catalog"}
    assert "a.toml: has no shop: write one, or delete the file" in caplog.text


async def test_a_folder_of_shops_that_is_away_or_cannot_be_read_removes_no_shop(
    tmp_path, caplog, monkeypatch
):
    folder = tmp_path / "shops.d"
    async with Fleet.open(written(tmp_path, [("a", "t", {})])) as fleet:
        folder.rename(tmp_path / "away")
        await ticks(fleet)
        assert await shops_of(fleet) == {"a", "catalog"}
        (tmp_path / "away").rename(folder)
        await ticks(fleet)
        monkeypatch.setattr("os.scandir", _refused)
        (folder / "b").touch()
        await ticks(fleet)
        assert await shops_of(fleet) == {"a", "catalog"}
    assert "include cannot be looked for: No such file or directory" in caplog.text
    assert "include cannot be looked for: Permission denied" in caplog.text


def _refused(folder):
    raise PermissionError(errno.EACCES, "Permission denied", str(folder))
