"""What one call may cost in time and permits, whatever hangs, fails or is closed; the transport is played by the test."""

from __future__ import annotations

import asyncio
import gc
import traceback
from contextlib import suppress

import attrs
import pytest
from support.shop import ADDRESS

from kakaclo_async import Guards, KakaClo, NewOrder, RateLimit, Retried
from kakaclo_async.config import Options
from kakaclo_async.errors import (
    ClientClosed,
    ConfigurationError,
    ConnectionFailed,
    DeadlineExceeded,
    InvalidRequest,
    OutcomeUnknown,
    Rejected,
    ServerError,
    copy_error,
)
from kakaclo_async.events import Broadcast, Waited
from kakaclo_async.guards import Guard
from kakaclo_async.models.common import OpenIntEnum, OpenStrEnum
from kakaclo_async.models.freight import Item
from kakaclo_async.protocol import Answer, Request
from kakaclo_async.ratelimit.gate import Gate
from kakaclo_async.ratelimit.local import LocalBucket
from kakaclo_async.sending import Sender
from kakaclo_async.sharing.single_flight import Cache
from kakaclo_async.state import ClientState
from kakaclo_async.token import Token

pytestmark = pytest.mark.stepped

READ = Request(method="GET", path="/v1/x", result=str)
WRITE = Request(method="POST", path="/v2/order/orders", result=str, writes=True, custom_order_id="KA1")
OK = Answer(200, {}, b'{"code": 10000, "data": "done"}')
BUSY = Answer(429, {"retry-after": "3"}, b"")
REFUSED = ConnectionFailed("refused", sent=False)
NEVER = object()


def now():
    return asyncio.get_running_loop().time()


def overloaded(retry_after):
    error = ServerError("busy", status=503)
    error.retry_after = retry_after
    return error


@attrs.define
class Transport:
    """Answers in its order; `NEVER` swallows the request."""

    replies: list
    takes: float = 0.0
    sent: list = attrs.field(factory=list)
    closed: bool = False

    async def send(self, request, token, *, timeout):
        self.sent.append((now(), request, token, timeout))
        reply = self.replies.pop(0)
        try:
            async with asyncio.timeout(timeout):
                await asyncio.sleep(self.takes if reply is not NEVER else 10_000)
        except TimeoutError:
            raise ConnectionFailed(f"no answer in {timeout:.3g} s", sent=True) from None
        if isinstance(reply, BaseException):
            raise reply
        return reply

    async def aclose(self):
        self.closed = True


@attrs.define
class Client:
    transport: Transport
    state: ClientState
    told: list

    async def call(self, request, **options):
        return await Sender(self.state, Options(**options)).send(request)

    @property
    def level(self):
        return self.state.gate.level


@pytest.fixture
async def make():
    made = []

    def make(*replies, takes=0.0, token="s3cret-token", guards=Guards(), rate=RateLimit(120, 2.0, 0)):  # noqa: S107, B008
        told = []
        broadcast = Broadcast()
        broadcast.subscribe(told.append)
        transport = Transport(list(replies), takes)
        state = ClientState(
            transport=transport,
            gate=Gate(LocalBucket(rate, random=lambda: 0.5), emit=broadcast),
            token=Token(token),
            emit=broadcast,
            rate=2.0,
            random=lambda: 0.0,
            guard=Guard(guards, "https://localhost"),
            freight=Cache(0),
            reference=Cache(0),
        )
        made.append(Client(transport, state, told))
        return made[-1]

    yield make
    for client in made:
        await client.state.aclose()
    assert asyncio.all_tasks() == {asyncio.current_task()}


# Closing


async def test_nothing_leaves_a_client_that_was_closed_while_the_token_was_read(make):
    async def slow():
        await asyncio.sleep(0.5)
        return "s3cret-token"

    client = make(OK, token=slow)
    call = asyncio.create_task(client.call(WRITE))
    await asyncio.sleep(0.1)
    await client.state.aclose()
    with pytest.raises(ClientClosed):
        await call
    assert now() == pytest.approx(0.1, abs=0.01)
    assert client.transport.sent == []


async def test_nothing_leaves_a_client_that_was_closed_by_a_function_that_builds_the_request(make):
    client = make(OK)

    def build():
        client.state.steps.close()
        return WRITE

    with pytest.raises(ClientClosed, match="was not sent"):
        await client.call(build)
    assert client.transport.sent == []


