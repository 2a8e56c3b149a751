"""What the log says, at which level, and what the events say besides."""

from __future__ import annotations

import asyncio
import logging

import pytest

from kakaclo_async import (
    CacheHit,
    CallEnded,
    CallStarted,
    Event,
    KakaClo,
    Lane,
    PageDone,
    Rejected,
    Retried,
    Sent,
    Throttled,
    Waited,
    public,
)
from kakaclo_async.sandbox import Fault

pytestmark = [pytest.mark.stepped, pytest.mark.kakaclo_sandbox(products=40, index_lag=0)]
BALANCE = "/v1/payment/balance"
NAMED = {"method": "GET", "path": "/v1/x/7", "route": "/v1/x/{}"}
EVENTS = [
    CallStarted(**NAMED, lane=Lane.BULK),
    Waited(lane=Lane.BULK, seconds=1.5),
    Sent(**NAMED, lane=Lane.BULK, attempt=2, status=200, seconds=0.25, size=10, waited=1.5, code=10000),
    Retried(**NAMED, attempt=1, reason="ServerError", pause=0.5),
    Throttled(**NAMED, retry_after=3.0),
    CallEnded(**NAMED, lane=Lane.BULK, attempts=2, waited=1.5, seconds=4, error="ServerError"),
    CacheHit(**NAMED, lane=Lane.BULK),
    PageDone(what="stock", rows=100, rows_done=200, rows_total=None),
]


@pytest.fixture
def lines(caplog):
    def found(level):
        return [
            record.getMessage()
            for record in caplog.records
            if record.levelno == level and record.name != "kakaclo.sandbox"
        ]

    caplog.set_level(logging.DEBUG, "kakaclo")
    return found


@pytest.fixture
def events(kk):
    events = []
    kk.on_event(events.append)
    return events


def test_every_event_is_a_plain_line():
    kinds = {getattr(public, name) for name in public.NAMES}
    kinds = {kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Event)} - {Event}
    assert kinds == set(map(type, EVENTS))
    for event in EVENTS:
        assert not {"(", "=", "<"} & set(str(event).replace("(attempt ", "").replace("attempt(s)", ""))
        assert "/v1/x/7" in str(event) or not hasattr(event, "path")


async def test_what_goes_well_is_told_at_debug_only(kk, lines):
    await kk.payment.balance()
    assert lines(logging.INFO) == []
    begun, _, sent, ended = lines(logging.DEBUG)
    assert begun == f"GET {BALANCE} begins in the interactive lane"
    assert sent.startswith(f"GET {BALANCE}: HTTP 200, ")
    assert ended.startswith(f"GET {BALANCE} succeeded after 1 attempt(s) and ")


async def test_a_retry_and_a_call_that_recovers_are_told_at_info(kk, sandbox, lines):
    sandbox.faults.add(Fault("bad_gateway", path=BALANCE))
    await kk.payment.balance()
    retried, recovered = lines(logging.INFO)
    assert retried.startswith(f"GET {BALANCE} will be sent again after ")
    assert retried.endswith(" s: attempt 1 failed with ServerError")
    assert recovered.startswith(f"GET {BALANCE} succeeded after 2 attempt(s) and ")


async def test_a_429_and_the_recovery_from_it_are_told_at_info(kk, sandbox, lines):
    sandbox.faults.add(Fault("throttled", retry_after="3", times=2))
    await kk.payment.balance()
    told = lines(logging.INFO)
    refused = f"GET {BALANCE} met a 429: the shop's bucket is full, and KakaClo asks to wait 3 s"
    assert told.count(refused) == 2
    assert told[-2] == "KakaClo lets requests through again, after 2 answers 429"
    await kk.payment.balance()
    assert lines(logging.INFO) == told


async def test_no_line_has_the_token_or_what_was_sent(kk, sandbox, caplog, lines):
    with pytest.raises(Rejected):
        sandbox.faults.add(Fault("rejected", path="/v2/order/*", message=sandbox.token, times=None))
        await kk.orders.page()
    assert lines(logging.DEBUG)
    assert sandbox.token not in caplog.text


async def test_a_request_tells_its_code_and_the_class_of_its_error(kk, sandbox, events):
    sandbox.faults.add(Fault("rejected", path=BALANCE, code=20001))
    with pytest.raises(Rejected) as error:
        await kk.payment.balance()
    [refused] = [event for event in events if isinstance(event, Sent)]
    assert (refused.status, refused.code, refused.error) == (200, error.value.code, "Rejected")
    ended = events[-1]
    assert (ended.code, ended.error, ended.attempts) == (error.value.code, "Rejected", 1)
    await kk.payment.balance()
    *_, sent, ended = events
    assert (sent.code, sent.error) == (ended.code, ended.error) == (10000, None)


async def test_a_retry_tells_the_code_of_the_answer(kk, sandbox, events):
    sandbox.faults.add(Fault("throttled", retry_after="1"))
    await kk.payment.balance()
    [retried] = [event for event in events if isinstance(event, Retried)]
    [first, _] = [event for event in events if isinstance(event, Sent)]
    assert retried.code == first.code
    assert first.error == retried.reason == "RateLimited"


async def test_a_call_that_is_answered_from_the_cache_tells_so_and_sends_nothing(kk, events):
    await kk.warehouses.all()
    assert not any(isinstance(event, CacheHit) for event in events)
    events.clear()
    await kk.warehouses.all()
    [hit] = events
    assert hit == CacheHit(
        method="GET", path="/v1/product/countryAndWarehouse", route="/v1/product/countryAndWarehouse",
        lane=Lane.INTERACTIVE,
    )  # fmt: skip


async def test_a_call_that_gets_no_permit_has_a_start_and_an_end_and_nothing_between(sandbox):
    events = []
    async with KakaClo(sandbox.token, base_url=sandbox.url, max_wait=0) as kk:
        kk.on_event(events.append)
        results = await asyncio.gather(*(kk.payment.balance() for _ in range(200)), return_exceptions=True)
    refused = sum(isinstance(result, TimeoutError) for result in results)
    assert refused
    ended = [event for event in events if isinstance(event, CallEnded)]
    assert len(ended) == sum(isinstance(event, CallStarted) for event in events) == 200
    assert sum(event.error == "DeadlineExceeded" for event in ended) == refused
    assert {event.path for event in ended} == {BALANCE}


async def test_the_waits_of_a_call_add_up_to_its_end(kk, sandbox, events):
    sandbox.faults.add(Fault("throttled", retry_after="3"))
    await kk.payment.balance()
    sent = [event for event in events if isinstance(event, Sent)]
    ended = events[-1]
    assert sum(event.waited for event in sent) == pytest.approx(ended.waited)
    assert ended.waited >= 3
    assert ended.seconds >= ended.waited + sum(event.seconds for event in sent)
