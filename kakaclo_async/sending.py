"""One call, from guard to data: guard -> permit -> token -> build -> send -> read -> retry."""

from __future__ import annotations

import asyncio
import time
from math import inf
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

import attrs

from kakaclo_async.config import Budget, no_client, without_max_wait
from kakaclo_async.errors import ClientClosed, DeadlineExceeded, KakaCloError, RateLimited, scrub_error
from kakaclo_async.events import Job, Lane, Sent, Throttled
from kakaclo_async.protocol import SUCCESS, Answer, Request, in_doubt, read_answer
from kakaclo_async.retry import (
    BACKOFF,
    asked_pause,
    doubts_token,
    may_repeat,
    never_left,
    outcome,
    retried,
    surely_not_executed,
)
from kakaclo_async.state import call_writes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kakaclo_async.codec.outgoing import Secret
    from kakaclo_async.config import Options
    from kakaclo_async.ratelimit.gate import Permit
    from kakaclo_async.state import ClientState

    MaybeLate = Request["T"] | Callable[[], Request["T"]]

T = TypeVar("T")

SMALL_FAN_OUT: Final = 20
"""Requests up to which a fan-out keeps its lane: as many as the default reserve holds for such calls."""


def _now() -> float:
    return asyncio.get_running_loop().time()


