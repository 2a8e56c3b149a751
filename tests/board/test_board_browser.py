"""The board and the sandbox's pages in headless Chromium: used as people use them, and looked at by axe-core."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from support.board import scene
from support.browser import Browser, axe_script, needs_chromium
from support.fleet import written
from support.pictures import drawn_pictures

from kakaclo_async.board import serve
from kakaclo_async.fleet import Fleet

pytestmark = [pytest.mark.process, pytest.mark.long, needs_chromium()]

PICTURE = Path(__file__).parents[2] / "docs" / "pictures" / "board.png"
TAKES_PICTURE = os.environ.get("KAKACLO_BOARD_PICTURE") == "1"


@pytest.fixture(scope="module")
def axe(tmp_path_factory):
    return axe_script(tmp_path_factory.mktemp("axe"))


@pytest.fixture
async def seen(tmp_path, axe):
    """A shop, a board of it that writes, and a browser that has opened it."""
    async with (
        drawn_pictures() as rules,
        scene(tmp_path, products=200) as shown,
        Fleet.open(written(tmp_path, [("acme", "t", {}), ("bolt", "t", {"paused": True})])) as fleet,
        serve(kk=shown.kk, db=shown.db, journal=shown.journal, fleet=fleet, write=True) as board,
    ):
        browser = await asyncio.to_thread(Browser, axe, rules)
        try:
            await asyncio.to_thread(browser.open, board.url)
            yield shown, browser, board.url.partition("/?")[0]
        finally:
            await asyncio.to_thread(browser.close)


async def test_people_search_look_quote_order_doubt_and_switch_faults(seen):
    shown, browser, home = seen
    await asyncio.to_thread(walk, shown, browser, home)
    assert [fault.kind.value for fault in shown.sandbox.faults.active] == ["server_error"]


def walk(shown, browser, home):
    # Search, as somebody types: the list follows without a new page.
    assert browser.driver.current_url == f"{home}/"
    browser.one("body").send_keys("/")
    assert browser.driver.switch_to.active_element.get_attribute("id") == "q"
    browser.one("#q").send_keys(shown.spu)
    browser.wait(lambda: len(browser.all(".card")) == 1)
    assert f"q={shown.spu}" in browser.driver.current_url

    # A product, with the history of its price.
    browser.one(".card a").click()
    browser.wait(lambda: browser.all("svg.chart path.line"))
    assert shown.sku in browser.one("main").text

    # Freight to several countries.
    browser.open(f"{home}/freight")
    browser.one("#cart").send_keys(shown.cart)
    browser.one("main form button").click()
    browser.wait(lambda: len(browser.all("svg.chart rect.bar")) >= 5)

    # An order, and what is in doubt.
    browser.open(f"{home}/orders")
    browser.driver.find_element("link text", shown.order_id).click()
    browser.wait(lambda: "pending review" in browser.one("main").text)
    browser.driver.find_element("link text", "In doubt").click()
    browser.wait(lambda: "SHOP-3" in browser.one("main").text)

    # What moves does so by itself: the part is another one after two seconds.
    browser.driver.find_element("link text", "Traffic").click()
    first = browser.wait(lambda: browser.one("#now"))
    browser.wait(lambda: browser.one("#now") != first)
    assert len(browser.all("#now polyline")) == 4

    # The sandbox's fault switch, pressed by keyboard.
    browser.open(shown.look)
    browser.driver.find_element("link text", "Faults").click()
    browser.wait(lambda: browser.one("#kind"))
    browser.one("#kind").send_keys("server")
    browser.one("main form.filters button").send_keys("\n")
    browser.wait(lambda: "server error" in browser.one("main table").text)
    assert browser.complaints() == []


async def test_axe_finds_no_serious_fault_on_any_page_light_dark_and_narrow(seen):
    shown, browser, home = seen
    ours = [
        "/", f"/?q={shown.spu}", f"/products/{shown.spu}", f"/freight?cart={shown.cart}", "/orders?days=3650",
        f"/orders/{shown.order_id}", f"/orders/{shown.waiting_id}/refund?whole=yes", "/families/SHOP-1", "/doubts",
        "/doubts/finish", "/mirror", "/traffic", "/fleet",
        "/nothing",
    ]  # fmt: skip
    theirs = ["/", "/faults", "/orders", "/clock"]
    await asyncio.to_thread(browser.open, shown.look)
    pages = [home + path for path in ours] + [shown.look.partition("/?")[0] + path for path in theirs]
    assert await asyncio.to_thread(faults, browser, pages) == {}


def faults(browser, pages):
    found = {}
    for page in pages:
        browser.open(page)
        for dark, width in ((False, 1280), (True, 1280), (True, 360)):
            browser.dark(dark)
            browser.size(width, 800)
            if told := browser.faults():
                found[f"{page} {'dark' if dark else 'light'} {width}"] = told
            wide = browser.driver.execute_script("return document.documentElement.scrollWidth")
            if wide > width:
                found[f"{page} {width}"] = [f"it is {wide} pixels wide"]
    return found


async def test_without_a_script_the_catalog_is_searched_and_paged(seen):
    shown, browser, home = seen
    await asyncio.to_thread(read_without_script, browser, home)


def read_without_script(browser, home):
    browser.without_script(True)
    browser.open(f"{home}/")
    first = [card.text for card in browser.all(".card")]
    assert len(first) == 48
    browser.one("#next").click()
    browser.wait(lambda: browser.all("#first"))
    assert not {card.text for card in browser.all(".card")} & set(first)
    browser.one("#q").send_keys("women")
    browser.one(".filters button").click()
    browser.wait(lambda: "q=women" in browser.driver.current_url)
    assert browser.all(".card")
    browser.without_script(False)


@pytest.mark.skipif(not TAKES_PICTURE, reason="KAKACLO_BOARD_PICTURE=1 makes docs/pictures/board.png anew")
async def test_a_picture_for_the_readme_is_taken(seen):
    shown, browser, home = seen
    await asyncio.to_thread(take_picture, browser, home)
    assert PICTURE.stat().st_size > 20_000


def take_picture(browser, home):
    browser.size(1200, 860)
    browser.dark(False)
    browser.open(f"{home}/?country=US&sort=stock")
    loaded = "return [...document.images].slice(0, 12).every((one) => one.complete && one.naturalWidth > 0)"
    browser.wait(lambda: browser.driver.execute_script(loaded))
    browser.driver.save_screenshot(str(PICTURE))
