"""Every page of the board, as somebody sees it whose browser runs no script."""

from __future__ import annotations

import asyncio
import re
from decimal import Decimal
from html import unescape

import pytest
from support.board import SECRETS, Visitor

from kakaclo_async import KakaClo, Lane, RateLimit
from kakaclo_async.board import Board, serve
from kakaclo_async.board.desk import Desk
from kakaclo_async.board.live import LivePages, Sampler
from kakaclo_async.catalog import Mirror, MirrorStatus
from kakaclo_async.sandbox import Fault

pytestmark = pytest.mark.long


def spus(page):
    return re.findall(r'href="/products/([^"]+)"', page)


def next_page(page):
    found = re.search(r'id="next" rel="next" href="([^"]+)"', page)
    return found and unescape(found[1])


async def test_the_pages_of_the_catalog_show_each_product_once(shown, reader):
    path, found = "/", []
    while path:
        status, page = await reader.get(path)
        assert status == 200
        found += spus(page)
        path = next_page(page)
    assert sorted(found) == sorted(shown.sandbox.catalog.spus())


@pytest.mark.parametrize("sort", ["cheapest", "dearest", "stock", "newest"])
async def test_each_order_is_kept_over_all_pages(shown, reader, sort):
    path, found = f"/?sort={sort}", []
    while path:
        _, page = await reader.get(path)
        found += spus(page)
        path = next_page(page)
    of = {row["spu"]: row for row in shown.sandbox.catalog.products()}
    key = {
        "cheapest": lambda spu: float(of[spu]["price"]),
        "dearest": lambda spu: -float(of[spu]["price"]),
        "stock": lambda spu: -of[spu]["stock"],
    }.get(sort)
    assert sorted(found) == sorted(of)
    if key is not None:
        assert [key(spu) for spu in found] == sorted(map(key, found))
    else:
        assert found[0] == shown.spu


async def test_a_search_finds_words_of_names_and_codes_in_any_case(shown, reader):
    product = next(shown.sandbox.catalog.products())
    first, second = str(product["productName"]).split()[:2]
    wanted = {
        row["spu"]
        for row in shown.sandbox.catalog.products()
        if first.lower() in row["productName"].lower() and second.lower() in row["productName"].lower()
    }
    _, page = await reader.get("/", params={"q": f"{second.upper()} {first.lower()}"})
    assert set(spus(page)) == wanted != set()
    _, page = await reader.get("/", params={"q": shown.spu.lower()})
    assert spus(page) == [shown.spu]
    _, page = await reader.get("/", params={"q": "%"})
    assert "No product is like that" in page


async def test_filters_by_category_status_country_and_price_hold(shown, reader):
    rows = list(shown.sandbox.catalog.products())
    held = {
        sku.partition("_")[0]
        for sku, warehouse, qty in shown.sandbox.catalog.stock_rows()
        if warehouse.startswith("W") and qty > 0
    }
    category = rows[0]["categoryId"]
    for params, admits in [
        ({"category": category}, lambda row: row["categoryId"] == category),
        ({"status": 1}, lambda row: row["spuStatus"] == 1),
        ({"country": "US"}, lambda row: row["spu"] in held),
        ({"low": "10", "high": "20"}, lambda row: 10 <= float(row["price"]) <= 20),
        (
            {"country": "US", "low": "5", "status": 1},
            lambda row: row["spu"] in held and float(row["price"]) >= 5 and row["spuStatus"] == 1,
        ),
    ]:
        path, found = "/?" + "&".join(f"{name}={value}" for name, value in params.items()), []
        while path:
            _, page = await reader.get(path)
            found += spus(page)
            path = next_page(page)
        assert sorted(found) == sorted(row["spu"] for row in rows if admits(row)), params


@pytest.mark.parametrize(
    "query", ["low=cheap", "category=x", "sort=name", "after=%00", "after=WzEsMl0=", "status=-1", "low=nan"]
)
async def test_an_address_that_makes_no_sense_is_told_as_such(reader, query):
    status, page = await reader.get(f"/?{query}")
    assert status == 400
    assert "That cannot be asked" in page


async def test_a_product_shows_variants_stock_and_the_history_of_its_price(shown, reader):
    status, page = await reader.get(f"/products/{shown.spu}")
    assert status == 200
    stock = [row for row in shown.sandbox.catalog.stock_rows() if row[0].startswith(f"{shown.spu}_")]
    for sku, warehouse, qty in stock:
        assert sku in page
        assert f"{warehouse}: {qty:,}" in page
    [chart] = re.findall(r'<path class="line c0" d="([^"]+)"', page)
    assert chart.count("V") == 3, "two prices, and up to now"
    for price in ("12.5000", "9.9000"):
        assert price in page


