"""What all views of a client share, and how all of it ends."""

from __future__ import annotations

import asyncio
from asyncio import CancelledError
from collections.abc import Hashable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from copy import copy
from typing import TYPE_CHECKING, Any, TypeVar, cast
from weakref import WeakValueDictionary

import attrs

from kakaclo_async.database import run_to_completion
from kakaclo_async.errors import ClientClosed, OutcomeUnknown
from kakaclo_async.models.common import Number
from kakaclo_async.protocol import ServerClock

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from kakaclo_async.events import Event
    from kakaclo_async.guards import Guard
    from kakaclo_async.models.freight import FreightQuote, FreightRequest
    from kakaclo_async.paging.jobs import Knowledge
    from kakaclo_async.protocol import Request
    from kakaclo_async.ratelimit.gate import Gate
    from kakaclo_async.sharing.single_flight import Cache
    from kakaclo_async.token import Token
    from kakaclo_async.transport import Transport

T = TypeVar("T")


class Steps:
    """Steps of calls that end at once when the client is closed.

    Attributes:
        closed: whether it is.
    """

    def __init__(self) -> None:
        self.closed = False
        self._under_way: set[asyncio.Timeout] = set()

    @asynccontextmanager
    async def step(self, seconds: float | None = None) -> AsyncGenerator[None, None]:
        """Cut a block off when the client is closed, or after some seconds.

        Raises:
            ClientClosed: the client was closed meanwhile.
            TimeoutError: the seconds are over.
        """
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                self._under_way.add(limit)
                yield
        except TimeoutError:
            if self.closed and limit.expired():
                raise ClientClosed("the client was closed during the call") from None
            raise
        finally:
            self._under_way.discard(limit)

    def close(self) -> None:
        """End the steps under way."""
        self.closed = True
        for limit in self._under_way:
            if not limit.expired():
                limit.reschedule(asyncio.get_running_loop().time())


