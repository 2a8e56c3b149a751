"""Workers as processes: killed, stopped, refused; and the commands, each as a user calls it."""

from __future__ import annotations

import asyncio
import json
import signal
from contextlib import ExitStack, closing

import pytest
from support.fleet import entries, orders, placed, sandboxes, until, written
from support.fleet_campaign import SERVE, Process
from support.ordering import POST
from support.postgresql import needs_postgresql
from support.terminal import Hosted

from kakaclo_async.fleet import Fleet
from kakaclo_async.sandbox import Fault

pytestmark = pytest.mark.process


@pytest.fixture
def start(tmp_path):
    """Start a worker as a process."""
    with ExitStack() as stack:
        count = iter(range(9))

        def run(path):
            return Process(
                stack, tmp_path, f"worker{next(count)}", ["-c", SERVE, "fleet", "serve", "--fleet", path]
            )

        yield run


def written_for(tmp_path, opened, **settings):
    quick = {"quiet_time": 1.0, "lease": 2.0, "timeout": 1.5}
    return written(tmp_path, entries(opened, **quick), orders_every=1, **settings)


async def test_the_only_worker_is_killed_and_goes_on_when_it_is_started_again(tmp_path, start):
    async with sandboxes("a", "b") as opened:
        for sandbox in opened.values():
            sandbox.faults.add(Fault("delay", seconds=0.1, times=None, **POST))
        path = written_for(tmp_path, opened)
        async with Fleet.open(path) as fleet:
            for name, sandbox in opened.items():
                for order in orders(sandbox, 20, prefix=name):
                    await fleet.submit(name, order)
        for kill in range(2):
            worker = start(path)
            await until(lambda kill=kill: len(opened["a"].journal) > 4 * kill)
            worker.popen.send_signal(signal.SIGKILL)
            worker.popen.wait()
        start(path)
        await until(lambda: all(len(sandbox.journal) >= 20 for sandbox in opened.values()))
        for name, sandbox in opened.items():
            assert placed(sandbox) == sorted(f"{name}-{n}" for n in range(20))


async def test_sigterm_ends_a_worker_with_nothing_half_done(tmp_path, start):
    async with sandboxes("a") as opened:
        sandbox = opened["a"]
        sandbox.faults.add(Fault("delay", seconds=0.3, times=None, **POST))
        path = written_for(tmp_path, opened)
        async with Fleet.open(path) as fleet:
            for order in orders(sandbox, 40):
                await fleet.submit("a", order)
            worker = start(path)
            await until(lambda: sandbox.journal)
            worker.popen.send_signal(signal.SIGTERM)
            code = await asyncio.to_thread(worker.popen.wait)
            assert code == 0, worker.log.read_text()
            assert {str(entry.status) for entry in (await fleet.pending()).get("a", ())} <= {"waiting"}
            assert placed(sandbox) == sorted(set(placed(sandbox)))


async def test_a_second_worker_is_refused_in_one_sentence(tmp_path, start):
    async with sandboxes("a") as opened:
        path = written_for(tmp_path, opened)
        start(path)
        async with Fleet.open(path) as fleet:
            await until(lambda: _has_worker(fleet))
        second = start(path)
        assert await asyncio.to_thread(second.popen.wait) == 2
        told = [line for line in second.log.read_text().splitlines() if line.startswith("error: ")]
        assert len(told) == 1
        assert "another process serves this fleet already" in told[0]


async def _has_worker(fleet):
    return (await fleet.status()).workers


LISTING = """
import atexit, sys
from pathlib import Path
atexit.register(lambda: Path("loaded.txt").write_text("\\n".join(sys.modules)))
"""
UNUSED = """
typer pydantic rich jinja2 babel yaml pyarrow sqlalchemy.orm
kakaclo_async.cli.app kakaclo_async.sandbox kakaclo_async.board kakaclo_async.shop kakaclo_sync
"""


@needs_postgresql()
async def test_a_worker_keeps_nothing_in_memory_that_only_other_commands_need(tmp_path, shared):
    async with sandboxes("a") as opened:
        path = written_for(tmp_path, opened, **shared)
        await Fleet.open(path).migrate()
        async with Fleet.open(path) as fleet:
            await fleet.submit("a", orders(opened["a"], 1)[0])
            with ExitStack() as stack:
                code = ["-c", LISTING + SERVE, "fleet", "serve", "--json", f"--fleet={path}"]
                worker = Process(stack, tmp_path, "worker", code)
                await until(lambda: _had_each_turn(fleet))
                worker.popen.send_signal(signal.SIGTERM)
                assert await asyncio.to_thread(worker.popen.wait) == 0, worker.log.read_text()
    loaded = set((tmp_path / "loaded.txt").read_text().splitlines())
    assert {"procrastinate", "sqlalchemy", "redis"} <= loaded
    assert [name for name in UNUSED.split() if name in loaded] == []


async def _had_each_turn(fleet):
    shops = (await fleet.status()).shops
    return all(turn.ended for shop in shops for turn in shop.turns)


