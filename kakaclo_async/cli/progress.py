"""Progress of long work, on stderr: bars on a terminal, a line every few seconds on a pipe."""

from __future__ import annotations

import math
import sys
import time
from collections import deque
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

import attrs
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from kakaclo_async.cli.output import console, is_terminal
from kakaclo_async.events import Event, PageDone, Sent

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import TextIO

    from kakaclo_async import KakaClo
    from kakaclo_async.catalog import MirrorReport


_WINDOW: Final = 30.0
"""Seconds over which a rate is measured, so that the burst at the start is soon forgotten."""

_BETWEEN_LINES: Final = 5.0
"""Seconds between two lines about the same work."""


@attrs.define(slots=True)
class Pace:
    """How far a piece of work has come, and how fast it goes.

    rich has an estimate of its own, which starts over whenever the total changes: with most pages of a mirror.

    Attributes:
        what: what the rows are.
        done: rows so far.
        total: rows in total, None while unknown.
    """

    what: str
    done: int = 0
    total: int | None = None
    _before: int = attrs.field(default=0, init=False)  # rows of pulls that have ended
    _marks: deque[tuple[float, int]] = attrs.field(factory=deque[tuple[float, int]], init=False)

    def mark(self, now: float, event: PageDone) -> None:
        """Record a page; one that has fewer rows than the last belongs to a pull that came after it."""
        if self._before + event.rows_done < self.done:
            self._before = self.done
        self.done = self._before + event.rows_done
        self.total = None if event.rows_total is None else self._before + event.rows_total
        self._marks.append((now, self.done))
        while len(self._marks) > 2 and self._marks[1][0] < now - _WINDOW:
            self._marks.popleft()

    @property
    def per_second(self) -> float | None:
        """Rows per second lately; None before there are two pages."""
        (start, first), (end, last) = self._marks[0], self._marks[-1]
        return (last - first) / (end - start) if end > start else None

    @property
    def left(self) -> float | None:
        """Seconds until the end at this rate; None while unknown."""
        if self.total is None or not self.per_second:
            return None
        return max(0, self.total - self.done) / self.per_second

    def facts(self, requests: int, *, planned: int = 0, rereads: int = 0, gaps: int = 0) -> str:
        """Return everything in one line."""
        rows = f"{self.done:,} rows" if self.total is None else f"{self.done:,} of {self.total:,} rows"
        rate = None if self.per_second is None else f"{self.per_second:,.0f} rows/s"
        left = None if self.left is None else f"{_duration(self.left)} left"
        sent = f"{requests:,} of {planned:,} requests" if planned else _counted(requests, "request")
        trouble = (_counted(count, what) for count, what in ((rereads, "re-read"), (gaps, "gap")) if count)
        return ", ".join(part for part in (rows, sent, rate, left, *trouble) if part)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def summary(report: MirrorReport) -> str:
    """Return in one line what a cycle of a mirror did, without the counts that are 0."""
    counts = (
        (report.products, "product"),
        (report.skus, "SKU"),
        (report.stock, "stock level"),
        (report.changes, "change"),
        (report.gone, "lost product"),
        (report.undecodable, "undecodable row"),
        (report.rereads, "re-read"),
        (len(report.gaps), "gap"),
    )
    news = [_counted(count, what) for count, what in counts if count]
    return ", ".join([*(news or ["nothing new"]), _counted(report.requests, "request")])


class Meter:
    """Turns events into paces; the subclasses show them.

    Args:
        clock: returns seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._requests = 0
        self._planned = 0
        self._page_size = 1
        self._rereads = 0
        self._gaps = 0
        self._paces: dict[str, Pace] = {}

    def __call__(self, event: Event) -> None:
        """Record an event."""
        if isinstance(event, Sent):
            self._requests += 1
        elif isinstance(event, PageDone):
            if event.what not in self._paces:  # the first event is one page; later ones may hold several
                self._page_size = max(self._page_size, event.rows)
            pace = self._paces.setdefault(event.what, Pace(event.what))
            pace.mark(self._clock(), event)
            self.show(pace)

    def report(self, report: MirrorReport) -> None:
        """Record what no event has: what is planned, what was read again, and what is missing."""
        self._planned = self._requests + math.ceil(report.rows_left / self._page_size)
        self._rereads, self._gaps = report.rereads, len(report.gaps)

    def cycle(self, report: MirrorReport) -> None:
        """Show what a cycle did, and begin another."""
        raise NotImplementedError

    def facts(self, pace: Pace) -> str:
        """Return the line about a pace."""
        planned = max(self._requests, self._planned) if self._planned else 0
        return pace.facts(self._requests, planned=planned, rereads=self._rereads, gaps=self._gaps)

    def show(self, pace: Pace) -> None:
        """Show a pace that has changed."""
        raise NotImplementedError

    def close(self) -> None:
        """Show the last state."""
        raise NotImplementedError


class Bars(Meter):
    """A bar for each piece of work, on a terminal."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(clock)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[facts]}", markup=False),
        )
        self._drawing = Progress(*columns, console=console(stream))
        self._tasks: dict[str, TaskID] = {}
        self._drawing.start()

    def show(self, pace: Pace) -> None:
        """Move the bar."""
        if pace.what not in self._tasks:
            self._tasks[pace.what] = self._drawing.add_task(pace.what, total=pace.total, facts="")
        self._drawing.update(
            self._tasks[pace.what], completed=pace.done, total=pace.total, facts=self.facts(pace)
        )

    def cycle(self, report: MirrorReport) -> None:
        """Put a line above the bars, which begin again."""
        for task in self._tasks.values():
            self._drawing.remove_task(task)
        self._tasks.clear()
        self._paces.clear()
        self._drawing.console.print(summary(report), markup=False)

    def close(self) -> None:
        """Leave the bars as they are, and the cursor below them."""
        self._drawing.stop()


class Lines(Meter):
    """A line every few seconds, for logs."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(clock)
        self._stream = stream
        self._shown: dict[str, tuple[float, int]] = {}

    def show(self, pace: Pace) -> None:
        """Write a line, unless the last one about this is younger than a few seconds."""
        now = self._clock()
        if pace.what not in self._shown or now - self._shown[pace.what][0] >= _BETWEEN_LINES:
            self._write(pace, now)

    def cycle(self, report: MirrorReport) -> None:
        """Write one line; the next cycle has more only when it takes long."""
        self._shown = dict.fromkeys(self._paces, (self._clock(), 0))
        self._paces.clear()
        self._say(summary(report))

    def close(self) -> None:
        """Write the last state of what has moved since its last line."""
        for pace in self._paces.values():
            if self._shown[pace.what][1] != pace.done:
                self._write(pace, self._clock())

    def _write(self, pace: Pace, now: float) -> None:
        self._shown[pace.what] = now, pace.done
        self._say(f"{pace.what}: {self.facts(pace)}")

    def _say(self, text: str) -> None:
        with suppress(OSError):  # a reader that has gone must not end the work
            self._stream.write(f"{text}\n")
            self._stream.flush()


@contextmanager
def progress(kk: KakaClo) -> Generator[Meter]:
    """Show the progress of the client's streams and mirrors on stderr."""
    meter = Bars(sys.stderr) if is_terminal(sys.stderr) else Lines(sys.stderr)
    stop = kk.on_event(meter)
    try:
        yield meter
    finally:
        stop()
        meter.close()
