"""`kakaclo` with a short lease, which kills itself at a step.

python shop_once_worker.py STEP orders submit ...
"""

from __future__ import annotations

import inspect
import os
import signal
import sys

from kakaclo_async.cli.app import run
from kakaclo_async.cli.shop import elsewhere, journal as shop_journal
from kakaclo_async.cli.shop.results import ResultFile
from kakaclo_async.ordering import Journal
from kakaclo_async.ordering.database import Database
from kakaclo_async.ordering.orders import OrderWrites
from kakaclo_async.ordering.store import Store


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def after(owner, name, number):
    """Die when a function was called so often."""
    real, calls = getattr(owner, name), []

    def called():
        calls.append(None)
        if len(calls) == number:
            die()

    async def call_async(*arguments, **options):
        result = await real(*arguments, **options)
        called()
        return result

    def call(*arguments, **options):
        result = real(*arguments, **options)
        called()
        return result

    setattr(owner, name, call_async if inspect.iscoroutinefunction(real) else call)


def in_the_middle(owner, name, number):
    """Die when half a row is written."""
    real, calls = getattr(owner, name), []

    def call(self, row):
        calls.append(None)
        if len(calls) == number:
            self._file.write(b"half,a ro")
            die()
        real(self, row)

    setattr(owner, name, call)


def before(owner, name, number):
    """Die instead of doing it."""
    del number
    setattr(owner, name, lambda *_: die())


# How to die where, and at which call.
STEPS = {
    "an empty file is there": (after, Database, "_check_file", 1),
    "KakaClo was asked": (after, shop_journal, "look_back", 1),
    "KakaClo's orders are recorded": (after, Store, "adopt", 1),
    "the intent is written": (after, Store, "enter", 1),
    "the answer is there": (after, OrderWrites, "send", 2),
    "the outcome is recorded": (after, Store, "done", 3),
    "a result is written": (after, ResultFile, "_append", 3),
    "half a result is written": (in_the_middle, ResultFile, "_append", 3),
    "the results are put in order": (before, ResultFile, "_finish", 1),
}

if __name__ == "__main__":
    Journal.__init__.__kwdefaults__["lease"] = 1.0
    if os.environ.get("KAKACLO_TEST_ENVIRONMENT"):  # no sandbox: its lag counts
        elsewhere.environment_name = shop_journal.environment_name = lambda _: "test"
    if sys.argv[1]:
        die_there, *where = STEPS[sys.argv[1]]
        die_there(*where)
    sys.exit(run(sys.argv[2:]))