@attrs.frozen(slots=True)
class Sender:
    """Sends requests with fixed options: one view of a client, cheap to derive.

    Attributes:
        state: what all views share.
        options: lane and limits of this view.
        deadline: the loop's time when the one call that this sender was made for must have ended.
        job: what its requests are a part of, in the bulk lane; None: single calls.
    """

    state: ClientState
    options: Options
    deadline: float = inf
    job: Job | None = None

    async def send(
        self, request: MaybeLate[T], *, until: Callable[[], float] | None = None, permit: Permit | None = None
    ) -> T:
        """Send a request, again where that is safe, and return its data.

        Args:
            request: the request, or what builds it, with all that has gathered, when the permit is granted.
            until: for a request that several callers share: returns the loop's time until which a permit is of use.
            permit: that the gate has given for the first attempt of a read; None: wait for one.

        Raises:
            InvalidRequest: the client's guards refuse it.
            DeadlineExceeded: no permit within `max_wait`, or no answer within `timeout`.
            OutcomeUnknown: a write was sent and its outcome is not known.
            KakaCloError: the error of the last attempt.
        """
        budget = Budget(self.options, self.deadline)
        with budget.told(self.state.emit, _now, None if callable(request) else request.named):
            return await self._send(request, until, permit, budget)

    async def _send(
        self, request: MaybeLate[T], until: Callable[[], float] | None, given: Permit | None, budget: Budget
    ) -> T:
        gate, guard = self.state.gate, self.state.guard
        build = request if callable(request) else lambda: request
        counted, admitted = None, not guard.active
        token: Secret | None = None
        renewed: Secret | None = None
        try:
            if not admitted and not callable(request):
                counted, admitted = guard.admit(request), True
            while True:
                budget.attempt += 1
                permit, given = given, None
                permit = permit or await gate.enter(
                    self.options.lane,
                    job=self.job,
                    max_wait=budget.wait_left(_now()),
                    until=until,
                    again=budget.attempt > 1,
                )
                budget.waited += permit.waited
                built: Request[T] | None = None
                try:
                    with permit:
                        try:
                            # The token comes first: it may take its time, and a request must leave when it is built.
                            token, renewed = renewed or await self._read_token(budget), None
                            made = build()
                            # Once: a retry repeats what was surely not executed, and is no new order.
                            if not admitted:
                                counted, admitted = guard.admit(made), True
                            self._check_may_leave(made, budget)
                        except BaseException:
                            permit.give_back()
                            raise
                        built = attrs.evolve(made, repeated=True) if budget.attempt > 1 else made
                        attempt = self._attempt_write if built.writes else self._attempt
                        return await attempt(built, token, permit, budget)
                except KakaCloError as error:
                    if built is None or token is None:
                        raise
                    if (renewed := await self._renew_token(built, token, error, budget)) is None:
                        await self._pause_or_raise(built, error, budget)
        finally:
            if counted is not None and not budget.left:
                guard.withdraw(counted)

    async def _read_token(self, budget: Budget) -> Secret:
        token = self.state.token
        if token.fixed is not None:
            return token.fixed
        found = await self._ask(token.read, budget, ", and nothing was sent")
        budget.renewals = token.renewals
        return found

    async def _renew_token(
        self, request: Request[object], refused: Secret, error: KakaCloError, budget: Budget
    ) -> Secret | None:
        """Return another token for one more try of a read whose token was refused; None for no such try."""
        token = self.state.token
        if not doubts_token(error) or token.fixed is not None:
            return None
        token.forget(refused)
        may_try = budget.has_attempts() and budget.has_time(_now()) and not self.state.steps.closed
        if request.writes or budget.renewed or not may_try:
            return None
        budget.renewed = True
        try:
            found = await self._ask(lambda: token.renew(refused, budget.renewals), budget)
        except KakaCloError as failure:
            error.add_note(f"KakaClo refused the token, and there is no other: {failure}")
            return None
        if found is not None:
            self.state.emit(retried(request.named, error, budget.attempt))
        return found

    async def _ask(self, ask: Callable[[], Awaitable[T]], budget: Budget, then: str = "") -> T:
        """Let the token function take the time that an attempt has."""
        started = _now()
        limit = min(self.options.attempt_limit, budget.time_left(started) - self.options.least_time)
        try:
            async with self.state.steps.step(max(0.0, limit)):
                return await ask()
        except TimeoutError as error:
            if isinstance(error, KakaCloError):
                raise  # the function's own
            raise DeadlineExceeded(f"the token function did not answer in {limit:.3g} s{then}") from None
        finally:
            budget.preparing = _now() - started
            budget.spent += budget.preparing

    def _check_may_leave(self, request: Request[object], budget: Budget) -> None:
        if self.state.steps.closed:
            raise ClientClosed(f"{request.label} was not sent: the client was closed")
        if not budget.has_time(_now()):
            raise DeadlineExceeded(
                f"{request.label} was not sent: too little time is left to learn what becomes of it"
                f" ({max(0.0, budget.time_left(_now())):.3g} s)"
            )

    async def _attempt_write(self, request: Request[T], token: Secret, permit: Permit, budget: Budget) -> T:
        """Attempt a write, and note what became of it: the caller's wait may be interrupted at any moment."""
        notes = call_writes.get()
        if notes is None:
            return await self._attempt(request, token, permit, budget)
        with permit.unused_on_error():
            notes.begin(request)
        try:
            data = await self._attempt(request, token, permit, budget)
        except KakaCloError as error:
            if surely_not_executed(error):
                notes.not_executed()
            raise
        except (Exception, asyncio.CancelledError):
            notes.not_executed()  # had it left, the transport would have raised another error
            raise
        number = data if isinstance(data, str) else ""
        notes.done(number, custom_order_id=request.custom_order_id, order_id=request.order_id)
        return data

    async def _attempt(self, request: Request[T], token: Secret, permit: Permit, budget: Budget) -> T:
        started, left_before = _now(), budget.left
        answer: Answer | None = None
        ended: tuple[int | str | None, str | None] = None, None
        budget.left = True
        try:
            timeout = budget.attempt_time(started, writes=request.writes)
            answer = await self.state.transport.send(request, token, timeout=timeout)
            self.state.server_clock.read(answer, loop_time=_now(), wall_time=time.time())
            data = read_answer(request, answer, scrub=self.state.token.scrub)
            ended = SUCCESS, None
            return data
        except BaseException as error:
            ended = outcome(error)
            if answer is None and never_left(error, writes=request.writes):
                budget.left = left_before
                permit.give_back()
            raise
        finally:
            budget.spent += (seconds := _now() - started)
            budget.sent = Sent(
                **request.named,
                lane=budget.options.lane,
                attempt=budget.attempt,
                status=None if answer is None else answer.status,
                seconds=seconds,
                size=0 if answer is None else len(answer.body),
                waited=permit.waited,
                code=ended[0],
                error=ended[1],
            )
            self.state.emit(budget.sent)

    async def _pause_or_raise(self, request: Request[object], error: KakaCloError, budget: Budget) -> None:
        pause, emit = 0.0, self.state.emit
        if isinstance(error, RateLimited):
            budget.refusals += 1  # no pause here: the gate holds all calls until a probe went through
            emit(Throttled(**request.named, retry_after=error.retry_after))
        else:
            backoff = BACKOFF.after(budget.attempt - budget.refusals)
            pause = max(self.state.random() * backoff, asked_pause(error))
        if (failure := self._end(request, error, budget, pause)) is not None:
            raise failure
        emit(retried(request.named, error, budget.attempt, pause))
        budget.spent += pause
        async with self.state.steps.step():
            await asyncio.sleep(pause)

    def _end(
        self, request: Request[object], error: KakaCloError, budget: Budget, pause: float
    ) -> KakaCloError | None:
        """Return the error that the call ends with; None when another attempt is safe and may still succeed."""
        now = _now()
        if self.state.steps.closed:
            return self._final(request, ClientClosed("the client was closed during the call"), cause=error)
        if budget.time_left(now) <= 0:
            late = DeadlineExceeded(
                f"{request.label}: no good answer within {budget.options.timeout:g} s;"
                f" attempt {budget.attempt} ended with: {error}"
            )
            return self._final(request, late, cause=error)
        if not may_repeat(error, writes=request.writes) or not budget.has_attempts():
            return self._final(request, error)
        if budget.has_time(now, pause):
            return None
        asked = asked_pause(error)
        if not asked or isinstance(error, RateLimited):
            return self._final(request, error)
        late = DeadlineExceeded(
            f"{request.label}: KakaClo asks to wait {asked:g} s, and {budget.time_left(now):.3g} s of the call are"
            f" left; try again in {asked:g} s ({error})",
            retry_in=asked,
        )
        return self._final(request, late, cause=error)

    def _final(
        self, request: Request[object], error: KakaCloError, *, cause: KakaCloError | None = None
    ) -> KakaCloError:
        """Return what to raise: a write that may have been executed is in doubt; never with the token."""
        failure = cause or error
        if request.writes and not surely_not_executed(failure):
            error, cause = in_doubt(request, failure), failure
        if cause is not None:
            error.__cause__ = cause
        scrub_error(error, self.state.token.scrub)
        return error

    def for_call(self) -> Sender:
        """Return a sender for all requests of one call, which ends within `max_wait` and `timeout` of the view."""
        if (limit := self.options.wait_limit) is None or self.deadline < inf:
            return self
        return attrs.evolve(self, deadline=_now() + limit + self.options.timeout)

    def for_sharing(self) -> Sender:
        """Return a sender for requests that several calls share: each call keeps its own deadlines."""
        return attrs.evolve(self, options=without_max_wait(self.options), deadline=inf)

    def for_streams(self) -> Sender:
        """Return a sender that waits for permits as long as it takes, unless the view says otherwise."""
        if self.options.max_wait_for_all or self.options.max_wait is None:
            return self
        return attrs.evolve(self, options=attrs.evolve(self.options, max_wait=None))

    def bulk(self, *, urgent: bool = False) -> Sender:
        """Return a sender for a job in the bulk lane; `urgent` is one of its own that settles an unknown outcome."""
        job = Job(urgent) if self.job is None or urgent else self.job
        return attrs.evolve(self, options=attrs.evolve(self.options, lane=Lane.BULK), job=job)

    def for_fan_out(self, requests: int) -> Sender:
        """Return the sender for a fan-out of that many requests: a small one keeps its lane, a large one is bulk."""
        is_bulk = requests > SMALL_FAN_OUT or self.options.lane is Lane.BULK
        return self.bulk() if is_bulk else self.for_streams()


class Client(Protocol):
    """What requests are sent with: a client, or a team of them."""

    _sender: Sender


def sender_of(kk: object) -> Sender:
    """Return what a client sends with, and so its state: the way in for the rest of this package."""
    if isinstance(sender := getattr(kk, "_sender", None), Sender):
        return sender
    raise no_client(kk, "kakaclo_async")
