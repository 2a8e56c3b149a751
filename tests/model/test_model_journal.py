"""The journal's protocol, in every order of its steps: transactions, requests, deaths, clocks, in bounded worlds.

`pytest tests/model -s` prints what each exploration saw.
"""

from __future__ import annotations

import sys

import attrs
import pytest
from support.explorer import explore
from support.journal_parts import LAG, Bounds, Disk, Machine
from support.journal_world import JournalWorld

from kakaclo_async.errors import ConnectionFailed
from kakaclo_async.ordering.store import Store
from kakaclo_async.ordering.writes import Entry, Lease
from kakaclo_async.retry import surely_not_executed

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

WORLDS = {
    "one worker, three troubles": Bounds(("submit",), losses=2, refusals=1),
    "one worker that dies": Bounds(("submit",), losses=1, refusals=1, crashes=1),
    "one worker whose database fails": Bounds(("submit",), losses=1, failures=1),
    "two workers": Bounds(("submit", "submit"), losses=1),
    "two workers that wait shortly": Bounds(("look", "once"), losses=1),
    "two workers, one dies": Bounds(("submit", "submit"), losses=0, crashes=1),
    "two workers, one step takes its time": Bounds(("submit", "submit"), losses=0, stalls=1),
    "a worker and one that settles": Bounds(("submit", "settle 4"), losses=2),
    "a worker that dies and one that finishes": Bounds(("submit", "finish 20"), losses=1, crashes=1),
    "a clock that is set": Bounds(("submit", "settle 4"), losses=1, sets=1),
}
DEEPER = {
    "two workers, two troubles": Bounds(("submit", "submit"), losses=2),
    "two workers, one dies, one trouble": Bounds(("submit", "submit"), losses=1, crashes=1),
    "two workers that wait shortly, one trouble that takes its time": Bounds(
        ("look", "once"), losses=1, stalls=1
    ),
    "two workers that wait shortly, whose database fails": Bounds(("look", "once"), losses=1, failures=1),
    "three workers, one trouble": Bounds(("look", "once", "settle 10.5"), losses=1),
    "two workers that wait shortly, and a clock that is set": Bounds(("look", "once"), losses=1, sets=1),
}


@pytest.fixture
def explored(monkeypatch):
    """Explores a world of these bounds."""
    machine, disk = Machine.patch(monkeypatch), Disk()

    def explored(bounds, name, **limits):
        report = explore(lambda loop: JournalWorld(loop, bounds, machine, disk), name=name, **limits)
        report.show()
        return report

    return explored


@pytest.mark.parametrize("name", WORLDS)
def test_an_order_is_placed_once_and_what_is_said_of_it_is_true(explored, name):
    report = explored(WORLDS[name], name)
    assert not report.violations, report.trace
    assert report.is_exhaustive


@pytest.mark.slow
@pytest.mark.parametrize("name", DEEPER)
def test_an_order_is_placed_once_in_deeper_worlds(explored, name):
    report = explored(DEEPER[name], name)
    assert not report.violations, report.trace
    assert report.is_exhaustive


def test_what_the_documents_leave_open_is_left_open(explored):
    """Without a `Date`, another process believes a clock that was set ahead."""
    bounds = Bounds(("once", "settle 4"), losses=1, sets=1, directions=(1,), has_date=False)
    assert explored(bounds, "no Date").violations


# Mistakes that somebody might make: the explorer must find each.


def takes_over_what_another_holds(monkeypatch):
    real = Store.enter

    async def enter(self, kind, key, *rest):
        held = await self.find(kind, key)
        if held is not None and held.status == "sending":
            await self.release_any(key)
        return await real(self, kind, key, *rest)

    async def release_any(self, key):
        from kakaclo_async.ordering.database import write

        await self._update(write.c.key == key, state="ready", holder=None)

    monkeypatch.setattr(Store, "enter", enter)
    monkeypatch.setattr(Store, "release_any", release_any, raising=False)


def settles_before_the_quiet_time(monkeypatch):
    monkeypatch.setattr(Entry, "may_be_settled", property(lambda entry: entry.settles_at is not None))
    monkeypatch.setattr("kakaclo_async.ordering.reconcile._is_early", lambda *_: False)


def forgets_that_the_index_lags(monkeypatch):
    real = Store._settles_at

    def settles_at(self, *args):
        moment, is_witnessed = real(self, *args)
        return moment - LAG, is_witnessed

    monkeypatch.setattr(Store, "_settles_at", settles_at)
    monkeypatch.setattr("kakaclo_async.ordering.reconcile._is_early", lambda *_: False)


def takes_a_lost_answer_for_a_refusal(monkeypatch):
    def is_sure(error):
        return isinstance(error, ConnectionFailed) or surely_not_executed(error)

    monkeypatch.setattr("kakaclo_async.sending.surely_not_executed", is_sure)


def sends_without_looking_at_its_lease(monkeypatch):
    monkeypatch.setattr(Lease, "check", lambda _: None)


def calls_what_was_sent_again_since_absent(monkeypatch):
    real = Store.settle

    async def settle(self, kind, found, unclear, absent, clocks=None):
        attempts = {entry.key: entry.attempts for entry in await self.open(kind)}
        absent = [attrs.evolve(entry, attempts=attempts.get(entry.key, 0)) for entry in absent]
        await real(self, kind, found, unclear, absent, clocks)

    monkeypatch.setattr(Store, "settle", settle)


def believes_a_clock_that_is_set(monkeypatch):
    monkeypatch.setattr("kakaclo_async.ordering.reconcile._is_early", lambda *_: False)


MISTAKES = {
    takes_over_what_another_holds: Bounds(("submit", "submit"), losses=1),
    settles_before_the_quiet_time: Bounds(("submit",), losses=1),
    forgets_that_the_index_lags: Bounds(("submit",), losses=1),
    takes_a_lost_answer_for_a_refusal: Bounds(("submit",), losses=1),
    sends_without_looking_at_its_lease: Bounds(("submit", "submit"), losses=0, stalls=1),
    calls_what_was_sent_again_since_absent: Bounds(("submit", "settle 10.5"), losses=2),
    believes_a_clock_that_is_set: Bounds(("submit", "submit"), losses=1, sets=1, directions=(1,)),
}


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.__name__)
def test_a_mistake_in_it_is_found(explored, monkeypatch, mistake):
    mistake(monkeypatch)
    report = explored(MISTAKES[mistake], mistake.__name__, most_runs=4000)
    sys.stdout.write(f"{report.trace}\n")
    assert report.violations
