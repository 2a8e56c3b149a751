"""What the runs say: medians, spread, ratios, and whether a bar is held.

Ratios are made round by round, of runs that were seconds apart, and their median counts: what else the machine did in
a round spoils both sides of it. A bar is missed when its median misses it and no more than a quarter of the rounds
hold it; where median and quartiles disagree, it is held within the noise. Of what must not happen in any round, the
worst one counts.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from math import isnan
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.case import Bar, Case
    from harness.measure import Runs

HELD, NOISE, KNOWN, MISSED, ABSENT = "held", "held, within the noise", "missed", "MISSED", "not measured"


@dataclass(frozen=True)
class Spread:
    """A median with the quartiles beside it."""

    middle: float
    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        if len(values) < 2:
            return cls(values[0], values[0], values[0])
        low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(middle, low, high)


@dataclass(frozen=True)
class Verdict:
    """What became of a bar."""

    bar: Bar
    point: float
    figure: Spread | None
    word: str

    @property
    def fails(self) -> bool:
        return self.word == MISSED

    @property
    def holds_by_median(self) -> bool:
        """Whether more than half of the rounds hold it."""
        return self.figure is not None and self.bar.holds(self.figure.middle, self.bar.limit)


def figures(case: Case, runs: Runs, who: str, of: str = "") -> list[float]:
    """Return a contender's figure in each round."""
    return [taken["also"][of] if of else taken[case.by] for taken in runs[who]]


def ratios(case: Case, runs: Runs, who: str, over: str) -> list[float]:
    """Return a contender's figure in terms of another's, round by round."""
    pairs = zip(figures(case, runs, who), figures(case, runs, over), strict=True)
    return [mine / other for mine, other in pairs if other]


def judge(case: Case, found: dict[str, Any]) -> list[Verdict]:
    """Judge all bars of a case, but for those of points that only the other size has."""
    points: dict[float, Runs] = found["points"]
    bars = [bar for bar in case.bars if bar.at is None or bar.at in points]
    return [_judge(case, bar, points, found.get("refused", {})) for bar in bars]


def _judge(case: Case, bar: Bar, points: dict[float, Runs], refused: dict[str, str]) -> Verdict:
    point = bar.at if bar.at is not None else max(points, default=0)
    runs = points.get(point, {})
    if bar.who in refused or bar.who not in runs or (bar.over and bar.over not in runs):
        # What was to be measured and was refused is no success.
        return Verdict(bar, point, None, MISSED if bar.who in refused else ABSENT)
    values = ratios(case, runs, bar.who, bar.over) if bar.over else figures(case, runs, bar.who, bar.of)
    if not values or any(isnan(value) for value in values):
        return Verdict(bar, point, None, MISSED)
    if bar.each:
        values = [max(values) if bar.most is not None else min(values)]
    figure = Spread.of(values)
    return Verdict(bar, point, figure, _word(bar, figure))


def _word(bar: Bar, figure: Spread) -> str:
    best, worst = (figure.low, figure.high) if bar.most is not None else (figure.high, figure.low)
    if bar.holds(figure.middle, bar.limit):
        return HELD if bar.holds(worst, bar.limit) else NOISE
    if not bar.goal and bar.holds(best, bar.limit):
        return NOISE
    if bar.goal or (bar.guard is not None and bar.holds(best, bar.guard)):
        return KNOWN
    return MISSED
