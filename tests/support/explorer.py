"""Explore everything that may happen in a small world, by running the real code again and again.

A world runs coroutines of the package on a `SteeredLoop`. What they wait for (a transaction, an answer, the next
timer) happens when the explorer says so, one event at a time, in every order. Nothing is modelled of the code itself:
a state is reached by playing the events that lead to it from the beginning, in the style of stateless model checking.
States that were seen before, by their fingerprints, are not played on.
"""

from __future__ import annotations

import asyncio
import contextlib
import selectors
import sys
import time
from collections import defaultdict
from contextvars import ContextVar

import attrs

who: ContextVar[str] = ContextVar("who")
"""The process that runs, by its name: its tasks inherit it."""


class Violation(Exception):
    """A promise is broken."""


class Gone(BaseException):
    """The world has ended; what still waits in it goes no further."""


@attrs.frozen
class Event:
    """Something that may happen now: its line in a trace, and what makes it happen."""

    label: str
    happen: object


class World:
    """What is explored: a subclass says what may happen, and what must hold.

    Args:
        loop: runs its tasks.
    """

    def __init__(self, loop):
        self.loop = loop
        self.is_over = False

    def start(self):
        """Make the tasks."""
        raise NotImplementedError

    def events(self):
        """Return what may happen now, at least one thing unless all is over; nothing can run until one does."""
        raise NotImplementedError

    def check(self):
        """Raise `Violation` if a promise is broken."""

    def check_end(self):
        """Raise `Violation` if a promise is broken once all is over."""

    def fingerprint(self):
        """Return all that decides what may follow, hashable."""
        raise NotImplementedError


class SteeredLoop(asyncio.SelectorEventLoop):
    """An event loop that asks `idle` what happens next whenever nothing can run; its clock stands still meanwhile.

    Attributes:
        tasks: all that were made, by the process that runs in them.
    """

    def __init__(self):
        self._now = 0.0
        self.idle = lambda: None
        super().__init__(_Steered(self))
        self.tasks = defaultdict(list)
        self.set_task_factory(self._new_task)

    def _new_task(self, loop, coroutine, **options):
        task = asyncio.Task(coroutine, loop=loop, **options)
        self.tasks[who.get("")].append(task)
        return task

    def stop_timers(self, process):
        """Let no timer of a process that died go off."""
        for handle in self._scheduled:
            if handle._context is not None and handle._context.get(who, None) == process:
                handle.cancel()

    def time(self):
        return self._now

    def next_timer(self):
        """Return when the next timer is due; None without any."""
        return self._scheduled[0].when() if self._scheduled else None

    def jump(self, to):
        self._now = max(self._now, to)


class _Steered(selectors.DefaultSelector):
    def __init__(self, loop):
        super().__init__()
        self._loop = loop

    def select(self, timeout=None):
        if timeout is None or timeout > 0:
            self._loop.idle()
        return []


@attrs.define
class Report:
    """What an exploration saw.

    Attributes:
        states: that differ.
        transitions: events that were tried in them.
        runs: from the beginning, to a state that is known or to the end.
        ends: states in which all was over.
        depth: events of the longest run.
        seconds: that it took.
        is_exhaustive: whether nothing was left to try.
        violations: what was broken, each with the events that led there.
    """

    name: str
    states: int = 0
    transitions: int = 0
    runs: int = 0
    ends: int = 0
    depth: int = 0
    seconds: float = 0.0
    is_exhaustive: bool = False
    violations: list = attrs.field(factory=list)

    def __str__(self):
        how = "exhausted" if self.is_exhaustive else "stopped"
        return (
            f"{self.name}: {self.states:,} states, {self.transitions:,} transitions, depth {self.depth},"
            f" {self.ends:,} ends, {self.runs:,} runs, {self.seconds:.1f} s, {how},"
            f" {len(self.violations)} violations"
        )

    def show(self):
        sys.stdout.write(f"{self}\n")

    @property
    def trace(self):
        """The first counterexample, as people read it."""
        return "\n".join(map(str, self.violations[:1]))


@attrs.frozen
class Counterexample:
    """What was broken, and how."""

    what: str
    events: tuple

    def __str__(self):
        return "\n".join([*(f"{n:3}. {line}" for n, line in enumerate(self.events, 1)), f"==> {self.what}"])


class _Pruned(Exception):
    """The state is known, or all is over."""


@attrs.define
class _Choice:
    labels: tuple
    taken: int = 0


def explore(make_world, *, name="", most_runs=None, most_violations=1):
    """Let everything happen, in every order, depth first.

    Args:
        make_world: makes the world on a loop; the same events must lead to the same world each time.
        name: of the report.
        most_runs: to stop after.
        most_violations: to stop after.
    """
    report, seen, path = Report(name), set(), []
    began = time.perf_counter()
    while True:
        report.runs += 1
        with contextlib.suppress(_Pruned):
            _Run(make_world, path, seen, report).play()
        while path and path[-1].taken + 1 == len(path[-1].labels):
            path.pop()
        if not path:
            report.is_exhaustive = not report.violations
            break
        path[-1].taken += 1
        if report.runs == most_runs or len(report.violations) >= most_violations:
            break
    report.states = len(seen)
    report.seconds = time.perf_counter() - began
    return report


class _Run:
    """One run, along a path and then on to what is new."""

    def __init__(self, make_world, path, seen, report):
        self._path, self._seen, self._report = path, seen, report
        self._trace = []
        self._surprises = []
        self._loop = SteeredLoop()
        self._loop.set_exception_handler(lambda _, context: self._surprises.append(context))
        self._loop.idle = self._step
        self._world = make_world(self._loop)

    def play(self):
        self._loop.call_soon(self._world.start)
        try:
            self._loop.run_forever()
        except Violation as broken:
            self._report.violations.append(Counterexample(str(broken), tuple(self._trace)))
        finally:
            self._bury()

    def _step(self):
        world, path, report, depth = self._world, self._path, self._report, len(self._trace)
        if self._surprises:
            surprise = self._surprises[0]
            raise Violation(f"unexpected: {surprise.get('exception') or surprise['message']!r}")
        world.check()
        events = world.events()
        if depth == len(path):
            report.transitions += depth > 0
            report.depth = max(report.depth, depth)
            state = hash(world.fingerprint())
            if state in self._seen:
                raise _Pruned
            self._seen.add(state)
            if not events:
                report.ends += 1
                world.check_end()
                raise _Pruned
            path.append(_Choice(tuple(event.label for event in events)))
        choice = path[depth]
        if choice.labels != tuple(event.label for event in events):
            raise AssertionError(f"the same events led elsewhere: {self._trace}, {choice.labels}, {events}")
        event = events[choice.taken]
        self._trace.append(event.label)
        event.happen()

    def _bury(self):
        """End all tasks; nothing of them happens in the world any more."""
        world, loop = self._world, self._loop
        world.is_over = True
        loop.set_exception_handler(lambda *_: None)
        loop.idle = lambda: loop.jump(loop.next_timer() or 0.0)
        while alive := [task for tasks in loop.tasks.values() for task in tasks if not task.done()]:
            for task in alive:
                task.cancel()
            loop.run_until_complete(_ended(alive))
        for task in (task for tasks in loop.tasks.values() for task in tasks):
            if not task.cancelled():
                task.exception()  # so that nobody complains that it was never asked for
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


async def _ended(tasks):
    await asyncio.wait(tasks, timeout=1000.0)
