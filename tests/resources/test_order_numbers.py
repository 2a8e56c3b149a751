"""An order's number is a str or an int: None and True are nobody's, and nothing is sent about them."""

from __future__ import annotations

import inspect
from operator import attrgetter

import pytest
from support.calls import public_calls

from kakaclo_async import InvalidRequest

pytestmark = [pytest.mark.stepped, pytest.mark.filterwarnings("ignore:KakaClo's V1")]

ONE = ["orders.get", "orders.wait", "refunds.of", "refunds.plan", "refunds.request", "refunds.wait"]
ONE += ["v1.orders.get", "v1.refunds.of", "v1.refunds.request"]
MANY = ["orders.get_many", "orders.page", "v1.orders.page"]


async def test_every_call_about_orders_is_here(kk):
    found = {"order_id": [], "ids": []}
    for name in sorted(name for name in public_calls() if name[0].islower()):
        parameters = inspect.signature(attrgetter(name)(kk)).parameters
        for parameter, calls in found.items():
            if parameter in parameters:
                calls.append(name)

    assert found == {"order_id": ONE, "ids": MANY}


@pytest.mark.parametrize("number", [None, True, 1.0, [1], ["1"], b"1"], ids=repr)
@pytest.mark.parametrize("name", [*ONE, *MANY])
async def test_what_is_no_number_is_refused_before_anything_is_sent(kk, sandbox, name, number):
    call = attrgetter(name)(kk)
    more = {"remark": "too small"} if name == "v1.refunds.request" else {}

    with pytest.raises(
        InvalidRequest, match=f"^order id must be a str or an int, not {type(number).__name__}$"
    ):
        await (call(ids=[number]) if name in MANY else call(number, **more))

    assert sandbox.requests.total() == 0


async def test_a_number_may_be_an_int(kk, sandbox):
    assert await kk.refunds.of(1000001) == await kk.refunds.of("1000001") == ()
    assert await kk.orders.get_many([1000001, "1000001"]) == ()


@pytest.mark.parametrize("reason", [None, True, 5])
async def test_a_reason_is_a_text(kk, sandbox, reason):
    with pytest.raises(InvalidRequest, match=f"^reason must be a str, not {type(reason).__name__}$"):
        await kk.refunds.request("1000001", reason=reason)

    assert sandbox.requests.total() == 0


@pytest.mark.parametrize("status", [None, True, 5])
async def test_a_status_is_a_text(kk, sandbox, status):
    with pytest.raises(InvalidRequest, match="^pass a list of statuses, not of"):
        _ = [order async for order in kk.orders.query(statuses=[status])]
    with pytest.raises(InvalidRequest, match="^pass a list of statuses, not of"):
        await kk.v1.orders.page(statuses=[status])

    assert sandbox.requests.total() == 0
