"""The client as a whole, against the sandbox over real HTTP."""

from __future__ import annotations

import asyncio
import gc
import logging
import pickle
import traceback

import pytest

from kakaclo_async import (
    CallEnded,
    CallStarted,
    ClientClosed,
    ConfigurationError,
    ConnectionFailed,
    DeadlineExceeded,
    KakaClo,
    Lane,
    RateLimit,
    Retried,
    Sent,
    ServerError,
    Throttled,
    Unauthorized,
    Waited,
)
from kakaclo_async.sandbox import Fault

pytestmark = [pytest.mark.stepped, pytest.mark.kakaclo_sandbox(products=40, index_lag=0)]


async def test_a_wrong_token_is_told_with_what_to_do_and_never_shown(sandbox):
    async with KakaClo("wr0ng-t0ken", base_url=sandbox.url) as kk:
        with pytest.raises(Unauthorized, match="API settings page") as caught:
            await kk.payment.balance()
        shown = "".join(traceback.format_exception(caught.value)) + repr(kk) + repr(vars(kk))
    assert "wr0ng" not in shown
    assert b"wr0ng" not in pickle.dumps(caught.value)


def test_a_client_without_a_token_is_refused_before_anything_else(monkeypatch):
    monkeypatch.delenv("KAKACLO_TOKEN", raising=False)
    with pytest.raises(ConfigurationError, match="KAKACLO_TOKEN"):
        KakaClo()


async def test_token_and_address_come_from_the_environment(sandbox, monkeypatch):
    monkeypatch.setenv("KAKACLO_TOKEN", sandbox.token)
    monkeypatch.setenv("KAKACLO_BASE_URL", sandbox.url)
    async with KakaClo() as kk:
        assert await kk.warehouses.all()


async def test_nobody_listening_is_a_clear_error(sandbox):
    await sandbox.aclose()
    async with KakaClo("t", base_url=sandbox.url) as kk:
        with pytest.raises(ConnectionFailed, match="cannot connect to 127.0.0.1") as caught:
            await kk.payment.balance()
        assert caught.value.sent is False
        assert kk.stats().requests == 5


async def test_views_share_everything_but_their_options(kk, sandbox):
    bulk = kk.bulk()
    hasty = kk.with_options(timeout=1, max_attempts=1)
    assert "lane=bulk" in repr(bulk)
    await asyncio.gather(kk.categories.tree(), bulk.categories.tree(), hasty.categories.tree())
    stats = kk.stats()
    assert stats == bulk.stats() == hasty.stats()
    assert stats.lanes[Lane.BULK].requests == 1
    assert stats.lanes[Lane.INTERACTIVE].requests == stats.requests - 1
    sandbox.faults.add(Fault("server_error", times=2))
    with pytest.raises(ServerError):
        await hasty.payment.balance()
    assert await kk.payment.balance()
    assert kk.stats().retries == 1


@pytest.mark.parametrize("change", [{"lane": "fast"}, {"timeout": -1}, {"max_wait": -1}, {"max_attempts": 0}])
async def test_a_view_that_cannot_work_is_refused(kk, change):
    with pytest.raises(ConfigurationError):
        kk.with_options(**change)


async def test_options_that_are_not_named_stay_as_they_are(kk):
    view = kk.with_options(timeout=7).with_options(max_wait=3).with_options(lane="bulk", max_attempts=2)
    options = view._sender.options
    assert (options.timeout, options.max_wait, options.lane, options.max_attempts) == (7, 3, Lane.BULK, 2)
    assert view.with_options(max_wait=None)._sender.options.max_wait is None


async def test_bulk_and_fan_outs_wait_as_long_as_it_takes_unless_told_otherwise(sandbox):
    rate = RateLimit(capacity=120, per_second=2.0)
    async with KakaClo(sandbox.token, base_url=sandbox.url, rate_limit=rate, max_wait=1.0) as kk:
        bulk = kk.bulk()
        await asyncio.gather(*(bulk.payment.balance() for _ in range(150)))
        hasty = bulk.with_options(max_wait=1.0)
        calls = [asyncio.create_task(bulk.payment.balance()) for _ in range(20)]
        await asyncio.sleep(0)
        with pytest.raises(DeadlineExceeded) as caught:
            await hasty.payment.balance()
        assert caught.value.retry_in > 1.0
        await asyncio.gather(*calls)
        assert kk.stats().throttled == 0


