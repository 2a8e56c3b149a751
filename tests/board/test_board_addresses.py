"""What an address of the board may hold: any key of an order or a product, and any nonsense."""

from __future__ import annotations

import base64
import re
import sqlite3
from contextlib import closing
from html import unescape

import pytest
from markupsafe import escape
from support.board import Visitor
from support.shop import ADDRESS

from kakaclo_async import Item, NewOrder, OutcomeUnknown
from kakaclo_async.board import serve
from kakaclo_async.ordering import Journal
from kakaclo_async.sandbox import Fault

pytestmark = pytest.mark.long

DOTS = re.compile(r"/(?:\.|%2e){1,2}(?=[/?#]|$)", re.IGNORECASE)
"""What a browser takes for a step in the tree, and takes away."""


@pytest.mark.parametrize("key", ["A/1", "..", ".", "#1 <b>", "a?b&c", "%2F", "1 + 1"])
async def test_an_order_is_found_by_its_links_whatever_its_id_holds(shown, writer, key):
    item = Item(shown.sku, 1)
    shown.sandbox.faults.add(Fault("reset_before", path="*/orders", method="POST"))
    order = NewOrder(address=ADDRESS, items=[item], custom_order_id=key)
    with pytest.raises(OutcomeUnknown):
        await shown.kk.orders.submit(order, journal=shown.journal, timeout=0)
    _, page = await writer.get("/doubts")
    in_doubt = link_to(page, key)

    await shown.kk.orders.submit(order, journal=Journal(shown.journal_url, quiet_time=0))
    shown.sandbox.skip(shown.sandbox.index_lag + 1)
    _, page = await writer.get("/orders?days=3650")
    assert link_to(page, key) == in_doubt
    status, page = await writer.get(in_doubt)
    assert (status, f"<h1>{escape(key)}</h1>" in page) == (200, True)


@pytest.mark.parametrize("spu", ["A/B ../?x#", "..", "%2F"])
async def test_a_product_is_found_by_its_link_whatever_its_code_holds(shown, spu):
    with closing(sqlite3.connect(shown.db.removeprefix("sqlite:///"))) as connection:
        for table in ("product", "sku"):
            connection.execute(f"UPDATE {table} SET spu = ? WHERE spu = ?", (spu, shown.spu))  # noqa: S608 - two names
        connection.commit()
    async with serve(db=shown.db) as board, Visitor(board.url) as visitor:
        _, page = await visitor.get("/", params={"q": spu.split()[0]})
        [link] = (unescape(found) for found in re.findall(r'href="(/products/[^"]*)"', page))
        assert not DOTS.search(link)
        status, page = await visitor.get(link)
    assert (status, escape(spu) in page) == (200, True)


def link_to(page, text):
    """The address behind a text."""
    [link] = re.findall(rf'<a href="([^"]*)">{re.escape(escape(text))}</a>', page)
    assert not DOTS.search(unescape(link))
    return unescape(link)


@pytest.mark.parametrize("name", ["page", "days"])
async def test_a_number_of_more_digits_than_python_reads_is_told_as_such(reader, name):
    status, page = await reader.get(f"/orders?{name}={'9' * 5000}")
    assert (status, f"{name} must be a whole number" in page) == (400, True)


@pytest.mark.parametrize("place", ["[" * 4000, f'[{"9" * 400}, "A"]', f'[{"9" * 4500}, "A"]'], ids=len)
async def test_a_place_in_the_list_that_nobody_can_read_is_told_as_such(reader, place):
    status, page = await reader.get(f"/?after={base64.urlsafe_b64encode(place.encode()).decode()}")
    assert (status, "this page does not belong to the list" in page) == (400, True)
