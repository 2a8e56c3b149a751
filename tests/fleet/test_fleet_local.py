"""One process, no engine: orders placed once, turns in fair order, settings and pauses taken up within a tick."""

from __future__ import annotations

import asyncio

import pytest
from support.fleet import (
    entries,
    failure_of,
    orders,
    placed,
    sandboxes,
    serving,
    ticks,
    turn_of,
    until,
    write_shop,
    written,
)
from support.ordering import POST

from kakaclo_async import Conflict
from kakaclo_async.catalog import Mirror
from kakaclo_async.errors import ConfigurationError, InvalidRequest
from kakaclo_async.fleet import Fleet
from kakaclo_async.fleet.table import Table
from kakaclo_async.sandbox import Fault


async def test_what_is_submitted_to_each_shop_is_placed_there_once(tmp_path):
    async with sandboxes("a", "b") as opened, serving(written(tmp_path, entries(opened))) as fleet:
        submitted = {name: orders(sandbox, 8, prefix=name) for name, sandbox in opened.items()}
        for name, some in submitted.items():
            for order in some:
                await fleet.submit(name, order)
                await fleet.submit(name, order)
        await until(lambda: all(len(sandbox.journal) == 8 for sandbox in opened.values()))
        await until(lambda: _idle(fleet))
        for name, sandbox in opened.items():
            assert placed(sandbox) == sorted(f"{name}-{n}" for n in range(8))
        assert await fleet.pending() == {}
        assert (await fleet.submit("a", submitted["a"][0])).outcome


async def _idle(fleet):
    return all(shop.pending == 0 and shop.lag == 0 for shop in (await fleet.status()).shops)


async def test_an_order_that_was_written_down_in_another_process_is_heard_of_with_the_next_tick(tmp_path):
    async with sandboxes("a") as opened:
        path = written(tmp_path, entries(opened))
        async with serving(path), Fleet.open(path) as elsewhere:
            await elsewhere.submit("a", orders(opened["a"], 1)[0])
            await until(lambda: placed(opened["a"]) == ["A-0"])


async def test_whoever_submits_finds_a_shop_that_was_added_meanwhile(tmp_path):
    async with sandboxes("a") as opened, Fleet.open(written(tmp_path)) as fleet:
        [order] = orders(opened["a"], 1)
        with pytest.raises(InvalidRequest, match="no shop a"):
            await fleet.submit("a", order)
        write_shop(tmp_path, "a", opened["a"].token, base_url=opened["a"].url)
        await fleet.submit("a", order)
        assert [shop.shop for shop in (await fleet.status()).shops] == ["a", "catalog"]


async def test_what_is_submitted_while_nobody_serves_is_placed_by_the_next_worker(tmp_path):
    async with sandboxes("a") as opened:
        path = written(tmp_path, entries(opened))
        async with Fleet.open(path) as fleet:
            await fleet.submit("a", orders(opened["a"], 1)[0])
            assert [entry.key for entry in (await fleet.pending())["a"]] == ["A-0"]
        async with serving(path):
            await until(lambda: placed(opened["a"]) == ["A-0"])


async def test_an_order_whose_bell_was_lost_is_found_by_the_shops_next_turn(tmp_path):
    async with sandboxes("a") as opened:
        path = written(tmp_path, entries(opened), orders_every=0.2)
        async with serving(path) as fleet:
            await until(lambda: _idle(fleet))
            await fleet._pool.journal("a").add(orders(opened["a"], 1)[0])  # and nobody rings
            await until(lambda: placed(opened["a"]) == ["A-0"])


async def test_another_order_under_the_same_id_is_refused(tmp_path):
    async with sandboxes("a") as opened:
        one, other = orders(opened["a"], 1)[0], orders(opened["a"], 2)[0]
        async with Fleet.open(written(tmp_path, entries(opened))) as fleet:
            await fleet.submit("a", one)
            await fleet.submit("a", other)
            sku = list(opened["a"].catalog.selling(pieces=3))[1]
            changed = type(one)(
                address=one.address, items=[type(one.items[0])(sku, 2)], custom_order_id="A-0"
            )
            with pytest.raises(Conflict):
                await fleet.submit("a", changed)


async def test_a_shop_with_many_orders_keeps_no_other_waiting(tmp_path):
    names = ["big", *(f"s{n}" for n in range(9))]
    async with sandboxes(*names) as opened:
        for sandbox in opened.values():
            sandbox.faults.add(Fault("delay", seconds=0.02, times=None, **POST))
        async with Fleet.open(written(tmp_path, entries(opened))) as fleet:
            await ticks(fleet)
            for order in orders(opened["big"], 120):
                await fleet.submit("big", order)
            for name in names[1:]:
                await fleet.submit(name, orders(opened[name], 1)[0])
        async with serving(tmp_path / "fleet.toml"):
            await until(lambda: all(opened[name].journal for name in names[1:]))
            assert len(opened["big"].journal) < 120
            await until(lambda: len(opened["big"].journal) == 120)


