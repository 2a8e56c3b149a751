"""Workers of a fleet are killed again and again: every order placed once, every shop goes on."""

from __future__ import annotations

import attrs
import pytest
from support.fleet_campaign import QUICK_PACE, Campaign, run, staged
from support.postgresql import needs_postgresql

pytestmark = needs_postgresql()


def check(books, campaign):
    assert (books.placed, books.doubled, books.lost) == (campaign.shops * campaign.orders, 0, 0), books
    assert books.stalled == [], books
    assert books.troubles == [], books
    assert books.most_rows <= 6, books  # of three kinds: one that waits, and one that is just ending


SMALL = Campaign(shops=6, workers=2, kills=3, every=2.0, orders=10, pace=QUICK_PACE)


@pytest.mark.process
@pytest.mark.parametrize(
    "campaign",
    [SMALL, attrs.evolve(SMALL, kills=1, frozen=3.0, orders=20)],
    ids=["killed", "frozen"],
)
async def test_workers_die_or_freeze_and_every_order_is_placed_once(tmp_path, shared, campaign):
    with staged(tmp_path, campaign, shared) as stage:
        books = await run(stage, patience=60)
    check(books, campaign)


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [{}, {"workers": 4, "kills": 2, "stays_dead": True}, {"kills": 3, "frozen": 14.0}],
    ids=["killed", "killed for good", "frozen"],
)
async def test_fifty_shops_outlive_two_minutes_of_kills(tmp_path, shared, changes):
    campaign = Campaign(**{"shops": 50, "workers": 3, "kills": 12, "every": 10.0, "orders": 20} | changes)
    with staged(tmp_path, campaign, shared) as stage:
        books = await run(stage, patience=300)
    print(books)  # noqa: T201 - figures for people
    check(books, campaign)
    assert max(books.resumed, default=0) <= (15 if campaign.frozen else 12), books
