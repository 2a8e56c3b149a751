"""Settings, checked once before the first request: options, budgets and caching."""

from __future__ import annotations

from contextlib import contextmanager
from functools import lru_cache
from math import inf, isnan
from typing import TYPE_CHECKING, ClassVar, Final, NoReturn

import attrs

from kakaclo_async.errors import ConfigurationError, InvalidRequest
from kakaclo_async.events import CallEnded, CallStarted, Lane, Named
from kakaclo_async.travel.shown import Shown

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from kakaclo_async.events import Event, Sent

__version__ = "0.1.0"


API_SETTINGS_URL: Final = "https://kakaclo.com/personal-center/api-setting"
"""The page where people make and refresh access tokens; no endpoint does."""

PAYMENT_URL: Final = "https://www.kakaclo.com/personal-center/payment-manage"
"""The page where people top up the balance that orders are paid from."""


class UnusableToken(ConfigurationError):
    """The place that holds the access token gives none, or what it gives can be no token."""


class MissingToken(UnusableToken):
    """Nobody says what the access token is, or where."""


class WrongWith(ConfigurationError, TypeError):
    """What is entered by `async with` was entered by `with`, or the other way round."""


class _Entered:
    """What the `with` of one face enters, and the other's does not.

    Args:
        other: where the other face has the same; "" for nowhere.
    """

    __slots__ = ()

    _other_face: ClassVar[str] = ""

    def __init_subclass__(cls, *, other: str | None = None, **rest: object) -> None:
        super().__init_subclass__(**rest)
        if other is not None:
            cls._other_face = other

    def _refuse(self, wrong: str, right: str) -> NoReturn:
        name, other = type(self).__name__, self._other_face
        text = f"`{wrong} {name}(...)` cannot work: write `{right}`"
        raise WrongWith(f"{text}, or take {name} from {other}, where it is `{wrong}`" if other else text)


class AsyncEntered(_Entered):
    """What `async with` enters: who writes a plain `with` is told so, in place of Python's words."""

    __slots__ = ()

    if not TYPE_CHECKING:  # type checkers tell it before it runs

        def __enter__(self) -> NoReturn:
            self._refuse("with", "async with")

        __exit__ = __enter__  # Python looks for both before it calls one


class BlockingEntered(_Entered):
    """What `with` enters: who writes `async with` is told so, in place of Python's words."""

    __slots__ = ()

    if not TYPE_CHECKING:  # see above

        def __aenter__(self) -> NoReturn:
            self._refuse("async with", "with")

        __aexit__ = __aenter__


_LEAST_TIME: Final = 2.0  # KakaClo answers in less than one


def no_client(given: object, face: str) -> ConfigurationError:
    """Return the error for what is no client of a face, such as one of the other face."""
    kind = type(given)
    return ConfigurationError(f"kk must be a {face}.KakaClo, not {kind.__module__}.{kind.__name__}")


def check_number(
    name: str,
    value: object,
    *,
    least: float = 0,
    above: float | None = None,
    most: float = inf,
    whole: bool = False,
) -> None:
    """Check a setting that is a number.

    Args:
        name: the setting, for the error.
        value: what was given.
        least: the smallest number that works.
        above: the largest number that does not work, instead.
        most: the largest number that works.
        whole: whether it must have no fraction.

    Raises:
        ConfigurationError: it is no such number.
    """
    bound = f"more than {above}" if above is not None else f"at least {least}"
    bound += "" if most == inf else f" and at most {most:g}"
    # A bool is a number only by history; and a NaN is above nothing.
    if isinstance(value, int | float) and not isinstance(value, bool):
        is_far = value >= least if above is None else value > above
        if is_far and value <= most and not (whole and value % 1):
            return
    kind = "a whole number" if whole else "a number"
    raise ConfigurationError(f"{name} must be {kind}, {bound}, not {value!r}")


def check_timeout(timeout: object) -> None:
    """Refuse a `timeout=` that is no number of seconds; one that is over already is fine, and means one look.

    Raises:
        InvalidRequest: it is a text, say, or NaN.
    """
    if timeout is None:
        return
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or isnan(timeout):
        told = "NaN" if isinstance(timeout, float) else type(timeout).__name__
        raise InvalidRequest(f"timeout must be a number of seconds or None, not {told}")


def _lane(lane: Lane | str) -> Lane:
    try:
        return Lane(lane)
    except ValueError:
        raise ConfigurationError(f"lane must be one of {', '.join(Lane)}, not {lane!r}") from None