def test_a_worker_is_asked_for_by_each_option_that_the_command_has():
    import typer

    from kakaclo_async.cli.app import app
    from kakaclo_async.cli.fleet import worker_asked_for

    options = {
        param.opts[0]: [] if param.is_flag else ["x.toml"]
        for param in typer.main.get_command(app).commands["fleet"].commands["serve"].params
    }
    assert {"--fleet", "--json"} < options.keys()
    left = {name for name, value in options.items() if not worker_asked_for(["fleet", "serve", name, *value])}
    assert left <= {"--verbose", "--help"}
    for words in ("fleet", "fleet status", "fleet serve --fleet", "fleet serve x", "fleet serve --json=1"):
        assert worker_asked_for(words.split()) is None


@pytest.fixture
def kakaclo(tmp_path, monkeypatch, capsys):
    """Run a command in the folder of a fleet; return its exit code and what it prints."""
    monkeypatch.chdir(tmp_path)

    def call(*words):
        from kakaclo_async.cli.app import run

        return run(["fleet", *words]), capsys.readouterr()

    return call


def test_each_command_does_what_it_says(tmp_path, kakaclo, monkeypatch):
    written(tmp_path)
    with closing(Hosted(products=30, index_lag=0)) as hosted:
        sandbox = hosted.sandbox
        monkeypatch.setenv("A_TOKEN", sandbox.token)
        assert (kakaclo("add", "a", "--token-from", "env:A_TOKEN", "--base-url", sandbox.url))[0] == 0
        assert (kakaclo("add", "a", "--token-from", "env:A_TOKEN"))[0] == 2
        code, shown = kakaclo("check")
        assert (code, shown.err) == (0, "")
        monkeypatch.delenv("A_TOKEN")
        code, shown = kakaclo("check", "--json")
        assert code == 2
        assert json.loads(shown.out)["problems"][0]["key"] == "shop.a.token"
        monkeypatch.setenv("A_TOKEN", sandbox.token)
        assert (kakaclo("migrate"))[0] == 0
        sku, *_ = sandbox.catalog.selling(pieces=5)
        (tmp_path / "orders.csv").write_text(
            "custom_order_id,sku,quantity,country,recipient,phone,province,city,street1,zip\n"
            f"X-1,{sku},1,US,Grace Hopper,5550100,NY,New York,1 Main St,10001\n"
            f"X-2,{sku},1,US,Grace Hopper,5550100,NY,New York,1 Main St,10001\n"
        )
        code, shown = kakaclo("submit", "a", "orders.csv", "--json")
        assert code == 0, shown.err
        assert [entry["status"] for entry in json.loads(shown.out)] == ["waiting", "waiting"]
        code, shown = kakaclo("pending")
        assert "X-2" in shown.out
        assert "Hopper" not in shown.out
        code, shown = kakaclo("withdraw", "a", "X-2")
        assert (code, shown.out) == (0, "order X-2 of a is withdrawn; it was waiting\n")
        code, shown = kakaclo("withdraw", "a", "X-2")
        assert (code, shown.err) == (1, "error: no order X-2 waits in the journal of a\n")
        for words, told in {
            ("pause", "a"): "a is paused, until you run: kakaclo fleet resume a\n",
            ("ring", "a", "orders"): "what was rung for is due once it is resumed: a is paused\n",
            ("ring", "catalog"): "what was rung for is due now\n",
            ("resume", "a"): "a has its turns again\n",
        }.items():
            code, shown = kakaclo(*words)
            assert (code, shown.out) == (0, told)
        code, shown = kakaclo("status", "--json")
        assert {shop["shop"] for shop in json.loads(shown.out)["shops"]} == {"a", "catalog"}
        code, shown = kakaclo("status")
        assert "catalog" in shown.out
        for words in (
            ("ring", "a", "dance"),
            ("ring", "nobody"),
            ("pause", "nobody"),
            ("submit", "b", "orders.csv"),
        ):
            code, shown = kakaclo(*words)
            assert code == 2, words
            assert len(shown.err.splitlines()) == 1
        assert (kakaclo("remove", "a", "--force"))[0] == 0
        assert not (tmp_path / "shops.d" / "a.toml").exists()


def test_whoever_submits_a_declined_order_again_hears_why_it_was_declined(tmp_path, kakaclo):
    with closing(Hosted(products=30, index_lag=0)) as hosted:
        written(tmp_path, [("a", hosted.sandbox.token, {"base_url": hosted.sandbox.url})])
        (tmp_path / "orders.csv").write_text(
            "custom_order_id,sku,quantity,country,recipient,phone,province,city,street1,zip\n"
            "X-1,NOSUCH_SKU,1,US,Grace Hopper,5550100,NY,New York,1 Main St,10001\n"
        )
        for again in (False, True):
            code, shown = kakaclo("submit", "a", "orders.csv")
            assert code == 0
            assert ("order X-1 waits; the last attempt ended with: " in shown.err) is again
            asyncio.run(_orders_turn(tmp_path / "fleet.toml"))
        code, shown = kakaclo("pending", "--json")
        assert [(entry["key"], entry["status"]) for entry in json.loads(shown.out)] == [("X-1", "declined")]
        code, shown = kakaclo("status", "--json")
        assert {shop["shop"]: shop["declined"] for shop in json.loads(shown.out)["shops"]}["a"] == 1


async def _orders_turn(path):
    async with Fleet.open(path) as fleet:
        await fleet.turn("orders", "a")
