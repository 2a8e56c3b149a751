from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given, settings, strategies as st

from kakaclo_async.errors import InvalidRequest
from kakaclo_async.models.pull import DAY, Window
from kakaclo_async.paging import checked_window, complete_until, merged, subtract

START = datetime(2024, 1, 1, tzinfo=UTC)


def window(start, end):
    return Window(START + timedelta(seconds=start), START + timedelta(seconds=end))


def seconds_of(windows):
    return {
        second
        for each in windows
        for second in range(
            int((each.start - START).total_seconds()), int((each.end - START).total_seconds()) + 1
        )
    }


windows = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 12)).map(lambda pair: window(pair[0], pair[0] + pair[1])),
    max_size=6,
)


@settings(max_examples=60)
@given(windows)
def test_merging_keeps_every_second_and_leaves_no_two_windows_that_touch(parts):
    result = merged(parts)

    assert seconds_of(result) == seconds_of(parts)
    assert all(later.start - earlier.end > timedelta(seconds=1) for earlier, later in pairwise(result))


@settings(max_examples=60)
@given(windows, windows)
def test_subtracting_leaves_exactly_the_seconds_that_were_not_taken(parts, taken):
    assert seconds_of(subtract(parts, taken)) == seconds_of(parts) - seconds_of(taken)


@settings(max_examples=60)
@given(st.integers(0, 500), st.integers(1, 500))
def test_halves_share_no_second_and_lose_none(start, length):
    whole = window(start, start + length)

    older, newer = whole.halves()

    assert older.start == whole.start
    assert newer.end == whole.end
    assert newer.start - older.end == timedelta(seconds=1)


def test_a_single_second_has_no_halves():
    assert window(7, 7).halves() is None


def test_days_are_cut_at_midnight_only():
    older, newer = Window(START + timedelta(hours=5), START + timedelta(days=3, hours=4)).halves(DAY)

    assert newer.start == datetime(2024, 1, 2, tzinfo=UTC)
    assert older.end == datetime(2024, 1, 1, 23, 59, 59, tzinfo=UTC)


def test_a_part_of_a_day_has_no_halves_on_the_grid_of_days():
    assert Window(START + timedelta(hours=5), START + timedelta(hours=9)).halves(DAY) is None


def test_a_naive_time_is_refused_with_a_sentence():
    with pytest.raises(InvalidRequest, match="has no time zone: pass an aware datetime"):
        checked_window(datetime(2024, 1, 1), START)  # noqa: DTZ001 - that is the point


@pytest.mark.parametrize("end", [START, START - timedelta(days=1)])
def test_an_empty_or_reversed_range_is_refused(end):
    with pytest.raises(InvalidRequest, match="not before its end"):
        checked_window(START, end)


def test_other_time_zones_become_whole_seconds_of_utc():
    shanghai = timezone(timedelta(hours=8))

    found = checked_window(datetime(2024, 1, 1, 8, 0, 0, 999, tzinfo=shanghai), START + timedelta(hours=1))

    assert found == Window(START, START + timedelta(hours=1))
    assert str(found) == "2024-01-01T00:00:00Z..2024-01-01T01:00:00Z"


def test_windows_end_ten_minutes_before_now():
    assert complete_until(START + timedelta(minutes=30, microseconds=5)) == START + timedelta(minutes=20)
