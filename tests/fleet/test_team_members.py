"""Members of a team fail, come and go while it reads: the others go on, and no row is missed."""

from __future__ import annotations

import asyncio

import pytest
from support.team import opened_shops

from kakaclo_async import ClientClosed, ConnectionFailed, KakaClo, Lane, RateLimit, ServerError, Unauthorized
from kakaclo_async.fleet.members import CameBack, LeftOut
from kakaclo_async.fleet.team import Team
from kakaclo_async.ratelimit.local import LocalBucket
from kakaclo_async.sandbox import Fault

pytestmark = pytest.mark.stepped


def told_by(team):
    """Return the list that the team's events about its members will be in."""
    events = []
    team.on_event(lambda event: isinstance(event, LeftOut | CameBack) and events.append(event))
    return events


def revoke(shops, *tokens):
    """Let the sandbox refuse some of its further tokens, and accept all others."""
    shops.sandbox.tokens = tuple(
        token for token in shops.clients if token not in (*tokens, shops.sandbox.token)
    )


async def test_a_shop_whose_token_is_refused_in_the_middle_is_left_out_and_comes_back_after_a_minute():
    async with opened_shops(3, products=600) as shops, Team(shops.clients) as team:
        told = told_by(team)
        pull = asyncio.create_task(shops.pull(team))
        await asyncio.sleep(5)
        revoke(shops, "shop-1")
        found = await pull

        assert shops.missed(found) == {}
        assert told == [LeftOut(member="shop-1", seconds=60.0, reason="Unauthorized")]
        assert str(told[0]) == "shop-1 is left out of the team for 60 s (Unauthorized)"

        revoke(shops)
        before = shops.requests()
        await team.products.page(page_number=1, updated_from=shops.start, updated_to=shops.end)
        assert shops.requests()["shop-1"] == before["shop-1"]
        await asyncio.sleep(60)
        assert shops.missed(await shops.pull(team)) == {}
        assert told[1:] == [CameBack(member="shop-1")]
        assert shops.requests()["shop-1"] > before["shop-1"] + 10


async def test_a_token_that_was_refused_from_the_start_costs_one_request():
    async with opened_shops(2) as shops, Team(shops.clients) as team:
        revoke(shops, "shop-1")
        page = {"updated_from": shops.start, "updated_to": shops.end}
        await asyncio.gather(*(team.products.page(**page) for _ in range(12)))

        assert [served.status for served in shops.sandbox.log].count(401) == 1


async def test_only_when_all_are_refused_the_pull_fails_and_the_next_one_tries_all_again(caplog):
    async with opened_shops(3) as shops:
        first, *others = shops.clients.items()
        async with Team(dict(others)) as team:
            revoke(shops, "shop-1", "shop-2")
            with pytest.raises(Unauthorized):
                await shops.pull(team)
            assert caplog.text.count("is left out of the team") == 2
            revoke(shops)
            found, seconds = await shops.timed(team)
            assert shops.missed(found) == {}
            assert seconds < 30


async def test_a_shop_that_is_closed_in_the_middle_leaves_for_good():
    async with opened_shops(3, products=600) as shops, Team(shops.clients) as team:
        told = told_by(team)
        pull = asyncio.create_task(shops.pull(team))
        await asyncio.sleep(5)
        await shops.clients["shop-0"].aclose()

        assert shops.missed(await pull) == {}
        assert team.members == ("shop-1", "shop-2")
        assert told == [LeftOut(member="shop-0", seconds=None, reason="ClientClosed")]


async def test_when_all_are_closed_the_pull_ends_with_it():
    async with opened_shops(2) as shops, Team(shops.clients) as team:
        pull = asyncio.create_task(shops.pull(team))
        await asyncio.sleep(2)
        for kk in shops.clients.values():
            await kk.aclose()
        with pytest.raises(ClientClosed):
            await pull
        with pytest.raises(ClientClosed, match="the team has no members left: let one join"):
            await shops.pull(team)


async def test_shops_join_and_leave_while_a_pull_runs():
    async with opened_shops(4, products=600) as shops:
        first, second, *others = shops.clients.items()
        async with Team(dict([first, second])) as team:
            pull = asyncio.create_task(shops.pull(team))
            await asyncio.sleep(5)
            team.leave("shop-1")
            for name, kk in others:
                team.join(kk, name)
            left = shops.requests()["shop-1"]
            assert shops.missed(await pull) == {}

            requests = shops.requests()
            assert left <= requests["shop-1"] <= left + 1
            assert requests["shop-2"] > 10
            assert requests["shop-3"] > 10