async def test_closing_ends_the_pause_between_two_attempts_at_once(make):
    client = make(overloaded(8.0), OK)
    call = asyncio.create_task(client.call(READ))
    await asyncio.sleep(1)
    await client.state.aclose()
    with pytest.raises(ClientClosed):
        await call
    assert now() == pytest.approx(1, abs=0.01)
    assert len(client.transport.sent) == 1


# The token function


async def test_a_token_function_that_hangs_is_cut_off_within_the_attempts_time(make):
    async def never():
        await asyncio.get_running_loop().create_future()

    client = make(OK, token=never)
    with pytest.raises(DeadlineExceeded, match="the token function did not answer in 10 s"):
        await client.call(WRITE)
    assert now() == pytest.approx(10, abs=0.01)
    assert client.transport.sent == []
    assert client.level == pytest.approx(0)


async def test_a_probe_that_waits_for_its_token_does_not_hold_the_client(make):
    hangs = True

    async def token():
        if hangs and client.transport.sent:
            await asyncio.get_running_loop().create_future()
        return "s3cret-token"

    client = make(BUSY, OK, OK, token=token)
    with pytest.raises(DeadlineExceeded):
        await client.call(READ, timeout=3, max_wait=30)
    hangs = False
    started = now()
    assert await client.call(READ, timeout=3, max_wait=30) == "done"
    assert now() - started < 0.1


async def test_the_token_function_counts_as_the_attempts_time(make):
    async def slow():
        await asyncio.sleep(4)
        return "s3cret-token"

    client = make(OK, OK, token=slow)
    await client.call(READ)
    await client.call(WRITE)
    assert [timeout for *_, timeout in client.transport.sent] == pytest.approx([6, 26], abs=0.01)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (None, "not NoneType"),
        (b"s3cret-token", "not bytes"),
        (42, "not int"),
        ("two words", "holds characters"),
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_what_is_no_token_is_refused_in_a_sentence_that_never_shows_it(make, found, words, kind):
    async def later():
        return found

    client = make(OK, token=later if kind == "async" else lambda: found)
    with pytest.raises(ConfigurationError, match=words) as refused:
        await client.call(WRITE)
    assert "s3cret" not in str(refused.value)
    assert client.transport.sent == []
    assert client.level == pytest.approx(0)


async def test_a_token_function_that_fails_is_named_and_chained(make):
    def broken():
        raise LookupError("vault")

    client = make(OK, token=broken)
    with pytest.raises(ConfigurationError, match="the token function failed with LookupError") as failed:
        await client.call(WRITE)
    assert isinstance(failed.value.__cause__, LookupError)
    assert client.level == pytest.approx(0)


# What never left costs nothing


async def test_a_foreign_exception_before_sending_comes_as_it_is_and_costs_no_permit(make):
    client = make(OK)

    def build():
        raise ZeroDivisionError("a bug")

    with pytest.raises(ZeroDivisionError):
        await client.call(build)
    assert client.level == pytest.approx(0)


async def test_a_probe_whose_request_cannot_be_built_lets_the_next_call_probe(make):
    client = make(BUSY, OK)

    def build():
        if client.transport.sent:
            raise ZeroDivisionError("a bug")
        return READ

    with pytest.raises(ZeroDivisionError):
        await client.call(build)
    started = now()
    assert await client.call(READ) == "done"
    assert now() - started < 0.1


@pytest.mark.parametrize("late", [False, True], ids=["request", "built"])
async def test_what_a_guard_refuses_costs_no_permit(make, late):
    client = make(OK, guards=Guards(read_only=True))
    with pytest.raises(InvalidRequest, match="read-only"):
        await client.call((lambda: WRITE) if late else WRITE)
    assert client.level == pytest.approx(0)
    assert not any(isinstance(event, Waited) for event in client.told) or late


async def test_a_connection_that_was_refused_costs_no_permit(make):
    client = make(REFUSED)
    with pytest.raises(ConnectionFailed):
        await client.call(READ, max_attempts=1)
    assert client.level == pytest.approx(0)


