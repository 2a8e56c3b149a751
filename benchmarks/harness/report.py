"""`RESULTS.md` and the lines on the screen: bars first, then each case with its contenders side by side."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING, Any

from harness.verdict import ABSENT, HELD, KNOWN, NOISE, Spread, Verdict, figures, judge, ratios

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.case import Bar, Case
    from harness.measure import Runs

HEAD = """# Results of the benchmarks

Written by `make bench`; do not edit. How to read it: contenders run in turns, A B C A B C, against servers in
processes of their own. Each figure is the median of the rounds, with its quartiles in brackets. A ratio is made round
by round, and its median is told; so it stands on a busy machine, where milliseconds do not. A bar is missed when its
median misses it and no more than a quarter of the rounds hold it; where the median holds it and a quarter or more do
not, that is within the noise, too. "In each round" means the worst one. A goal depends on the machine, and on how
busy its host is: it fails nothing. How long a million additions took before a case, or before the first of those that
share a file, hints at the speed. `results.json` has every round.
"""


def number(value: float) -> str:
    if isnan(value):
        return ""
    if value == 0 or (value == int(value) and abs(value) < 1e6):
        return f"{value:,.0f}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def spread(figure: Spread) -> str:
    if figure.low == figure.high:
        return number(figure.middle)
    return f"{number(figure.middle)} ({number(figure.low)} to {number(figure.high)})"


def bar_of(case: Case, bar: Bar) -> str:
    """Say what a bar is about."""
    sign = "at most" if bar.most is not None else "at least"
    what = f"{bar.of} of {bar.who}" if bar.of else bar.who
    scale = f" of {bar.over}" if bar.over else f" {bar.of or case.unit}"
    where = f", at {number(bar.at)} {case.points}" if bar.at is not None and case.points else ""
    kind = ", in each round" if bar.each else ", a goal" if bar.goal else ""
    return f"{what}: {sign} {number(bar.limit)}{scale}{where}{kind}"


def verdict_of(verdict: Verdict) -> str:
    if verdict.bar.goal:
        return {HELD: "reached", NOISE: "reached", KNOWN: "not reached"}.get(verdict.word, verdict.word)
    return verdict.word


def screen(case: Case, found: dict[str, Any]) -> Iterator[str]:
    """Yield the lines that a run prints."""
    if "skipped" in found:
        yield f"{case.name}: left out, {found['skipped']}"
        yield from found.get("failed", "").splitlines()
        return
    points: dict[float, Runs] = found["points"]
    runs = points[max(points)]
    shown = (f"{name} {number(Spread.of(figures(case, runs, name)).middle)}" for name in runs)
    yield f"{case.name}: {', '.join(shown)} ({case.unit})"
    for verdict in judge(case, found):
        if verdict.word == ABSENT:
            continue
        told = spread(verdict.figure) if verdict.figure else "refused"
        yield f"    {bar_of(case, verdict.bar)}: {told} {verdict_of(verdict)}"


def document(cases: Sequence[Case], results: dict[str, Any]) -> str:
    """Return all of `RESULTS.md`."""
    lines = [HEAD, *_machine(results["machine"])]
    done = [(case, results["cases"][case.name]) for case in cases if case.name in results["cases"]]
    lines += ["## Bars", "", "| case | bar | measured | |", "| --- | --- | --- | --- |"]
    verdicts = [(case, verdict) for case, found in done for verdict in judge(case, found)]
    for case, verdict in verdicts:
        told = spread(verdict.figure) if verdict.figure else ""
        word = verdict_of(verdict)
        word = word if word in {HELD, "reached"} else f"**{word}**"
        lines.append(f"| {case.name} | {bar_of(case, verdict.bar)} | {told} | {word} |")
    lines += ["", *_missed(verdicts)]
    for case, found in done:
        lines += _case(case, found)
    return "\n".join(lines).rstrip() + "\n"


def _machine(machine: dict[str, Any]) -> Iterator[str]:
    yield from ("## Machine", "", "| | |", "| --- | --- |")
    for name, value in machine.items():
        shown = ", ".join(f"{key} {one}" for key, one in value.items()) if isinstance(value, dict) else value
        yield f"| {name.replace('_', ' ')} | {shown} |"
    yield ""


def _missed(verdicts: list[tuple[Case, Verdict]]) -> Iterator[str]:
    yield from ("## What is missed, and why", "")
    bad = [
        (case, verdict)
        for case, verdict in verdicts
        if verdict.word != HELD and not verdict.holds_by_median and (verdict.figure or verdict.fails)
    ]
    for case, verdict in bad:
        why = verdict.bar.cause or (
            "a goal of another machine, or not yet reached." if verdict.bar.goal else "not known yet."
        )
        told = spread(verdict.figure) if verdict.figure else "refused"
        noise = ", within the noise" if verdict.word == NOISE else ""
        yield f"- {case.name}, {bar_of(case, verdict.bar)}: {told}{noise}. Cause: {why}"
    if not bad:
        yield "Nothing."
    yield ""


def _case(case: Case, found: dict[str, Any]) -> Iterator[str]:
    yield from (f"## {case.name}: {case.title}", "")
    if case.note:
        yield from (case.note, "")
    if "skipped" in found:
        yield from (f"Left out: {found['skipped']}.", "")
        return
    if case.plot and len(found["points"]) > 1:
        yield from (f"![{case.title}](plots/{case.plot.file}.svg)", "")
    again = found.get("again")
    when = f" Measured again: {again['date']}, revision {again['revision']}." if again else ""
    speed = f" A million additions took {number(found['spin_ms'])} ms before." if "spin_ms" in found else ""
    yield f"{case.unit}; {found['rounds']} rounds; ratios in terms of {case.base}.{when}{speed}"
    other = {"cpu": "wall", "wall": "cpu"}.get(case.by)
    beside = [f"{other} time, likewise"] if other else [f"cpu, {case.times}", f"wall, {case.times}"]
    lead = [case.points] if case.points else []
    yield ""
    yield f"| {' | '.join([*lead, 'who', case.unit, 'ratio', *beside, 'also'])} |"
    yield f"|{' --- |' * (len(lead) + 4 + len(beside))}"
    for point, runs in found["points"].items():
        for who in runs:
            cells = [number(float(point))] if lead else []
            yield f"| {' | '.join([*cells, who, *_row(case, runs, who, [other] if other else ['cpu', 'wall'])])} |"
    yield ""
    for who, why in found["refused"].items():
        yield f"{who} refuses: {why}."
        yield ""


def _row(case: Case, runs: Runs, who: str, beside: list[str]) -> list[str]:
    own = figures(case, runs, who)
    ratio = ratios(case, runs, who, case.base) if case.base in runs else []
    also = {name: Spread.of([taken["also"][name] for taken in runs[who]]) for name in runs[who][0]["also"]}
    return [
        spread(Spread.of(own)),
        spread(Spread.of(ratio)) if ratio else "",
        *(number(Spread.of([taken[name] for taken in runs[who]]).middle) for name in beside),
        ", ".join(f"{name} {spread(value)}" for name, value in also.items()),
    ]
