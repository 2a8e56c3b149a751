from __future__ import annotations

from hypothesis import given, settings, strategies as st

from kakaclo_async.sandbox.world.index import TimeIndex, Trail
from kakaclo_async.sandbox.world.seed import mix

moves = st.lists(st.tuples(st.integers(0, 30), st.none() | st.integers(0, 20)), max_size=60)


@given(st.lists(st.integers(0, 20), max_size=20), moves, st.integers(-2, 22), st.integers(-2, 22))
@settings(max_examples=150)
def test_an_index_agrees_with_a_plain_dictionary(times, changes, start, end):
    index, plain = TimeIndex(times), dict(enumerate(times))
    for row, moment in changes:
        if moment is None:
            index.remove(row)
            plain.pop(row, None)
        else:
            index.put(row, moment)
            plain[row] = moment
    inside = sorted((moment, row) for row, moment in plain.items() if start <= moment <= end)
    expected = [row for _, row in inside]
    assert len(index) == len(plain)
    assert index.count(start, end) == len(expected)
    assert index.rows(start, end) == expected
    assert index.page(start, end, 3, 4, newest_first=False) == expected[3:7]
    assert index.page(start, end, 3, 4) == expected[::-1][3:7]
    assert [row for row in range(40) if row in index] == sorted(plain)


@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=40), st.integers(1, 7), st.booleans(), st.integers(0, 99)
)
@settings(max_examples=60)
def test_shuffled_ties_keep_the_times_in_order_and_lose_no_row(times, size, newest_first, salt):
    index = TimeIndex(times)
    rows = [
        row
        for offset in range(0, len(times), size)
        for row in index.page(0, 3, offset, size, newest_first=newest_first, ties=mix(salt))
    ]
    assert sorted(rows) == list(range(len(times)))
    assert [times[row] for row in rows] == sorted(times, reverse=newest_first)


def test_shuffled_ties_differ_from_one_order_to_another():
    index = TimeIndex([7] * 50)
    assert len({tuple(index.page(0, 9, 0, 50, ties=mix(salt))) for salt in range(40)}) > 30


def test_a_copy_moves_on_its_own():
    index = TimeIndex([1, 2, 3])
    copy_error = index.copy()
    index.put(0, 9)
    assert copy_error.rows(0, 9) == [0, 1, 2]
    assert index.rows(0, 9) == [1, 2, 0]


def test_a_trail_hands_out_each_change_once_and_not_before_its_time():
    trail = Trail()
    trail.put(1000, "a")
    trail.put(1100, "b")
    assert list(trail.until(999.9)) == []
    copied = trail.copy()
    assert list(trail.until(1000)) == ["a"]
    assert list(trail.until(5000)) == ["b"]
    assert list(trail.until(5000)) == []
    assert list(copied.until(5000)) == ["a", "b"]
