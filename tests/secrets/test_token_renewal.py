"""A token that KakaClo refuses is asked for once more: one more try for a read, none for a write."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter

import pytest
from support.shop import ADDRESS, UNLIMITED

import kakaclo_sync
from kakaclo_async import (
    ClientClosed,
    ConfigurationError,
    Item,
    KakaClo,
    NewOrder,
    RateLimit,
    Retried,
    Sent,
    Unauthorized,
    token_from,
)
from kakaclo_async.sandbox import Fault
from kakaclo_async.token import Token

ORDER = NewOrder(address=ADDRESS, items=[Item("A", 1)], custom_order_id="KA1")


class Vault:
    """A token function that gives one token after another, the last for ever."""

    def __init__(self, *tokens, gate=None):
        self.tokens, self.asked, self.gate = list(tokens), 0, gate

    async def __call__(self):
        self.asked += 1
        token = self.tokens.pop(0) if len(self.tokens) > 1 else self.tokens[0]
        if self.gate is not None and self.asked > 1:
            await self.gate.wait()
        if isinstance(token, Exception):
            raise token
        return token


def statuses(events):
    return [event.status for event in events if isinstance(event, Sent)]


@pytest.fixture
def shop(sandbox):
    """Makes a client of the sandbox, with its events."""

    def make(token, **options):
        kk = KakaClo(token, base_url=sandbox.url, **{"rate_limit": UNLIMITED} | options)
        events = []
        kk.on_event(events.append)
        return kk, events

    return make


async def test_a_read_is_sent_once_more_with_another_token(shop, sandbox):
    vault = Vault("expired", sandbox.token)
    kk, events = shop(vault)
    async with kk:
        assert await kk.payment.balance() is not None
        assert statuses(events) == [401, 200]
        assert [event.attempt for event in events if isinstance(event, Sent)] == [1, 2]
        [retried] = [event for event in events if isinstance(event, Retried)]
        assert (retried.reason, retried.pause, retried.attempt) == ("Unauthorized", 0.0, 1)
        assert kk.stats().retries == 1
    assert vault.asked == 2


async def test_the_blocking_client_does_it_too(sandbox):
    vault = Vault("expired", sandbox.token)

    def call():
        with kakaclo_sync.KakaClo(vault, base_url=sandbox.url, rate_limit=UNLIMITED) as kk:
            return kk.payment.balance(), kk.stats().requests

    balance, requests = await asyncio.to_thread(call)
    assert balance is not None
    assert (requests, vault.asked) == (2, 2)


@pytest.mark.parametrize("tokens", [["expired"], ["expired", "expired", "other"]])
async def test_the_same_token_again_is_not_sent_again(shop, tokens):
    vault = Vault(*tokens)
    kk, events = shop(vault)
    async with kk:
        with pytest.raises(Unauthorized):
            await kk.payment.balance()
    assert statuses(events) == [401]
    assert vault.asked == 2


async def test_a_read_has_one_more_try_whatever_tokens_come(shop):
    vault = Vault(*(f"wrong-{number}" for number in range(20)))
    kk, events = shop(vault)
    async with kk:
        with pytest.raises(Unauthorized):
            await kk.payment.balance()
    assert statuses(events) == [401, 401]
    assert vault.asked == 2


async def test_a_fixed_token_is_not_sent_again(shop):
    kk, events = shop("expired")
    async with kk:
        with pytest.raises(Unauthorized):
            await kk.payment.balance()
    assert statuses(events) == [401]


async def test_a_403_is_about_a_known_token_and_brings_no_other(shop, sandbox):
    sandbox.faults.add(Fault("bad_gateway", status=403, times=None))
    vault = Vault(sandbox.token, "second")
    kk, events = shop(vault)
    async with kk:
        with pytest.raises(Unauthorized):
            await kk.payment.balance()
    assert statuses(events) == [403]
    assert vault.asked == 1


@pytest.mark.process
async def test_a_write_is_not_sent_again_and_the_next_call_has_the_new_token(shop, sandbox, tmp_path):
    place, log = tmp_path / "token", tmp_path / "log"
    place.write_text("expired")
    kk, events = shop(token_from(f"cmd:sh -c 'echo x >> {log}; cat {place}'"))
    async with kk:
        place.write_text("expired")
        with pytest.raises(Unauthorized, match="'KA1'"):
            await kk.orders.create(ORDER)
        assert statuses(events) == [401]
        place.write_text(sandbox.token)
        await kk.payment.balance()
    assert statuses(events) == [401, 200]
    assert log.read_text().count("x") == 2


async def test_calls_that_meet_a_refusal_together_ask_once(shop, sandbox):
    gate = asyncio.Event()
    asked = Counter()

    async def vault():
        asked["all"] += 1
        if asked["all"] <= 30:
            return "expired"
        await gate.wait()
        return sandbox.token

    kk, events = shop(vault)
    async with kk:
        calls = [asyncio.create_task(kk.freight.channels([Item("A", n + 1)], "US")) for n in range(30)]
        while statuses(events).count(401) < 30:
            await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(*calls, return_exceptions=True)
        assert statuses(events).count(401) == 30
        assert len(statuses(events)) == 60
    assert asked["all"] == 31


async def test_a_refusal_that_is_learned_late_asks_no_second_time():
    """The first call has the same token again; the others read theirs before, and need not ask for it."""
    vault = Vault("expired")
    token = Token(vault)
    calls = [(await token.read(), token.renewals) for _ in range(3)]
    assert [await token.renew(*call) for call in calls] == [None] * 3
    assert vault.asked == 4
    assert await token.renew(await token.read(), token.renewals) is None
    assert vault.asked == 6


async def test_no_call_has_a_third_try_whatever_tokens_others_bring(shop):
    kk, events = shop(Vault(*(f"wrong-{number}" for number in range(200))))
    calls = []
    async with kk:
        for number in range(30):
            calls.append(asyncio.create_task(kk.freight.channels([Item("A", number + 1)], "US")))
            while len(statuses(events)) < number:
                await asyncio.sleep(0)
        errors = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(error) for error in errors} == {Unauthorized}
    assert max(event.attempt for event in events if isinstance(event, Sent)) == 2


async def test_each_more_try_takes_a_permit(shop, sandbox):
    kk, events = shop(Vault("expired", sandbox.token), rate_limit=RateLimit(3, 0.001), reserve=0)
    async with kk:
        await kk.payment.balance()
        assert statuses(events) == [401, 200]
        assert kk.stats().level == pytest.approx(2, abs=0.1)  # in the leaking bucket


async def test_attempts_that_are_used_up_leave_no_more_try(shop):
    vault = Vault("expired", "other")
    kk, events = shop(vault, max_attempts=1)
    async with kk:
        with pytest.raises(Unauthorized):
            await kk.payment.balance()
    assert statuses(events) == [401]
    assert vault.asked == 1


@pytest.mark.stepped
async def test_a_function_that_hangs_when_asked_again_ends_within_the_time_of_the_call(shop, sandbox):
    vault = Vault("expired", "other", gate=asyncio.Event())
    kk, events = shop(vault, timeout=9.0)
    started = asyncio.get_running_loop().time()
    async with kk:
        with pytest.raises(Unauthorized) as caught:
            await kk.payment.balance()
    assert asyncio.get_running_loop().time() - started < 9
    assert caught.value.__notes__ == [
        "KakaClo refused the token, and there is no other: the token function did not answer in 3 s"
    ]
    assert statuses(events) == [401]


async def test_a_function_that_fails_when_asked_again_leaves_the_refusal_and_a_note(shop):
    vault = Vault("expired", ConfigurationError("the vault is locked, expired"))
    kk, events = shop(vault)
    async with kk:
        with pytest.raises(Unauthorized) as caught:
            await kk.payment.balance()
    assert caught.value.__notes__ == [
        "KakaClo refused the token, and there is no other: the vault is locked, ***"
    ]


async def test_closing_the_client_ends_the_asking(shop):
    gate = asyncio.Event()
    vault = Vault("expired", "other", gate=gate)
    kk, events = shop(vault)
    call = asyncio.create_task(kk.payment.balance())
    while vault.asked < 2:
        await asyncio.sleep(0)
    await kk.aclose()
    with pytest.raises(ClientClosed):
        await call
    assert statuses(events) == [401]


async def test_one_call_that_is_cancelled_leaves_the_asking_to_the_others(shop, sandbox):
    gate = asyncio.Event()
    asked = Counter()

    async def vault():
        asked["all"] += 1
        if asked["all"] <= 2:
            return "expired"
        await gate.wait()
        return sandbox.token

    kk, events = shop(vault)
    async with kk:
        calls = [asyncio.create_task(kk.freight.channels([Item("A", n + 1)], "US")) for n in range(2)]
        while statuses(events).count(401) < 2:
            await asyncio.sleep(0)
        calls[0].cancel()
        gate.set()
        await asyncio.gather(*calls, return_exceptions=True)
    assert calls[0].cancelled()
    assert len(statuses(events)) == 3
    assert asked["all"] == 3


async def test_look_ups_that_share_a_request_share_the_more_try(shop, sandbox):
    skus = [sku for sku, _ in zip(sandbox.catalog.skus(), range(5), strict=False)]
    kk, events = shop(Vault("expired", sandbox.token))
    async with kk:
        assert len(await kk.stocks.get_many(skus)) == 5
    assert statuses(events) == [401, 200]


async def test_nothing_of_it_shows_a_token(shop, sandbox, caplog):
    caplog.set_level(logging.DEBUG)
    kk, _ = shop(Vault("the-expired-token", sandbox.token))
    async with kk:
        await kk.payment.balance()
    assert "will be sent again" in caplog.text
    assert "expired-token" not in caplog.text
    assert sandbox.token not in caplog.text
