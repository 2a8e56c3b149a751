from __future__ import annotations

import asyncio

import attrs
import pytest

from kakaclo_async.errors import ConfigurationError, DeadlineExceeded, ServerError
from kakaclo_async.events import Lane
from kakaclo_async.models.common import Attributes, FrozenMapping, Option
from kakaclo_async.models.product import Category, Product, Sku
from kakaclo_async.sharing.single_flight import Cache, Deadlines

pytestmark = pytest.mark.stepped


@attrs.define
class Source:
    """Makes numbered values, in a second each."""

    made: list = attrs.field(factory=list)
    failures: int = 0

    def of(self, key):
        async def make(_flight):
            self.made.append(key)
            number = len(self.made)
            await asyncio.sleep(1)
            if self.failures:
                self.failures -= 1
                raise ServerError("trouble", status=502)
            return f"{key}{number}"

        return make


@pytest.fixture
def source():
    return Source()


async def test_concurrent_equal_calls_are_one(source):
    cache = Cache(600)
    calls = [cache.get(number % 100, source.of(number % 100)) for number in range(1000)]
    values = await asyncio.gather(*calls)
    assert len(source.made) == 100
    assert len(set(values)) == 100


async def test_a_damaged_result_is_not_kept(source):
    cache = Cache(600)
    first = await cache.get("\ufffd", source.of("\ufffd"))
    assert await cache.get("\ufffd", source.of("\ufffd")) != first


async def test_what_is_damaged_deep_inside_is_not_kept_either():
    """The line that a model shows does not hold all of it."""
    cache, asked = Cache(600), []

    async def tree(_flight):
        asked.append(None)
        damaged = Category(category_id=3, name="Dres\ufffd")
        return (Category(category_id=1, child=(Category(category_id=2, child=(damaged,)),)),)

    await cache.get("A", tree)
    await cache.get("A", tree)
    assert len(asked) == 2


@pytest.mark.parametrize(
    "part",
    [
        {"attributes_json": Attributes({}, raw='{"a":"\ufffd')},
        {"attributes_json": Attributes({"\ufffd": "b"}, raw="")},
        {"sku_details": (Sku(sku="A", option1=Option(None, None, "\ufffd")),)},
        {"extra": FrozenMapping({"new": [{"a": "\ufffd"}]})},
    ],
)
async def test_damage_anywhere_in_a_product_keeps_it_from_being_kept(part):
    cache, asked = Cache(600), []

    async def product(_flight):
        asked.append(None)
        return Product(spu="P", **part)

    for _ in range(2):
        await cache.get("P", product)
    assert len(asked) == 2
    assert await cache.get("Q", _whole) is await cache.get("Q", _whole)


async def _whole(_flight):
    return Product(spu="Q", attributes_json=Attributes({"a": "b"}, raw="{}"), sku_details=(Sku(sku="A"),))


async def test_a_result_is_kept_for_its_time(source):
    cache = Cache(600)
    first = await cache.get("A", source.of("A"))
    await asyncio.sleep(599)
    assert await cache.get("A", source.of("A")) is first
    await asyncio.sleep(1.1)
    assert await cache.get("A", source.of("A")) == "A2"


async def test_with_no_time_to_live_only_concurrent_calls_share(source):
    cache = Cache(0)
    assert await asyncio.gather(*(cache.get("A", source.of("A")) for _ in range(3))) == ["A1"] * 3
    assert await cache.get("A", source.of("A")) == "A2"
    assert len(cache) == 0


async def test_when_it_is_full_what_was_not_asked_for_longest_goes(source):
    cache = Cache(600, size=2)
    for key in "ABAC":
        await cache.get(key, source.of(key))
    assert len(cache) == 2
    source.made.clear()
    for key in "ACB":
        await cache.get(key, source.of(key))
    assert source.made == ["B"]


async def test_errors_are_not_kept_and_each_caller_gets_its_own(source):
    cache = Cache(600)
    source.failures = 1
    outcomes = await asyncio.gather(
        *(cache.get("A", source.of("A")) for _ in range(3)), return_exceptions=True
    )
    assert [str(error) for error in outcomes] == [str(ServerError("trouble", status=502))] * 3
    assert len({id(error) for error in outcomes}) == 3
    assert await cache.get("A", source.of("A")) == "A2"


async def test_a_cancelled_first_caller_does_not_take_the_others_request_along(source):
    cache = Cache(600)
    calls = [asyncio.create_task(cache.get("A", source.of("A"))) for _ in range(3)]
    await asyncio.sleep(0.5)
    calls[0].cancel()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert outcomes[1:] == ["A1", "A1"]
    assert source.made == ["A"]


