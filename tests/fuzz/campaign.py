"""Read millions of damaged answers, each made by its seed and number, and save those that break a promise.

    python tests/fuzz/campaign.py --seed 1 --count 5000000 --jobs 2
    python tests/fuzz/campaign.py --seed 1 --number 4711      # one case again, shown

What must hold is `check` in tests/support/fuzzing.py. Findings are saved in tests/fuzz/corpus/, which
tests/fuzz/test_corpus.py replays.
"""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import queue
import signal
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.fuzzing import CORPUS, Broken, check
from support.mutating import BLOCK, Mutator

THOROUGH_EVERY = 8
MOST_FINDINGS = 50
MOST_SECONDS_FOR_A_HUNDRED = 60


class Stuck(BaseException):
    """A case took a minute."""


def run_block(mutator: Mutator, numbers: range) -> tuple[Counter[str], list[tuple[int, str]]]:
    """Run some cases; return what came of them by type, and what broke."""
    ends: Counter[str] = Counter()
    broken: list[tuple[int, str]] = []
    for number in numbers:
        if number % 100 == 0:
            signal.alarm(MOST_SECONDS_FOR_A_HUNDRED)
        try:
            ends[check(mutator.case(number), thorough=number % THOROUGH_EVERY == 0)] += 1
        except Broken as problem:
            broken.append((number, str(problem)))
        except Exception as error:  # noqa: BLE001 - of the check itself: what came out can be used for nothing
            broken.append((number, f"{type(error).__name__} while it was checked: {error}"))
        except Stuck:
            broken.append((number, "it did not end"))
    signal.alarm(0)
    return ends, broken


def work(seed: int, blocks: list[range], until: float, results: multiprocessing.Queue[object]) -> None:
    """Run blocks of cases in a process of their own."""

    def stuck(_number: int, _frame: object) -> None:
        raise Stuck

    signal.signal(signal.SIGALRM, stuck)
    mutator = Mutator(seed)
    gc.freeze()
    for numbers in blocks:
        if time.monotonic() > until:
            break
        ends, broken = run_block(mutator, numbers)
        results.put((len(numbers), ends, broken))
    results.put(None)


def main() -> int:
    """Run the campaign; return 1 if it found anything."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", type=int, default=0, help="the number of the first case")
    parser.add_argument("--count", type=int, default=5_000_000)
    parser.add_argument(
        "--seconds", type=float, default=float("inf"), help="start no further block after that"
    )
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--number", type=int, help="show and check this case alone")
    chosen = parser.parse_args()
    if chosen.number is not None:
        return show(chosen.seed, chosen.number)

    started = time.monotonic()
    end = chosen.start + chosen.count
    blocks = [range(first, min(first + BLOCK, end)) for first in range(chosen.start, end, BLOCK)]
    results: multiprocessing.Queue[object] = multiprocessing.Queue()
    workers = [
        multiprocessing.Process(
            target=work, args=(chosen.seed, blocks[job :: chosen.jobs], started + chosen.seconds, results)
        )
        for job in range(chosen.jobs)
    ]
    for worker in workers:
        worker.start()
    done, ends, findings = gather(workers, results, chosen.seed, started)
    seconds = time.monotonic() - started
    print(json.dumps({
        "seed": chosen.seed, "start": chosen.start, "cases": done, "jobs": chosen.jobs, "seconds": round(seconds, 1),
        "per_second": round(done / seconds), "ends": dict(ends.most_common()), "findings": findings,
    }, indent=1))  # fmt: skip
    return 1 if findings else 0


def gather(
    workers: list[multiprocessing.Process], results: multiprocessing.Queue[object], seed: int, started: float
) -> tuple[int, Counter[str], int]:
    """Take what the workers report until all are done; save what they found."""
    done, findings, running, told = 0, 0, len(workers), started
    ends: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    mutator = Mutator(seed)
    while running:
        try:
            result = results.get(timeout=5)
        except queue.Empty:
            if not any(worker.is_alive() for worker in workers):
                raise SystemExit("a worker died without a word") from None
            continue
        if result is None:
            running -= 1
            continue
        count, found, broken = result  # type: ignore[misc]
        done += count
        ends += found
        for number, what in broken:
            findings += 1
            kinds[what[:40]] += 1
            if kinds[what[:40]] <= 3 and len(kinds) <= MOST_FINDINGS:  # the same again and again
                print(f"case {number}: {what}", flush=True)
                (CORPUS / f"case-{seed}-{number}.json").write_text(mutator.case(number).to_json(what))
        if time.monotonic() - told > 20:
            told = time.monotonic()
            print(f"{done} cases, {done / (told - started):.0f}/s, {findings} findings", flush=True)
    return done, ends, findings


def show(seed: int, number: int) -> int:
    """Make one case, show it and check it."""
    case = Mutator(seed).case(number)
    print(case.to_json(f"case {number} of seed {seed}"))
    try:
        print(check(case))
    except Broken as problem:
        print(f"broken: {problem}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
