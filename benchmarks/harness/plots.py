"""The pictures: one SVG for each case that declares one."""

from __future__ import annotations

import re
from textwrap import fill
from typing import TYPE_CHECKING, Any

from harness.verdict import Spread, figures, ratios

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from harness.case import Case

OTHERS = ("black", "tab:blue", "tab:orange", "tab:green", "tab:purple", "tab:brown", "tab:cyan", "tab:olive")
"""The colours of all but kakaclo, which is red."""

STYLE = {
    "svg.hashsalt": "kakaclo",  # the same figures make the same bytes
    "svg.fonttype": "none",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
}


def draw(cases: Sequence[Case], results: dict[str, Any], folder: Path) -> list[Path]:
    """Draw what was measured; cases that share a file are one picture of bars."""
    import matplotlib as mpl  # noqa: PLC0415 - only what draws needs it

    mpl.use("svg")
    import matplotlib.pyplot as plt  # noqa: PLC0415 - after the choice

    folder.mkdir(exist_ok=True)
    files: dict[str, list[Case]] = {}
    for case in cases:
        found = results["cases"].get(case.name, {})
        if case.plot and found.get("points"):
            files.setdefault(case.plot.file, []).append(case)
    paths = []
    with plt.rc_context(STYLE):
        for file, group in files.items():
            figure, axes = plt.subplots(figsize=(7.2, 4.0), layout="constrained")
            if group[0].points:
                _lines(axes, group[0], results["cases"][group[0].name]["points"])
            else:
                _bars(axes, group, results["cases"])
            paths.append(folder / f"{file}.svg")
            figure.savefig(paths[-1], metadata={"Date": None, "Creator": None})
            plt.close(figure)
    return paths


def _lines(axes: Any, case: Case, points: dict[str, Any]) -> None:
    assert case.plot is not None
    names = list(dict.fromkeys(name for runs in points.values() for name in runs))
    axes.set_prop_cycle(color=OTHERS[1:])
    for name in names:
        at = [
            (float(point), Spread.of(figures(case, runs, name)))
            for point, runs in points.items()
            if name in runs
        ]
        x, middle = [point for point, _ in at], [found.middle for _, found in at]
        is_theory = name == "least possible"
        [line] = axes.plot(
            x,
            middle,
            label=name,
            linestyle="--" if is_theory else "-",
            marker=None if is_theory else "o",
            color="black" if is_theory else "tab:red" if name == "kakaclo" else None,
            linewidth=2 if name == "kakaclo" else 1.2,
            zorder=3 if name == "kakaclo" else 2,
        )
        low, high = [found.low for _, found in at], [found.high for _, found in at]
        axes.fill_between(x, low, high, alpha=0.15, color=line.get_color())
    axes.set(title=case.title, xlabel=case.plot.x or case.points, ylabel=case.plot.y or case.unit)
    axes.set_xscale("log" if case.plot.log_x else "linear")
    axes.set_yscale("symlog" if case.plot.log_y else "linear")
    ticks = [float(point) for point in points]
    axes.set_xticks(ticks, [f"{tick:,.0f}" for tick in ticks])
    axes.minorticks_off()
    if case.plot.log_y:
        axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)


def _bars(axes: Any, group: list[Case], found: dict[str, Any]) -> None:
    first = group[0]
    assert first.plot is not None
    names = list(first.contenders)
    width = 0.8 / len(names)
    for place, name in enumerate(names):
        for row, case in enumerate(group):
            runs = found[case.name]["points"][max(found[case.name]["points"], key=float)]
            if name not in runs:
                continue
            height = Spread.of(ratios(case, runs, name, case.base))
            at = row + place * width
            axes.bar(
                at,
                height.middle,
                width,
                color="tab:red" if name == "kakaclo" else OTHERS[place % len(OTHERS)],
                label=name if row == 0 else None,
                yerr=[[height.middle - height.low], [height.high - height.middle]],
                error_kw={"linewidth": 0.8},
            )
    for row, case in enumerate(group):
        for bar in case.bars:
            if bar.who == "kakaclo" and bar.over == case.base:
                axes.hlines(bar.limit, row - width / 2, row + 0.8 - width / 2, "black", "--", linewidth=1)
    labels = [fill(re.split(", |: ", case.title)[-1], 11) for case in group]
    axes.set_xticks([row + 0.4 - width / 2 for row in range(len(group))], labels)
    axes.set(ylabel=first.plot.y or first.unit, title=first.plot.title, ylim=(0, axes.get_ylim()[1] * 1.25))
    axes.legend(frameon=False, ncols=3, loc="upper center")
