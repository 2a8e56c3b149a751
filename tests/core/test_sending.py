"""One call: its permit, its attempts, its end; the gate and the transport are played by the test."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager

import attrs
import pytest

from kakaclo_async.config import Options
from kakaclo_async.errors import (
    ClientClosed,
    ConfigurationError,
    ConnectionFailed,
    DeadlineExceeded,
    DecodeError,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    ServerError,
    Unauthorized,
)
from kakaclo_async.events import CallEnded, CallStarted, Lane, Retried, Sent, Throttled
from kakaclo_async.guards import Guard, Guards
from kakaclo_async.protocol import Answer, Request
from kakaclo_async.ratelimit import gate as real
from kakaclo_async.ratelimit.bucket import RateLimit
from kakaclo_async.ratelimit.local import LocalBucket
from kakaclo_async.sending import Sender
from kakaclo_async.sharing.single_flight import Cache
from kakaclo_async.state import ClientState
from kakaclo_async.token import Token

pytestmark = pytest.mark.stepped

READ = Request(method="GET", path="/v1/x", result=str)
WRITE = Request(method="POST", path="/v2/order/orders", result=str, writes=True, custom_order_id="KA1")
REFUND = Request(method="POST", path="/v2/order/orders/7/refund", result=str, writes=True, order_id="7")
DESIGN = Request(method="POST", path="/v1/product/custom/x", result=str, writes=True)

OK = Answer(200, {}, b'{"code": 10000, "data": "done"}')
BUSY = Answer(429, {"retry-after": "3"}, b"")
DOWN = Answer(503, {}, b"<html>")
DECLINED = Answer(200, {}, b'{"code": 1, "message": "token s3cret is odd"}')
GARBLED = Answer(200, {}, b"{")
WRONG = Answer(200, {}, b'{"code": 10000, "data": {}}')
REFUSED = ConnectionFailed("refused", sent=False)
RESET = ConnectionFailed("reset", sent=True)


@attrs.define
class Permit:
    waited: float
    outcomes: list
    given_back: list

    def give_back(self):
        self.given_back.append(True)

    @contextmanager
    def unused_on_error(self):
        try:
            yield
        except BaseException:
            self.give_back()
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        self.outcomes.append(error)


@attrs.define
class Gate:
    entered: list = attrs.field(factory=list)
    outcomes: list = attrs.field(factory=list)
    given_back: list = attrs.field(factory=list)
    wait: float = 0.0
    closed: bool = False

    async def enter(self, lane, *, job=None, max_wait=None, until=None, again=False):
        assert job is None  # single calls are no job
        self.entered.append((lane, max_wait, again))
        await asyncio.sleep(self.wait)
        return Permit(self.wait, self.outcomes, self.given_back)

    async def aclose(self):
        self.closed = True


class Transport:
    def __init__(self, *replies, takes=0.0):
        self.replies, self.takes, self.sent, self.timeouts = list(replies), takes, [], []

    async def send(self, request, token, *, timeout):
        self.sent.append((request, token))
        self.timeouts.append(timeout)
        try:
            await asyncio.sleep(self.takes)
        except asyncio.CancelledError:
            if request.writes:
                raise ConnectionFailed("cancelled", sent=True) from None
            raise
        reply = self.replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply

    async def aclose(self):
        pass


@attrs.define
class Client:
    state: ClientState
    told: list

    async def call(self, request, options):
        return await Sender(self.state, options).send(request)

    async def aclose(self):
        await self.state.aclose()


def client(*replies, takes=0.0, random=lambda: 0.5, gate=None):
    events = []
    transport, gate = Transport(*replies, takes=takes), gate or Gate()
    state = ClientState(
        transport=transport,
        gate=gate,
        token=Token("s3cret"),
        emit=events.append,
        rate=2.0,
        random=random,
        guard=Guard(Guards(), "https://localhost"),
        freight=Cache(0),
        reference=Cache(0),
    )
    return Client(state, events), transport, gate


def real_gate():
    return real.Gate(LocalBucket(RateLimit()))


async def test_a_call_waits_for_its_permit_sends_and_reads():
    made, transport, gate = client(OK)
    assert await made.call(READ, Options()) == "done"
    assert transport.sent == [(READ, "s3cret")]
    assert gate.entered == [(Lane.INTERACTIVE, 30.0, False)]
    assert gate.outcomes == [None]
    assert [type(event) for event in made.told] == [CallStarted, Sent, CallEnded]


async def test_a_request_is_built_when_its_permit_is_there():
    made, transport, gate = client(OK, gate=Gate(wait=5.0))
    clock = asyncio.get_running_loop().time
    built = []

    def build():
        built.append(clock())
        return READ

    started = clock()
    await made.call(build, Options())
    assert built[0] - started >= 5.0


@pytest.mark.parametrize("failure", [REFUSED, RESET, DOWN, GARBLED, BUSY], ids=repr)
async def test_a_read_is_sent_again_after_what_may_pass(failure):
    made, transport, gate = client(failure, failure, OK)
    assert await made.call(READ, Options()) == "done"
    assert len(transport.sent) == 3
    assert [again for _, _, again in gate.entered] == [False, True, True]
    assert sum(isinstance(event, Retried) for event in made.told) == 2


@pytest.mark.parametrize("failure", [WRONG, DECLINED, Answer(401, {}, b"")], ids=repr)
async def test_a_read_is_not_sent_again_after_what_will_not_pass(failure):
    made, transport, _ = client(failure, OK)
    with pytest.raises((DecodeError, Rejected, Unauthorized)):
        await made.call(READ, Options())
    assert len(transport.sent) == 1


@pytest.mark.parametrize("failure", [REFUSED, BUSY], ids=repr)
async def test_a_write_is_sent_again_only_when_it_surely_changed_nothing(failure):
    made, transport, _ = client(failure, OK)
    assert await made.call(WRITE, Options()) == "done"
    assert len(transport.sent) == 2


@pytest.mark.parametrize("failure", [RESET, DOWN, GARBLED, WRONG], ids=repr)
@pytest.mark.parametrize(
    ("request_", "look"),
    [(WRITE, "custom order id 'KA1'"), (REFUND, "look at order 7"), (DESIGN, "whether it took effect")],
    ids=["order", "refund", "design"],
)
async def test_a_write_in_doubt_is_never_sent_again_and_says_what_to_look_for(failure, request_, look):
    made, transport, _ = client(failure, OK)
    with pytest.raises(OutcomeUnknown, match=look) as caught:
        await made.call(request_, Options())
    assert len(transport.sent) == 1
    assert caught.value.custom_order_id == request_.custom_order_id
    assert caught.value.order_id == request_.order_id
    assert caught.value.__cause__ is not None


async def test_a_write_that_was_declined_is_not_in_doubt():
    made, _, _ = client(DECLINED)
    with pytest.raises(Rejected):
        await made.call(WRITE, Options())


async def test_attempts_are_counted():
    made, transport, _ = client(*[DOWN] * 9)
    with pytest.raises(ServerError):
        await made.call(READ, Options(max_attempts=3))
    assert len(transport.sent) == 3


async def test_the_gate_sees_a_429_and_what_the_server_wished():
    made, _, gate = client(BUSY, OK)
    await made.call(READ, Options())
    assert [type(outcome) for outcome in gate.outcomes] == [RateLimited, type(None)]
    assert gate.outcomes[0].retry_after == 3.0
    assert [event.retry_after for event in made.told if isinstance(event, Throttled)] == [3.0]


async def test_an_interactive_call_gives_up_after_its_attempts_and_a_bulk_call_outlasts_429s():
    made, _, _ = client(*[BUSY] * 9, OK)
    with pytest.raises(RateLimited) as caught:
        await made.call(READ, Options(max_attempts=2))
    assert caught.value.retry_after == 3.0
    assert await made.call(READ, Options(lane=Lane.BULK, max_wait=None, max_attempts=2)) == "done"


async def test_timeout_bounds_attempts_and_pauses_together():
    made, transport, _ = client(*[DOWN] * 99, takes=1.0, random=lambda: 0.99)
    started = asyncio.get_running_loop().time()
    with pytest.raises(ServerError):
        await made.call(READ, Options(timeout=10, max_attempts=50))
    assert asyncio.get_running_loop().time() - started <= 10
    assert transport.timeouts == sorted(transport.timeouts, reverse=True)


async def test_a_read_that_used_up_its_timeout_is_too_late():
    made, _, _ = client(RESET, takes=10.0)
    with pytest.raises(DeadlineExceeded, match="within 10 s.*reset") as caught:
        await made.call(READ, Options(timeout=10))
    assert caught.value.retry_in is None


async def test_a_write_that_used_up_its_timeout_is_in_doubt():
    made, _, _ = client(RESET, takes=10.0)
    with pytest.raises(OutcomeUnknown):
        await made.call(WRITE, Options(timeout=10))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 408, 413, 425, 499])
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"message": "timed out"}'])
async def test_a_write_that_meets_a_page_of_a_gateway_is_in_doubt_and_sent_once(status, body):
    made, transport, _ = client(Answer(status, {"content-type": "text/html"}, body))
    with pytest.raises(OutcomeUnknown, match=f"HTTP {status}.*look for the custom order id 'KA1'"):
        await made.call(WRITE, Options())
    assert len(transport.sent) == 1


@pytest.mark.parametrize("status", [408, 425, 499])
async def test_a_gateway_that_gave_up_leaves_a_write_in_doubt_even_in_kakaclos_words(status):
    made, transport, _ = client(Answer(status, {}, b'{"code": 40001, "message": "timed out"}'))
    with pytest.raises(OutcomeUnknown):
        await made.call(WRITE, Options())
    assert len(transport.sent) == 1


@pytest.mark.parametrize("status", [408, 425])
async def test_a_read_is_tried_again_after_a_gateway_gave_up(status):
    made, transport, _ = client(Answer(status, {}, b"<html>"), OK)
    assert await made.call(READ, Options()) == "done"
    assert len(transport.sent) == 2


async def test_a_read_with_a_bad_token_is_unauthorized_whoever_says_so():
    made, _, _ = client(Answer(401, {}, b"<html>Permission denied"))
    with pytest.raises(Unauthorized, match="check the access token"):
        await made.call(READ, Options())


async def test_the_wait_for_permits_is_bounded_apart_over_all_attempts():
    made, _, gate = client(DOWN, DOWN, OK, gate=Gate(wait=4.0))
    await made.call(READ, Options(timeout=5, max_wait=30))
    assert [max_wait for _, max_wait, _ in gate.entered] == [30, 26, 22]


async def test_the_token_is_scrubbed_from_a_servers_words():
    made, _, _ = client(DECLINED)
    with pytest.raises(Rejected, match=r"token \*\*\* is odd") as caught:
        await made.call(READ, Options())
    assert "s3cret" not in repr(caught.value) + caught.value.message


async def test_a_closed_client_refuses_in_a_sentence():
    made, transport, _ = client(OK, gate=real_gate())
    await made.aclose()
    with pytest.raises(ClientClosed, match="make a new one"):
        await made.call(READ, Options())
    assert transport.sent == []


async def test_closing_ends_a_call_under_way():
    made, _, _ = client(RESET, takes=1.0)
    call = asyncio.create_task(made.call(READ, Options()))
    await asyncio.sleep(0.5)
    await made.aclose()
    with pytest.raises(ClientClosed):
        await call


async def test_closing_leaves_a_write_under_way_in_doubt():
    made, _, _ = client(RESET, takes=1.0)
    call = asyncio.create_task(made.call(WRITE, Options()))
    await asyncio.sleep(0.5)
    await made.aclose()
    with pytest.raises(OutcomeUnknown):
        await call


async def test_another_event_loop_is_refused_in_a_sentence():
    made, _, _ = client(OK, OK, gate=real_gate())
    await made.call(READ, Options())

    def elsewhere():
        with pytest.raises(ConfigurationError, match="event loop"):
            asyncio.run(made.call(READ, Options()))

    await asyncio.to_thread(elsewhere)
