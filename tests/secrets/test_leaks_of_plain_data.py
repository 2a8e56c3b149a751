"""An order that is given as plain data leaves nothing of its person in an error, however much of it a program shows."""

from __future__ import annotations

import traceback

import pytest

import kakaclo_sync
from kakaclo_async import InvalidRequest, KakaClo, KakaCloError

PERSON = {
    "recipient": "Xanthippe Quill",
    "phone": "+1 555 0177",
    "street1": "77 Hidden Lane",
    "city": "Nowhere",
}
ORDER = {
    "address": {"country": "US", "province": "Iowa", "zip": "52240", **PERSON},
    "items": [{"sku": "AMN00003_AP_M", "quantity": 0}],  # refused before a request
    "remark": "ring at Quill",
}
CALLS = {
    "create": lambda kk, order: kk.orders.create(order),
    "check": lambda kk, order: kk.orders.check(order),
}


def shown(error):
    ours = [
        frame for frame in traceback.walk_tb(error.__traceback__) if "kakaclo_" in frame[0].f_code.co_filename
    ]
    summary = traceback.StackSummary.extract(iter(ours), capture_locals=True)
    assert summary, "an error comes from somewhere"
    return f"{error!r} {error} {''.join(summary.format())}"


def assert_hidden(text):
    assert not [word for word in (*PERSON.values(), ORDER["remark"]) if word in text], text


@pytest.mark.parametrize("name", CALLS)
def test_a_blocking_call(name, closed_port):
    with kakaclo_sync.KakaClo("token", base_url=closed_port, max_attempts=1) as kk:
        with pytest.raises(KakaCloError) as caught:
            CALLS[name](kk, ORDER if name == "create" else {**ORDER, "items": [{"sku": "A", "quantity": 1}]})
        assert_hidden(shown(caught.value))


@pytest.mark.parametrize("name", CALLS)
async def test_an_async_call(name, closed_port):
    async with KakaClo("token", base_url=closed_port, max_attempts=1) as kk:
        with pytest.raises(KakaCloError) as caught:
            await CALLS[name](
                kk, ORDER if name == "create" else {**ORDER, "items": [{"sku": "A", "quantity": 1}]}
            )
        assert_hidden(shown(caught.value))


def test_what_is_refused_names_the_field_alone():
    with pytest.raises(InvalidRequest, match="quantity") as caught, kakaclo_sync.KakaClo("token") as kk:
        kk.orders.create(ORDER)
    assert_hidden(str(caught.value))


@pytest.fixture
def closed_port(unused_tcp_port):
    return f"http://127.0.0.1:{unused_tcp_port}/openapi"