@attrs.define(eq=False)
class ClientState:
    """What all views of a client share.

    Attributes:
        transport: sends one request.
        gate: hands out the permits.
        token: read before each request.
        emit: takes the events.
        rate: requests per second that a shop may send in the long run.
        random: gives [0, 1), for the jitter of pauses.
        guard: refuses what the client must not do.
        freight: the quotes kept.
        reference: the answers kept about what seldom changes.
        address_fields: how a path wants a new order's address to be named, where it was learned; by path.
        server_clock: KakaClo's clock, as its answers show it.
        learned: what pulls have learned about the endpoints, by what their rows are.
        shops: tells how many shops' permits are spent: those of the members, for a team.
        steps: what ends when the client is closed, requests apart.
    """

    transport: Transport
    gate: Gate
    token: Token
    emit: Callable[[Event], None]
    rate: float
    random: Callable[[], float]
    guard: Guard
    freight: Cache[FreightRequest, FreightQuote]
    reference: Cache[Request[Any], Any]
    address_fields: dict[str, str] = attrs.field(factory=dict[str, str], init=False)
    server_clock: ServerClock = attrs.field(factory=ServerClock, init=False)
    learned: dict[str, Knowledge] = attrs.field(factory=dict["str", "Knowledge"], init=False)
    shops: Callable[[], int] = attrs.field(default=lambda: 1, init=False)
    steps: Steps = attrs.field(factory=Steps, init=False)
    # Weak: a part serves the calls that are in it, and views with ever new options must not pile them up.
    _parts: WeakValueDictionary[Hashable, object] = attrs.field(
        factory=WeakValueDictionary[Hashable, object], init=False
    )

    def part(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the one object under this key, made if no call holds one."""
        if (found := self._parts.get(key)) is None:
            found = self._parts[key] = make()
        return cast("T", found)

    async def aclose(self) -> None:
        """Refuse new calls, end those that wait or are under way, and close the connections.

        A cancellation goes on only once all that is done: nobody leaves an `async with` twice.
        """
        self.steps.close()
        # At once: a bucket on another machine may take its time, and requests under way must not wait for it.
        await run_to_completion(asyncio.gather(self.gate.aclose(), self.transport.aclose()))


@attrs.define(eq=False)
class CallWrites:
    """What one blocking call has written at KakaClo so far.

    Its caller may be interrupted at any moment, also when the answer is here already, and must then hear what
    became of the order. The loop's thread takes the notes, the caller's reads them.

    Attributes:
        halted: whether the caller was interrupted: nothing may leave any more.
        unknown: a write whose outcome somebody else has left unknown, as its error.
    """

    halted: bool = False
    unknown: OutcomeUnknown | None = None
    _sending: Request[object] | None = None
    _done: list[OutcomeUnknown] = attrs.field(factory=list[OutcomeUnknown])

    def begin(self, request: Request[object]) -> None:
        """Note that a write is about to leave.

        Raises:
            CancelledError: it must not.
        """
        self._sending, self.unknown = request, None
        if self.halted:  # read after the note is there, as the caller reads the note after this is set
            self._sending = None
            raise CancelledError

    def not_executed(self) -> None:
        """Note that the last write surely changed nothing."""
        self._sending = self.unknown = None

    def done(self, number: str, *, custom_order_id: str | None = None, order_id: str | None = None) -> None:
        """Note that a write was carried out.

        Args:
            number: what KakaClo calls the order, refund or design, perhaps a `Number`; "" if it did not say.
            custom_order_id: of an order.
            order_id: the order that a refund is of.
        """
        if order_id is not None:
            what = f"a refund of order {order_id} was asked for"
        elif custom_order_id is not None:
            what, order_id = f"order {custom_order_id!r} was placed", number or None
        else:
            what = "the design was added"
        self.not_executed()
        text = (
            f"{what} as {', '.join(Number.all_of(number))}"
            if number
            else f"{what}, and KakaClo named no number"
        )
        # A design's number comes later than its answer, and a journal tells again what it has.
        self._done = [done for done in self._done if done.number is not None and str(done) != text]
        self._done.append(
            OutcomeUnknown(text, custom_order_id=custom_order_id, order_id=order_id, number=number or None)
        )

    def after(self, interruption: str, error: OutcomeUnknown | None = None) -> OutcomeUnknown | None:
        """Return the error of a call that ends early; None when surely nothing was written.

        Args:
            interruption: what ended it: "the call was interrupted".
            error: its own error, if it is one of these.
        """
        error = error or self.unknown
        if error is None and (request := self._sending) is not None:
            error = OutcomeUnknown(
                f"{request.label} was sent for {_about(request)} and its outcome is not known"
                f" ({interruption}): look for it before sending it again",
                custom_order_id=request.custom_order_id,
                order_id=request.order_id,
            )
        before, self._done = self._done, []
        if error is None and before:
            error = copy(before[-1])
            texts = "; ".join(map(str, before))
            error.args = (f"{texts}; do not send it again: {interruption} after KakaClo had answered",)
        elif error is not None:
            if (
                before
                and error.number is None
                and error.custom_order_id == before[-1].custom_order_id is not None
            ):
                known = before.pop()  # the very order, which could not be recorded any more
                error.number, error.order_id = known.number, known.order_id
            others = [done for done in before if done.number not in (None, error.number)]
            if texts := "; ".join(map(str, others)):
                error.args = (f"{error}; before, {texts}",)
        return error


call_writes: ContextVar[CallWrites | None] = ContextVar("writes of the running call", default=None)
"""The notes of a blocking call; None in an asynchronous one, whose caller is told by the error it awaits."""


def _about(request: Request[object]) -> str:
    if request.custom_order_id is not None:
        return f"order {request.custom_order_id!r}"
    return "a design" if request.order_id is None else f"a refund of order {request.order_id}"
