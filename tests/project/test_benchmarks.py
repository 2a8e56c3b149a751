"""What the benchmarks make of their figures: when a bar is missed, and that the results say so."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from harness import Bar, Case, Size, Taken
from harness.measure import run
from harness.report import document
from harness.verdict import HELD, KNOWN, MISSED, NOISE, judge

sys.path.pop(0)


def case(figures, bar, *, by="count", rounds=5, **more):
    """A case of contenders that tell the figures given, one for each round."""
    told = {who: iter(values) for who, values in figures.items()}
    contenders = {who: lambda _, __, who=who: next(told[who]) for who in figures}
    size = Size(rounds)
    return Case(
        name="case", title="a case", unit="things", contenders=contenders, base="floor", by=by, bars=(bar,),
        quick=size, full=size, **more,
    )  # fmt: skip


def word(mine, floor, bar):
    one = case({"kakaclo": mine, "floor": floor}, bar)
    [verdict] = judge(one, run(one, quick=True))
    return verdict.word


RATIO = Bar(over="floor", most=1.5)


@pytest.mark.parametrize(
    ("mine", "expected"),
    [
        ([1.4, 1.4, 1.4, 1.4, 9.0], HELD),  # a busy moment spoils a round, not the quartiles
        ([1.4, 1.4, 1.4, 9.0, 9.0], NOISE),
        ([1.4, 1.4, 1.6, 1.6, 1.6], NOISE),
        ([1.4, 1.6, 1.6, 1.6, 1.6], MISSED),
        ([1.6, 1.6, 1.6, 1.6, 1.6], MISSED),
    ],
)
def test_a_bar_is_missed_when_the_median_and_three_quarters_of_the_rounds_miss_it(mine, expected):
    assert word(mine, [1.0] * 5, RATIO) == expected


def test_ratios_are_of_the_same_round_so_that_a_slow_minute_spoils_nothing():
    assert word([14.0, 1.4, 14.0, 1.4, 30.0], [10.0, 1.0, 10.0, 1.0, 1.0], RATIO) == HELD


def test_the_least_that_is_wanted_is_missed_from_below():
    assert word([1.0] * 5, [1.0] * 5, Bar(over="floor", least=2.0)) == MISSED
    assert word([2.0] * 5, [1.0] * 5, Bar(over="floor", least=2.0)) == HELD


def test_a_known_miss_fails_only_beyond_its_guard():
    bar = Bar(over="floor", most=1.5, guard=2.0, cause="it is young")
    assert word([1.9] * 5, [1.0] * 5, bar) == KNOWN
    assert word([2.1] * 5, [1.0] * 5, bar) == MISSED


def test_what_must_not_happen_is_judged_by_the_worst_round():
    count = Bar(most=0, each=True)
    assert word([0.0] * 5, [1.0] * 5, count) == HELD
    assert word([0.0, 0.0, 3.0, 0.0, 0.0], [1.0] * 5, count) == MISSED
    known = Bar(most=0, each=True, guard=3, cause="it is young")
    assert word([0.0, 0.0, 3.0, 0.0, 0.0], [1.0] * 5, known) == KNOWN
    assert word([9.0, 9.0, 1.0, 9.0, 9.0], [1.0] * 5, Bar(least=2, each=True)) == MISSED


def test_what_refuses_to_run_holds_no_bar():
    from harness import Refused

    def refuse(_, __):
        raise Refused("no")

    one = Case(
        name="case", title="a case", unit="things", by="count", base="floor", bars=(RATIO,), quick=Size(5),
        full=Size(5), contenders={"kakaclo": refuse, "floor": lambda _, __: 1.0},
    )  # fmt: skip
    [verdict] = judge(one, run(one, quick=True))
    assert verdict.fails


def test_a_case_that_breaks_says_so_and_stops_no_other():
    def break_down(_, __):
        raise ZeroDivisionError

    one = Case(
        name="case", title="a case", unit="things", by="count", base="floor", quick=Size(5), full=Size(5),
        contenders={"floor": break_down},
    )  # fmt: skip
    assert "ZeroDivisionError" in run(one, quick=True)["failed"]


def test_contenders_run_in_turns():
    order = []

    def contender(name):
        return lambda _, __: order.append(name) or 1.0

    one = Case(
        name="case", title="a case", unit="things", by="count", base="a", quick=Size(3), full=Size(3),
        contenders={name: contender(name) for name in "abc"},
    )  # fmt: skip
    run(one, quick=True)
    assert "".join(order) == "abcabcabc"


def test_no_bar_is_a_time():
    with pytest.raises(AssertionError, match="depend on the machine"):
        case({"kakaclo": [], "floor": []}, Bar(most=0.1), by="wall").check()
    case({"kakaclo": [], "floor": []}, Bar(most=0.1, goal=True), by="wall").check()
    case({"kakaclo": [], "floor": []}, RATIO, by="wall").check()


@pytest.mark.parametrize(
    ("bar", "why"),
    [
        (Bar("nobody", over="floor", most=1), "no contender"),
        (Bar(over="nobody", most=1), "no contender"),
        (Bar(over="floor", most=1, at=7), "no size"),
        (Bar(over="floor"), "one of most= and least="),
        (Bar(over="floor", most=1, guard=2), "wants the cause"),
    ],
)
def test_a_bar_that_nothing_could_miss_is_refused(bar, why):
    with pytest.raises(AssertionError, match=why):
        case({"kakaclo": [], "floor": []}, bar).check()


def test_what_is_timed_runs_five_rounds():
    with pytest.raises(AssertionError, match="at least 5 rounds"):
        case({"kakaclo": [], "floor": []}, RATIO, by="cpu", rounds=4).check()


def test_the_results_name_each_missed_bar_with_its_cause():
    bar = Bar(over="floor", most=1.5, guard=3.0, cause="it is young")
    one = case({"kakaclo": [Taken(count=2.0)] * 5, "floor": [Taken(count=1.0)] * 5}, bar)
    found = run(one, quick=False) | {"spin_ms": 41.5}
    text = document([one], {"machine": {"cpu": "a fast one"}, "cases": {"case": found}})
    assert "A million additions took 41.5 ms before." in text
    assert "| case | kakaclo: at most 1.5 of floor | 2 | **missed** |" in text
    assert "- case, kakaclo: at most 1.5 of floor: 2. Cause: it is young" in text