@attrs.frozen(slots=True, kw_only=True, cache_hash=True)
class Options:
    """How a view of the client sends its calls.

    Attributes:
        lane: the queue for permits.
        timeout: seconds for one call once it has its permit, attempts and pauses included.
        max_wait: seconds to wait for permits, None for as long as it takes.
        max_attempts: requests that one call may cost when they fail.
        attempt_timeout: seconds for one attempt of a read, None for a third of `timeout`.
        max_wait_for_all: whether `max_wait` also binds streams, fan-outs and the bulk lane.
    """

    lane: Lane = attrs.field(default=Lane.INTERACTIVE, converter=_lane)
    timeout: float = 30.0
    max_wait: float | None = 30.0
    max_attempts: int = 5
    attempt_timeout: float | None = None
    max_wait_for_all: bool = False

    def __attrs_post_init__(self) -> None:
        check_number("timeout", self.timeout, above=0)
        if self.max_wait is not None:
            check_number("max_wait", self.max_wait)
        check_number("max_attempts", self.max_attempts, least=1, whole=True)
        if self.attempt_timeout is not None:
            check_number("attempt_timeout", self.attempt_timeout, above=0)

    @property
    def wait_limit(self) -> float | None:
        """Seconds to wait for a permit at most; the bulk lane has no limit unless one is set for all."""
        return None if self.lane is Lane.BULK and not self.max_wait_for_all else self.max_wait

    @property
    def attempt_limit(self) -> float:
        """Seconds that one attempt of a read may take."""
        return min(self.timeout, self.timeout / 3 if self.attempt_timeout is None else self.attempt_timeout)

    @property
    def least_time(self) -> float:
        """Seconds without which no attempt begins: a write that is cut off at once would be in doubt for nothing."""
        return min(_LEAST_TIME, self.timeout / 3)


@lru_cache
def without_max_wait(options: Options) -> Options:
    """Return the options of a request that calls with limits of their own share."""
    return attrs.evolve(options, max_wait=None, max_wait_for_all=False)


@attrs.define(slots=True)
class Budget:
    """What one request may still cost; waiting for permits and the time after that count apart.

    Attributes:
        options: the limits.
        deadline: the loop's time when the whole call, of which the request may be a part, must have ended.
        attempt: the number of this attempt, from 1.
        refusals: 429s, which cost the bulk lane no attempt: its jobs wait as long as it takes.
        waited: seconds in the queue.
        spent: seconds outside of it.
        preparing: seconds that this attempt took before its request left.
        left: whether a request may have left.
        renewals: how often the token had been renewed when this attempt read it.
        renewed: whether this request had a try with another token.
        sent: the event of the last request that left, or was to.
    """

    options: Options
    deadline: float
    attempt: int = 0
    refusals: int = 0
    waited: float = 0.0
    spent: float = 0.0
    preparing: float = 0.0
    left: bool = False
    renewals: int = 0
    renewed: bool = False
    sent: Sent | None = None

    @contextmanager
    def told(
        self, emit: Callable[[Event], None], clock: Callable[[], float], named: Named | None
    ) -> Generator[None]:
        """Tell of the start and the end of a call.

        Args:
            emit: takes the events.
            clock: tells the loop's time.
            named: what the request is called; None if it is built when its permit is there.
        """
        lane, started, error = self.options.lane, clock(), None
        named = named or Named(method="", path="", route="")
        emit(CallStarted(**named, lane=lane))
        try:
            yield
        except BaseException as failure:
            error = type(failure).__name__
            raise
        finally:
            code = None
            if (sent := self.sent) is not None:
                named, code = Named(method=sent.method, path=sent.path, route=sent.route), sent.code
            emit(
                CallEnded(
                    **named,
                    lane=lane,
                    attempts=self.attempt,
                    waited=self.waited,
                    seconds=clock() - started,
                    code=code,
                    error=error,
                )
            )

    def wait_left(self, now: float) -> float | None:
        """Return the seconds to wait for a permit at most; None for as long as it takes."""
        limit = self.options.wait_limit
        left = min(
            inf if limit is None else limit - self.waited, self.deadline - now - self.options.least_time
        )
        return None if left == inf else max(0.0, left)

    def time_left(self, now: float) -> float:
        """Return the seconds for attempts, and the pauses between them."""
        return min(self.options.timeout - self.spent, self.deadline - now)

    def attempt_time(self, now: float, *, writes: bool) -> float:
        """Return the seconds for the request of this attempt: for a write, which is sent once, all that are left."""
        left = self.time_left(now)
        own = max(self.options.attempt_limit - self.preparing, self.options.least_time)
        return left if writes else min(left, own)

    def has_time(self, now: float, pause: float = 0.0) -> bool:
        """Return whether an attempt makes sense after a pause."""
        return pause + self.options.least_time <= self.time_left(now)

    def has_attempts(self) -> bool:
        """Return whether another one may be made."""
        used = self.attempt - (self.refusals if self.options.lane is Lane.BULK else 0)
        return used < self.options.max_attempts


@attrs.frozen(slots=True, kw_only=True)
class Caching(Shown):
    """How long answers are kept. KakaClo asks its clients to cache what they ask for repeatedly.

    Attributes:
        freight: seconds for quotes, by country and the multiset of items; 0 keeps none.
        reference: seconds for categories, warehouses, and the models of custom products; 0 keeps none.
        size: entries of each kind, at most; the least recently used is dropped first.
    """

    freight: float = 600.0
    reference: float = 86_400.0
    size: int = 4096

    def __attrs_post_init__(self) -> None:
        check_number("Caching.freight", self.freight)
        check_number("Caching.reference", self.reference)
        check_number("Caching.size", self.size, whole=True)
