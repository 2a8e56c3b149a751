"""What a fleet's settings promise is found out before it costs somebody an order: by `check`, and by workers."""

from __future__ import annotations

import json

import pytest
from support.fleet import orders, placed, sandboxes, serving, turn_of, until, write_shop, written
from support.ports import free_port

from kakaclo_async.errors import ConfigurationError
from kakaclo_async.fleet import Fleet

TOKEN = "one-token-of-two-shops"


@pytest.fixture
def check(tmp_path, monkeypatch, capsys):
    """Check the fleet of a folder; return the exit code, and what is wrong, by key."""
    monkeypatch.chdir(tmp_path)

    def call(*options):
        from kakaclo_async.cli.app import run

        code = run(["fleet", "check", "--json", *options])
        shown = capsys.readouterr().out
        assert TOKEN not in shown
        found = json.loads(shown)
        return code, *({row["key"]: row["what"] for row in found[name]} for name in ("problems", "warnings"))

    return call


def test_two_shops_with_one_token_are_found(tmp_path, check):
    written(tmp_path, [("a", TOKEN, {}), ("b", TOKEN, {}), ("c", "another-token", {})])
    code, problems, _ = check()
    assert code == 2
    assert list(problems) == ["shop.b.token"]
    assert "that of shop a, too" in problems["shop.b.token"]


def test_two_shops_of_two_kakaclos_may_have_one_token(tmp_path, check):
    written(tmp_path, [("a", TOKEN, {"base_url": "http://127.0.0.1:1"}), ("b", TOKEN, {})], catalog="own")
    assert check()[:2] == (0, {})


async def test_a_worker_tells_once_of_two_shops_with_one_token(tmp_path, caplog):
    async with sandboxes("a", token=TOKEN) as opened:
        url = opened["a"].url
        path = written(tmp_path, [(name, TOKEN, {"base_url": url}) for name in "ab"], watch_every=0.1)
        async with serving(path) as fleet:
            await until(lambda: "have one token" in caplog.text)
            for name in "ab":
                await fleet.submit(name, orders(opened["a"], 1, prefix=name)[0])
            await until(lambda: len(placed(opened["a"])) == 2)
    assert caplog.text.count("have one token") == 1
    assert TOKEN not in caplog.text


async def test_a_shop_that_has_another_name_now_has_no_twin(tmp_path, caplog):
    async with sandboxes("a", token=TOKEN) as opened:
        url = opened["a"].url
        async with serving(written(tmp_path, [("a", TOKEN, {"base_url": url})])) as fleet:
            await fleet.submit("a", orders(opened["a"], 1)[0])
            await until(lambda: placed(opened["a"]) == ["A-0"])
            (tmp_path / "shops.d" / "a.toml").unlink()
            write_shop(tmp_path, "b", TOKEN, base_url=url)
            await until(lambda: "a" not in fleet._settings.shops)
            await fleet.submit("b", orders(opened["a"], 1, prefix="B")[0])
            await until(lambda: placed(opened["a"]) == ["A-0", "B-0"])
    assert "have one token" not in caplog.text


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"quiet_time": 1e300}, "must be from a millisecond to a year"),
        ({"lease": 1e300}, "must be from a millisecond to a year"),
        ({"timeout": 1e-300}, "must be from a millisecond to a year"),
        ({"rate": 1e-308}, "must be from 0.001 to 100,000"),
        ({"balance_below": 1e300}, "must be from 0.01 to 1,000,000,000"),
        ({"at_once": 10**9}, "must be at most 1000"),
        ({"base_url": "kakaclo"}, "must look like https://host/path"),
        ({"base_url": "https://host:PASSWORD"}, "is no address"),
        ({"base_url": "http://elsewhere.example/openapi"}, "if it is a sandbox, say allow_http = true"),
    ],
)
def test_settings_that_no_shop_can_be_opened_with_are_refused(tmp_path, check, values, told):
    written(tmp_path, [("a", TOKEN, values)])
    code, problems, _ = check()
    assert (code, list(problems)) == (2, [f"shop.a.{next(iter(values))}"])
    assert told in (what := problems[f"shop.a.{next(iter(values))}"])
    assert "PASSWORD" not in what


def test_a_shop_that_cannot_be_opened_is_found_and_nothing_is_made(tmp_path, check, monkeypatch):
    local = {"base_url": "http://127.0.0.1:1"}
    written(tmp_path, [("a", TOKEN, {}), ("b", "b", local), ("c", "c", local)], catalog="own")
    (tmp_path / "shops").mkdir()
    (tmp_path / "shops" / "c").write_text("a file")
    monkeypatch.setenv("HTTPS_PROXY", "socks5://proxy:1080")
    code, problems, _ = check()
    assert (code, list(problems)) == (2, ["shop.a", "shop.c"])
    assert [path.name for path in (tmp_path / "shops").iterdir()] == ["c"]


