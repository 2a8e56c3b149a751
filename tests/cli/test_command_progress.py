from __future__ import annotations

import io
import re
from datetime import UTC, datetime

import pytest
from support.terminal import Terminal

from kakaclo_async.catalog import Gap, MirrorReport
from kakaclo_async.cli.progress import Bars, Lines, Pace, summary
from kakaclo_async.events import Lane, PageDone, Sent, Throttled
from kakaclo_async.models.pull import Window

SENT = Sent(method="GET", path="/x", lane=Lane.BULK, attempt=1, status=200, seconds=0.1, size=10)


HOLE = Gap("stock", Window(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 2, tzinfo=UTC)))


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def page(done, total=3000, what="products"):
    return PageDone(what=what, rows=30, rows_done=done, rows_total=total)


def feed(meter, clock, *pages):
    """A page a second, a request each."""
    for done in pages:
        meter(SENT)
        meter(page(done))
        clock.now += 1


def test_a_line_tells_rows_requests_rate_and_time_left(clock):
    stream = io.StringIO()
    lines = Lines(stream, clock)
    feed(lines, clock, *range(30, 330, 30))
    assert stream.getvalue().splitlines() == [
        "products: 30 of 3,000 rows, 1 request",
        "products: 180 of 3,000 rows, 6 requests, 30 rows/s, 1:34 left",
    ]


def test_the_last_state_is_written_once(clock):
    stream = io.StringIO()
    lines = Lines(stream, clock)
    feed(lines, clock, 30, 60)
    lines.close()
    assert stream.getvalue().splitlines()[-1].startswith("products: 60 of 3,000 rows")
    written = len(stream.getvalue())
    lines.close()
    assert len(stream.getvalue()) == written


def test_kinds_of_rows_have_their_own_lines(clock):
    stream = io.StringIO()
    lines = Lines(stream, clock)
    lines(page(30, what="products"))
    lines(page(30, what="stock"))
    lines(Throttled(method="GET", path="/x", retry_after=None))
    assert [line.partition(":")[0] for line in stream.getvalue().splitlines()] == ["products", "stock"]


def test_an_unknown_total_promises_nothing(clock):
    pace = Pace("stock")
    pace.mark(0.0, page(30, total=None))
    pace.mark(1.0, page(60, total=None))
    assert pace.facts(2) == "60 rows, 2 requests, 30 rows/s"
    assert pace.left is None


def test_the_rate_forgets_the_burst_at_the_start():
    pace = Pace("stock")
    for second in range(200):
        pace.mark(float(second), page(10_000 + second, total=20_000) if second else page(0, total=20_000))
    assert pace.per_second == pytest.approx(1.0)
    assert pace.facts(1).endswith("2:46:40 left".replace("2:46:40", "2:43:21"))


def test_work_that_stands_still_has_no_end_in_sight():
    pace = Pace("stock")
    pace.mark(0.0, page(30))
    pace.mark(1.0, page(30))
    assert pace.left is None


def test_a_second_pull_goes_on_where_the_first_one_ended():
    pace = Pace("products")
    for second, (done, total) in enumerate([(30, 60), (60, 60), (0, 0), (5, 10)]):
        pace.mark(float(second), page(done, total=total))
    assert pace.facts(5) == "65 of 70 rows, 5 requests, 12 rows/s, 0:00 left"


def test_more_rows_than_were_thought_are_no_negative_time():
    pace = Pace("stock")
    pace.mark(0.0, page(30, total=40))
    pace.mark(1.0, page(60, total=40))
    assert pace.left == 0


def test_a_terminal_sees_bars(clock, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "150")
    stream = Terminal()
    bars = Bars(stream, clock)
    feed(bars, clock, 30, 1500, 3000)
    bars(page(10, what="stock"))
    bars.close()
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", stream.getvalue())
    assert "━" in shown
    assert "3,000 of 3,000 rows, 3 requests" in shown
    assert "stock" in shown


def test_what_was_read_again_and_what_is_missing_is_told(clock):
    stream = io.StringIO()
    lines = Lines(stream, clock)
    lines.report(MirrorReport(rereads=3, gaps=(HOLE,)))
    feed(lines, clock, 30)
    assert stream.getvalue() == "products: 30 of 3,000 rows, 1 request, 3 re-reads, 1 gap\n"


def test_requests_are_told_of_those_that_are_planned(clock):
    stream = io.StringIO()
    lines = Lines(stream, clock)
    feed(lines, clock, 30)
    lines.report(MirrorReport(requests=1, rows_left=2971))
    clock.now += 5
    feed(lines, clock, 60)
    lines.report(MirrorReport(requests=2, rows_left=0))
    clock.now += 5
    feed(lines, clock, 90)
    assert [line.split(", ")[1] for line in stream.getvalue().splitlines()] == [
        "1 request",
        "2 of 101 requests",
        "3 of 3 requests",
    ]


def test_a_cycle_is_one_line_and_the_next_one_is_silent_unless_it_takes_long(clock):
    stream = io.StringIO()
    lines = Lines(stream, clock)
    feed(lines, clock, 30)
    lines.cycle(MirrorReport(products=30, skus=1200, changes=1, requests=2, finished=True))
    feed(lines, clock, 10, 20)
    lines.cycle(MirrorReport(requests=2, finished=True))
    clock.now += 60
    feed(lines, clock, 15)
    lines.close()
    assert stream.getvalue().splitlines() == [
        "products: 30 of 3,000 rows, 1 request",
        "30 products, 1,200 SKUs, 1 change, 2 requests",
        "nothing new, 2 requests",
        "products: 15 of 3,000 rows, 4 requests",
    ]


def test_a_summary_leaves_out_what_did_not_happen():
    report = MirrorReport(stock=1, gone=1, undecodable=2, rereads=1, gaps=(HOLE,), requests=1)
    assert summary(report) == "1 stock level, 1 lost product, 2 undecodable rows, 1 re-read, 1 gap, 1 request"


def test_bars_begin_again_with_each_cycle(clock, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "150")
    stream = Terminal()
    bars = Bars(stream, clock)
    feed(bars, clock, 3000)
    bars.cycle(MirrorReport(products=3000, requests=100))
    feed(bars, clock, 5)
    bars.close()
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", stream.getvalue())
    assert "3,000 products, 100 requests" in shown
    assert shown.rstrip().endswith("5 of 3,000 rows, 2 requests")
