"""Look-ups that share a request: what is wrong with one code or one row is its own caller's to hear."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from itertools import islice
from urllib.parse import quote

import pytest
from hypothesis import given, strategies as st

from kakaclo_async import InvalidRequest, NotFound, Rejected, ServerError
from kakaclo_async.errors import DecodeError
from kakaclo_async.resources._lookup import CODES_BYTES, CODES_PER_REQUEST, chunks, joined, weight
from kakaclo_async.sandbox import Fault
from kakaclo_async.sandbox.http import products as sandbox_products
from kakaclo_async.sandbox.http.routing import Request as SandboxRequest
from kakaclo_async.sandbox.wire import Code, Refusal
from kakaclo_async.sandbox.world.view import View

pytestmark = pytest.mark.stepped

PRODUCTS, STOCKS, ORDERS = "/v1/product/products", "/v1/product/stocks", "/v2/order/orders"
LONG = [f"{n:02}" + "裙" * 62 for n in range(20)]


def spus(sandbox, count):
    return list(islice(sandbox.catalog.spus(), count))


def skus(sandbox, count):
    return list(islice(sandbox.catalog.skus(), count))


async def outcomes(get, codes):
    """What each of concurrent look-ups ended with, by code."""
    ends = await asyncio.gather(*map(get, codes), return_exceptions=True)
    return dict(zip(codes, ends, strict=True))


@pytest.fixture
def refuse(monkeypatch):
    """Lets the server refuse every request that names one of these codes; returns the requests that it saw."""
    codes_of = SandboxRequest.codes

    def refuse_these(*odd, meanwhile=lambda: None):
        seen = []

        def codes(request, name, at_most):
            found = codes_of(request, name, at_most)
            if found:
                seen.append(found)
                meanwhile()
            if {*odd} & {*found}:
                raise Refusal(Code.BAD_PARAMETER, "a code is odd")
            return found

        monkeypatch.setattr(SandboxRequest, "codes", codes)
        return seen

    return refuse_these


@pytest.fixture
def change_product(monkeypatch):
    """Lets the server answer the product with this code with other fields."""
    document = View.document

    def change(spu, /, **fields):
        def changed(view, row):
            found = document(view, row)
            return {**found, **fields} if found["spu"] == spu else found

        monkeypatch.setattr(View, "document", changed)

    return change


@pytest.fixture
def change_stock(monkeypatch):
    """Likewise for the stock of a SKU."""
    stock_of = sandbox_products._stock_of

    def change(sku, /, **fields):
        def changed(view, row, warehouse):
            found = stock_of(view, row, warehouse)
            return {**found, **fields} if found["sku"] == sku else found

        monkeypatch.setattr(sandbox_products, "_stock_of", changed)

    return change


async def test_long_codes_leave_room_for_their_neighbour(kk, sandbox):
    [known] = spus(sandbox, 1)

    ends = await outcomes(kk.products.get, [*LONG, known])

    assert ends.pop(known).spu == known
    assert {type(end) for end in ends.values()} == {NotFound}
    assert sandbox.requests[PRODUCTS] == 2


@pytest.mark.parametrize("count", [1, 200])
async def test_any_number_of_long_codes_can_be_looked_up_at_once(kk, sandbox, count):
    known = skus(sandbox, count)
    found = await kk.stocks.get_many([*LONG, *known])
    assert [level.sku for level in found] == known


async def test_what_fits_no_request_is_refused_before_a_permit_is_spent(kk, sandbox):
    for ask in (kk.products.page(spus=LONG), kk.products.page(skus=LONG), kk.stocks.page(skus=LONG)):
        with pytest.raises(InvalidRequest, match=r"20 S.U codes take 1\d{4} bytes in a URL"):
            await ask
    with pytest.raises(InvalidRequest, match="order id codes take"):
        await kk.orders.page(ids=[f"{n:064}" for n in range(250)])
    with pytest.raises(InvalidRequest, match="longer than 64"):
        await kk.products.get("x" * 400)
    assert sandbox.requests.total() == 0


@given(st.lists(st.text("aA-裙\U0001f457", min_size=1, max_size=64), unique=True, max_size=70))
def test_no_request_line_is_too_long_and_no_code_is_left_out(codes):
    groups = list(chunks(codes))
    assert [code for group in groups for code in group] == codes
    for group in groups:
        assert 1 <= len(group) <= CODES_PER_REQUEST
        assert len(quote(joined(group, "SKU"), safe="")) <= CODES_BYTES
    short = all(len(quote(code)) < 190 for code in codes)
    assert not short or len(groups) == -(-len(codes) // CODES_PER_REQUEST)


@given(st.text("aZ9-._~/%+ é裙\U0001f457", min_size=1, max_size=64))
def test_a_code_weighs_what_it_takes_in_a_url(code):
    assert weight(code) == max(CODES_BYTES // CODES_PER_REQUEST, len(quote(code, safe="")) + len("%2C"))


@pytest.mark.parametrize("place", [0, 13, 29])
async def test_one_refused_code_is_its_own_callers_error(kk, sandbox, refuse, place):
    codes = skus(sandbox, 30)
    seen = refuse(codes[place])

    ends = await outcomes(kk.stocks.get, codes)

    refused = ends.pop(codes[place])
    assert isinstance(refused, Rejected)
    assert f"asked for {codes[place]!r} alone" in str(refused)
    assert [end.sku for end in ends.values()] == [*codes[:place], *codes[place + 1 :]]
    assert len(seen) <= 1 + 2 * 5


async def test_several_refused_codes_are_found_too(kk, sandbox, refuse):
    codes = skus(sandbox, 30)
    odd = {codes[0], codes[7], codes[8], codes[21], codes[29]}
    refuse(*odd)

    ends = await outcomes(kk.stocks.get, codes)

    assert {code for code, end in ends.items() if isinstance(end, Rejected)} == odd
    assert all(end.sku == code for code, end in ends.items() if code not in odd)


async def test_a_page_of_404_for_one_code_does_not_hide_the_others(kk, sandbox, monkeypatch):
    known, odd = skus(sandbox, 2)
    codes_of = SandboxRequest.codes

    def codes(request, name, at_most):
        found = codes_of(request, name, at_most)
        if odd in found:
            sandbox.faults.add(Fault("bad_gateway", status=404, path=STOCKS))
        return found

    monkeypatch.setattr(SandboxRequest, "codes", codes)
    for _ in range(3):
        ends = await outcomes(kk.stocks.get, [known, odd])
        assert ends[known].sku == known


@pytest.mark.parametrize("status_of", ["gateway", "kakaclo"])
@pytest.mark.parametrize("count", [1, 3, 40])
async def test_a_404_does_not_say_that_all_codes_are_unknown(kk, sandbox, monkeypatch, status_of, count):
    """A gateway, or a wrong address, has no word about codes: an empty result would be taken for one."""
    if status_of == "gateway":
        sandbox.faults.add(Fault("bad_gateway", status=404, times=None))
    else:
        monkeypatch.setattr(sandbox._state.first.router, "_routes", [])
    for call in (
        kk.stocks.get_many(skus(sandbox, count)),
        kk.products.get_many(spus=spus(sandbox, count)),
        kk.products.get_many(skus=skus(sandbox, count)),
        kk.orders.get_many(str(number) for number in range(count)),
        kk.refunds.plan("1"),
        kk.refunds.request("1"),
    ):
        with pytest.raises(NotFound, match="HTTP 404"):
            await call
    assert not any(request.method == "POST" for request in sandbox.log)


async def test_callers_whose_codes_are_fine_do_not_wait_for_the_search(kk, sandbox, refuse):
    codes = skus(sandbox, 30)
    seen = refuse(codes[29])

    assert (await asyncio.gather(*map(kk.stocks.get, codes), return_exceptions=True))[0].sku == codes[0]
    seen.clear()
    first = asyncio.create_task(kk.stocks.get(codes[0]))
    others = [asyncio.create_task(kk.stocks.get(code)) for code in codes[1:]]
    await first
    assert len(seen) <= 4
    await asyncio.gather(*others, return_exceptions=True)


async def test_the_search_asks_for_no_code_that_nobody_waits_for_any_more(kk, sandbox, refuse):
    codes = skus(sandbox, 4)
    seen = refuse(codes[0], meanwhile=lambda: [call.cancel() for call in calls[2:]])
    calls = [asyncio.create_task(kk.stocks.get(code)) for code in codes]
    ends = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(ends[0], Rejected)
    assert ends[1].sku == codes[1]
    assert [set(request) for request in seen] == [set(codes), {codes[0]}, {codes[1]}]


@pytest.mark.parametrize("fault", ["server_error", "throttled"])
async def test_what_no_code_can_cause_is_not_searched_for(kk, sandbox, fault):
    sandbox.faults.add(Fault(fault, path=STOCKS, times=None))
    hasty = kk.with_options(max_attempts=1)
    ends = await outcomes(hasty.stocks.get, skus(sandbox, 30))
    assert not any(isinstance(end, Rejected) for end in ends.values())
    assert sandbox.requests[STOCKS] == 1


async def test_get_many_names_the_codes_that_are_refused(kk, sandbox, refuse):
    codes = skus(sandbox, 70)
    refuse(codes[3], codes[40])
    for asked in (codes[:10], codes):
        with pytest.raises(Rejected, match=f"asked for {codes[3]!r} alone") as caught:
            await kk.stocks.get_many(asked)
        assert (f"{codes[40]!r}" in str(caught.value)) == (len(asked) == 70)


async def test_one_unreadable_row_is_its_own_callers_error_and_costs_no_request(kk, sandbox, change_product):
    codes = spus(sandbox, 30)
    change_product(codes[4], price="cheap")

    ends = await outcomes(kk.products.get, [*codes[:29], "NOSUCH"])

    unreadable = ends.pop(codes[4])
    assert isinstance(unreadable, DecodeError)
    assert str(unreadable) == (
        f"Product.price: must be a number, not a text that is none: the row of {codes[4]!r}"
    )
    assert isinstance(ends.pop("NOSUCH"), NotFound)
    assert all(end.spu == code for code, end in ends.items())
    assert sandbox.requests[PRODUCTS] == 1


async def test_a_product_that_cannot_be_read_is_the_error_of_its_skus(kk, sandbox, change_product):
    first, second = islice(sandbox.catalog.products(), 2)
    change_product(first["spu"], price="cheap")
    mine, other = first["skuDetails"][0]["sku"], second["skuDetails"][0]["sku"]

    with pytest.raises(DecodeError, match=f"the row of {mine!r}"):
        await kk.products.get_many(skus=[mine, other])
    [product] = await kk.products.get_many(skus=[other])
    assert product.spu == second["spu"]


@pytest.mark.parametrize("sku", ["", None, {}, "AMN\ufffd"])
async def test_a_row_that_does_not_tell_whose_it_is_makes_no_known_code_unknown(
    kk, sandbox, change_stock, sku
):
    codes = skus(sandbox, 29)
    change_stock(codes[11], sku=sku)

    ends = await outcomes(kk.stocks.get, [*codes, "NOSUCH"])

    assert isinstance(ends.pop(codes[11]), DecodeError)
    assert isinstance(ends.pop("NOSUCH"), NotFound)
    assert all(end.sku == code for code, end in ends.items())


async def test_get_many_names_the_codes_whose_rows_cannot_be_read(kk, sandbox, change_stock):
    codes = skus(sandbox, 70)
    change_stock(codes[3], warehouseStockList=[{"qty": "many"}])
    for asked in (codes[:10], codes):
        with pytest.raises(DecodeError, match=re.escape(f"the row of {codes[3]!r}")):
            await kk.stocks.get_many(asked)
        without = [code for code in asked if code != codes[3]]
        assert [level.sku for level in await kk.stocks.get_many(without)] == without


@pytest.mark.parametrize("spell", [str.lower, lambda sku: f" {sku} "])
async def test_a_row_in_another_spelling_answers_the_code_that_nobody_else_asked_for(
    kk, sandbox, change_stock, spell
):
    mine, other, third = skus(sandbox, 3)
    change_stock(mine, sku=spell(mine))

    ends = await outcomes(kk.stocks.get, [mine, other])

    assert (ends[mine].sku, ends[other].sku) == (spell(mine), other)
    change_stock(third, sku="ANOTHER")
    with pytest.raises(NotFound):
        await kk.stocks.get(third)


async def test_a_server_error_in_the_search_fails_those_it_was_for(kk, sandbox, refuse):
    codes = skus(sandbox, 8)
    refuse(codes[0])
    sandbox.faults.add(Fault("server_error", path=STOCKS, skip=2))

    ends = await outcomes(kk.with_options(max_attempts=1).stocks.get, codes)

    kinds = Counter(type(end).__name__ for end in ends.values())
    assert kinds["ServerError"] == 4
    assert {type(end) for end in ends.values()} >= {ServerError}
