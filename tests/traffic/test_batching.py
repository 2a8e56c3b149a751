from __future__ import annotations

import asyncio
import random
import traceback

import attrs
import pytest
from hypothesis import given, strategies as st

from kakaclo_async.errors import DeadlineExceeded, NotFound, Rejected, ServerError
from kakaclo_async.events import Lane
from kakaclo_async.sharing.batching import Batcher, ask_apart
from kakaclo_async.sharing.single_flight import Deadlines
from kakaclo_async.testing import SteppedLoop

pytestmark = pytest.mark.stepped

LANE = Lane.INTERACTIVE


def nothing(key):
    return NotFound(f"no such SKU: {key}", status=200)


@attrs.define
class Lookups:
    """A batcher before a gate, and what it sent."""

    gate: object
    unknown: frozenset = frozenset()
    failures: list = attrs.field(factory=list)
    latency: float = 0.1
    sent: list = attrs.field(factory=list)
    ended: int = 0
    batcher: Batcher = attrs.field(init=False)

    def __attrs_post_init__(self):
        self.batcher = Batcher(self.fetch, missing=nothing)

    async def fetch(self, batch):
        for again in (False, True):
            with await self.gate.enter(LANE, until=batch.until, again=again):
                keys = batch.take()
                self.sent.append(keys)
                await asyncio.sleep(self.latency)
                self.ended += 1
                if not self.failures:
                    return {key: f"row of {key}" for key in keys if key not in self.unknown}
                failure = self.failures.pop(0)
                if again or not isinstance(failure, TimeoutError):
                    raise failure
        return None

    async def get(self, key, max_wait):
        started = asyncio.get_running_loop().time()
        return await self.batcher.get(
            key,
            Deadlines(permit_by=started + max_wait, max_wait=max_wait, eta=lambda: self.gate.eta(LANE)),
        )

    async def gather(self, keys):
        return await asyncio.gather(*map(self.batcher.get, keys), return_exceptions=True)


@pytest.fixture
async def lookups(gate):
    return Lookups(gate)


def rows(keys):
    return [f"row of {key}" for key in keys]


@pytest.mark.parametrize("free", [118, 5, 1, 0])
async def test_500_concurrent_look_ups_are_17_requests_whatever_is_free(lookups, gate, crowded, free):
    for _ in range(118 - free):
        await gate.enter(LANE)
    assert await lookups.gather(range(500)) == rows(range(500))
    assert len(lookups.sent) == 17
    assert [key for keys in lookups.sent for key in keys] == list(range(500))


@pytest.mark.parametrize("free", [118, 3])
@pytest.mark.parametrize("seed", range(3))
async def test_repeated_codes_share_a_slot_and_cancelled_callers_harm_nobody(lookups, gate, free, seed):
    rng = random.Random(seed)
    for _ in range(118 - free):
        await gate.enter(LANE)
    keys = list(range(400)) + rng.sample(range(400), 100)
    rng.shuffle(keys)
    calls = [asyncio.create_task(lookups.batcher.get(key)) for key in keys]
    victims = set(rng.sample(range(500), 50))
    await asyncio.sleep(0 if free == 118 else 0.7)
    for victim in victims:
        calls[victim].cancel()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert len(lookups.sent) <= 17
    for number, (key, outcome) in enumerate(zip(keys, outcomes, strict=True)):
        if number not in victims:
            assert outcome == f"row of {key}"


async def test_the_first_call_goes_at_once_when_a_permit_is_free(lookups, turns):
    call = asyncio.create_task(lookups.batcher.get("A"))
    await turns(4)
    assert lookups.sent == [("A",)]
    assert await call == "row of A"


async def test_codes_that_come_while_requests_wait_ride_along(lookups, gate, drain):
    await drain(gate)
    early = asyncio.create_task(lookups.gather(range(10)))
    await asyncio.sleep(0.3)
    late = asyncio.create_task(lookups.gather(range(5, 40)))
    assert await early == rows(range(10))
    assert await late == rows(range(5, 40))
    assert lookups.sent == [tuple(range(30)), tuple(range(30, 40))]


async def test_a_code_is_asked_for_again_once_its_request_has_left(lookups, turns):
    first = asyncio.create_task(lookups.batcher.get("A"))
    await asyncio.sleep(0.05)
    assert await lookups.batcher.get("A") == await first
    assert lookups.sent == [("A",), ("A",)]