async def test_a_shop_that_cannot_be_opened_spoils_nothing_for_the_others(tmp_path, caplog):
    async with sandboxes("b") as opened:
        sandbox = opened["b"]
        shops = [
            (name, token, {"base_url": sandbox.url}) for name, token in (("a", "x"), ("b", sandbox.token))
        ]
        path = written(tmp_path, shops)
        (tmp_path / "shops").mkdir()
        (tmp_path / "shops" / "a").write_text("a file")
        async with Fleet.open(path) as fleet:
            assert await fleet.turn("mirror", "catalog")
            assert (await turn_of(fleet, "catalog", "mirror")).error is None
            await fleet.submit("b", orders(sandbox, 1)[0])
            with pytest.raises(ConfigurationError, match="cannot be made"):
                await fleet.submit("a", orders(sandbox, 1)[0])
            with pytest.raises(ConfigurationError, match="cannot be made"):
                await fleet.pending()
            unread = []
            found = await fleet.pending(unread=lambda shop, error: unread.append((shop, type(error))))
            assert (list(found), unread) == (["b"], [("a", ConfigurationError)])
            assert await fleet.turn("mirror", "catalog")
    assert caplog.text.count("shop a does not read the shared catalog") == 1


async def test_where_no_shop_can_be_opened_the_catalog_says_why(tmp_path):
    path = written(tmp_path, [("a", TOKEN, {"base_url": "http://127.0.0.1:1"})])
    (tmp_path / "shops").mkdir()
    (tmp_path / "shops" / "a").write_text("a file")
    async with Fleet.open(path) as fleet:
        await fleet.turn("mirror", "catalog")
        assert "cannot be made" in (await turn_of(fleet, "catalog", "mirror")).error


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("not a url PASSWORD", "must look like https://host/path"),
        ("ftp://PASSWORD", "must look like https://host/path"),
        ("http://example.com/PASSWORD", "must be HTTPS: over plain HTTP all on the way to example.com"),
    ],
)
def test_a_webhook_that_nothing_can_be_posted_to_is_refused(tmp_path, check, url, told):
    written(tmp_path, [("a", TOKEN, {})], webhook=url, webhook_secret="env:SECRET")
    code, problems, _ = check()
    assert (code, list(problems)) == (2, ["fleet.webhook"])
    assert told in problems["fleet.webhook"]
    assert "PASSWORD" not in problems["fleet.webhook"]
    assert "allow_http" not in problems["fleet.webhook"], "a fleet has no such setting"


@pytest.mark.parametrize(
    ("secret", "told"), [("", "NOSUCH should hold the secret"), ("short", "16 characters")]
)
def test_a_webhook_whose_secret_will_not_do_is_found(tmp_path, check, monkeypatch, secret, told):
    monkeypatch.setenv("NOSUCH", secret)
    written(tmp_path, [("a", TOKEN, {})], webhook="https://example.com/x", webhook_secret="env:NOSUCH")
    code, problems, _ = check()
    assert (code, list(problems)) == (2, ["fleet.webhook_secret"])
    assert told in problems["fleet.webhook_secret"]
    assert "token" not in problems["fleet.webhook_secret"].replace("secrets.token", "")


def test_a_quiet_time_below_the_lag_of_the_index_is_warned_of(tmp_path, check):
    written(tmp_path, [("a", TOKEN, {"quiet_time": 299}), ("b", "b", {"quiet_time": 300})])
    code, problems, warnings = check()
    assert (code, problems, list(warnings)) == (0, {}, ["shop.a.quiet_time"])
    assert "placed twice" in warnings["shop.a.quiet_time"]


def _one_without_an_address(folder):
    return written(folder, [("a", "t", {"base_url": "http://127.0.0.1:1"}), ("b", "t2", {})], catalog="own")


def test_shops_that_the_environment_sends_elsewhere_are_told(tmp_path, check, monkeypatch):
    _one_without_an_address(tmp_path)
    assert "shop.base_url" not in check()[2]
    monkeypatch.setenv("KAKACLO_BASE_URL", "http://127.0.0.1:1")
    assert check()[2]["shop.base_url"].startswith("b: no base_url")


async def test_a_worker_tells_of_shops_that_its_environment_sends_elsewhere(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("KAKACLO_BASE_URL", "http://127.0.0.1:1")
    async with serving(_one_without_an_address(tmp_path)) as fleet:
        await until(lambda: fleet._stop)
    assert "b: no base_url, and the environment variable KAKACLO_BASE_URL is set" in caplog.text


async def test_a_worker_warns_once_of_a_quiet_time_that_is_too_short(tmp_path, caplog):
    async with serving(written(tmp_path, [("a", TOKEN, {"quiet_time": 2, "paused": True})])) as fleet:
        await until(lambda: "quiet_time is below" in caplog.text)
        await until(lambda: _ticked(fleet, 3))
    assert caplog.text.count("quiet_time is below") == 1


async def _ticked(fleet, times, beats=set()):  # noqa: B006 - it is to be kept
    beats.update(worker.beat for worker in (await fleet.status()).workers)
    return len(beats) > times


@pytest.mark.process  # a driver of PostgreSQL looks for its library
def test_databases_and_redis_that_are_not_there_are_found_by_whoever_asks(tmp_path, check, monkeypatch):
    monkeypatch.setattr("kakaclo_async.fleet.engine._PATIENCE", 0.0)
    url = f"postgresql://somebody:{TOKEN}@127.0.0.1:{free_port()}/fleet"
    bucket = f"redis://127.0.0.1:{free_port()}"
    written(tmp_path, [("a", "t", {})], engine=url, home=url, bucket=bucket)
    assert check()[:2] == (0, {})
    code, problems, _ = check("--connect")
    assert (code, set(problems)) == (2, {"fleet.engine", "fleet.home", "fleet.bucket"})
    assert "Connection refused" in problems["fleet.engine"]
