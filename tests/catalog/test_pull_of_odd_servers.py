"""Servers with odd habits, in memory: what a pull certifies is all there, what it cannot is named, and it always ends."""

from __future__ import annotations

from contextlib import suppress

import pytest
from support.odd_window import HABITS, UNREST, OddWindow

from kakaclo_async.errors import IncompletePull
from kakaclo_async.paging import Pull

# Stepped: in which order pages arrive must not depend on how busy the machine is.
pytestmark = [pytest.mark.long, pytest.mark.stepped]

OF_TIMES = {name for name, habits in HABITS.items() if name != "everything" and habits.lies_about_times}
CELLS = pytest.mark.parametrize(
    ("name", "timed"),
    # Rows without times cannot lie about them.
    [(name, timed) for name in HABITS for timed in (True, False) if timed or name not in OF_TIMES],
)
BEYOND_DOUBT = {
    "page sizes 20 and 30": 3.0,
    "pages that lack a row": 2.0,
    "pages that show a row twice": 2.0,
    "short and empty pages": 2.0,
    "times in 2099": 2.0,
    "times newer than the index thinks": 2.0,
    "whole days": 2.0,
    "a bulk job": 2.0,
}
"""Habits under which a window that stands still is certified, and requests per page that this may cost."""


async def check(name, unrest, seed, without_pauses, *, timed, rows=900):
    server = OddWindow(seed, UNREST[unrest], HABITS[name], rows=rows)
    pull = Pull(server.source(timed=timed), server.window, concurrency=4, sleep=without_pauses)
    keys: list[str] = []
    with suppress(IncompletePull):
        async for row in pull:  # what came before a failure counts
            keys.append(row.key)  # noqa: PERF401

    assert server.lost(keys, pull.certificate.gaps) == set(), f"seed {seed}: certified with rows missing"
    assert len(keys) == len(set(keys)), f"seed {seed}: rows were given twice"
    assert pull.certificate.finished
    assert pull.certificate.requests == server.requests
    assert len(pull.certificate.reasons) == len(pull.certificate.gaps)
    # Pages of 20 rows, and what a pull that gives up hands out in the end, come on top of what it may ask again.
    assert server.requests <= max(200, 8 * rows / 30)
    if unrest == "calm" and name in BEYOND_DOUBT:
        assert pull.certificate.complete
        assert server.requests <= BEYOND_DOUBT[name] * rows / 30
    return pull


@CELLS
@pytest.mark.parametrize("unrest", UNREST)
async def test_what_is_certified_is_all_there(name, unrest, timed, without_pauses):
    await check(name, unrest, 1, without_pauses, timed=timed)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@CELLS
@pytest.mark.parametrize("unrest", UNREST)
async def test_what_is_certified_is_all_there_in_ten_more_runs(name, unrest, timed, without_pauses):
    for seed in range(100, 110):
        await check(name, unrest, seed, without_pauses, timed=timed, rows=1500)


async def test_a_certificate_says_what_it_rests_on(without_pauses):
    pull = await check("whole days", "calm", 1, without_pauses, timed=False)

    assert any("update times only grow" in premise for premise in pull.certificate.rests_on)


async def test_what_one_pull_learned_about_totals_saves_the_next_one_requests(without_pauses):
    server = OddWindow(1, UNREST["calm"], HABITS["whole days"], rows=60)
    source = server.source(timed=False)
    first = Pull(source, server.window, sleep=without_pauses)
    [row async for row in first]
    known = first.known
    known.most = 10_000

    second = Pull(source, server.window, sleep=without_pauses, known=known)
    [row async for row in second]

    assert first.certificate.complete
    assert second.certificate.complete
    assert second.certificate.requests == 2 < first.certificate.requests