async def test_a_call_cancelled_while_its_token_is_read_costs_no_permit(make):
    async def never():
        await asyncio.get_running_loop().create_future()

    client = make(OK, token=never)
    call = asyncio.create_task(client.call(READ))
    await asyncio.sleep(0.1)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    assert client.level == pytest.approx(0)


@pytest.mark.parametrize("failure", [REFUSED, None], ids=["refused", "not built"])
async def test_an_order_that_never_left_does_not_count_among_those_of_the_hour(make, failure):
    client = make(REFUSED, OK, guards=Guards(max_orders_per_hour=1))

    def build():
        if failure is None and not client.transport.sent:
            client.transport.sent.append("once")
            client.transport.replies.pop(0)
            raise ZeroDivisionError("a bug")
        return WRITE

    with pytest.raises((ConnectionFailed, ZeroDivisionError)):
        await client.call(build, max_attempts=1)
    assert await client.call(build) == "done"
    with pytest.raises(InvalidRequest, match="1 orders per hour"):
        await client.call(build)


async def test_an_order_that_may_have_left_counts(make):
    client = make(ConnectionFailed("reset", sent=True), guards=Guards(max_orders_per_hour=1))
    with pytest.raises(OutcomeUnknown):
        await client.call(WRITE)
    with pytest.raises(InvalidRequest, match="1 orders per hour"):
        await client.call(WRITE)


# Attempts


async def test_a_swallowed_request_costs_a_third_of_the_timeout(make):
    client = make(NEVER, OK)
    assert await client.call(READ) == "done"
    assert now() == pytest.approx(10, abs=0.01)


async def test_the_limit_of_an_attempt_can_be_set(make):
    client = make(NEVER, NEVER, OK)
    assert await client.call(READ, attempt_timeout=2.5) == "done"
    assert now() == pytest.approx(5, abs=0.01)


async def test_a_write_is_sent_once_and_may_take_all_of_the_timeout(make):
    client = make(OK, takes=29.0)
    assert await client.call(WRITE) == "done"


async def test_a_pause_that_the_server_asks_for_is_kept_if_it_fits(make):
    client = make(overloaded(8.0), OK)
    assert await client.call(READ) == "done"
    assert [pytest.approx(at, abs=0.01) for at, *_ in client.transport.sent] == [0, 8]
    assert [event.pause for event in client.told if isinstance(event, Retried)] == [8.0]


async def test_a_pause_that_does_not_fit_ends_the_call_at_once_and_says_when(make):
    client = make(overloaded(40.0), OK)
    with pytest.raises(DeadlineExceeded, match="asks to wait 40 s") as late:
        await client.call(READ)
    assert late.value.retry_in == 40.0
    assert isinstance(late.value.__cause__, ServerError)
    assert now() < 0.1


async def test_an_order_is_not_sent_when_too_little_time_is_left_to_hear_of_it(make):
    """The last attempt would be cut off, and the order in doubt for nothing."""
    client = make(*[REFUSED] * 40, NEVER, takes=0.7)
    with pytest.raises((DeadlineExceeded, ConnectionFailed)) as failed:
        await client.call(WRITE, max_attempts=50)
    assert not isinstance(failed.value, OutcomeUnknown)
    assert now() <= 30
    assert all(timeout >= 2 for *_, timeout in client.transport.sent)


async def test_an_order_is_not_sent_when_the_token_took_the_time(make):
    async def slow():
        await asyncio.sleep(9)
        return "s3cret-token"

    client = make(OK, token=slow)
    with pytest.raises(DeadlineExceeded, match="nothing was sent"):
        await client.call(WRITE, timeout=10, attempt_timeout=10)
    assert now() == pytest.approx(8, abs=0.01)
    assert client.transport.sent == []


# Errors that many callers share


class Odd(Exception):
    def __init__(self, text, *, code):
        super().__init__(text, code)
        self.code = code


@pytest.mark.parametrize(
    "error", [ZeroDivisionError("a bug"), Odd("odd", code=7), OSError(2, "no file")], ids=repr
)
async def test_each_waiter_has_its_own_copy_of_an_error_whatever_its_class(error):
    cache = Cache(0)

    async def make(_flight):
        await asyncio.sleep(1)
        raise error

    outcomes = await asyncio.gather(*(cache.get("A", make) for _ in range(200)), return_exceptions=True)
    assert len({id(outcome) for outcome in outcomes}) == 200
    assert {(type(one), str(one), repr(one)) for one in outcomes} == {(type(error), str(error), repr(error))}
    assert max(len(traceback.extract_tb(outcome.__traceback__)) for outcome in outcomes) < 12