async def test_freight_is_a_table_and_a_bar_for_each_offer(shown, reader):
    status, page = await reader.get("/freight", params={"cart": shown.cart, "to": "us, FR"})
    assert status == 200
    offers = re.findall(r'<th scope="row">(US|FR)</th><td>', page)
    assert {"US", "FR"} == set(offers)
    assert page.count('class="bar"') == len(offers) > 2
    assert page.count(">cheapest") == 2


async def test_a_country_that_nothing_ships_to_keeps_no_other_from_being_shown(shown, reader):
    _, page = await reader.get("/freight", params={"cart": shown.cart, "to": "US,QQ"})
    assert 'class="bar"' in page
    assert re.search(r'<th scope="row">QQ</th><td colspan="4">\S', page)


async def test_a_country_to_which_nothing_is_offered_is_told_in_its_row(shown, reader):
    shown.sandbox.no_freight_to = ("BR",)
    _, page = await reader.get("/freight", params={"cart": shown.cart, "to": "US,BR"})
    assert 'class="bar"' in page
    assert re.search(r'<th scope="row">BR</th><td colspan="4">nothing ships SKU', page)


async def test_freight_without_a_client_says_how_to_give_a_token(shown):
    async with serve(db=shown.db) as board, Visitor(board.url) as visitor:
        for path in ("/freight", "/orders"):
            status, page = await visitor.get(path)
            assert (status, "KAKACLO_TOKEN" in page) == (200, True)


async def test_orders_show_packages_refunds_and_their_family(shown, reader):
    shown.sandbox.skip(3 * 86_400)
    _, listing = await reader.get("/orders?days=3650")
    assert shown.order_id in listing
    _, page = await reader.get(f"/orders/{shown.order_id}")
    [refund] = shown.sandbox.ledger.refunds.values()
    order = shown.sandbox.ledger.orders[shown.order_id]
    assert refund.number in page
    assert order.parcels[0].tracking in page
    _, page = await reader.get("/families/SHOP-1")
    for number in (number for placed in shown.sandbox.journal[:1] for number in placed.orders):
        assert f"/orders/{number}" in page


async def test_what_is_in_doubt_is_shown_with_its_reason(shown, reader):
    [entry] = await shown.journal.pending()
    _, page = await reader.get("/doubts")
    assert "SHOP-3" in page
    assert "unknown" in page
    assert entry.why.split(":")[0] in unescape(page)


async def test_the_mirror_page_tells_counts_freshness_and_gaps(shown, reader):
    _, page = await reader.get("/mirror")
    assert "<dd>60</dd>" in page
    assert "None." in page
    assert "minutes" in page


async def test_the_traffic_page_draws_permits_lanes_and_waiting_calls(shown, reader):
    for _ in range(2):
        _, page = await reader.get("/traffic/now")
    assert page.count("<polyline") == 4
    assert "interactive" in page
    assert 'hx-trigger="every 2s"' in page
    assert "<html" not in page


async def test_a_running_program_can_show_another_client(shown, reader):
    board = Board()
    async with board, Visitor(board.url) as visitor:
        _, page = await visitor.get("/traffic")
        assert "no client to show" in page
        board.attach(shown.kk)
        _, page = await visitor.get("/traffic")
        assert "<polyline" in page


async def test_a_database_that_is_not_there_is_told_and_other_pages_go_on(tmp_path):
    async with serve(db=f"sqlite:///{tmp_path}/none.db") as board:
        visitor = Visitor(board.url)
        status, page = await visitor.get(str(visitor.address.relative()))
        assert status == 502
        assert "there is no mirror" in page
        assert (await visitor.get("/traffic"))[0] == 200
        await visitor.session.close()


async def test_no_page_holds_an_address_a_phone_number_or_a_token(shown, writer):
    pages = [
        "/", f"/products/{shown.spu}", f"/freight?cart={shown.cart}", "/orders?days=3650", f"/orders/{shown.order_id}",
        f"/orders/{shown.waiting_id}/refund?whole=yes", "/families/SHOP-1", "/families/SHOP-3", "/doubts",
        "/doubts/finish", "/mirror", "/traffic",
    ]  # fmt: skip
    for path in pages:
        status, _ = await writer.get(path)
        assert status == 200, path
    async with Visitor(shown.look) as visitor:
        for path in ("/", "/faults", "/orders", "/clock"):
            assert (await visitor.get(path))[0] == 200
        texts = writer.texts + visitor.texts
    for secret in (*SECRETS, shown.sandbox.token):
        assert [secret for text in texts if secret in text] == []


