"""The algorithms against a window that moves, in memory: whatever moves, no row is lost and none comes twice."""

from __future__ import annotations

from contextlib import suppress

import pytest
from support.moving_window import SCENARIOS, MovingWindow

from kakaclo_async.errors import IncompletePull
from kakaclo_async.paging import Pull

# Stepped: in which order pages arrive must not depend on how busy the machine is.
pytestmark = [pytest.mark.long, pytest.mark.stepped]

READINGS = pytest.mark.parametrize("timed", [True, False], ids=["by key", "from last to first"])
EVERY_SCENARIO = pytest.mark.parametrize("name", SCENARIOS)
MOVING = [name for name in SCENARIOS if name != "calm"]


async def pulled(server, without_pauses, *, timed, **settings):
    pull = Pull(server.source(timed=timed), server.window, concurrency=4, sleep=without_pauses, **settings)
    keys: list[str] = []
    with suppress(IncompletePull):
        async for row in pull:  # what came before a failure counts
            keys.append(row.key)  # noqa: PERF401
    return pull, keys


async def check(name, seeds, without_pauses, *, timed, rows):
    may_leave_gaps = name == "ties"  # named: a second whose rows have no order, and left while it was read
    for seed in seeds:
        server = MovingWindow(seed, SCENARIOS[name], rows=rows)
        pull, keys = await pulled(server, without_pauses, timed=timed)

        assert server.lost(keys, pull.certificate.gaps) == set(), f"seed {seed} lost rows"
        assert len(keys) == len(set(keys)), f"seed {seed} gave rows twice"
        assert pull.certificate.complete or may_leave_gaps
        assert pull.certificate.requests == server.requests
        assert server.requests <= 4 * rows / 30


@READINGS
@EVERY_SCENARIO
async def test_no_row_is_lost_or_given_twice_while_rows_move(name, timed, without_pauses):
    await check(name, range(10), without_pauses, timed=timed, rows=1500)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@READINGS
@EVERY_SCENARIO
async def test_no_row_is_lost_or_given_twice_in_200_runs(name, timed, without_pauses):
    await check(name, range(1000, 1200), without_pauses, timed=timed, rows=3000)


@pytest.mark.parametrize("name", MOVING)
async def test_a_plain_page_loop_loses_rows_in_the_same_runs(name):
    lost = 0
    for seed in range(10):
        server = MovingWindow(seed, SCENARIOS[name], rows=1500)
        keys = await server.page_loop()
        lost += len(server.still_there() - set(keys))

    assert lost > 0


@READINGS
async def test_a_calm_window_costs_at_most_3_per_cent_more_than_its_pages(timed, without_pauses):
    server = MovingWindow(1, SCENARIOS["calm"], rows=20_000)

    pull, keys = await pulled(server, without_pauses, timed=timed)

    assert len(keys) == 20_000
    assert pull.certificate.requests <= 1.03 * 20_000 / 30


@READINGS
async def test_a_busy_window_costs_at_most_a_fifth_more_than_its_pages(timed, without_pauses):
    server = MovingWindow(1, SCENARIOS["busy with bulk jobs"], rows=6_000)

    pull, _ = await pulled(server, without_pauses, timed=timed)

    assert pull.certificate.requests <= 1.2 * 6_000 / 30


@READINGS
async def test_rows_beyond_the_limit_of_the_index_are_reached_by_smaller_windows(timed, without_pauses):
    server = MovingWindow(1, SCENARIOS["calm"], rows=4_000, page_size=5, limit=10_000)
    server.limit = 10_000
    crowded = MovingWindow(2, SCENARIOS["calm"], rows=25_000, page_size=100)

    for each in (server, crowded):
        pull, keys = await pulled(each, without_pauses, timed=timed)

        assert set(keys) == {row.key for row in each.rows}
        assert pull.certificate.complete


@READINGS
async def test_a_server_that_filters_by_whole_days_is_noticed_and_pulled_by_days(timed, without_pauses):
    server = MovingWindow(3, SCENARIOS["busy with bulk jobs"], rows=3_000, days=True)

    pull, keys = await pulled(server, without_pauses, timed=timed)

    assert server.still_there() <= set(keys)
    assert pull.certificate.complete
    assert pull.coarse is timed  # rows without a time only show it when a day has to be cut
    assert len(keys) == len(set(keys))
