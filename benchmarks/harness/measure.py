"""Running a case: all contenders in turns, A B C A B C, at each point; what they took goes out as plain data."""

from __future__ import annotations

import traceback
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from harness.case import Refused, Skipped
from harness.watch import Taken

if TYPE_CHECKING:
    from harness.case import Case

Runs = dict[str, list[dict[str, Any]]]
"""What each contender took in each round."""


def run(case: Case, *, quick: bool) -> dict[str, Any]:
    """Run a case; return its runs by point, who refused, or why it was left out."""
    size = case.quick if quick else case.full
    found: dict[str, Any] = {"name": case.name, "rounds": size.rounds, "points": {}, "refused": {}}
    if not size.rounds:
        return found | {"skipped": "runs in full only"}
    names = [name for name in case.contenders if not size.only or name in size.only]
    try:
        with case.world() as world:
            for point in size.points:
                found["points"][point] = _at(case, world, point, names, size.rounds, found["refused"])
    except Skipped as why:
        found["skipped"] = str(why)
    except Exception:  # noqa: BLE001 - the other cases are measured all the same, and the run fails in the end
        found |= {"skipped": "it failed", "failed": traceback.format_exc(limit=-4)}
    return found


def _at(case: Case, world: Any, point: float, names: list[str], rounds: int, refused: dict[str, str]) -> Runs:
    runs: Runs = {name: [] for name in names if name not in refused}
    for _ in range(rounds):
        for name in [name for name in runs if name not in refused]:
            try:
                taken = case.contenders[name](world, point)
            except Refused as why:
                refused[name] = str(why)
                continue
            runs[name].append(asdict(taken if isinstance(taken, Taken) else Taken(count=taken)))
    return {name: taken for name, taken in runs.items() if taken}
