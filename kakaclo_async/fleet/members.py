"""The members of a team, and the requests that wait for them.

While a request waits, the team waits for permits at the gates of its members: in their bulk lane, as a job beside their
own. The first permit that comes takes the request whose turn it is, and the member that gave it sends it.
"""

from __future__ import annotations

import asyncio
import logging
from contextvars import ContextVar
from math import inf
from typing import TYPE_CHECKING, TypeVar

import attrs

from kakaclo_async.errors import (
    APIError,
    ClientClosed,
    DeadlineExceeded,
    DecodeError,
    InvalidRequest,
    RateLimited,
    Unauthorized,
    copy_error,
)
from kakaclo_async.events import CallStarted, Event, Job, Lane, Retried, Sent
from kakaclo_async.ratelimit.bucket import LaneQueue

if TYPE_CHECKING:
    from collections.abc import Callable

    from kakaclo_async.ratelimit.gate import Permit
    from kakaclo_async.sending import MaybeLate, Sender
    from kakaclo_async.state import ClientState

T = TypeVar("T")

_NOBODY = "the team has no members left: let one join"
_LEFT_OUT = 60.0  # seconds, of a member that is refused or away
PATIENCE = 5.0
"""Seconds that a team waits at one gate at a time; a member that has no permit by then is asked again when it has."""

_SOON = 0.5  # seconds until a member is asked again that does not know when
_BUSY = 10.0  # seconds that a member counts as busy after a call of its own

_log = logging.getLogger("kakaclo.team")


@attrs.frozen(slots=True, kw_only=True)
class LeftOut(Event):
    """A member of a team sends nothing for it any more.

    Attributes:
        member: its name in the team.
        seconds: until it is tried again; None: it was closed.
        reason: the class name of the error that it met.
    """

    member: str
    seconds: float | None
    reason: str

    def __str__(self) -> str:
        until = "for good" if self.seconds is None else f"for {self.seconds:g} s"
        return f"{self.member} is left out of the team {until} ({self.reason})"


@attrs.frozen(slots=True, kw_only=True)
class CameBack(Event):
    """A member that was left out has read for the team again."""

    member: str

    def __str__(self) -> str:
        return f"{self.member} is back in the team"


@attrs.define(eq=False)
class _Attempts:
    """What was tried for one request, by all members together."""

    failed: int = 0


_of_team: ContextVar[_Attempts | None] = ContextVar("attempts of a team's running request", default=None)


@attrs.define(eq=False)
class Member:
    """A client of the team.

    Attributes:
        sender: sends for the team.
        interval: seconds between two requests for the team while the client has calls of its own.
        asking: waits at its gate.
        soon: whether the permit was free when that began.
        ready_at: the loop's time before which it is not asked.
        tested: whether its last request succeeded; before that it has one at a time.
        out: whether it was left out, and has not succeeded since.
        under_way: requests that it sends now.
    """

    name: str
    sender: Sender
    interval: float
    unsubscribe: Callable[[], None] = lambda: None
    asking: asyncio.Task[None] | None = None
    soon: bool = False
    ready_at: float = -inf
    served_at: float = -inf
    busy_until: float = -inf
    tested: bool = False
    out: bool = False
    under_way: int = 0

    def see(self, event: Event) -> None:
        """Learn from the client's events: of its own calls, and of attempts for the team that KakaClo failed."""
        if (attempts := _of_team.get()) is not None:
            attempts.failed += isinstance(event, Retried) and event.reason in {"ServerError", "DecodeError"}
        elif isinstance(event, (CallStarted, Sent)):
            self.busy_until = asyncio.get_running_loop().time() + _BUSY

    def may_be_asked_at(self, now: float) -> float:
        """Return the loop's time from when on it may be asked; inf: once what it does for the team has ended."""
        if self.asking is not None or (self.under_way and not self.tested):
            return inf
        return max(self.ready_at, self.served_at + self.interval if now < self.busy_until else -inf)

    def is_out(self, now: float) -> bool:
        """Return whether it is not to be tried yet."""
        return self.out and now < self.ready_at


@attrs.define(eq=False)
class _Waiting:
    """A request that waits for a member with a permit."""

    job: Job | None
    again: bool
    turn: asyncio.Future[tuple[Member, Permit]]