async def test_shops_are_added_removed_and_paused_without_a_restart(tmp_path):
    async with sandboxes("a", "b") as opened:
        path = written(tmp_path, entries({"a": opened["a"]}), catalog="own")
        async with serving(path) as fleet:
            write_shop(tmp_path, "b", opened["b"].token, base_url=opened["b"].url)
            await until(lambda: "b" in fleet._settings.shops)
            first, second = orders(opened["b"], 2)
            await fleet.submit("b", first)
            await until(lambda: placed(opened["b"]) == ["A-0"])
            await fleet.pause("b")
            await until(lambda: _quiet(fleet, "b"))
            await fleet.submit("b", second)
            await fleet.submit("a", orders(opened["a"], 1)[0])
            await until(lambda: placed(opened["a"]) == ["A-0"])
            assert placed(opened["b"]) == ["A-0"]
            await fleet.resume("b")
            await until(lambda: placed(opened["b"]) == ["A-0", "A-1"])
            (tmp_path / "shops.d" / "b.toml").unlink()
            await until(lambda: _has_shops(fleet, {"a"}))
            with pytest.raises(InvalidRequest, match="no shop b"):
                await fleet.submit("b", first)


async def test_a_paused_shop_that_is_rung_for_takes_no_room_of_others(tmp_path, monkeypatch):
    async with sandboxes("a", "b") as opened, serving(written(tmp_path, entries(opened))) as fleet:
        await until(lambda: fleet._engine._serving)
        await fleet.pause("a")
        await until(lambda: _quiet(fleet, "a"))
        begun, real = [], Table.begin

        async def begin(table, kind, shop):
            begun.append(shop)
            return await real(table, kind, shop)

        monkeypatch.setattr(Table, "begin", begin)
        await fleet.ring("a", "orders")
        await fleet.submit("b", orders(opened["b"], 1)[0])
        await until(lambda: placed(opened["b"]) == ["A-0"])
        assert "a" not in begun


async def _has_shops(fleet, names):
    return {shop.shop for shop in (await fleet.status()).shops} == names


async def _quiet(fleet, name):
    turns = next(shop.turns for shop in (await fleet.status()).shops if shop.shop == name)
    return all(turn.started is not None and (turn.ended or turn.started) >= turn.started for turn in turns)


async def test_a_shop_that_the_settings_pause_waits_until_they_do_not(tmp_path):
    async with sandboxes("a") as opened:
        sandbox = opened["a"]
        path = written(tmp_path, entries(opened, paused=True))
        async with serving(path) as fleet:
            await fleet.submit("a", orders(sandbox, 1)[0])
            await until(lambda: _catalog_is_read(fleet))
            assert placed(sandbox) == []
            write_shop(tmp_path, "a", sandbox.token, base_url=sandbox.url)
            await until(lambda: placed(sandbox) == ["A-0"])


async def _catalog_is_read(fleet):
    return (await turn_of(fleet, "catalog", "mirror")).ended is not None


async def test_a_new_token_is_used_at_once_and_the_old_error_names_none(tmp_path):
    async with sandboxes("a") as opened:
        sandbox = opened["a"]
        path = written(tmp_path, [("a", "wrong-token-5e1f", {"base_url": sandbox.url})])
        async with serving(path) as fleet:
            await fleet.submit("a", orders(sandbox, 1)[0])
            assert "wrong-token" not in await failure_of(fleet, "a", "orders")
            write_shop(tmp_path, "a", sandbox.token, base_url=sandbox.url, timeout=29.0)
            await until(lambda: placed(sandbox) == ["A-0"])
            await until(lambda: _healed(fleet))


async def _healed(fleet):
    turn = await turn_of(fleet, "a", "orders")
    return turn.error is None and turn.failures == 0


async def test_all_shops_read_one_mirror_and_their_clients_take_turns(tmp_path):
    async with sandboxes("a", products=10, tokens=("another",)) as opened:
        sandbox, tokens = opened["a"], {"a": opened["a"].token, "b": "another"}
        shops = [(name, token, {"base_url": sandbox.url}) for name, token in tokens.items()]
        async with serving(written(tmp_path, shops, mirror_every=0.2)):
            await until(lambda: all(_catalog_requests(sandbox.shop(token)) for token in tokens.values()))
        assert (tmp_path / "shops" / "catalog" / "catalog.db").exists()
        assert not (tmp_path / "shops" / "a" / "catalog.db").exists()


def _catalog_requests(shop):
    """A page each: whether of products or of stock is left to who has a permit first."""
    return sum(count for path, count in shop.requests.items() if path.startswith("/v1/product/"))


async def test_shops_whose_catalogs_differ_have_a_mirror_each(tmp_path):
    async with (
        sandboxes("a", "b", products=10) as opened,
        serving(written(tmp_path, entries(opened), catalog="own")) as fleet,
    ):
        await until(lambda: all((tmp_path / "shops" / name / "catalog.db").exists() for name in opened))
        assert {shop.shop for shop in (await fleet.status()).shops} == {"a", "b"}