def test_a_copy_of_an_error_has_its_facts_and_causes():
    error = Odd("odd", code=7)
    error.__cause__ = LookupError("why")
    error.add_note("more")
    other = copy_error(error)
    assert (other.code, other.__cause__, other.__notes__) == (7, error.__cause__, ["more"])


# Listeners


@pytest.mark.parametrize("kind", [asyncio.CancelledError, GeneratorExit, BaseException, ZeroDivisionError])
async def test_a_listener_that_raises_hurts_no_call(make, kind):
    client = make(OK, OK, rate=RateLimit(1, 1.0, 0))

    def broken(_event):
        raise kind

    client.state.emit.subscribe(broken)
    calls = [client.call(WRITE), client.call(READ)]  # the second waits for the gate's own task
    assert await asyncio.wait_for(asyncio.gather(*calls), 60) == ["done", "done"]


# What is kept


async def test_views_with_ever_new_options_leave_nothing_behind(kakaclo_client, kakaclo_sandbox):
    sku, *_ = kakaclo_sandbox.catalog.skus()
    for number in range(50):
        await kakaclo_client.with_options(timeout=10 + number).stocks.get(sku)
        with suppress(Rejected):
            await kakaclo_client.stocks.get_many([sku], warehouse_code=f"G{number}")
    gc.collect()  # errors and their frames hold each other
    assert len(kakaclo_client._sender.state._parts) <= 2


class Mood(OpenStrEnum):  # of its own: other tests want the unknown values of the real ones kept
    GOOD = "good"


class Level(OpenIntEnum):
    LOW = 1


@pytest.mark.parametrize(("kind", "first"), [(Mood, "new-{}".format), (Level, lambda n: 10_000 + n)])
def test_unknown_values_of_an_enumeration_are_usable_and_not_kept_without_end(kind, first):
    for number in range(5000):
        member = kind(first(number))
        assert member == first(number)
        assert hash(member) == hash(first(number))
        assert not member.is_known
    assert len(kind._value2member_map_) <= len(kind) + 1000


# Lanes and views


async def test_the_bulk_lane_has_no_max_wait_unless_one_is_named():
    async with KakaClo("token", max_wait=5) as kk:
        views = [kk.bulk(), kk.with_options(lane="bulk"), kk.with_options(timeout=9).bulk()]
        assert [view._sender.options.wait_limit for view in views] == [None] * 3
        views = [kk.bulk().with_options(max_wait=7), kk.with_options(lane="bulk", max_wait=7)]
        assert [view._sender.options.wait_limit for view in views] == [7, 7]
        assert kk.bulk().with_options(lane="interactive")._sender.options.wait_limit == 5
        assert kk.with_options(max_wait=7).bulk()._sender.options.wait_limit == 7


@pytest.mark.kakaclo_sandbox(products=30, index_lag=0)
async def test_with_max_wait_0_every_call_is_served_while_permits_are_free(kakaclo_client, kakaclo_sandbox):
    kk = kakaclo_client.with_options(max_wait=0)
    skus = list(kakaclo_sandbox.catalog.skus())[:40]
    assert await kk.payment.balance()
    assert await kk.freight.quote([Item(skus[0], 1)], "US")
    assert await kk.categories.tree()
    assert len(await asyncio.gather(*map(kk.stocks.get, skus))) == 40
    assert len(await kk.stocks.get_many(skus[:30])) == 30
    assert await kk.orders.check(NewOrder(address=ADDRESS, items=[Item(skus[0], 1)]))


async def test_a_slow_probe_does_not_hold_the_others_for_as_long_as_it_takes(make):
    client = make(BUSY, NEVER, *[OK] * 5)
    slow = asyncio.create_task(client.call(READ, timeout=600, attempt_timeout=600))
    await asyncio.sleep(4)
    assert len(client.transport.sent) == 2
    started = now()
    assert await asyncio.gather(*(client.call(READ) for _ in range(4))) == ["done"] * 4
    assert now() - started <= 10
    slow.cancel()
    await asyncio.gather(slow, return_exceptions=True)