async def test_when_all_callers_are_cancelled_the_request_is(source):
    cache = Cache(600)
    calls = [asyncio.create_task(cache.get("A", source.of("A"))) for _ in range(3)]
    await asyncio.sleep(0.5)
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert await cache.get("A", source.of("A")) == "A2"


async def test_a_newcomer_after_the_last_caller_left_gets_a_request_of_its_own(source):
    cache = Cache(600)
    call = asyncio.create_task(cache.get("A", source.of("A")))
    await asyncio.sleep(0.5)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    assert await cache.get("A", source.of("A")) == "A2"


async def test_what_is_dropped_is_made_again_even_if_it_was_under_way(source):
    cache = Cache(600)
    await cache.get("A", source.of("A"))
    cache.drop("A".__eq__)
    early = asyncio.create_task(cache.get("A", source.of("A")))
    await asyncio.sleep(0.5)
    cache.drop("A".__eq__)
    late = asyncio.create_task(cache.get("A", source.of("A")))
    assert await early == "A2"
    assert await late == "A3"
    assert await cache.get("A", source.of("A")) == "A3"


async def test_dropping_what_is_not_there_is_fine():
    cache = Cache(600)
    cache.drop("A".__eq__)
    assert repr(cache) == "<Cache 0/1024 for 600 s, 0 under way>"


@pytest.mark.parametrize(("ttl", "size"), [(-1, 10), (float("nan"), 10), (600, 0)])
def test_a_cache_that_cannot_work_is_refused(ttl, size):
    with pytest.raises(ConfigurationError):
        Cache(ttl, size=size)


# Deadlines


def deadlines(seconds):
    started = asyncio.get_running_loop().time()
    return lambda: Deadlines(end_by=started + seconds, again_by=started + seconds, total=seconds)


async def test_each_caller_has_its_own_deadline(source):
    cache = Cache(600)

    async def make(_flight):
        await asyncio.sleep(10)
        return "late"

    calls = [asyncio.create_task(cache.get("A", make, deadlines=deadlines(seconds))) for seconds in (20, 4)]
    with pytest.raises(DeadlineExceeded, match="within 4 s"):
        await calls[1]
    assert asyncio.get_running_loop().time() == pytest.approx(4, abs=0.01)
    assert await calls[0] == "late"


async def test_who_joins_a_request_late_does_not_inherit_its_spent_deadline():
    cache = Cache(600)
    made = []

    async def make(_flight):
        made.append(asyncio.get_running_loop().time())
        await asyncio.sleep(10)
        if len(made) == 1:
            raise DeadlineExceeded("no good answer within 10 s")
        return "done"

    leader = asyncio.create_task(cache.get("A", make, deadlines=deadlines(10)))
    await asyncio.sleep(8)
    followers = [asyncio.create_task(cache.get("A", make, deadlines=deadlines(30))) for _ in range(3)]
    with pytest.raises(DeadlineExceeded):
        await leader
    assert await asyncio.gather(*followers) == ["done"] * 3
    assert len(made) == 2


async def test_a_permit_is_of_use_as_long_as_any_caller_waits(make_gate):
    gate = make_gate(capacity=1, per_second=0.1, margin=0, reserve=0)
    await gate.enter(Lane.INTERACTIVE)
    cache = Cache(600)

    async def make(flight):
        with await gate.enter(Lane.INTERACTIVE, until=flight.until):
            return flight.start("done")

    def patience(max_wait):
        started = asyncio.get_running_loop().time()
        return lambda: Deadlines(permit_by=started + max_wait, max_wait=max_wait)

    held = asyncio.create_task(gate.enter(Lane.INTERACTIVE, again=True))
    leader = asyncio.create_task(cache.get("A", make, deadlines=patience(21)))
    await asyncio.sleep(1)
    gate.throttled(20.0, probe=False)  # 1 + 20 s: too late for the first caller alone
    with pytest.raises(DeadlineExceeded, match="max_wait=21 s"):
        await leader
    held.cancel()
    leader = asyncio.create_task(cache.get("A", make, deadlines=patience(21)))
    follower = asyncio.create_task(cache.get("A", make, deadlines=patience(60)))
    await asyncio.sleep(5)
    gate.throttled(30.0, probe=False)
    assert await follower == "done"
    assert isinstance((await asyncio.gather(leader, return_exceptions=True))[0], DeadlineExceeded)