async def test_a_mirror_is_whole_after_many_short_turns_and_each_of_them_stores_something(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("kakaclo_async.fleet.turns.SLICE", 0.05)
    async with sandboxes("a", products=300) as opened:
        opened["a"].faults.add(Fault("delay", seconds=0.04, times=None))
        async with Fleet.open(written(tmp_path, entries(opened))) as fleet:
            turns = 1
            while not await fleet.turn("mirror", "catalog"):
                turns += 1
                assert turns < 60
            assert turns > 2
            async with fleet._pool.client("a") as kk:
                status = await Mirror(kk, fleet._pool.mirror_url("catalog")).status()
    assert (status.products, status.gaps) == (300, ())


async def test_each_change_of_the_catalog_is_told_in_order_and_again_only_if_it_was_not_handled(tmp_path):
    told = []

    async def note(shop, change):
        await asyncio.sleep(0)
        told.append((shop, change.id))
        if len(told) == 5:
            raise RuntimeError("the owner's own mistake")

    async with sandboxes("a", products=20) as opened:
        path = written(tmp_path, entries(opened))
        async with serving(path, on_change=note) as fleet:
            await until(lambda: len(told) >= 5)
            await failure_of(fleet, "catalog", "mirror")
            await fleet.ring("catalog")
            await until(lambda: len(told) >= 15)
    numbers = [number for _, number in told]
    assert {shop for shop, _ in told} == {"catalog"}
    assert sorted(set(numbers)) == list(range(1, max(numbers) + 1))
    assert numbers[5:] == sorted(numbers[5:])


async def test_events_of_orders_and_refunds_are_told_to_their_functions(tmp_path):
    told = []
    async with sandboxes("a") as opened:
        path = written(tmp_path, entries(opened), watch_every=0.2)
        async with serving(path, on_order=told.append, on_refund=told.append) as fleet:
            await fleet.submit("a", orders(opened["a"], 1)[0])
            await until(lambda: told)
    assert told[0].type == "OrderPaid"
    assert (told[0].shop, told[0].custom_order_id) == ("a", "A-0")


async def test_whoever_has_an_engine_takes_turns_one_by_one(tmp_path):
    async with (
        sandboxes("a") as opened,
        Fleet.open(written(tmp_path, entries(opened), orders_every=77)) as fleet,
    ):
        for order in orders(opened["a"], 3):
            await fleet.submit("a", order)
        assert await fleet.turn("orders", "a") == pytest.approx(77)
        assert placed(opened["a"]) == ["A-0", "A-1", "A-2"]
        await fleet.turn("mirror", "catalog")
        await fleet.turn("watch", "a")
        assert (await turn_of(fleet, "a", "watch")).error is None
        for kind, shop in (("mirror", "a"), ("orders", "nobody"), ("dance", "a")):
            with pytest.raises(InvalidRequest):
                await fleet.turn(kind, shop)


async def test_a_clock_that_is_set_back_keeps_no_shop_waiting(tmp_path):
    async with Fleet.open(written(tmp_path, [("a", "t", {})])) as fleet:
        table = fleet._engine.table
        await table.sql("UPDATE fleet_turn SET started = @now, ended = @now, due = @now + 60")
        assert await table.due() == []
        await table.sql("UPDATE fleet_turn SET ended = @now + 3600, due = @now + 3660")
        assert len(await table.due()) == 3


async def test_the_few_shops_that_stay_open_are_the_busiest(tmp_path):
    async with (
        sandboxes("a", "b", "c") as opened,
        Fleet.open(written(tmp_path, entries(opened), keep_open=1)) as fleet,
    ):
        for name, sandbox in opened.items():
            await fleet.submit(name, orders(sandbox, 1)[0])
            await fleet.turn("orders", name)
            assert list(fleet._pool._shops) == [name]
        assert all(placed(sandbox) == ["A-0"] for sandbox in opened.values())


async def test_a_second_process_that_serves_is_refused_in_one_sentence(tmp_path):
    async with sandboxes("a") as opened:
        path = written(tmp_path, entries(opened))
        async with serving(path), Fleet.open(path) as second:
            with pytest.raises(
                ConfigurationError, match="another process serves this fleet already"
            ) as failure:
                await second.serve(stop_on_signals=False)
            assert "\n" not in str(failure.value)


async def test_stopped_it_ends_what_is_under_way(tmp_path):
    async with sandboxes("a") as opened:
        sandbox = opened["a"]
        sandbox.faults.add(Fault("delay", seconds=0.3, times=None, **POST))
        async with Fleet.open(written(tmp_path, entries(opened))) as fleet:
            serve = asyncio.create_task(fleet.serve(stop_on_signals=False))
            await fleet.submit("a", orders(sandbox, 1)[0])
            await until(lambda: sandbox.journal)
            fleet.stop()
            await serve
            assert await fleet.pending() == {}
            assert (await fleet.status()).workers == ()


async def test_a_worker_that_is_cancelled_leaves_no_task_behind(tmp_path):
    before = asyncio.all_tasks()
    async with serving(written(tmp_path, [("a", "t", {"paused": True})])) as fleet:
        await until(lambda: _has_shops(fleet, {"a", "catalog"}))
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