async def test_what_waits_when_the_last_member_leaves_ends_and_a_shop_that_joins_serves_again():
    async with opened_shops(1) as shops, Team(shops.clients) as team:
        pull = asyncio.create_task(shops.pull(team))
        await asyncio.sleep(2)
        team.leave("shop-0")
        with pytest.raises(ClientClosed, match="no members left"):
            await pull
        assert team.join(shops.clients["shop-0"]) == "shop 1"
        assert shops.missed(await shops.pull(team)) == {}


class AwayBucket(LocalBucket):
    """A bucket on a server that is away, from some time of the loop on."""

    since = 0.0

    async def take(self, *arguments, **options):
        if self._now() >= self.since or self._loop is None:
            raise ConnectionFailed("the bucket is away", sent=False)
        return await super().take(*arguments, **options)


def no_token():
    raise ValueError("the vault is sealed")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"token": "shop-1", "bucket": AwayBucket(RateLimit(12, 2.0))}, "ConnectionFailed"),
        ({"token": no_token}, "UnusableToken"),
        ({"token": "shop-1", "proxy": "http://127.0.0.1:1"}, "ConnectionFailed"),
    ],
    ids=["bucket", "token function", "proxy"],
)
async def test_a_shop_that_cannot_send_is_left_out(options, reason):
    async with (
        opened_shops(2) as shops,
        KakaClo(base_url=shops.sandbox.url, **options) as out,
        Team({"sound": shops.clients["shop-0"], "out": out}) as team,
    ):
        told = told_by(team)
        found = await shops.pull(team)

        assert shops.missed(found) == {}
        assert told[:1] == [LeftOut(member="out", seconds=60.0, reason=reason)]


async def test_another_program_that_uses_a_shops_token_holds_up_nobody():
    """Its 429 keeps that shop waiting, and its request goes to another at once."""
    async with opened_shops(3, products=600, retry_after=True) as shops, Team(shops.clients) as team:
        pull = asyncio.create_task(shops.timed(team))
        await asyncio.sleep(2)
        other = shops.sandbox.shop("shop-2")
        while not other.bucket.take():
            pass
        other.bucket._level += 1000  # minutes of it
        found, seconds = await pull

        assert other.throttled >= 1
        assert shops.missed(found) == {}
        requests = shops.requests()
        assert seconds <= 1.1 * max(requests["shop-0"], requests["shop-1"]) / shops.sandbox.per_second


async def test_a_server_that_fails_is_not_the_members_fault():
    async with opened_shops(2) as shops, Team(shops.clients) as team:
        told = told_by(team)
        shops.sandbox.faults.add(Fault("server_error", times=None))
        with pytest.raises(ServerError):
            await team.products.page(page_number=1, updated_from=shops.start, updated_to=shops.end)
        assert told == []
        assert shops.sandbox.requests.total() <= 5


async def test_a_pull_that_is_closed_early_leaves_nothing_behind():
    """It is closed at once, or while it waits for permits."""
    for seconds in (0, 10):
        async with opened_shops(3, products=600) as shops, Team(shops.clients) as team:
            pull = asyncio.create_task(shops.pull(team))
            await asyncio.sleep(seconds)
            pull.cancel()
            with pytest.raises(asyncio.CancelledError):
                await pull
            sent = shops.sandbox.requests.total()
            await asyncio.sleep(20)

            assert shops.sandbox.requests.total() == sent
            assert all(is_idle(kk) for kk in shops.clients.values())
            assert not [task for task in asyncio.all_tasks() if "team" in task.get_name()]


async def test_a_call_that_is_cancelled_at_any_moment_keeps_no_permit():
    async with opened_shops(1, capacity=60) as shops, Team(shops.clients) as team:
        page = {"updated_from": shops.start, "updated_to": shops.end}
        await team.products.page(**page)
        for turns in range(12):
            calls = [asyncio.create_task(team.products.page(**page)) for _ in range(3)]
            for _ in range(turns):
                await asyncio.sleep(0)
            for call in calls[1:]:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
            assert not calls[0].exception()
        await asyncio.sleep(60)
        assert is_idle(shops.clients["shop-0"])


def is_idle(kk):
    """Tell whether a client has all its permits and connections, and nobody waits for them."""
    gate = kk._sender.state.gate
    return gate.level == 0 and not any(gate._under_way.values()) and not any(map(gate.queued, Lane))
