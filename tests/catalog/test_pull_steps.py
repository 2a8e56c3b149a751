"""Single properties of a pull: closing, holding, failing, resuming, gaps."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import timedelta

import attrs
import pytest
from support.moving_window import SCENARIOS, START, MovingWindow, Row, Scenario

from kakaclo_async.errors import ConnectionFailed, DecodeError, IncompletePull, InvalidRequest, Rejected
from kakaclo_async.models.common import Page
from kakaclo_async.models.pull import Window
from kakaclo_async.paging import Checkpoint, Pull, Source, Windows

# In which order pages arrive must not depend on how busy the machine is.
pytestmark = pytest.mark.stepped

CALM = SCENARIOS["calm"]


def source(read, *, timed=True):
    return Source(
        name="rows", read=read, key=lambda row: row.key, time=(lambda row: row.time) if timed else None
    )


def at(second):
    return START + timedelta(seconds=second)


async def test_a_stream_that_is_closed_early_leaves_no_request_behind():
    server = MovingWindow(1, CALM, rows=3000)
    under_way = 0

    async def read(window, number):
        nonlocal under_way
        under_way += 1
        try:
            return await server.page(window, number)
        finally:
            under_way -= 1

    async with aclosing(Pull(source(read), server.window, concurrency=4)) as rows:
        async for row in rows:
            if row.key and server.requests > 40:
                break

    assert under_way == 0
    requests = server.requests
    for _ in range(20):
        await asyncio.sleep(0)
    assert server.requests == requests
    assert not rows.certificate.finished


async def test_closing_a_pull_that_was_never_iterated_is_harmless():
    server = MovingWindow(1, CALM, rows=30)

    await Pull(server.source(timed=True), server.window).aclose()

    assert server.requests == 0


async def test_a_slow_consumer_holds_the_pull_at_one_page_per_window():
    server = MovingWindow(1, CALM, rows=900)
    taken = 0

    async for _ in Pull(server.source(timed=True), server.window, concurrency=4):
        taken += 1
        for _ in range(10):
            await asyncio.sleep(0)
        assert server.requests * 30 <= taken + (2 * 4 + 1) * 30


async def test_an_error_of_a_page_ends_the_stream_and_the_other_windows():
    server = MovingWindow(1, CALM, rows=3000)

    async def read(window, number):
        if server.requests > 20:
            raise ConnectionFailed("cut", sent=True)
        return await server.page(window, number)

    with pytest.raises(ConnectionFailed):
        async for _ in Pull(source(read), server.window, concurrency=4):
            pass

    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


async def test_an_empty_range_costs_one_request():
    server = MovingWindow(1, CALM, rows=0)
    pull = Pull(server.source(timed=True), server.window)

    assert [row async for row in pull] == []
    assert pull.certificate == attrs.evolve(pull.certificate, requests=1, windows=1, finished=True)
    assert "requests=1" in repr(pull)


async def test_a_server_that_tells_no_total_is_an_error():
    async def read(window, number):
        return Page(list=(Row("A", START),))

    with pytest.raises(DecodeError, match=r"data\.total"):
        async for _ in Pull(source(read), Window(START, at(60))):
            pass


@pytest.mark.parametrize("concurrency", [0, 17])
def test_a_concurrency_that_makes_no_sense_is_refused(concurrency):
    with pytest.raises(InvalidRequest, match="concurrency must be 1 to 16"):
        Pull(MovingWindow(1, CALM, rows=1).source(timed=True), Window(START, at(60)), concurrency=concurrency)


@pytest.mark.parametrize(
    ("latency", "rate", "concurrency"), [(0.3, 2.0, 3), (0.005, 2.0, 2), (6.0, 2.0, 14), (0.01, 200.0, 16)]
)
async def test_concurrency_follows_from_latency_and_rate(latency, rate, concurrency, without_pauses):
    server = MovingWindow(1, CALM, rows=3000)
    now, under_way, most = 0.0, 0, 0

    async def read(window, number):
        nonlocal now, under_way, most
        now += latency
        under_way += 1
        most = max(most, under_way)
        for _ in range(20):
            await asyncio.sleep(0)
        under_way -= 1
        return await server.page(window, number)

    async for _ in Pull(source(read), server.window, rate=rate, sleep=without_pauses, clock=lambda: now):
        pass

    assert 2 <= most <= concurrency


async def test_a_second_that_never_stands_still_is_a_named_gap_after_all_rows(without_pauses):
    """Equal times in another order at each request, and a total that no reading reaches."""
    rows = [Row(f"K{n}", at(5)) for n in range(100)] + [Row("old", START)]

    async def read(window, number):
        inside = [row for row in rows if row.time in window]
        first = (number - 1) * 30
        return Page(
            list=tuple(inside[first : first + 30]), total=len(inside) + (window.start <= at(5) <= window.end)
        )

    pull = Pull(source(read, timed=False), Window(START, at(9)), sleep=without_pauses)
    keys = set()
    with pytest.raises(
        IncompletePull, match=r"rows of 2021-01-01T00:00:05Z\.\.2021-01-01T00:00:05Z"
    ) as caught:
        async for row in pull:
            keys.add(row.key)

    assert keys == {row.key for row in rows}
    assert caught.value.certificate.gaps == (Window(at(5), at(5)),)
    assert not pull.certificate.complete


async def test_a_tie_wider_than_a_page_is_read_by_page_numbers(without_pauses):
    server = MovingWindow(5, Scenario(same_second=200, shuffled=True), rows=2000)
    pull = Pull(server.source(timed=True), server.window, concurrency=4, sleep=without_pauses)

    keys = [row.key async for row in pull]

    assert sorted(keys) == sorted(row.key for row in server.rows)
    assert pull.certificate.complete


def bulk_second(rows, *, counted, depth, refuses):
    """Serve rows of one second: the index counts so far, and shows pages so far."""

    async def read(window, number):
        first = (number - 1) * 30
        inside = rows if START in window else []
        if first >= depth and refuses:
            raise Rejected("too deep", status=400)
        shown = inside[first : first + 30] if first < depth else []
        return Page(list=tuple(shown), total=min(counted, len(inside)))

    return read


BULK = [Row(f"K{n:05d}", START) for n in range(12_011)]


@pytest.mark.parametrize("refuses", [True, False], ids=["refused", "empty"])
@pytest.mark.parametrize("counted", [10_000, 12_011])
async def test_more_rows_in_one_second_than_the_index_pages_through_are_a_gap(
    counted, refuses, without_pauses
):
    read = bulk_second(BULK, counted=counted, depth=10_000, refuses=refuses)
    pull = Pull(source(read, timed=False), Window(START, at(3)), sleep=without_pauses)
    with pytest.raises(IncompletePull, match="more rows than the server pages through"):
        async for _ in pull:
            pass

    assert pull.certificate.gaps == (Window(START, START),)
    assert pull.certificate.requests < 20


@pytest.mark.parametrize("counted", [600, 10_000, 12_011])
async def test_a_second_is_read_as_far_as_the_server_pages_whatever_it_counts(counted, without_pauses):
    read = bulk_second(BULK, counted=counted, depth=10**6, refuses=False)
    pull = Pull(source(read, timed=False), Window(START, at(3)), sleep=without_pauses)

    keys = [row.key async for row in pull]

    assert sorted(keys) == [row.key for row in BULK]
    assert pull.certificate.complete
    assert pull.certificate.requests < 1.1 * len(BULK) / 30


async def test_a_row_that_leaves_a_second_that_is_not_counted_to_its_end_is_noticed(without_pauses):
    rows = list(BULK[:1000])

    async def read(window, number):
        page = await bulk_second(rows, counted=600, depth=10**6, refuses=False)(window, number)
        if number == 10 and len(rows) == 1000:
            rows.pop(100)
        return page

    pull = Pull(source(read, timed=False), Window(START, at(3)), sleep=without_pauses)
    keys = [row.key async for row in pull]

    assert {row.key for row in rows} <= set(keys)
    assert pull.certificate.complete
    assert pull.certificate.requests > 2 * 1000 / 30  # the second was read again


async def test_rows_that_leave_while_the_last_page_is_looked_for_hide_none(without_pauses):
    """Three rows of page 1 leave: those behind move up onto it, and the last page that came was full."""
    rows = list(BULK[:93])

    async def read(window, number):
        if number == 4 and len(rows) == 93:
            del rows[:3]
        return await bulk_second(rows, counted=60, depth=10**6, refuses=False)(window, number)

    pull = Pull(source(read, timed=False), Window(START, at(3)), sleep=without_pauses)
    keys = [row.key async for row in pull]

    assert {row.key for row in rows} <= set(keys)
    assert pull.certificate.complete


async def test_rows_out_of_order_or_without_a_time_are_read_by_page_numbers(without_pauses):
    server = MovingWindow(1, CALM, rows=500)

    async def shuffled(window, number):
        page = await server.page(window, number)
        return attrs.evolve(page, list=page.list[::-1])

    async def timeless(window, number):
        page = await server.page(window, number)
        return attrs.evolve(page, list=tuple(attrs.evolve(row, time=None) for row in page.list))

    for read in (shuffled, timeless):
        pull = Pull(source(read), server.window, sleep=without_pauses)
        keys = [row.key async for row in pull]

        assert sorted(keys) == sorted(row.key for row in server.rows)
        assert pull.certificate.complete


@pytest.mark.parametrize("timed", [True, False], ids=["by key", "from last to first"])
@pytest.mark.parametrize("after", [1, 7, 23, 60, 99])
async def test_a_pull_goes_on_from_its_checkpoints_and_rereads_at_most_a_page_per_window(
    timed, after, without_pauses
):
    server = MovingWindow(2, CALM, rows=3000)
    whole = [Checkpoint(window=server.window)]
    first = Windows(server.source(timed=timed), whole, concurrency=4, sleep=without_pauses)
    open_windows = {server.window.start: (server.window, None)}
    keys = set()
    async with aclosing(first.batches(1)) as batches:
        async for (page,) in batches:
            keys |= {row.key for row in page.rows}
            del open_windows[page.done.window.start]
            open_windows |= {job.window.start: (job.window, job.checkpoint) for job in page.left}
            after -= 1
            if after == 0:
                break
    checkpoints = [checkpoint for _, checkpoint in open_windows.values()]

    second = Pull(server.source(timed=timed), checkpoints, concurrency=4, sleep=without_pauses)
    again = [row.key async for row in second]

    assert keys | set(again) == {row.key for row in server.rows}
    assert len(again) - len(set(again)) == 0
    assert len(keys & set(again)) <= 30 * len(checkpoints)
    assert second.certificate.complete


async def test_a_total_that_was_told_too_low_by_a_stale_replica_is_put_right(without_pauses):
    """The newer half's total is a difference of two answers; a stale one makes it too small."""
    server = MovingWindow(4, CALM, rows=3000)

    async def read(window, number):
        page = await server.page(window, number)
        return attrs.evolve(page, total=page.total + 40) if server.requests == 2 else page

    pull = Pull(source(read, timed=False), server.window, concurrency=2, sleep=without_pauses)
    keys = [row.key async for row in pull]

    assert sorted(keys) == sorted(row.key for row in server.rows)
    assert pull.certificate.complete


