"""A case as data: who competes, in what unit, over what points, against what bars, and how often."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from harness.watch import Taken

LEAST_ROUNDS = 5

Contender = Callable[[Any, float], "Taken | float"]
"""Gets the case's world and the point, does its work, and returns what it took or what it counted."""


class Refused(Exception):
    """A contender cannot do the job at all; the text says why."""


class Skipped(Exception):
    """A case cannot run on this machine; the text says why."""


@dataclass(frozen=True)
class Size:
    """How often each contender runs at each point, and which contenders do; `only` empty: all."""

    rounds: int
    points: tuple[float, ...] = (1,)
    only: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bar:
    """The most (or the least) that a contender's figure may be: in terms of another's, or as a count.

    A missed bar whose cause is known carries it, and a guard: the figure that must not be passed meanwhile.
    """

    who: str = "kakaclo"
    over: str = ""
    """The contender that the figure is divided by; empty: the figure itself, for counts alone."""
    most: float | None = None
    least: float | None = None
    at: float | None = None
    """The point; None: the last one of each size."""
    of: str = ""
    """Another number that the contender told, such as "429s"; empty: the case's own figure."""
    each: bool = False
    """Its worst round counts: what must not happen in any."""
    guard: float | None = None
    cause: str = ""
    goal: bool = False
    """It is told, but fails nothing: figures in seconds depend on the machine."""

    @property
    def limit(self) -> float:
        limit = self.most if self.most is not None else self.least
        assert limit is not None, "a bar has most= or least="
        return limit

    def holds(self, figure: float, limit: float) -> bool:
        return figure <= limit if self.most is not None else figure >= limit


@dataclass(frozen=True)
class Plot:
    """A picture of a case: its points along the x axis, or its contenders as bars where there is one point.

    Bars are ratios in terms of the base, with a dashed line where kakaclo's bar is.
    """

    file: str
    x: str = ""
    y: str = ""
    log_x: bool = False
    log_y: bool = False
    title: str = ""
    """Of bars; lines have their case's."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One comparison.

    `by` says which number of a `Taken` is the figure; ratios are in terms of `base`. `loop` asks for a process of its
    own with that kind of event loop. `world` makes what contenders share: servers, files, databases.
    """

    name: str
    title: str
    unit: str
    contenders: Mapping[str, Contender]
    base: str
    quick: Size
    full: Size
    by: Literal["cpu", "wall", "count"] = "cpu"
    world: Callable[[], AbstractContextManager[Any]] = nullcontext
    points: str = ""
    times: str = "s"
    """The unit of the times that are told beside a count."""
    bars: tuple[Bar, ...] = ()
    plot: Plot | None = None
    loop: str = ""
    note: str = ""

    def check(self) -> None:
        """Refuse a declaration that could not fail, or that would fail by the machine it runs on."""
        points = {None, *self.quick.points, *self.full.points}
        for size in (self.quick, self.full):
            few = self.by != "count" and 0 < size.rounds < LEAST_ROUNDS
            assert not few, f"{self.name}: what is timed runs at least {LEAST_ROUNDS} rounds"
            assert set(size.only) <= set(self.contenders), f"{self.name}: {size.only} are not all contenders"
        for bar in self.bars:
            assert bar.at in points, f"{self.name}: no size has the point {bar.at}"
            assert {bar.who, bar.over or bar.who} <= set(self.contenders), (
                f"{self.name}: {bar} names no contender"
            )
            assert (bar.most is None) != (bar.least is None), (
                f"{self.name}: a bar has one of most= and least="
            )
            absolute = self.by != "count" and not (bar.over or bar.of or bar.goal)
            assert not absolute, (
                f"{self.name}: seconds depend on the machine: {bar} must be a ratio, or a goal"
            )
            assert bar.guard is None or bar.cause, (
                f"{self.name}: a guard wants the cause why the bar is missed"
            )
