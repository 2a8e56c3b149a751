"""What a fleet's settings promise is found out before it costs somebody an order: by `check`, and by workers."""

from __future__ import annotations

import json

import pytest
from support.fleet import orders, placed, sandboxes, serving, until, write_shop, written

TOKEN = "one-token-of-two-shops"


@pytest.fixture
def check(tmp_path, monkeypatch, capsys):
    """Check the fleet of a folder; return the exit code, and what is wrong, by key."""
    monkeypatch.chdir(tmp_path)

    def call():
        from kakaclo_async.cli.app import run

        code = run(["fleet", "check", "--json"])
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
            await fleet.submit("b", orders(opened["a"], 1, prefix="B")[0])
            await until(lambda: placed(opened["a"]) == ["A-0", "B-0"])
    assert "have one token" not in caplog.text