async def test_an_interactive_call_that_cannot_have_a_permit_in_time_fails_at_once(sandbox):
    rate = RateLimit(capacity=4, per_second=0.1, margin=0)
    async with KakaClo(sandbox.token, base_url=sandbox.url, rate_limit=rate, reserve=0, max_wait=5) as kk:
        await asyncio.gather(*(kk.payment.balance() for _ in range(4)))
        assert kk.eta() == pytest.approx(10, abs=0.5)
        started = asyncio.get_running_loop().time()
        with pytest.raises(DeadlineExceeded) as caught:
            await kk.payment.balance()
        assert asyncio.get_running_loop().time() - started < 0.1
        assert caught.value.retry_in == pytest.approx(10, abs=0.5)
        assert sandbox.requests.total() == 4


async def test_a_429_is_obeyed_and_the_call_succeeds(kk, sandbox):
    sandbox.faults.add(Fault("throttled", retry_after="3"))
    started = asyncio.get_running_loop().time()
    assert await kk.payment.balance()
    assert asyncio.get_running_loop().time() - started >= 3
    assert kk.stats().throttled == 1


async def test_events_tell_the_story_of_a_call(kk, sandbox):
    events = []
    stop = kk.on_event(events.append)
    sandbox.faults.add(Fault("bad_gateway", path="/v1/payment/balance"))
    await kk.payment.balance()
    assert [type(event) for event in events] == [CallStarted, Waited, Sent, Retried, Waited, Sent, CallEnded]
    first, retried, last = events[2], events[3], events[5]
    assert (first.status, last.status) == (502, 200)
    assert (first.attempt, last.attempt) == (1, 2)
    assert (retried.reason, retried.path) == ("ServerError", "/v1/payment/balance")
    stop()
    stop()
    await kk.payment.balance()
    assert len(events) == 7


async def test_a_throttle_is_told_to_listeners(kk, sandbox):
    events = []
    kk.on_event(events.append)
    sandbox.faults.add(Fault("throttled", retry_after="2"))
    await kk.payment.balance()
    assert [event.retry_after for event in events if isinstance(event, Throttled)] == [2.0]


async def test_a_listener_that_fails_is_logged_and_fails_no_call(kk, caplog):
    def broken(_event):
        raise ZeroDivisionError

    kk.on_event(broken)
    with caplog.at_level(logging.DEBUG, logger="kakaclo"):
        assert await kk.payment.balance()
    assert "a callback for Sent events failed" in caplog.text
    assert "/v1/payment/balance" in caplog.text
    assert "sandbox-token" not in caplog.text


async def test_a_closed_client_and_its_views_refuse_calls(sandbox):
    kk = KakaClo(sandbox.token, base_url=sandbox.url)
    view = kk.bulk()
    await kk.payment.balance()
    await kk.aclose()
    await kk.aclose()
    for closed in (kk, view):
        with pytest.raises(ClientClosed, match="make a new one"):
            await closed.payment.balance()


async def test_closing_ends_calls_that_wait_and_calls_under_way(sandbox):
    sandbox.faults.add(Fault("silence", times=None))
    rate = RateLimit(capacity=2, per_second=0.01, margin=0)
    kk = KakaClo(sandbox.token, base_url=sandbox.url, rate_limit=rate, reserve=0, max_wait=None)
    calls = [asyncio.create_task(kk.payment.balance()) for _ in range(5)]
    await asyncio.sleep(1)
    await kk.aclose()
    ends = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(end) for end in ends] == [ClientClosed] * 5


async def test_a_client_that_was_never_used_closes_quietly():
    async with KakaClo("t"):
        pass


async def test_a_hundred_clients_leave_nothing_behind(sandbox):
    for _ in range(100):
        async with KakaClo(sandbox.token, base_url=sandbox.url) as kk:
            await kk.warehouses.all()
        sandbox.skip(1)
    gc.collect()
    assert len(asyncio.all_tasks()) < 10


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("reset_before", ConnectionFailed),
        ("reset_after", ConnectionFailed),
        ("truncated_body", ConnectionFailed),
        ("bad_gateway", ServerError),
        ("server_error", ServerError),
    ],
)
async def test_reads_outlive_each_fault_and_report_the_one_that_stays(kk, sandbox, kind, error):
    sandbox.faults.add(Fault(kind, times=2))
    assert await kk.payment.balance()
    sandbox.faults.add(Fault(kind, times=None))
    with pytest.raises(error):
        await kk.payment.balance()


async def test_no_request_leaves_without_being_counted(kk, sandbox):
    await kk.payment.balance()
    sandbox.faults.add(Fault("reset_before", times=3))
    await kk.payment.balance()
    assert kk.stats().requests == sandbox.requests.total() == 5
    assert kk.stats().retries == 3


async def test_a_hanging_server_ends_with_the_timeout(kk, sandbox):
    sandbox.faults.add(Fault("silence", times=None))
    started = asyncio.get_running_loop().time()
    with pytest.raises(DeadlineExceeded, match="within 30 s"):
        await kk.payment.balance()
    assert asyncio.get_running_loop().time() - started == pytest.approx(30, abs=0.5)
