"""The board's page of a fleet: shops that need somebody come first, and nothing secret is on it."""

from __future__ import annotations

import re

import pytest
from support.board import SECRETS, Visitor
from support.fleet import entries, orders, sandboxes, written
from support.ordering import POST

from kakaclo_async.board import serve
from kakaclo_async.fleet import Fleet
from kakaclo_async.sandbox import Fault


@pytest.fixture
async def fleet(tmp_path):
    """Four shops: one is well, one has a doubt and an order that waits, one has a wrong token, one is paused."""
    async with sandboxes("well", "unsure", "broken", "resting") as opened:
        known = {name: (token, values) for name, token, values in entries(opened, burst=50)}
        known["broken"] = ("wrong-token-77ab", known["broken"][1])
        known["resting"][1]["paused"] = True
        shops = [(name, *values) for name, values in known.items()]
        async with Fleet.open(written(tmp_path, shops)) as fleet:
            opened["unsure"].faults.add(Fault("reset_after", **POST))
            for order in orders(opened["unsure"], 2):
                await fleet.submit("unsure", order)
            await fleet.submit("broken", orders(opened["broken"], 1)[0])
            for name in ("well", "unsure", "broken"):
                await fleet.turn("orders", name)
            await fleet._engine.table.beat()
            yield fleet


def rows(page, label):
    """Return the rows of a table: the texts of their cells."""
    body = re.search(rf"<caption class=.unseen.>{label}</caption>.*?<tbody>(.*?)</tbody>", page, re.DOTALL)[1]
    return [
        [
            re.sub(r"<[^>]+>", "", cell).strip()
            for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)
        ]
        for row in re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)
    ]


async def test_shops_that_need_somebody_come_first_with_what_ails_them(fleet):
    async with serve(fleet=fleet) as board, Visitor(board.url) as visitor:
        for path in ("/fleet", "/fleet/now"):
            status, page = await visitor.get(path)
            assert status == 200
            found = {row[0]: row for row in rows(page, "Shops")}
            assert next(iter(found)) == "broken"
            assert {name: row[1] for name, row in found.items()} == {
                "broken": "failing",
                "unsure": "well",
                "well": "well",
                "resting": "paused",
            }
            assert found["unsure"][4] == "1"
            assert found["unsure"][5] == "0"
            assert found["broken"][9] != "–"
            assert [found[name][6].isdigit() for name in ("unsure", "resting")] == [True, False]
            [worker] = rows(page, "Workers that were heard of within the last minute")
            assert worker[0] == fleet._worker
    for secret in (*SECRETS, "wrong-token-77ab"):
        assert not any(secret in text for text in visitor.texts)


async def test_without_a_worker_it_says_how_to_start_one(tmp_path):
    async with (
        Fleet.open(written(tmp_path, [("a", "t", {})])) as fleet,
        serve(fleet=fleet) as board,
        Visitor(board.url) as visitor,
    ):
        _, page = await visitor.get("/fleet")
        assert "run <code>kakaclo fleet serve</code>" in page
        assert '<a href="/fleet" aria-current="page">Fleet</a>' in page


async def test_of_many_shops_those_that_need_nobody_are_left_out(tmp_path):
    shops = [(f"s{n:03}", "t", {}) for n in range(230)]
    async with (
        Fleet.open(written(tmp_path, shops)) as fleet,
        serve(fleet=fleet) as board,
        Visitor(board.url) as visitor,
    ):
        await fleet._engine.table.sql("UPDATE fleet_turn SET due = @now + 60 WHERE shop <> 's229'")
        _, page = await visitor.get("/fleet")
        found = rows(page, "Shops")
        assert (found[0][0], len(found)) == ("s229", 200)
        assert "31 more shops are well" in page


async def test_a_board_without_a_fleet_has_no_link_to_it_and_says_how_to_give_one():
    async with serve() as board, Visitor(board.url) as visitor:
        status, page = await visitor.get("/fleet")
        assert (status, '<a href="/fleet"' in page) == (200, False)
        assert "--fleet fleet.toml" in page