class Members:
    """Hands requests to the members, in turn, as their gates give permits.

    Attributes:
        all: by name; the one whose turn is next comes first.
        state: what the team's senders share.
    """

    def __init__(self, state: ClientState) -> None:
        self.all: dict[str, Member] = {}
        self.state = state
        self._queue = LaneQueue[_Waiting]()
        self._soon = 0  # members whose permit is on its way
        self._timer: asyncio.TimerHandle | None = None

    async def send(self, request: MaybeLate[T], until: Callable[[], float] | None, sender: Sender) -> T:
        """Send a request by one member, or by another where that fails for a reason of its own."""
        attempts, again = _Attempts(), False
        while True:
            member, permit = await self._turn(sender.job, again=again)
            running = _of_team.set(attempts)
            try:
                answer = await member.sender.send(request, until=until, permit=permit)
            except Exception as error:  # a token function may raise anything
                if _is_about_request(error):
                    self._praise(member)
                    raise
                if attempts.failed >= sender.options.max_attempts or not self._blame(member, error):
                    raise
                again = True
            else:
                self._praise(member)
                return answer
            finally:
                _of_team.reset(running)
                member.under_way -= 1
                self._ask()

    async def _turn(self, job: Job | None, *, again: bool) -> tuple[Member, Permit]:
        """Wait for a member with a permit."""
        if not self.all:
            raise ClientClosed(_NOBODY)
        waiting = _Waiting(job, again, asyncio.get_running_loop().create_future())
        self._queue.push(waiting)
        self._ask()
        try:
            return await waiting.turn
        except asyncio.CancelledError:
            self._queue.discard(waiting)
            if waiting.turn.done() and not waiting.turn.cancelled() and not waiting.turn.exception():
                member, permit = waiting.turn.result()
                member.under_way -= 1
                permit.give_back()
                self._ask()
            raise

    def _ask(self) -> None:
        """Ask for permits for what waits: members that have one now, in turn, and all others if those are too few."""
        loop = asyncio.get_running_loop()
        now, later = loop.time(), inf
        for member in tuple(self.all.values()):
            if self._soon >= self._queue.size:
                break
            if (at := member.may_be_asked_at(now)) > now:
                later = min(later, at)
                continue
            self.all[member.name] = self.all.pop(member.name)
            member.soon = not member.sender.state.gate.eta(Lane.BULK, member.sender.job)
            self._soon += member.soon
            member.asking = asyncio.create_task(self._wait_at(member), name="kakaclo team")
        else:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = loop.call_at(later, self._ask) if self._queue.size and later < inf else None

    async def _wait_at(self, member: Member) -> None:
        """Wait for a permit of a member, and hand it to the request whose turn it is."""
        try:
            permit = await member.sender.state.gate.enter(Lane.BULK, job=member.sender.job, max_wait=PATIENCE)
            if (waiting := self._queue.pop()) is None:
                permit.give_back()
                return
            member.served_at = asyncio.get_running_loop().time()
            member.under_way += 1
            waiting.turn.set_result((member, permit))
        except Exception as error:  # noqa: BLE001 - whatever ails its bucket, the others go on
            self._blame(member, error)
        finally:
            member.asking = None
            self._soon -= member.soon
            self._ask()

    def _praise(self, member: Member) -> None:
        self.state.server_clock = member.sender.state.server_clock
        member.tested = True
        if member.out:
            member.out = False
            self._tell(CameBack(member=member.name), logging.INFO)

    def _blame(self, member: Member, error: Exception) -> bool:
        """Leave a member out, or ask it later; return whether others are left to try."""
        now = asyncio.get_running_loop().time()
        if isinstance(error, RateLimited) or (
            isinstance(error, DeadlineExceeded) and error.retry_in is not None
        ):
            asked = error.retry_after if isinstance(error, RateLimited) else error.retry_in
            member.ready_at = max(member.ready_at, now + (asked or _SOON))
            return True
        if member.name not in self.all or member.is_out(now):
            return bool(self.all)
        seconds = None if isinstance(error, ClientClosed) else _LEFT_OUT
        self._tell(LeftOut(member=member.name, seconds=seconds, reason=type(error).__name__), logging.WARNING)
        if seconds is None:
            self.remove(member.name)
        else:
            member.out, member.tested, member.ready_at = True, False, now + seconds
        return not self._fail_if_all_are_out(error)

    def _fail_if_all_are_out(self, error: Exception) -> bool:
        now = asyncio.get_running_loop().time()
        if not all(each.is_out(now) for each in self.all.values()):
            return False
        for each in self.all.values():
            each.ready_at = now  # so that the next request tries again
        while (waiting := self._queue.pop()) is not None:
            waiting.turn.set_exception(copy_error(error))
        return True

    def _tell(self, event: Event, level: int) -> None:
        _log.log(level, "%s", event)
        self.state.emit(event)

    def add(self, member: Member) -> None:
        """Take a member in."""
        self.all[member.name] = member
        self._count()
        if self._queue.size:
            self._ask()

    def remove(self, name: str) -> None:
        """Let a member go; what it sends comes to its end."""
        member = self.all.pop(name)
        member.unsubscribe()
        if member.asking is not None:
            member.asking.cancel()
        self._count()
        if not self.all and self._queue.size:
            self._fail_if_all_are_out(ClientClosed(_NOBODY))

    def _count(self) -> None:
        if self.all:
            rates = [member.sender.state.rate for member in self.all.values()]
            self.state.rate = sum(rates) / len(rates)

    def is_in(self) -> int:
        """Return how many members are not left out."""
        now = asyncio.get_running_loop().time()
        return max(1, sum(not member.is_out(now) for member in self.all.values()))


def _is_about_request(error: Exception) -> bool:
    """Return whether another member would hear the same."""
    is_answer = isinstance(error, (APIError, DecodeError, InvalidRequest))
    return is_answer and not isinstance(error, (Unauthorized, RateLimited))
