"""One call from its permit to its data: wait for the permit, send, read, and try again when that is safe."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar, cast

import attrs

from kakaclo_async.errors import (
    APIError,
    ClientClosed,
    ConfigurationError,
    DeadlineExceeded,
    KakaCloError,
    OutcomeUnknown,
    RateLimited,
)
from kakaclo_async.events import Event, Lane, Retried, Sent, Throttled
from kakaclo_async.protocol import Answer, Request, read_answer
from kakaclo_async.retry import BACKOFF, may_repeat, surely_not_executed
from kakaclo_async.sharing.caching import Cache

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

    from kakaclo_async.config import Caching, Options, Token
    from kakaclo_async.guards import Guard
    from kakaclo_async.models.freight import FreightQuote, FreightRequest
    from kakaclo_async.protocol import Request
    from kakaclo_async.ratelimit.gate import Gate
    from kakaclo_async.transport import Transport

T = TypeVar("T")


@attrs.define(slots=True)
class _Budget:
    """What a call has used up; waiting for permits and being under way are counted apart."""

    options: Options
    attempt: int = 0
    refusals: int = 0  # 429s, which cost the bulk lane no attempt: its jobs wait as long as it takes
    waited: float = 0.0
    spent: float = 0.0

    def wait_left(self) -> float | None:
        limit = self.options.max_wait
        return None if limit is None else max(0.0, limit - self.waited)

    def time_left(self) -> float:
        return self.options.timeout - self.spent

    def attempts_left(self) -> int:
        used = self.attempt - (self.refusals if self.options.lane is Lane.BULK else 0)
        return self.options.max_attempts - used


class Exchange:
    """Carries calls out: the one place where requests leave from.

    Args:
        transport: sends one request.
        gate: hands out the permits.
        token: read before each request.
        emit: takes the events.
        random: gives [0, 1), for the jitter of pauses.
    """

    def __init__(
        self,
        transport: Transport,
        gate: Gate,
        token: Token,
        *,
        emit: Callable[[Event], None],
        random: Callable[[], float],
    ) -> None:
        self._transport = transport
        self._gate = gate
        self._token = token
        self._emit = emit
        self._random = random
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    async def call(self, build: Request[T] | Callable[[], Request[T]], options: Options) -> T:
        """Send a request, again where that is safe, and return its data.

        Args:
            build: the request, or a function that makes it once the permit is there: what has gathered
                meanwhile rides along.
            options: lane and limits.

        Raises:
            DeadlineExceeded: no permit within `max_wait`, or no answer within `timeout`.
            OutcomeUnknown: a write left and what became of it is not known.
            KakaCloError: whatever else the last attempt ended with.
        """
        self._check_usable()
        budget = _Budget(options)
        while True:
            budget.attempt += 1
            permit = await self._gate.enter(
                options.lane, max_wait=budget.wait_left(), again=budget.attempt > 1
            )
            budget.waited += permit.waited
            request: Request[T] | None = None
            try:
                with permit:
                    # It may take its time, and a request must leave when it is built.
                    token = await self._token.read()
                    request = build() if callable(build) else build
                    return await self._attempt(request, token, budget)
            except KakaCloError as error:
                if request is None:
                    raise
                await self._pause_or_raise(request, error, budget)

    async def _attempt(self, request: Request[T], token: str, budget: _Budget) -> T:
        clock = asyncio.get_running_loop().time
        started = clock()
        answer: Answer | None = None
        try:
            answer = await self._transport.send(request, token, timeout=budget.time_left())
            return read_answer(request, answer)
        finally:
            seconds = clock() - started
            budget.spent += seconds
            self._emit(
                Sent(
                    method=request.method,
                    path=request.path,
                    lane=budget.options.lane,
                    attempt=budget.attempt,
                    status=None if answer is None else answer.status,
                    seconds=seconds,
                    size=0 if answer is None else len(answer.body),
                )
            )

    async def _pause_or_raise(self, request: Request[object], error: KakaCloError, budget: _Budget) -> None:
        pause = 0.0
        if isinstance(error, RateLimited):
            budget.refusals += 1  # the gate holds everybody until a probe went through; no pause of our own
            self._emit(Throttled(method=request.method, path=request.path, retry_after=error.retry_after))
        else:
            pause = self._random() * BACKOFF.after(budget.attempt - budget.refusals)
        if self._closed:
            raise self._final(request, ClientClosed("the client was closed during the call"), error)
        if budget.time_left() <= 0:
            late = DeadlineExceeded(
                f"{request.method} {request.path}: no good answer within {budget.options.timeout:g} s;"
                f" attempt {budget.attempt} ended with: {error}"
            )
            raise self._final(request, late, error)
        if (
            not may_repeat(error, writes=request.writes)
            or budget.attempts_left() <= 0
            or pause >= budget.time_left()
        ):
            raise self._final(request, error)
        self._emit(
            Retried(
                method=request.method,
                path=request.path,
                attempt=budget.attempt,
                reason=type(error).__name__,
                pause=pause,
            )
        )
        budget.spent += pause
        await asyncio.sleep(pause)

    def _final(
        self, request: Request[object], error: KakaCloError, cause: KakaCloError | None = None
    ) -> KakaCloError:
        failure = cause or error
        if request.writes and not surely_not_executed(failure):
            error = OutcomeUnknown(
                f"{request.method} {request.path} was sent and its outcome is not known ({failure});"
                f" {_what_to_look_for(request)} before sending it again",
                custom_order_id=request.custom_order_id,
                order_id=request.order_id,
            )
            cause = failure
        error.args = tuple(self._token.scrub(str(part)) for part in error.args)
        if isinstance(error, APIError):
            error.message = self._token.scrub(error.message)
        error.__cause__ = cause
        return error

    def _check_usable(self) -> None:
        if self._closed:
            raise ClientClosed("the client is closed; make a new one")
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
        elif self._loop is not loop:
            raise ConfigurationError("this client was first used on another event loop; make one per loop")

    async def aclose(self) -> None:
        """Refuse new calls, end those that wait, and close the connections."""
        self._closed = True
        await self._gate.aclose()
        await self._transport.aclose()


def _what_to_look_for(request: Request[object]) -> str:
    if request.custom_order_id is not None:
        return f"look for the custom order id {request.custom_order_id!r}"
    if request.order_id is not None:
        return f"look at order {request.order_id}"
    return "look whether it took effect"


SMALL_FAN_OUT = 20
"""Requests up to which a fan-out keeps its lane: as many as the default reserve holds for such calls."""


class ClientState:
    """What all views of a client have in common.

    Args:
        exchange: carries the calls out.
        emit: takes the events of streams.
        rate: requests per second that the shop may send in the long run.
        eta: tells the seconds that a call in a lane would wait for its permit.
        caching: how long answers are kept.
        guard: refuses what the client must not do.
    """

    def __init__(
        self,
        exchange: Exchange,
        *,
        emit: Callable[[Event], None],
        rate: float,
        eta: Callable[[Lane], float],
        caching: Caching,
        guard: Guard,
    ) -> None:
        self.exchange = exchange
        self.guard = guard
        self.emit = emit
        self.rate = rate
        self.eta = eta
        self.freight: Cache[FreightRequest, FreightQuote] = Cache(caching.freight, size=caching.size)
        self.reference: Cache[Request[Any], Any] = Cache(caching.reference, size=caching.size)
        self._parts: dict[Hashable, object] = {}

    def drop_quotes(self, skus: Iterable[str]) -> None:
        """Forget the freight quotes of carts with these SKUs: their stock, and so the warehouses, changed."""
        changed = frozenset(skus)
        self.freight.drop(lambda cart: any(item.sku in changed for item in cart.items))

    def part(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the one object under this key, made at its first use."""
        if key not in self._parts:
            self._parts[key] = make()
        return cast("T", self._parts[key])


