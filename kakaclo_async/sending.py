"""One call, from guard to data: guard -> permit -> token -> build -> send -> read -> retry."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import attrs

from kakaclo_async.errors import (
    ClientClosed,
    DeadlineExceeded,
    KakaCloError,
    OutcomeUnknown,
    RateLimited,
    scrub_error,
)
from kakaclo_async.events import Lane, Retried, Sent, Throttled
from kakaclo_async.protocol import Answer, Request, ServerClock, call_writes, read_answer
from kakaclo_async.retry import BACKOFF, may_repeat, surely_not_executed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kakaclo_async.config import Options, Token
    from kakaclo_async.events import Event
    from kakaclo_async.guards import Guard
    from kakaclo_async.models.freight import FreightQuote, FreightRequest
    from kakaclo_async.ratelimit.gate import Gate
    from kakaclo_async.sharing.single_flight import Cache
    from kakaclo_async.transport import Transport

T = TypeVar("T")

SMALL_FAN_OUT: Final = 20
"""Requests up to which a fan-out keeps its lane: as many as the default reserve holds for such calls."""


@attrs.define(eq=False)
class ClientState:
    """What all views of a client share.

    Attributes:
        transport: sends one request.
        gate: hands out the permits.
        token: read before each request.
        emit: takes the events.
        rate: requests per second that the shop may send in the long run.
        random: gives [0, 1), for the jitter of pauses.
        guard: refuses what the client must not do.
        freight: the quotes kept.
        reference: the answers kept about what seldom changes.
        server_clock: KakaClo's clock, as its answers show it.
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
    server_clock: ServerClock = attrs.field(factory=ServerClock, init=False)
    _parts: dict[Hashable, object] = attrs.field(factory=dict[Hashable, object], init=False)

    def drop_quotes(self, skus: Iterable[str]) -> None:
        """Drop the freight quotes of carts with these SKUs: their stock, and so the warehouses, changed."""
        changed = frozenset(skus)
        self.freight.drop(lambda cart: any(item.sku in changed for item in cart.items))

    def part(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the one object under this key, made at its first use."""
        if key not in self._parts:
            self._parts[key] = make()
        return cast("T", self._parts[key])

    async def aclose(self) -> None:
        """Refuse new calls, end those that wait, and close the connections."""
        await self.gate.aclose()
        await self.transport.aclose()


@attrs.define(slots=True)
class _Budget:
    """What a call has used up; waiting for permits and the time after that count apart."""

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

    def allows_another(self, pause: float) -> bool:
        used = self.attempt - (self.refusals if self.options.lane is Lane.BULK else 0)
        return used < self.options.max_attempts and pause < self.time_left()


@attrs.frozen(slots=True)
class Sender:
    """Sends requests with fixed options: one view of a client, cheap to derive.

    Attributes:
        state: what all views share.
        options: lane and limits of this view.
    """

    state: ClientState
    options: Options

    async def send(self, request: Request[T] | Callable[[], Request[T]]) -> T:
        """Send a request, again where that is safe, and return its data.

        Args:
            request: the request, or a function that builds it when the permit is granted (late binding): what
                has gathered by then goes along.

        Raises:
            InvalidRequest: the client's guards refuse it.
            DeadlineExceeded: no permit within `max_wait`, or no answer within `timeout`.
            OutcomeUnknown: a write was sent and its outcome is not known.
            KakaCloError: the error of the last attempt.
        """
        state, budget = self.state, _Budget(self.options)
        if state.guard.active:
            request = state.guard.watch(request)
        while True:
            budget.attempt += 1
            permit = await state.gate.enter(
                self.options.lane, max_wait=budget.wait_left(), again=budget.attempt > 1
            )
            budget.waited += permit.waited
            built: Request[T] | None = None
            try:
                with permit:
                    # The token comes first: it may take its time, and a request must leave when it is built.
                    token = await state.token.read()
                    built = request() if callable(request) else request
                    attempt = self._attempt_write if built.writes else self._attempt
                    return await attempt(built, token, budget)
            except KakaCloError as error:
                if built is None:
                    raise
                await self._pause_or_raise(built, error, budget)

    async def _attempt_write(self, request: Request[T], token: str, budget: _Budget) -> T:
        """Attempt a write, and note what became of it: the caller's wait may be interrupted at any moment."""
        notes = call_writes.get()
        if notes is None:
            return await self._attempt(request, token, budget)
        notes.begin(request)
        try:
            data = await self._attempt(request, token, budget)
        except asyncio.CancelledError:  # after it left, the transport would have raised another error
            notes.not_executed()
            raise
        except KakaCloError as error:
            if surely_not_executed(error):
                notes.not_executed()
            raise
        notes.done(
            data if isinstance(data, str) else "",
            custom_order_id=request.custom_order_id,
            order_id=request.order_id,
        )
        return data

    async def _attempt(self, request: Request[T], token: str, budget: _Budget) -> T:
        clock = asyncio.get_running_loop().time
        started = clock()
        answer: Answer | None = None
        try:
            answer = await self.state.transport.send(request, token, timeout=budget.time_left())
            self.state.server_clock.read(answer, loop_time=clock(), wall_time=time.time())
            return read_answer(request, answer, scrub=self.state.token.scrub)
        finally:
            seconds = clock() - started
            budget.spent += seconds
            self.state.emit(
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
        pause, emit = 0.0, self.state.emit
        if isinstance(error, RateLimited):
            budget.refusals += 1  # no pause here: the gate holds all calls until a probe went through
            emit(Throttled(method=request.method, path=request.path, retry_after=error.retry_after))
        else:
            pause = self.state.random() * BACKOFF.after(budget.attempt - budget.refusals)
        failure = self._end(request, error, budget, pause)
        if failure is not None:
            raise failure
        emit(
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

    def _end(
        self, request: Request[object], error: KakaCloError, budget: _Budget, pause: float
    ) -> KakaCloError | None:
        """Return the error that the call ends with; None when another attempt is safe and may still succeed."""
        if self.state.gate.closed:
            return self._final(request, ClientClosed("the client was closed during the call"), cause=error)
        if budget.time_left() <= 0:
            late = DeadlineExceeded(
                f"{request.method} {request.path}: no good answer within {budget.options.timeout:g} s;"
                f" attempt {budget.attempt} ended with: {error}"
            )
            return self._final(request, late, cause=error)
        if may_repeat(error, writes=request.writes) and budget.allows_another(pause):
            return None
        return self._final(request, error)

    def _final(
        self, request: Request[object], error: KakaCloError, *, cause: KakaCloError | None = None
    ) -> KakaCloError:
        """Return what to raise: a write that may have been executed is in doubt; never with the token."""
        failure = cause or error
        if request.writes and not surely_not_executed(failure):
            error = OutcomeUnknown(
                f"{request.method} {request.path} was sent and its outcome is not known ({failure});"
                f" {_what_to_look_for(request)} before sending it again",
                custom_order_id=request.custom_order_id,
                order_id=request.order_id,
            )
            cause = failure
        if cause is not None:
            error.__cause__ = cause
        scrub_error(error, self.state.token.scrub)
        return error

    async def look_up(self, request: Request[T]) -> T:
        """Return the answer to a request about what seldom changes; kept for a day unless set otherwise."""
        found = await self.state.reference.get(request, lambda: self.send(request), variant=self.options)
        return cast("T", found)

    def without_max_wait(self) -> Sender:
        """Return a sender that waits for permits as long as it takes, whatever the view says."""
        if self.options.max_wait is None:
            return self
        return attrs.evolve(self, options=attrs.evolve(self.options, max_wait=None))

    def for_streams(self) -> Sender:
        """Return a sender that waits for permits as long as it takes, unless the view says otherwise."""
        return self if self.options.max_wait_for_all else self.without_max_wait()

    def bulk(self) -> Sender:
        """Return a sender for streams in the bulk lane."""
        sender = self.for_streams()
        return attrs.evolve(sender, options=attrs.evolve(sender.options, lane=Lane.BULK))

    def for_fan_out(self, requests: int) -> Sender:
        """Return the sender for a fan-out: a small one keeps its lane, a large one is a bulk job.

        Args:
            requests: how many requests the fan-out will cost.
        """
        return self.for_streams() if requests <= SMALL_FAN_OUT else self.bulk()


def _what_to_look_for(request: Request[object]) -> str:
    if request.custom_order_id is not None:
        return f"look for the custom order id {request.custom_order_id!r}"
    if request.order_id is not None:
        return f"look at order {request.order_id}"
    return "look whether it took effect"
