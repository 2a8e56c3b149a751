"""A doubt and the token that it was sent with: another account, which does not show the order, says nothing of it."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from support.campaign import stock_up
from support.ordering import POST, RICH, client

from kakaclo_async import KakaClo, OutcomeUnknown
from kakaclo_async.ordering import Journal, WriteStatus
from kakaclo_async.ordering.accounts import mark_of
from kakaclo_async.sandbox import Fault

OTHER = "other-token-000"

pytestmark = [pytest.mark.stepped, pytest.mark.kakaclo_sandbox(**RICH, tokens=(OTHER,))]


def placed(sandbox):
    return sorted(order.custom_order_id for order in sandbox.journal)


def placed_by_other(sandbox):
    return [order.custom_order_id for order in sandbox.shop(OTHER).ledger.placed]


def mark(tmp_path, key="SHOP-1"):
    with closing(sqlite3.connect(tmp_path / "orders.db")) as connection:
        [(found,)] = connection.execute("SELECT sent_with FROM kakaclo_write WHERE key = ?", (key,))
    return found


async def doubt(kk, sandbox, journal, order, *, arrives):
    """Leave an order in doubt, and wait until a look can tell."""
    sandbox.faults.add(Fault("reset_after", takes_effect=arrives, **POST))
    await journal.add(order)
    await journal.drain(kk)
    sandbox.skip(601)


@pytest.mark.parametrize("fresh", [True, False])
@pytest.mark.parametrize("has_earlier", [True, False])
async def test_an_order_in_doubt_is_not_placed_by_another_account(
    kk, sandbox, url, journal, order, has_earlier, fresh
):
    stock_up(sandbox)
    if has_earlier:
        await journal.add(order("SHOP-0"))
        await journal.drain(kk)
    await doubt(kk, sandbox, journal, order(), arrives=True)
    book = Journal(url, now=sandbox.now) if fresh else journal
    async with KakaClo(OTHER, base_url=sandbox.url) as other:
        done = await book.drain(other)
        assert (done.placed, done.left) == ({}, 0)
        [entry] = await book.pending()
        assert entry.status is WriteStatus.UNKNOWN
        assert "sent with another token" in entry.why
        with pytest.raises(OutcomeUnknown, match="look with a token of the account that it was sent from"):
            await other.orders.submit(order(), journal=book, timeout=None)
        assert [entry.key for entry in await book.finish(other)] == ["SHOP-1"]
        assert [entry.key for entry in await book.pending()] == ["SHOP-1"]
    assert placed_by_other(sandbox) == []
    await book.drain(kk)
    assert await book.pending() == ()
    assert placed(sandbox) == ["SHOP-0", "SHOP-1"][not has_earlier :]


async def test_a_refreshed_token_is_believed_once_it_shows_what_was_placed_before(
    kk, sandbox, journal, order
):
    stock_up(sandbox)
    await journal.add(order("SHOP-0"))
    await journal.drain(kk)
    sandbox.skip(30 * 86_400)
    await doubt(kk, sandbox, journal, order(), arrives=False)
    sandbox.token = "refreshed-token-1"
    async with client(sandbox) as refreshed:
        assert list((await journal.drain(refreshed)).placed) == ["SHOP-1"]
    assert placed(sandbox) == ["SHOP-0", "SHOP-1"]


async def test_a_refreshed_token_finds_what_was_placed_also_when_nothing_was_before(
    kk, sandbox, journal, order
):
    await doubt(kk, sandbox, journal, order(), arrives=True)
    sandbox.token = "refreshed-token-1"
    async with client(sandbox) as refreshed:
        assert list((await journal.drain(refreshed)).placed) == ["SHOP-1"]


async def test_what_the_other_account_placed_since_does_not_speak_for_the_first(kk, sandbox, journal, order):
    stock_up(sandbox)
    await doubt(kk, sandbox, journal, order(), arrives=False)
    async with KakaClo(OTHER, base_url=sandbox.url) as other:
        await journal.add(order("SHOP-2"))
        for _ in range(2):
            await journal.drain(other)
            sandbox.skip(601)
    assert placed_by_other(sandbox) == ["SHOP-2"]
    assert [entry.key for entry in await journal.pending()] == ["SHOP-1"]


@pytest.mark.parametrize("arrives", [True, False])
async def test_a_token_that_was_wrong_for_a_while_does_not_speak_for_what_was_sent_with_it(
    kk, sandbox, journal, order, arrives
):
    """The right one shows what was placed before and after, and nothing of the account that has, or has not, got it."""
    stock_up(sandbox)
    await journal.add(order("SHOP-0"))
    await journal.drain(kk)
    async with KakaClo(OTHER, base_url=sandbox.url) as wrong:
        await doubt(wrong, sandbox, journal, order(), arrives=arrives)
        for _ in range(2):
            assert (await journal.drain(kk)).placed == {}
            sandbox.skip(601)
        [entry] = await journal.pending()
        assert "sent with another token" in entry.why
        assert placed(sandbox) == ["SHOP-0"]
        await journal.drain(wrong)
    assert await journal.pending() == ()
    assert placed_by_other(sandbox) == ["SHOP-1"]


async def test_an_order_that_was_in_doubt_for_days_vouches_for_a_refreshed_token(kk, sandbox, journal, order):
    stock_up(sandbox)
    await doubt(kk, sandbox, journal, order("SHOP-0"), arrives=True)
    sandbox.skip(5 * 86_400)
    assert list((await journal.drain(kk)).placed) == ["SHOP-0"]
    await doubt(kk, sandbox, journal, order(), arrives=False)
    sandbox.token = "refreshed-token-1"
    async with client(sandbox) as refreshed:
        assert list((await journal.drain(refreshed)).placed) == ["SHOP-1"]


async def test_an_account_that_cannot_be_asked_for_earlier_orders_leaves_the_doubt(
    kk, sandbox, journal, order
):
    stock_up(sandbox)
    await journal.add(order("SHOP-0"))
    await journal.drain(kk)
    await doubt(kk, sandbox, journal, order(), arrives=False)
    sandbox.token = "refreshed-token-1"
    async with client(sandbox, max_attempts=1) as refreshed:
        listed = {"path": "/v2/order/orders", "method": "GET"}
        sandbox.faults.add(Fault("bad_gateway", skip=1, times=None, **listed))
        await journal.drain(refreshed)
        [entry] = await journal.pending()
        assert "whether this one is of the same account could not be read" in entry.why
        sandbox.faults.clear()
        assert list((await journal.drain(refreshed)).placed) == ["SHOP-1"]


async def test_the_journal_knows_with_which_token_an_order_leaves_before_it_does(
    sandbox, journal, order, tmp_path
):
    stock_up(sandbox)
    tokens = [sandbox.token]
    async with KakaClo(lambda: tokens[-1], base_url=sandbox.url) as kk:
        sandbox.faults.add(Fault("reset_before", times=None, **POST))
        await journal.add(order())
        await journal.drain(kk)
        assert mark(tmp_path) == mark_of(tokens[0])
        tokens.append(OTHER)
        await journal.add(order("SHOP-2"))
        await journal.drain(kk)
    assert mark(tmp_path, "SHOP-2") == mark_of(OTHER)
    assert mark(tmp_path) == mark_of(tokens[0])


async def test_a_doubt_of_an_earlier_version_is_settled_as_before(kk, sandbox, url, order, tmp_path):
    await doubt(kk, sandbox, Journal(url, now=sandbox.now), order(), arrives=False)
    with closing(sqlite3.connect(tmp_path / "orders.db")) as connection:
        connection.executescript(
            "ALTER TABLE kakaclo_write DROP COLUMN sent_with; UPDATE kakaclo_journal SET version = 4"
        )
    async with KakaClo(OTHER, base_url=sandbox.url) as other:
        [entry] = await Journal(url, now=sandbox.now).settle(other)
    assert entry.status is WriteStatus.NOT_EXECUTED


def test_a_mark_tells_one_token_and_does_not_hold_it():
    assert mark_of("some-token") == mark_of("some-token") != mark_of("some-tokeN")
    assert "some-token" not in mark_of("some-token")
