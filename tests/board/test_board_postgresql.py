"""The catalog's pages out of PostgreSQL: the same lists, searches and products as out of SQLite."""

from __future__ import annotations

import re
from html import unescape

import pytest
from support.board import Visitor, scene
from support.postgresql import needs_postgresql, running_server

from kakaclo_async.board import serve

pytestmark = [pytest.mark.process, needs_postgresql()]

LISTS = [
    "/", "/?sort=cheapest", "/?sort=dearest", "/?sort=stock", "/?q=women", "/?country=US&low=5", "/?status=1&high=20.5",
]  # fmt: skip


async def pages(visitor, path):
    found = []
    while path:
        status, page = await visitor.get(path)
        assert status == 200
        found += re.findall(r'href="/products/([^"]+)"', page)
        further = re.search(r'id="next" rel="next" href="([^"]+)"', page)
        path = further and unescape(further[1])
    return found


@pytest.fixture(scope="module")
def server():
    with running_server() as url:
        yield url


async def test_postgresql_and_sqlite_show_the_same(tmp_path, server):
    from kakaclo_async.catalog import Mirror

    async with scene(tmp_path, db=f"{server}/postgres") as shown:
        other = f"sqlite:///{tmp_path}/other.db"
        await Mirror(shown.kk, other, now=shown.sandbox.now).run()
        lists = []
        for url in (shown.db, other):
            async with serve(db=url) as board, Visitor(board.url) as visitor:
                lists.append([await pages(visitor, path) for path in LISTS])
                _, product = await visitor.get(f"/products/{shown.spu}")
                assert shown.sku in product
                assert ("polyline" in product or 'class="line c0"' in product) == (url == shown.db)
                _, mirror = await visitor.get("/mirror/now")
                assert "<dd>60</dd>" in mirror
    assert lists[0] == lists[1]
    assert len(lists[0][0]) == 60
    assert all(lists[0])
