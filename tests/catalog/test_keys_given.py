"""A pull remembers the keys of the rows that it gave out: exactly, and in little memory."""

import tracemalloc

from hypothesis import given, strategies as st

from kakaclo_async.paging.given import Given

ODD = st.text(st.sampled_from(["a", "b", "\0", "\n", "ÿ", "\ud800", "商"]), max_size=4)


@given(st.lists(ODD), st.lists(ODD))
def test_it_holds_what_was_added_and_nothing_else(added, asked):
    keys = Given()
    first = [key for key in added if keys.add(key)]
    assert first == list(dict.fromkeys(added))
    assert len(keys) == len(set(added))
    assert [key for key in (*added, *asked) if (key in keys) != (key in set(added))] == []


def test_it_tells_keys_apart_that_lie_in_one_shard(monkeypatch):
    monkeypatch.setattr("kakaclo_async.paging.given._SHARDS", 1)
    keys = Given()
    for key in ("AMN01_B", "B_S", "", "ÿ"):
        keys.add(key)
    parts = ("AMN01", "B", "AMN01_BB_S", "MN01_B", "B_SB_S", "Ã¿")
    assert ([key in keys for key in ("AMN01_B", "B_S", "", "ÿ")], len(keys)) == ([True] * 4, 4)
    assert [key for key in parts if key in keys] == []


def test_it_takes_half_of_the_memory_of_a_set_at_most():
    def memory(make):
        tracemalloc.start()
        try:
            kept = make()
            for number in range(80_000):
                kept.add(f"AMN{number:06}_BL_XS_AU")
            return tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()

    assert memory(Given) < memory(set) / 2