@attrs.frozen(slots=True)
class Sender:
    """Sends requests with fixed options; cheap to derive.

    Attributes:
        state: what all views have in common.
        options: lane and limits of this view.
    """

    state: ClientState
    options: Options

    async def send(self, request: Request[T] | Callable[[], Request[T]]) -> T:
        """Send one request, or the one that `request()` makes once its permit is there."""
        return await self.state.exchange.call(self.state.guard.watch(request), self.options)

    async def look_up(self, request: Request[T]) -> T:
        """Return the answer to a request about what seldom changes; kept for a day unless set otherwise."""
        found = await self.state.reference.get(request, lambda: self.send(request), manner=self.options)
        return cast("T", found)

    def emit(self, event: Event) -> None:
        """Tell those who listen to the client."""
        self.state.emit(event)

    @property
    def rate(self) -> float:
        """Requests per second that the shop may send in the long run."""
        return self.state.rate

    def eta(self) -> float:
        """Return the seconds that a new call would wait for its permit."""
        return self.state.eta(self.options.lane)

    def without_max_wait(self) -> Sender:
        """Return a caller that waits for permits as long as it takes, whatever the view says."""
        return attrs.evolve(self, options=attrs.evolve(self.options, max_wait=None))

    def for_streams(self) -> Sender:
        """Return a caller that waits for permits as long as it takes, unless the view says otherwise."""
        return self if self.options.max_wait_for_all else self.without_max_wait()

    def bulk(self) -> Sender:
        """Return a patient caller in the bulk lane."""
        for_streams = self.for_streams()
        return attrs.evolve(for_streams, options=attrs.evolve(for_streams.options, lane=Lane.BULK))

    def for_fan_out(self, requests: int) -> Sender:
        """Return the caller for a fan-out: a small one keeps its lane, a large one is a bulk job.

        Args:
            requests: how many requests the fan-out will cost.
        """
        return self.for_streams() if requests <= SMALL_FAN_OUT else self.bulk()