async def test_each_unknown_code_is_its_own_callers_not_found(lookups):
    lookups.unknown = frozenset({"B", "D"})
    a, b, c, d, b2 = await lookups.gather("ABCDB")
    assert (a, c) == ("row of A", "row of C")
    assert [str(error) for error in (b, d)] == [str(nothing("B")), str(nothing("D"))]
    assert b2 is not b
    assert len(lookups.sent) == 1


async def test_a_failed_request_fails_its_callers_alone_each_with_its_own_error(lookups, crowded):
    lookups.failures = [ServerError("trouble", status=502)]
    outcomes = await lookups.gather(range(90))
    assert outcomes[30:] == rows(range(30, 90))
    failed = outcomes[:30]
    assert {type(error) for error in failed} == {ServerError}
    assert len({id(error) for error in failed}) == 30
    stacks = [[frame.name for frame in traceback.extract_tb(error.__traceback__)] for error in failed]
    assert all("fetch" in stack for stack in stacks)
    assert max(map(len, stacks)) < 12


async def test_an_error_of_another_kind_reaches_the_callers_too(lookups):
    lookups.failures = [ZeroDivisionError("a bug")]
    assert [type(error) for error in await lookups.gather("AB")] == [ZeroDivisionError] * 2


async def test_a_retry_asks_only_for_what_is_still_wanted(lookups):
    lookups.failures = [TimeoutError()]
    calls = [asyncio.create_task(lookups.batcher.get(key)) for key in "ABC"]
    await asyncio.sleep(0.05)
    calls[1].cancel()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert lookups.sent == [("A", "B", "C"), ("A", "C")]
    assert [outcomes[0], outcomes[2]] == ["row of A", "row of C"]


async def test_when_all_are_cancelled_before_the_permit_nothing_is_sent_or_spent(lookups, gate, drain):
    await drain(gate)
    level = gate.level
    calls = [asyncio.create_task(lookups.batcher.get(key)) for key in range(70)]
    await asyncio.sleep(0.1)
    assert gate.queued(LANE) == 3
    for call in calls[:45]:
        call.cancel()
    await asyncio.sleep(0.1)
    assert gate.queued(LANE) == 1
    for call in calls[45:]:
        call.cancel()
    await asyncio.sleep(0.1)
    assert gate.queued(LANE) == 0
    assert lookups.sent == []
    assert gate.level == pytest.approx(level - 0.6, abs=1e-3)
    assert await lookups.batcher.get("A") == "row of A"


async def test_when_all_callers_of_a_request_under_way_are_cancelled_it_is_cancelled(lookups):
    calls = [asyncio.create_task(lookups.batcher.get(key)) for key in "AAB"]
    await asyncio.sleep(0.05)
    for call in calls[:2]:
        call.cancel()
    await asyncio.sleep(0.01)
    assert len(asyncio.all_tasks()) == 3  # this test, the last caller, the request
    calls[2].cancel()
    await asyncio.sleep(1)
    assert lookups.ended == 0
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_caller_whose_max_wait_passes_leaves_alone(lookups, gate, drain):
    await drain(gate)
    gate.throttled(5.0, probe=False)
    look_up = asyncio.create_task(lookups.batcher.get("A"))
    await asyncio.sleep(0)
    with pytest.raises(DeadlineExceeded, match="max_wait=2 s") as late:
        await lookups.get("A", max_wait=2)
    assert late.value.retry_in == pytest.approx(3.0, abs=0.01)
    assert await look_up == "row of A"
    assert lookups.sent == [("A",)]


async def test_a_look_up_that_cannot_be_in_time_is_refused_at_once(lookups, gate, drain):
    await drain(gate)
    with pytest.raises(DeadlineExceeded) as late:
        await lookups.get("A", max_wait=0.3)
    assert late.value.retry_in == pytest.approx(0.5, abs=1e-3)
    assert asyncio.get_running_loop().time() < 0.1
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_max_wait_does_not_count_once_the_request_has_left(lookups):
    lookups.latency = 10.0
    assert await lookups.get("A", max_wait=1) == "row of A"


async def test_a_request_refused_before_its_permit_fails_those_whose_turn_it_was(lookups, gate, drain):
    await drain(gate)
    calls = asyncio.create_task(lookups.gather(range(40)))
    await asyncio.sleep(0.1)
    await gate.aclose()
    outcomes = await calls
    assert {type(outcome).__name__ for outcome in outcomes} == {"ClientClosed"}
    assert lookups.sent == []


