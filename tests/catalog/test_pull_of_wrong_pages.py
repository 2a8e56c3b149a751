"""Pages that are wrong in one way each: no row is lost unnamed, and nothing is asked for without end."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import pytest
from support.moving_window import START, Row

from kakaclo_async.errors import IncompletePull, Rejected
from kakaclo_async.models.common import Page
from kakaclo_async.models.pull import Window
from kakaclo_async.paging import Knowledge, Pull, Source

READINGS = pytest.mark.parametrize("timed", [True, False], ids=["by key", "from last to first"])


def source(read, *, timed):
    return Source(
        name="rows", read=read, key=lambda row: row.key, time=(lambda row: row.time) if timed else None
    )


def at(second):
    return START + timedelta(seconds=second)


def known_pages():
    """What is known after pulls of an honest server with pages of 30 rows."""
    known = Knowledge(most=5000)
    known.pages[30] = 100
    return known


async def test_a_page_that_lacks_a_row_and_shows_the_next_one_instead_loses_none(without_pauses):
    rows = [Row(f"K{n}", at(1000 - n)) for n in range(100)]
    answers = 0

    async def read(window, number):
        nonlocal answers
        answers += 1
        inside = [row for row in rows if row.time in window]
        first = 30 * (number - 1)
        if answers == 2:
            inside.pop(first + 4)
        return Page(
            list=tuple(inside[first : first + 30]), total=len([row for row in rows if row.time in window])
        )

    pull = Pull(
        source(read, timed=True),
        Window(START, at(1000)),
        concurrency=1,
        sleep=without_pauses,
        known=known_pages(),
    )
    keys = [row.key async for row in pull]

    assert sorted(keys) == sorted(row.key for row in rows)
    assert pull.certificate.complete


@READINGS
async def test_pages_that_always_lack_a_row_cost_what_a_pull_may_cost(timed, without_pauses):
    rows = [Row(f"K{n}", at(7000 * (300 - n))) for n in range(300)]
    requests = 0

    async def read(window, number):
        nonlocal requests
        requests += 1
        inside = [row for row in rows if row.time in window]
        shown = inside[30 * (number - 1) :]
        return Page(list=tuple(shown[:2] + shown[3:31]) if len(shown) > 2 else (), total=len(inside))

    pull = Pull(source(read, timed=timed), Window(START, at(7000 * 301)), concurrency=4, sleep=without_pauses)
    with pytest.raises(IncompletePull):
        [row async for row in pull]

    assert pull.certificate.bounded
    assert requests <= 100 + 20 * 300 / 30


async def test_pages_whose_size_changes_each_time_do_not_begin_a_reading_for_ever(without_pauses):
    rows = [Row(f"K{n}", at(n)) for n in range(46)]
    requests = 0

    async def read(window, number):
        nonlocal requests
        requests += 1
        assert requests < 500
        size = 20 + 10 * (requests % 2)
        inside = [row for row in rows if row.time in window]
        return Page(
            list=tuple(inside[size * (number - 1) : size * number]), total=len(inside), page_size=size
        )

    pull = Pull(
        source(read, timed=False),
        Window(START, at(100)),
        concurrency=1,
        sleep=without_pauses,
        known=known_pages(),
    )
    with suppress(IncompletePull):
        [row async for row in pull]

    assert pull.certificate.finished


async def test_a_row_that_is_counted_and_never_shown_does_not_cut_what_is_read_later(without_pauses):
    """Its page is a short one with none behind it, and not as far as the server pages."""
    rows = [Row(f"K{n}", at(100_000 - 100 * n)) for n in range(600)]
    hidden = {"K590"}
    requests = 0

    async def read(window, number):
        nonlocal requests
        requests += 1
        inside = [row for row in rows if row.time in window]
        shown = [row for row in inside if row.key not in hidden]
        return Page(list=tuple(shown[30 * (number - 1) : 30 * number]), total=len(inside), page_size=30)

    known = known_pages()
    first = Pull(
        source(read, timed=False),
        Window(START, at(100_000)),
        concurrency=4,
        sleep=without_pauses,
        known=known,
    )
    with pytest.raises(IncompletePull):
        [row async for row in first]
    hidden.clear()
    requests = 0
    second = Pull(
        source(read, timed=False),
        Window(START, at(100_000)),
        concurrency=4,
        sleep=without_pauses,
        known=known,
    )
    keys = [row.key async for row in second]

    [gap] = first.certificate.gaps
    assert at(41_000) in gap
    assert len(keys) == 600
    assert requests <= 25


@pytest.mark.parametrize("deep", ["refused", "empty"])
@READINGS
async def test_a_second_that_holds_more_than_any_total_tells_is_a_gap(deep, timed, without_pauses):
    rows = [Row(f"new{n}", at(900)) for n in range(120)] + [Row(f"old{n}", at(800 - n)) for n in range(60)]

    async def read(window, number):
        if number > 3:
            if deep == "refused":
                raise Rejected("too deep", status=400)
            return Page(list=(), total=90)
        inside = [row for row in rows if row.time in window]
        return Page(list=tuple(inside[30 * (number - 1) : 30 * number]), total=min(90, len(inside)))

    pull = Pull(source(read, timed=timed), Window(START, at(1000)), concurrency=4, sleep=without_pauses)
    keys = set()
    with pytest.raises(IncompletePull, match="more rows than the server pages through"):
        async for row in pull:
            keys.add(row.key)

    assert any(at(900) in gap for gap in pull.certificate.gaps)
    assert {row.key for row in rows if row.time != at(900)} <= keys


async def test_a_list_that_grows_at_every_request_and_knows_no_ranges_ends_as_gaps(without_pauses):
    rows = [Row(f"K{number}", START + timedelta(seconds=number)) for number in range(300)]
    requests = 0

    async def read(_window, number):
        nonlocal requests
        requests += 1
        rows.insert(0, Row(f"new {requests}", START))
        return Page(list=tuple(rows[30 * (number - 1) : 30 * number]), total=len(rows), page_size=30)

    whole = Window(START, START + timedelta(hours=3))
    pull = Pull(Source(name="rows", read=read, key=lambda row: row.key), whole, sleep=without_pauses)
    with pytest.raises(IncompletePull):
        async for _ in pull:
            pass

    assert pull.certificate.bounded
    assert requests < 500


@READINGS
@pytest.mark.parametrize("total", [10_000, 10_001, 2**63 - 1])
async def test_one_page_for_every_number_under_any_total_is_not_asked_for_without_end(
    timed, total, without_pauses
):
    requests = 0

    async def read(window, number):
        nonlocal requests
        requests += 1
        assert requests < 1000, f"page {number} is asked for"
        return Page(list=tuple(Row(f"K{n}", at(1)) for n in range(30)), total=total)

    pull = Pull(source(read, timed=timed), Window(START, at(1)), concurrency=1, sleep=without_pauses)
    with pytest.raises(IncompletePull):
        [row async for row in pull]

    assert not pull.certificate.complete
