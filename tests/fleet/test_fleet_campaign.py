"""Workers of a fleet are killed again and again: every order placed once, every shop goes on."""

from __future__ import annotations

import pytest
from support.fleet_campaign import Campaign, run, staged
from support.postgresql import needs_postgresql

pytestmark = needs_postgresql()


def check(books, campaign):
    assert (books.placed, books.doubled, books.lost) == (campaign.shops * campaign.orders, 0, 0), books
    assert books.stalled == [], books
    assert books.troubles == [], books
    assert books.most_rows <= 6, books  # of three kinds: one that waits, and one that is just ending


@pytest.mark.process
async def test_workers_die_and_every_order_is_placed_once(tmp_path, shared):
    campaign = Campaign(shops=6, workers=2, kills=3, every=4.0, orders=10)
    with staged(tmp_path, campaign, shared) as stage:
        books = await run(stage, patience=60)
    check(books, campaign)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("stays_dead", [False, True])
async def test_fifty_shops_outlive_two_minutes_of_kills(tmp_path, shared, stays_dead):
    kills, workers = (2, 4) if stays_dead else (12, 3)
    campaign = Campaign(shops=50, workers=workers, kills=kills, every=10.0, orders=20, stays_dead=stays_dead)
    with staged(tmp_path, campaign, shared) as stage:
        books = await run(stage, patience=300)
    print(books)  # noqa: T201 - figures for people
    check(books, campaign)
    assert max(books.resumed, default=0) <= 12, books
