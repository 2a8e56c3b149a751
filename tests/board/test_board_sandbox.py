"""The sandbox's own pages: what came in, faults, orders that ship, the clock; and the API beside them."""

from __future__ import annotations

import re

import aiohttp
import pytest
from support.board import Visitor
from yarl import URL

from kakaclo_async.board import show_sandbox
from kakaclo_async.sandbox import FaultKind, Sandbox

pytestmark = pytest.mark.long


@pytest.fixture
async def visitor(shown):
    async with Visitor(shown.look) as visitor:
        yield visitor


def form_of(page, action):
    return re.search(rf'action="{action}"[^>]*>\s*<input type="hidden" name="form" value="([^"]+)"', page)[1]


async def test_the_log_shows_the_requests_newest_first_with_their_faults(shown, visitor):
    _, page = await visitor.get("/")
    paths = re.findall(r'<th scope="row" class="code">([^<]+)</th>', page)
    assert paths == [one.path for one in reversed(shown.sandbox.log)][:100]
    assert "reset after" in page


async def test_a_fault_is_switched_on_happens_and_is_switched_off(shown, visitor):
    _, page = await visitor.get("/faults")
    for kind in FaultKind:
        assert f'<option value="{kind.value}"' in page
    status, page = await visitor.post(
        "/faults", form=form_of(page, "/faults"), kind="throttled", path="/v1/payment/*", times="2"
    )
    assert status == 200
    [fault] = shown.sandbox.faults.active
    assert (fault.kind, fault.path, fault.times) == (FaultKind.THROTTLED, "/v1/payment/*", 2)
    assert "/v1/payment/*" in page

    status, page = await visitor.post("/faults/off", form=form_of(page, "/faults/off"))
    assert status == 200
    assert shown.sandbox.faults.active == ()


@pytest.mark.parametrize(
    "wrong",
    [{"kind": "nonsense"}, {"times": "0"}, {"times": "x"}, {"times": "9" * 5000}, {"method": "PUT"}],
    ids=lambda wrong: str(wrong)[:20],
)
async def test_a_fault_that_cannot_be_is_refused(shown, visitor, wrong):
    _, page = await visitor.get("/faults")
    given = {"kind": "delay", "path": "*", "times": "1"} | wrong
    status, _ = await visitor.post("/faults", form=form_of(page, "/faults"), **given)
    assert status == 400
    assert shown.sandbox.faults.active == ()


async def test_an_order_ships_when_it_is_told_to(shown, visitor):
    _, page = await visitor.get("/orders")
    waiting = re.search(
        rf'name="form" value="([^"]+)"><button[^>]*>Ship<span[^>]*> order {shown.waiting_id}<', page
    )[1]
    assert shown.sandbox.ledger.orders[shown.waiting_id].parcels == ()
    status, page = await visitor.post("/orders/ship", form=waiting)
    assert status == 200
    assert shown.sandbox.ledger.orders[shown.waiting_id].fulfillment_status == "fully_shipped"
    assert f"> order {shown.waiting_id}<" not in page
    shown.sandbox.skip(30 * 86_400)
    assert len(shown.sandbox.ledger.orders[shown.waiting_id].parcels) == 2, (
        "one from each country, and none again"
    )


async def test_the_clock_is_pushed_forward_alone(shown, visitor):
    before = shown.sandbox.now()
    _, page = await visitor.get("/clock")
    assert (await visitor.post("/clock", form=form_of(page, "/clock"), seconds="86400"))[0] == 200
    assert 86_400 <= (shown.sandbox.now() - before).total_seconds() < 87_000
    _, page = await visitor.get("/clock")
    assert (await visitor.post("/clock", form=form_of(page, "/clock"), seconds="-1"))[0] == 400
    _, page = await visitor.get("/clock")
    assert (await visitor.post("/clock", form=form_of(page, "/clock"), seconds="9" * 5000))[0] == 400


async def test_the_form_of_one_switch_moves_no_other(shown, visitor):
    _, page = await visitor.get("/clock")
    status, _ = await visitor.post("/faults", form=form_of(page, "/clock"), kind="delay")
    assert status == 403
    assert shown.sandbox.faults.active == ()


async def test_the_pages_ask_for_their_token_and_the_api_for_its_own(shown, visitor):
    address = URL(shown.look)
    async with aiohttp.ClientSession() as stranger:
        for path in ("/", "/faults", "/orders", "/clock", "/anything"):
            async with stranger.get(address.origin().join(URL(path))) as answer:
                assert answer.status == 403
        async with stranger.post(address.origin().join(URL("/clock")), data={"seconds": "5"}) as answer:
            assert answer.status == 403
    async with visitor.session.get(f"{shown.sandbox.url}/v1/payment/balance") as answer:
        assert answer.status == 401, "the cookie of the pages is no token of the API"
    assert (await shown.kk.payment.balance()).amount is not None


async def test_looking_counts_neither_in_the_log_nor_in_the_bucket(shown, visitor):
    before = (shown.sandbox.requests.total(), len(shown.sandbox.log))
    await visitor.get("/requests/now")
    assert (shown.sandbox.requests.total(), len(shown.sandbox.log)) == before


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "0.0.0.0"])  # noqa: S104 - for a moment
async def test_the_address_of_the_pages_leads_to_where_the_sandbox_listens(host):
    sandbox = Sandbox(host=host, products=10)
    pages = show_sandbox(sandbox)
    async with sandbox, Visitor(pages()) as visitor:
        status, page = await visitor.get("/faults")
        assert status == 200
        status, _ = await visitor.post(
            "/faults", form=form_of(page, "/faults"), kind="delay", path="*", times="1"
        )
        assert status == 200
