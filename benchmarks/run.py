"""All benchmarks, or some: measures, judges, and writes `RESULTS.md`, `results.json` and `plots/`.

    python benchmarks/run.py                    everything; about an hour
    python benchmarks/run.py --quick            small sizes, under two minutes; writes nothing
    python benchmarks/run.py decode call        these alone: names of cases, or what they begin with; writes nothing
    python benchmarks/run.py --again decode     these alone, once more; writes them into the results that are there
    python benchmarks/run.py --list             the names

The exit status is 1 when a ratio or a count falls behind its bar by more than the noise. A quick case that does so is
run once more, and fails only if it does so again.
"""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # this tree's packages, also when another one is installed

from harness import Case, machine, measure, plots, report
from harness.verdict import judge

HERE = Path(__file__).parent


def all_cases() -> dict[str, tuple[str, Case]]:
    """Return all cases by name, with their modules, in the order of the modules' names."""
    found: dict[str, tuple[str, Case]] = {}
    for path in sorted((HERE / "cases").glob("[a-z]*.py")):
        for case in importlib.import_module(f"cases.{path.stem}").CASES:
            assert case.name not in found, f"two cases are called {case.name}"
            case.check()
            found[case.name] = path.stem, case
    return found


def inner(module: str, loop: str, names: list[str], *, quick: bool) -> None:
    """Run cases of one module in this process; print what they found as JSON in the last line."""
    if loop == "asyncio":
        sys.modules["uvloop"] = None  # type: ignore[assignment] # as if it were not installed
    cases = importlib.import_module(f"cases.{module}").CASES
    print(json.dumps([measure.run(case, quick=quick) for case in cases if case.name in names]))


def outer(module: str, loop: str, names: list[str], *, quick: bool) -> list[dict[str, Any]]:
    """Run cases in a process of their own; needless where none of them has that size."""
    cases = {case.name: case for case in importlib.import_module(f"cases.{module}").CASES}
    if not any((cases[name].quick if quick else cases[name].full).rounds for name in names):
        return [measure.run(cases[name], quick=quick) for name in names]
    command = [sys.executable, __file__, "--inner", module, loop, *names, *(["--quick"] if quick else [])]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"the cases {', '.join(names)} failed")
    found: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    for one in found:
        one["points"] = {float(point): runs for point, runs in one["points"].items()}
    return found


def run(chosen: dict[str, tuple[str, Case]], *, quick: bool) -> tuple[dict[str, Any], bool]:
    """Run the cases by processes; return what they found, and whether any bar is missed."""
    groups: dict[tuple[str, str], list[str]] = {}
    for name, (module, case) in chosen.items():
        groups.setdefault((module, case.loop), []).append(name)
    results: dict[str, Any] = {"machine": machine.describe(), "cases": {}}
    fails = False
    for (module, loop), names in groups.items():
        began, spin = time.perf_counter(), machine.spin()
        for found in outer(module, loop, names, quick=quick):
            case = chosen[found["name"]][1]
            again = quick and any(verdict.fails for verdict in judge(case, found))
            if again:
                print(f"{case.name}: a bar is missed; once more", flush=True)
                [found] = outer(module, loop, [case.name], quick=quick)  # noqa: PLW2901 - the second counts
            fails = fails or "failed" in found or any(verdict.fails for verdict in judge(case, found))
            results["cases"][case.name] = found | {"spin_ms": round(spin, 1)}
            print(*report.screen(case, found), sep="\n", flush=True)
        print(f"    ({module}: {time.perf_counter() - began:.0f} s)", flush=True)
    return results, fails


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="names of cases, or what they begin with; none: all")
    parser.add_argument("--quick", action="store_true", help="small sizes")
    parser.add_argument("--again", action="store_true", help="write these into the results that are there")
    parser.add_argument("--list", action="store_true", help="list the names")
    parser.add_argument("--inner", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.inner:
        module, loop, *names = given.names
        inner(module, loop, names, quick=given.quick)
        return 0
    cases = all_cases()
    chosen = {
        name: one for name, one in cases.items() if not given.names or name.startswith(tuple(given.names))
    }
    if given.list or not chosen:
        print(*cases, sep="\n")
        return int(not chosen)
    began = time.perf_counter()
    results, fails = run(chosen, quick=given.quick)
    if not given.quick and (given.again or not given.names):
        write(cases, added(results) if given.again else results)
    verdict = "a bar is MISSED, or a case failed" if fails else "no bar is missed"
    print(f"{len(chosen)} cases in {time.perf_counter() - began:.0f} s: {verdict}")
    return int(fails)


def added(results: dict[str, Any]) -> dict[str, Any]:
    """Return the results that are there, with these in place of their own of some cases."""
    known: dict[str, Any] = json.loads((HERE / "results.json").read_text())
    for one in known["cases"].values():
        one["points"] = {float(point): runs for point, runs in one["points"].items()}
    when = {key: results["machine"][key] for key in ("date", "revision")}
    return known | {
        "cases": known["cases"] | {name: one | {"again": when} for name, one in results["cases"].items()}
    }


def write(cases: dict[str, tuple[str, Case]], results: dict[str, Any]) -> None:
    """Write all that `make bench` leaves."""
    declared = [case for _, case in cases.values()]
    (HERE / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (HERE / "RESULTS.md").write_text(report.document(declared, results))
    for path in plots.draw(declared, results, HERE / "plots"):
        print(f"drew {path.relative_to(HERE)}")


if __name__ == "__main__":
    sys.exit(main())
