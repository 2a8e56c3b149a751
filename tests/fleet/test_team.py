"""A team of shops reads the catalog once for all: quicker by as many times as there are shops, and at nobody's cost."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from support.team import Watch, busy_with, opened_shops

from kakaclo_async import ConfigurationError, InvalidRequest, KakaClo
from kakaclo_async.catalog import Mirror
from kakaclo_async.fleet.team import Team
from kakaclo_async.protocol import Request
from kakaclo_async.sandbox import Fault
from kakaclo_async.sending import sender_of

pytestmark = pytest.mark.stepped


@pytest.mark.long
async def test_ten_shops_read_a_catalog_more_than_eight_times_as_fast_as_one_and_read_nothing_twice():
    network = Fault("delay", seconds=0.3, times=None)
    async with opened_shops(10, products=2000) as shops:
        shops.sandbox.faults.add(network)
        alone, seconds_alone = await shops.timed(shops.clients["shop-0"])
        requests_alone = shops.sandbox.requests.total()
    async with opened_shops(10, products=2000) as shops, Team(shops.clients) as team:
        shops.sandbox.faults.add(network)
        together, seconds_together = await shops.timed(team)

        assert seconds_alone >= 8 * seconds_together
        assert together == alone
        assert shops.missed(together) == {}
        assert shops.sandbox.requests.total() <= 1.1 * requests_alone
        assert shops.sandbox.throttled == 0
        shares = shops.requests().values()
        assert max(shares) - min(shares) <= 2


@pytest.mark.long
@pytest.mark.parametrize("replica_lag", [0.0, 0.6])
async def test_no_row_is_missed_while_rows_move(replica_lag):
    settings = {"products": 400, "update_rate": 1.0, "stock_update_rate": 10.0, "replica_lag": replica_lag}
    async with opened_shops(4, **settings) as shops, Team(shops.clients) as team:
        found = await shops.pull(team)

        assert shops.missed(found) == {}
        for what, codes in found.items():
            assert len(codes - shops.truth(what)) > 5, "little has moved meanwhile"
        assert shops.sandbox.throttled == 0


async def test_a_mirror_of_a_team_holds_what_the_catalog_holds(tmp_path):
    async with opened_shops(3, products=100) as shops, Team(shops.clients) as team:
        sandbox = shops.sandbox
        mirror = Mirror(team, f"sqlite:///{tmp_path}/catalog.db", now=sandbox.now)
        report = await mirror.run()
        sandbox.skip(3600)
        sandbox.catalog.touch_many(7)
        sandbox.skip(3600)
        news = await mirror.run()

    assert (report.products, report.gaps) == (100, ())
    assert news.products == 7
    assert all(requests > 0 for requests in shops.requests().values())


async def test_a_mirror_of_a_team_goes_by_kakaclos_clock(tmp_path):
    async with opened_shops(2, products=60) as shops, Team(shops.clients) as team:

        def ahead():
            return shops.sandbox.now() + timedelta(hours=5)

        report = await Mirror(team, f"sqlite:///{tmp_path}/catalog.db", now=ahead).run()
        assert (report.products, report.gaps) == (60, ())


async def test_calls_of_each_shop_wait_no_longer_than_if_it_were_alone():
    """They come one by one, and as many at once as the reserve holds."""
    waits = {}
    for working in (False, True):
        async with opened_shops(4, reserve=4, products=600) as shops, Team(shops.clients) as team:
            watches = [Watch(kk) for kk in shops.clients.values()]
            pull = asyncio.create_task(shops.pull(team)) if working else None
            await asyncio.sleep(3)
            busy = [busy_with(kk, every=4.0, times=3, at_once=4) for kk in shops.clients.values()]
            await asyncio.gather(*busy)
            if pull is not None:
                assert not pull.done(), "the pull was over before the calls were"
                assert shops.missed(await pull) == {}
            waits[working] = [max(watch.waits) for watch in watches]
            assert shops.sandbox.throttled == 0

    assert waits[True] == pytest.approx(waits[False], abs=1e-6)


async def test_a_shop_with_calls_of_its_own_gives_no_more_than_its_share():
    async with opened_shops(3, products=600) as shops, Team(shops.clients, share=0.5) as team:
        busy, *others = shops.clients.values()
        watches = {kk: Watch(kk) for kk in shops.clients.values()}
        await busy.payment.balance()
        calls = asyncio.create_task(busy_with(busy, every=3.0, times=1000))
        _, seconds = await shops.timed(team)
        calls.cancel()

        rate = shops.sandbox.per_second
        assert watches[busy].sent <= 0.5 * rate * seconds + 1
        assert watches[busy].sent >= 0.4 * rate * seconds
        assert all(watches[kk].sent >= 0.9 * rate * seconds for kk in others)


async def test_a_shop_that_is_busy_no_more_gives_all_it_has_again():
    async with opened_shops(2, products=600) as shops, Team(shops.clients, share=0.1) as team:
        once, other = shops.clients.values()
        watches = [Watch(once), Watch(other)]
        await once.payment.balance()
        _, seconds = await shops.timed(team)

        assert seconds > 30
        assert watches[0].sent >= 0.6 * watches[1].sent


async def test_single_codes_and_reference_data_are_looked_up_by_the_team_as_by_one_client():
    async with opened_shops(2) as shops, Team(shops.clients) as team:
        spus = list(shops.sandbox.catalog.spus())[:50]
        one = shops.clients["shop-0"]

        assert await team.products.get_many(spus=spus) == await one.products.get_many(spus=spus)
        assert await team.products.get(spus[0]) == await one.products.get(spus[0])
        assert await team.categories.tree() == await one.categories.tree()


async def test_a_team_writes_nothing():
    async with opened_shops(2) as shops, Team(shops.clients) as team:
        write = Request(method="POST", path="/v2/order/orders", result=str, writes=True)
        with pytest.raises(InvalidRequest, match="a team only reads"):
            await sender_of(team).send(write)
        assert shops.sandbox.requests.total() == 0


async def test_what_is_no_team_is_refused():
    async with opened_shops(2) as shops:
        one, two = shops.clients.values()
        with pytest.raises(ConfigurationError, match="a team needs a client"):
            Team([])
        with pytest.raises(ConfigurationError, match="shop 2 is in the team already"):
            Team([one, one.bulk()])
        with pytest.raises(ConfigurationError, match="elsewhere talks to another KakaClo than the team"):
            Team({"here": one, "elsewhere": KakaClo("t", base_url="http://127.0.0.1:9")})
        for share in (0, -1, 1.1, float("nan")):
            with pytest.raises(ConfigurationError, match="share must be"):
                Team([one, two], share=share)
        with pytest.raises(ConfigurationError, match="b is in the team already"):
            Team({"a": one, "b": two}).join(two, "b")


async def test_the_repr_and_the_names_tell_no_token():
    async with opened_shops(2) as shops:
        team = Team(shops.clients.values())
        assert team.members == ("shop 1", "shop 2")
        assert repr(team) == f"<Team of 2, {shops.sandbox.url}>"