async def test_an_answer_of_kakaclo_that_fails_is_a_page_that_says_so(shown, reader):
    shown.sandbox.faults.add(Fault("server_error", times=None))
    status, page = await reader.get("/orders")
    assert status == 502
    assert "That did not work" in page


async def test_what_names_hold_is_text_and_never_markup(shown, tmp_path):
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(shown.db.removeprefix("sqlite:///"))) as connection:
        connection.execute("UPDATE product SET product_name = '<script>x</script>', sku_img_url = ?",
                           ('[{"imgUrl": ["javascript:x", "http://a/b.png"]}]',))  # fmt: skip
        connection.commit()
    async with serve(db=shown.db) as board, Visitor(board.url) as visitor:
        for path in ("/", f"/products/{shown.spu}"):
            _, page = await visitor.get(path)
            assert "<script>x" not in page
            assert "javascript:" not in page
            assert "http://a/b" not in page


async def test_calls_that_wait_are_counted_in_their_lane(shown):
    slow = KakaClo(shown.sandbox.token, base_url=shown.sandbox.url, rate_limit=RateLimit(2, 0.001))
    async with slow as kk, serve(kk=kk) as board, Visitor(board.url) as visitor:
        calls = [asyncio.ensure_future(kk.bulk().orders.page(page_number=number + 1)) for number in range(7)]
        while kk.stats().lanes[Lane.BULK].queued < 5:
            await asyncio.sleep(0)
        _, page = await visitor.get("/traffic/now")
        row = re.search(r'<th scope="row">bulk</th>(.*)', page)[1]
        waiting = kk.stats().lanes[Lane.BULK].queued
        assert re.findall(r">([\d,.]+)</td>", row)[1] == str(waiting)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)


@pytest.mark.stepped
async def test_rows_per_second_are_counted_between_two_looks():
    def status(rows):
        return MirrorStatus(
            products=rows, skus=2 * rows, stock=rows, last_change=0, undecodable=0, products_until=None,
            stock_until=None, gaps=(),
        )  # fmt: skip

    pages = LivePages(Desk(title="", links={}), Sampler())
    assert pages._added(status(100)) is None
    await asyncio.sleep(5)
    assert pages._added(status(150)) == pytest.approx(40)
    await asyncio.sleep(5)
    assert pages._added(status(0)) == 0, "another database"


async def test_rows_that_a_mirror_stores_show_in_the_traffic_of_its_client(shown, tmp_path):
    sampler = Sampler()
    sampler.attach(shown.kk)
    sampler.look()
    await Mirror(shown.kk, f"sqlite:///{tmp_path}/again.db", now=shown.sandbox.now).run()
    sampler.look()
    [(_, rate)] = sampler.rates(lambda one: one.rows)
    assert rate > 0
    sampler.detach()
    assert sampler.rates(lambda one: one.rows) == []


async def test_who_comes_while_the_catalog_is_read_waits_for_all_of_it(shown, monkeypatch):
    monkeypatch.setattr("kakaclo_async.board.shelf._BATCH", 10)
    async with serve(db=shown.db) as board:
        shelf = board._shelf
        first = asyncio.ensure_future(shelf.freshen())
        while not shelf._lines:
            await asyncio.sleep(0)
        assert len(shelf) < 60
        await shelf.freshen()
        assert len(shelf) == 60
        await first


async def test_the_list_follows_what_the_mirror_writes(shown):
    async with serve(db=shown.db) as board, Visitor(board.url) as visitor:
        added = shown.sandbox.catalog.add_product()
        shown.sandbox.catalog.set_price(shown.spu, Decimal(777))
        shown.sandbox.skip(3600)
        await Mirror(shown.kk, shown.db, now=shown.sandbox.now).run()
        board._shelf._fresh_until = 0.0
        await visitor.get("/")
        await board._shelf._loading
        _, page = await visitor.get("/?sort=dearest")
        assert spus(page)[0] == shown.spu
        _, page = await visitor.get(f"/?q={added}")
        assert spus(page) == [added]