async def test_a_window_that_grows_is_halved_and_then_named(without_pauses):
    rows = [Row(f"K{n}", at(n % 4)) for n in range(200)]
    extra = 0

    async def read(window, number):
        nonlocal extra
        inside = [row for row in rows if row.time in window]
        first = (number - 1) * 30
        growing = window.start <= at(1) <= window.end
        extra += growing
        return Page(list=tuple(inside[first : first + 30]), total=len(inside) + (extra if growing else 0))

    pull = Pull(source(read, timed=False), Window(START, at(3)), concurrency=2, sleep=without_pauses)
    with pytest.raises(IncompletePull):
        async for _ in pull:
            pass

    assert pull.certificate.gaps == (Window(at(1), at(1)),)


async def test_parts_of_a_day_that_all_hold_the_whole_day_show_a_coarse_server(without_pauses):
    rows = [Row(f"K{n:05d}", at(n)) for n in range(9_500)]

    async def read(window, number):
        first = (number - 1) * 30
        return Page(list=tuple(rows[first : first + 30]), total=len(rows))

    pull = Pull(source(read, timed=False), Window(START, at(80_000)), concurrency=2, sleep=without_pauses)
    keys = [row.key async for row in pull]

    assert sorted(keys) == [row.key for row in rows]
    assert pull.coarse
    assert pull.certificate.requests < 1.02 * 9_500 / 30
