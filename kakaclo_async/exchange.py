"""One call from its marble to its data: wait for the marble, send, read, and try again when that is safe."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

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
from kakaclo_async.retry import Backoff, may_repeat, surely_not_executed

if TYPE_CHECKING:
    from collections.abc import Callable

    from kakaclo_async.config import Options, Token
    from kakaclo_async.traffic import Gate
    from kakaclo_async.transport import Transport

__all__ = ["Exchange"]

T = TypeVar("T")


@attrs.define(slots=True)
class _Budget:
    """What a call has used up; waiting for marbles and being under way are counted apart."""

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
        gate: hands out the marbles.
        token: read before each request.
        emit: takes the events.
        random: gives [0, 1), for the jitter of pauses.
        backoff: the pauses between attempts.
    """

    def __init__(
        self,
        transport: Transport,
        gate: Gate,
        token: Token,
        *,
        emit: Callable[[Event], None],
        random: Callable[[], float],
        backoff: Backoff | None = None,
    ) -> None:
        self._transport = transport
        self._gate = gate
        self._token = token
        self._emit = emit
        self._random = random
        self._backoff = backoff or Backoff()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    async def call(self, build: Request[T] | Callable[[], Request[T]], options: Options) -> T:
        """Send a request, again where that is safe, and return its data.

        Args:
            build: the request, or a function that makes it once the marble is there: what has gathered
                meanwhile rides along.
            options: lane and limits.

        Raises:
            DeadlineExceeded: no marble within `max_wait`, or no answer within `timeout`.
            OutcomeUnknown: a write left and what became of it is not known.
            KakaCloError: whatever else the last attempt ended with.
        """
        self._check_usable()
        budget = _Budget(options)
        while True:
            budget.attempt += 1
            marble = await self._gate.enter(
                options.lane, max_wait=budget.wait_left(), again=budget.attempt > 1
            )
            budget.waited += marble.waited
            request: Request[T] | None = None
            try:
                with marble:
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
            pause = self._backoff.pause(budget.attempt - budget.refusals, self._random)
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