async def test_a_caller_cancelled_as_the_request_fails_is_just_cancelled(lookups):
    lookups.failures = [ServerError("trouble", status=502)]
    calls = [asyncio.create_task(lookups.batcher.get(key)) for key in "AA"]
    await asyncio.sleep(0.05)
    (batch,) = (task for task in asyncio.all_tasks() if task.get_name() == "kakaclo batch")
    batch.add_done_callback(lambda _: calls[0].cancel())
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(outcomes[1], ServerError)


def test_when_the_loop_shuts_down_the_callers_end_as_well():
    async def fetch(batch):
        batch.take()
        await asyncio.sleep(3600)

    async def main():
        batcher = Batcher(fetch, missing=nothing)
        calls = [asyncio.create_task(batcher.get(key)) for key in "AB"]
        await asyncio.sleep(1)
        for task in asyncio.all_tasks():
            if task.get_name() == "kakaclo batch":
                task.cancel()
        return await asyncio.gather(*calls, return_exceptions=True)

    with asyncio.Runner(loop_factory=SteppedLoop) as runner:
        outcomes = runner.run(main())
    assert [type(outcome) for outcome in outcomes] == [asyncio.CancelledError] * 2


async def test_a_code_that_weighs_more_leaves_less_room_for_others(lookups, gate, drain):
    lookups.batcher = Batcher(lookups.fetch, missing=nothing, size=10, weight=len)
    await drain(gate)
    keys = ["a" * 6, "b" * 6, "c" * 6, "d", "e", "f" * 25, "g"]
    assert await lookups.gather(keys) == rows(keys)
    assert lookups.sent == [("a" * 6,), ("b" * 6,), ("c" * 6, "d", "e"), ("f" * 25,), ("g",)]
    assert gate.queued(LANE) == 0


@given(st.lists(st.integers(1, 9), max_size=40), st.data())
def test_codes_of_any_weight_are_all_answered_and_the_cancelled_harm_nobody(weights, data):
    victims = data.draw(st.sets(st.sampled_from(range(len(weights))))) if weights else set()
    sent = []

    async def fetch(batch):
        await asyncio.sleep(0.1)
        keys = batch.take()
        sent.append(keys)
        await asyncio.sleep(0.1)
        return {key: key for key in keys}

    async def main():
        batcher = Batcher(fetch, missing=nothing, size=10, weight=lambda key: weights[key])
        calls = [asyncio.create_task(batcher.get(key)) for key in range(len(weights))]
        await asyncio.sleep(0.05)
        for victim in victims:
            calls[victim].cancel()
        return await asyncio.gather(*calls, return_exceptions=True)

    with asyncio.Runner(loop_factory=SteppedLoop) as runner:
        outcomes = runner.run(main())
    assert [n for n, outcome in enumerate(outcomes) if outcome == n] == [
        n for n in range(len(weights)) if n not in victims
    ]
    assert all(sum(weights[key] for key in keys) <= 10 for keys in sent)


@given(st.integers(2, 60), st.data())
def test_codes_that_make_a_request_fail_are_found_with_few_requests(count, data):
    odd = data.draw(st.sets(st.sampled_from(range(count)), min_size=1, max_size=3))
    asked = []

    async def ask(keys):
        asked.append(keys)
        if odd & {*keys}:
            raise Rejected(f"odd among {len(keys)}", status=400)
        return {key: f"row of {key}" for key in keys}

    whole = Rejected("odd", status=400)
    found = asyncio.run(ask_apart(ask, tuple(range(count)), whole, blames=(Rejected,)))

    assert sorted(found) == list(range(count))
    assert {key for key, row in found.items() if isinstance(row, Rejected)} == odd
    assert all(str(found[key]) in ("odd among 1", "odd") for key in odd)
    assert len(asked) <= 2 * len(odd) * (count - 1).bit_length()  # as few as can be


@pytest.mark.parametrize(
    ("error", "requests"), [(Rejected("no", status=400), 12), (ServerError("down", status=502), 2)]
)
async def test_a_failure_of_all_codes_ends_the_search_soon(error, requests):
    asked = []

    async def ask(keys):
        asked.append(keys)
        raise error

    whole = Rejected("no", status=400)
    found = await ask_apart(ask, tuple(range(30)), whole, blames=(Rejected,))

    assert len(asked) == requests
    assert sorted(found) == list(range(30))
    assert {type(row) for row in found.values()} == {type(error)}
