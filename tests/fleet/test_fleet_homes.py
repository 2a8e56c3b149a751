"""A journal knows whose orders wait: no shop is removed, renamed or named anew past them without a word."""

from __future__ import annotations

import json
from contextlib import closing

import attrs
import pytest
from support.fleet import entries, orders, placed, sandboxes, serving, until, write_shop, written
from support.postgresql import needs_postgresql
from support.terminal import Hosted

from kakaclo_async import Item
from kakaclo_async.errors import ConfigurationError, InvalidRequest
from kakaclo_async.fleet import Fleet, FleetSettings
from kakaclo_async.fleet.config.homes import place_of


async def test_a_shop_whose_orders_wait_is_removed_only_by_force(tmp_path):
    async with sandboxes("a") as opened, Fleet.open(written(tmp_path, entries(opened))) as fleet:
        await fleet.submit("a", orders(opened["a"], 1)[0])
        with pytest.raises(InvalidRequest, match="shop a has an order that waits or is in doubt"):
            await fleet.remove("a")
        assert (tmp_path / "shops.d" / "a.toml").exists()
        await fleet.remove("a", force=True)
        assert not (tmp_path / "shops.d" / "a.toml").exists()


async def test_a_shop_whose_orders_are_placed_is_removed(tmp_path):
    async with sandboxes("a") as opened, Fleet.open(written(tmp_path, entries(opened))) as fleet:
        await fleet.submit("a", orders(opened["a"], 1)[0])
        await fleet.turn("orders", "a")
        await fleet.remove("a")
        assert (await fleet.status()).left_behind == ()


async def test_a_new_shop_does_not_inherit_the_orders_of_another_of_its_name(tmp_path):
    async with sandboxes("a") as opened, Fleet.open(written(tmp_path, entries(opened))) as fleet:
        await fleet.submit("a", orders(opened["a"], 1)[0])
        await fleet.remove("a", force=True)
        with pytest.raises(InvalidRequest, match="a journal of a shop a is there already, with an order"):
            await fleet.add("a", "env:OTHER_TOKEN")
        assert not (tmp_path / "shops.d" / "a.toml").exists()
        await fleet.add("a", "env:OTHER_TOKEN", force=True)


async def _left_by_a_renamed_shop(path, folder, opened):
    async with Fleet.open(path) as fleet:
        await fleet.submit("a", orders(opened["a"], 1)[0])
        (folder / "shops.d" / "a.toml").unlink()
        write_shop(folder, "a2", opened["a"].token, base_url=opened["a"].url)
        await fleet.submit("a2", orders(opened["a"], 2)[1])
    async with Fleet.open(path) as fleet:
        assert (await fleet.status()).left_behind == ("a",)
        assert {shop: [entry.key for entry in found] for shop, found in (await fleet.pending()).items()} == {
            "a": ["A-0"],
            "a2": ["A-1"],
        }


@pytest.mark.parametrize("home", ["sqlite:///shops/{shop}", "sqlite:///homes-{shop}/x", "sqlite:///{shop}"])
async def test_orders_that_a_renamed_shop_left_behind_are_shown(tmp_path, home):
    async with sandboxes("a") as opened:
        await _left_by_a_renamed_shop(written(tmp_path, entries(opened), home=home), tmp_path, opened)


@needs_postgresql()
async def test_orders_that_a_renamed_shop_left_behind_in_postgresql_are_shown(tmp_path, shared):
    async with sandboxes("a") as opened:
        path = written(tmp_path, entries(opened), **shared)
        await Fleet.open(path).migrate()
        await _left_by_a_renamed_shop(path, tmp_path, opened)


async def test_a_worker_tells_of_orders_whose_shop_is_gone(tmp_path, caplog):
    async with sandboxes("a") as opened, serving(written(tmp_path, entries(opened, paused=True))) as fleet:
        await fleet.submit("a", orders(opened["a"], 1)[0])
        (tmp_path / "shops.d" / "a.toml").unlink()
        await until(
            lambda: "a has an order that waits or is in doubt, and the fleet has no such shop" in caplog.text
        )
        assert placed(opened["a"]) == []


