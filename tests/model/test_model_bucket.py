"""The bucket that processes share, in every order of its steps: lost answers, outages, failovers, in bounded worlds.

`pytest tests/model -s` prints what each exploration saw.
"""

from __future__ import annotations

import sys

import pytest
import redis
from support import redis_server
from support.bucket_parts import STEPPED, Bounds, Server
from support.bucket_world import BucketWorld
from support.explorer import explore
from support.ports import free_port

from kakaclo_async.ratelimit import Remote
from kakaclo_async.ratelimit.local import View
from kakaclo_async.ratelimit.redis import RedisBucket

pytestmark = [pytest.mark.long, pytest.mark.process, pytest.mark.timeout(1800)]

WORLDS = {
    "calm": Bounds(("iib 1 i", "ib", "bb")),
    "a local bucket": Bounds(("i 4 iiii",), unused=1, fallback="none"),
    "answers that are lost": Bounds(("iii", "iib"), losses=1),
    "a request that never leaves": Bounds(("i", "4 iiii"), unused=1),
    "a request that never leaves, and an answer that is lost": Bounds(("ii",), unused=1, losses=1),
    "a process that dies": Bounds(("iii", "iib"), deaths=1),
    "an outage": Bounds(("iii", "ii"), outages=1, horizon=34.0),
    "an outage, alone": Bounds(("iii", "ii"), outages=1, fallback="local", horizon=34.0),
    "a failover": Bounds(("iii", "iib"), failovers=1),
    "a failover, and calls go on": Bounds(("i 1 iii", "ii"), failovers=1, fallback="local"),
    "an outage that ends in a failover, alone": Bounds(
        ("iii 0 i 0 i",), outages=1, failovers=1, fallback="local", horizon=32.0
    ),
    "a clock that is set": Bounds(("i 10 iiii", "9 iiii"), sets=1),
}
DEEPER = {
    "answers that are lost, twice": Bounds(("iii", "iib"), losses=2),
    "an outage and a lost answer, alone": Bounds(("iii 1 i 0 i 0 i",), outages=1, losses=1, fallback="local"),
    "an outage of two, alone": Bounds(("iii 1 i", "iib"), outages=1, fallback="local"),
    "a failover and a lost answer": Bounds(("iii", "iib"), failovers=1, losses=1),
    "three processes, one dies, answers are lost": Bounds(("ii", "ib", "bb"), losses=1, deaths=1),
}


@pytest.fixture(scope="module")
def client():
    port = free_port()
    with redis_server.running(port), redis.Redis(port=port) as client:
        yield client


@pytest.fixture
def explored(client):
    """Explores a world of these bounds."""

    def explored(bounds, name, *, script=STEPPED, **limits):
        server = Server(client, script)
        report = explore(lambda loop: BucketWorld(loop, bounds, server), name=name, **limits)
        report.show()
        return report

    return explored


@pytest.mark.parametrize("name", WORLDS)
def test_no_permit_is_forgotten_and_none_is_lost(explored, name):
    report = explored(WORLDS[name], name)
    assert not report.violations, report.trace
    assert report.is_exhaustive


@pytest.mark.slow
@pytest.mark.parametrize("name", DEEPER)
def test_no_permit_is_forgotten_in_deeper_worlds(explored, name):
    report = explored(DEEPER[name], name)
    assert not report.violations, report.trace
    assert report.is_exhaustive


# Mistakes that somebody might make: the explorer must find each.


def gives_back_twice_when_an_answer_is_lost(monkeypatch):
    async def run(self, *operation):
        try:
            return await self._script(self._keys, [*self._settings, *operation])
        except self._broken:
            return await self._script(self._keys, [*self._settings, *operation])

    monkeypatch.setattr(Remote, "_run", run)


def gives_back_what_leaked_out(monkeypatch):
    monkeypatch.setattr(View, "empty_at", lambda *_: float("inf"))


def forgets_what_it_could_not_tell(monkeypatch):
    real = RedisBucket._come_back

    def come_back(self, alone):
        self._spent_alone = 0.0
        real(self, alone)

    monkeypatch.setattr(RedisBucket, "_come_back", come_back)


def never_tells_what_it_took_alone(monkeypatch):
    real = RedisBucket._come_back

    def come_back(self, alone):
        real(self, alone)
        self._spent_alone = 0.0

    monkeypatch.setattr(RedisBucket, "_come_back", come_back)


def tells_a_new_redis_nothing(script):
    return script.replace("is_new and known or 0", "0")


def makes_a_new_bucket_by_looking_at_it(script):
    return script.replace("not is_new or operation == 'take'", "true or operation == 'take'")


def counts_the_refill_twice(script):
    return script.replace("- leaked(passed))", "- leaked(2 * passed))")


def believes_a_clock_that_is_set(script):
    return script.replace("math.max(0, s.counted - (heard or s.counted))", "0")


def leaves_no_reserve(script):
    return script.replace("kept, claims = reserve,", "kept, claims = 0,")


MISTAKES = {
    gives_back_twice_when_an_answer_is_lost: Bounds(("ii",), unused=1, losses=1),
    gives_back_what_leaked_out: Bounds(("i", "4 iiii"), unused=1),
    forgets_what_it_could_not_tell: Bounds(("iii 1 i 0 i 0 i",), outages=1, losses=1, fallback="local"),
    never_tells_what_it_took_alone: Bounds(("iii 1 i 0 i",), outages=1, fallback="local"),
}
MISTAKES_OF_THE_SCRIPT = {
    tells_a_new_redis_nothing: Bounds(("i 0 iii",), failovers=1),
    makes_a_new_bucket_by_looking_at_it: Bounds(
        ("iii 0 i 0 i",), outages=1, failovers=1, fallback="local", horizon=32.0
    ),
    counts_the_refill_twice: Bounds(("iii 1 iii",)),
    believes_a_clock_that_is_set: Bounds(("i 10 iiii", "9 iiii"), sets=1),
    leaves_no_reserve: Bounds(("iib", "b")),
}


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.__name__)
def test_a_mistake_in_it_is_found(explored, monkeypatch, mistake):
    mistake(monkeypatch)
    report = explored(MISTAKES[mistake], mistake.__name__, most_runs=4000)
    sys.stdout.write(f"{report.trace}\n")
    assert report.violations


@pytest.mark.parametrize("mistake", MISTAKES_OF_THE_SCRIPT, ids=lambda mistake: mistake.__name__)
def test_a_mistake_in_its_script_is_found(explored, mistake):
    script = mistake(STEPPED)
    assert script != STEPPED
    report = explored(MISTAKES_OF_THE_SCRIPT[mistake], mistake.__name__, script=script, most_runs=4000)
    sys.stdout.write(f"{report.trace}\n")
    assert report.violations