def test_the_commands_show_what_nobody_places(tmp_path, monkeypatch, capsys):
    from kakaclo_async.cli.app import run

    monkeypatch.chdir(tmp_path)
    with closing(Hosted(products=30, index_lag=0)) as hosted:
        sandbox = hosted.sandbox
        written(tmp_path, [("a", sandbox.token, {"base_url": sandbox.url})])
        sku, *_ = sandbox.catalog.selling(pieces=5)
        (tmp_path / "orders.csv").write_text(
            "custom_order_id,sku,quantity,country,recipient,phone,province,city,street1,zip\n"
            f"X-1,{sku},1,US,Grace Hopper,5550100,NY,New York,1 Main St,10001\n"
        )
        assert run(["fleet", "submit", "a", "orders.csv"]) == 0
        capsys.readouterr()
        assert run(["fleet", "remove", "a"]) == 2
        assert "--force" in capsys.readouterr().err
        assert run(["fleet", "remove", "a", "--force"]) == 0
        assert run(["fleet", "status"]) == 0
        assert "No shop" in capsys.readouterr().out
        assert run(["fleet", "status", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["left_behind"] == ["a"]
        assert run(["fleet", "pending"]) == 0
        assert "X-1" in capsys.readouterr().out
        assert run(["fleet", "check"]) == 0
        assert "fleet pending" in capsys.readouterr().out
        assert run(["fleet", "add", "a", "--token-from", "env:OTHER"]) == 2


async def _keeps_to_its_home(folder, opened, other, **settings):
    """Or a command with another one writes an order down where no worker looks, and does not find what was placed."""
    path = written(folder, entries(opened), **settings)
    await Fleet.open(path).migrate()
    async with Fleet.open(path) as fleet:
        await fleet.submit("a", orders(opened["a"], 1)[0])
    written(folder, entries(opened), **settings | {"home": other})
    with pytest.raises(ConfigurationError, match="journals are in") as refused:
        await Fleet.open(path).__aenter__()
    assert "secret" not in str(refused.value)
    written(folder, entries(opened), **settings)
    async with serving(path) as fleet:
        await until(lambda: placed(opened["a"]))
        await until(lambda: _has_worker(fleet))
        written(folder, entries(opened), **settings | {"home": other})
        with pytest.raises(ConfigurationError, match="where a worker serves"):
            await Fleet.open(path).migrate(moved=True)
    with pytest.raises(ConfigurationError, match="migrate --moved"):
        await Fleet.open(path).migrate()
    if other.startswith("sqlite:///"):
        with pytest.raises(ConfigurationError, match="journals of a are not here"):
            await Fleet.open(path).migrate(moved=True)
        (folder / "shops").rename(folder / "other")
    await Fleet.open(path).migrate(moved=True)
    async with Fleet.open(path) as fleet:
        assert await fleet.pending() == {}


async def _has_worker(fleet):
    return (await fleet.status()).workers


async def test_a_process_with_another_home_than_the_fleets_is_refused(tmp_path):
    async with sandboxes("a") as opened:
        await _keeps_to_its_home(tmp_path, opened, "sqlite:///other/{shop}")


@pytest.mark.process
@needs_postgresql()
async def test_a_process_with_another_home_than_the_fleets_is_refused_on_postgresql(tmp_path, shared):
    async with sandboxes("a") as opened:
        await _keeps_to_its_home(tmp_path, opened, shared["engine"], **shared)


@pytest.mark.parametrize(
    ("one", "same"),
    [
        ("sqlite:///shops/{shop}", "sqlite:///./shops//{shop}"),
        ("postgresql://me:secret@h/shops", "postgres://you@h:5432/shops"),
        ("postgresql://h/shops?sslmode=require", "postgresql://h/shops"),
        ("postgresql://h/shops?password=secret&schema=s", "postgresql://h/shops?schema=s"),
    ],
)
def test_two_ways_to_write_one_home_are_one(tmp_path, one, same):
    first, second = (FleetSettings(folder=tmp_path, home=home) for home in (one, same))
    assert place_of(first) == place_of(second)
    assert "secret" not in place_of(first)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("sqlite:///shops/{shop}", "sqlite:////shops/{shop}"),
        ("postgresql://h/shops", "postgresql://h2/shops"),
        ("postgresql://h/shops", "postgresql://h:5433/shops"),
        ("postgresql://h/shops", "postgresql://h/{shop}"),
        ("postgresql:///shops?host=/run/one", "postgresql:///shops?host=/run/two"),
        ("postgresql://h?dbname=one", "postgresql://h?dbname=two"),
        ("postgresql:///?service=one", "postgresql:///?service=two"),
        ("postgresql://h/shops?schema={shop}", "postgresql://h/shops?schema=s{shop}"),
    ],
)
def test_two_homes_are_two(tmp_path, one, other):
    first, second = (FleetSettings(folder=tmp_path, home=home) for home in (one, other))
    assert place_of(first) != place_of(second)


@pytest.mark.process
@needs_postgresql()
async def test_a_home_without_the_journals_of_orders_that_wait_is_no_moved_one(tmp_path, shared):
    async with sandboxes("a", "b") as opened:
        path = written(tmp_path, entries(opened), **shared)
        await Fleet.open(path).migrate()
        async with Fleet.open(path) as fleet:
            await fleet.submit("a", attrs.evolve(orders(opened["a"], 1)[0], items=[Item("NOSUCH_SKU", 1)]))
            await fleet.turn("orders", "a")
        written(tmp_path, entries(opened), **shared | {"home": shared["engine"]})
        with pytest.raises(ConfigurationError, match="journals of a are not here: move them, too"):
            await Fleet.open(path).migrate(moved=True)
        with pytest.raises(ConfigurationError, match="migrate --moved"):
            await Fleet.open(path).__aenter__()


def test_check_finds_a_home_that_the_fleet_refuses(tmp_path, monkeypatch, capsys):
    from kakaclo_async.cli.app import run

    monkeypatch.chdir(tmp_path)
    written(tmp_path, [("a", "t", {})])
    assert run(["fleet", "migrate"]) == 0
    assert run(["fleet", "check", "--connect"]) == 0
    written(tmp_path, [("a", "t", {})], home="sqlite:///other/{shop}")
    capsys.readouterr()
    assert run(["fleet", "check", "--connect"]) == 2
    assert "migrate --moved" in " ".join(capsys.readouterr().out.split())
