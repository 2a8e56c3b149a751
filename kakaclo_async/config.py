"""Settings, checked once before the first request: options, caching and the base URL."""

from __future__ import annotations

import ipaddress
import os
from contextlib import contextmanager, suppress
from math import inf
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import attrs

from kakaclo_async.errors import ConfigurationError
from kakaclo_async.events import CallEnded, CallStarted, Lane, Named
from kakaclo_async.travel import Travels

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from kakaclo_async.events import Event, Sent

__version__ = "0.1.0"


ENVIRONMENTS = {
    "production": "https://developer.kakaclo.com/openapi",
    "test": "https://test-developer.kakaclo.com/openapi",
}


API_SETTINGS_URL: Final = "https://kakaclo.com/personal-center/api-setting"
"""The page where people make and refresh access tokens; no endpoint does."""

PAYMENT_URL: Final = "https://www.kakaclo.com/personal-center/payment-manage"
"""The page where people top up the balance that orders are paid from."""


class MissingToken(ConfigurationError):
    """Nobody says what the access token is."""


_LEAST_TIME: Final = 2.0  # KakaClo answers in less than one


def check_number(
    name: str, value: object, *, least: float = 0, above: float | None = None, whole: bool = False
) -> None:
    """Check a setting that is a number.

    Args:
        name: the setting, for the error.
        value: what was given.
        least: the smallest number that works.
        above: the largest number that does not work, instead.
        whole: whether it must have no fraction.

    Raises:
        ConfigurationError: it is no such number.
    """
    bound = f"more than {above}" if above is not None else f"at least {least}"
    # A bool is a number only by history; and a NaN is above nothing.
    if isinstance(value, int | float) and not isinstance(value, bool):
        is_far = value >= least if above is None else value > above
        if is_far and not (whole and value % 1):
            return
    kind = "a whole number" if whole else "a number"
    raise ConfigurationError(f"{name} must be {kind}, {bound}, not {value!r}")


def _lane(lane: Lane | str) -> Lane:
    try:
        return Lane(lane)
    except ValueError:
        raise ConfigurationError(f"lane must be one of {', '.join(Lane)}, not {lane!r}") from None


@attrs.frozen(slots=True, kw_only=True)
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
class Caching(Travels):
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


def choose_base_url(environment: str | None, base_url: str | None, *, allow_http: bool = False) -> str:
    """Return the base URL to use, without a slash at its end: one place has one name, which journals are called by.

    Args:
        environment: "production" or "test"; None: as the environment variable KAKACLO_BASE_URL says, or production.
        base_url: overrides both.
        allow_http: whether another machine may be spoken to over plain HTTP; KakaClo's own never are. No environment
            variable allows it: whoever sets one address wrong would send the token to everybody on the way.

    Raises:
        ConfigurationError: an unknown environment, or another one than KAKACLO_BASE_URL names; or an address that is
            not HTTPS (loopback may be HTTP).
    """
    if environment is not None and environment not in ENVIRONMENTS:
        known = ", ".join(ENVIRONMENTS)
        raise ConfigurationError(f"unknown environment {environment!r}: choose one of {known}")
    if base_url is not None and not isinstance(base_url, str):  # pyright: ignore[reportUnnecessaryIsInstance] - callers err
        raise ConfigurationError(f"base_url must be a text, not {type(base_url).__name__}")
    if not isinstance(allow_http, bool):  # pyright: ignore[reportUnnecessaryIsInstance] - likewise; "no" is no refusal
        raise ConfigurationError(f"allow_http must be True or False, not {type(allow_http).__name__}")
    named = os.environ.get("KAKACLO_BASE_URL")
    if not base_url and environment and named and named.rstrip("/") != ENVIRONMENTS[environment]:
        raise ConfigurationError(
            f"environment={environment!r} and the environment variable KAKACLO_BASE_URL name two places: leave out one"
        )
    url = (base_url or named or ENVIRONMENTS[environment or "production"]).rstrip("/")
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError as error:
        raise ConfigurationError(f"base_url is no address: {error}") from None
    if not host or parts.scheme not in {"http", "https"} or parts.username or parts.query or parts.fragment:
        raise ConfigurationError("base_url must look like https://host/path, without user, query or fragment")
    if parts.scheme == "http" and not _is_loopback(host):
        if f".{host}".endswith((".kakaclo.com", ".kakaclo.com.")):
            raise ConfigurationError(
                f"base_url must be HTTPS: over plain HTTP all on the way to {host} see the token"
            )
        if not allow_http:
            raise ConfigurationError(
                f"base_url must be HTTPS: over plain HTTP {host} would see the token, and all on the way there;"
                " if it is a sandbox, say allow_http=True (--allow-http)"
            )
    default_port = {"http": ":80", "https": ":443"}[parts.scheme]
    return parts._replace(netloc=parts.netloc.lower().removesuffix(default_port)).geturl()


def choose_proxy(base_url: str, proxy: str | None) -> str | None:
    """Return the proxy to use, None for none.

    Args:
        base_url: where the client talks to.
        proxy: `http://user:password@host:port`; "" for none; None: as HTTPS_PROXY, ALL_PROXY and NO_PROXY (or the
            settings of macOS and Windows) say, and never for loopback.

    Raises:
        ConfigurationError: it is no such address, or would see the token.
    """
    parts = urlsplit(base_url)
    host, source = parts.hostname or "", "proxy"
    if proxy is None:
        if _is_loopback(host) or proxy_bypass(host):
            return None
        proxies = getproxies()
        proxy, source = proxies.get(parts.scheme) or proxies.get("all"), "the environment's proxy"
        if proxy and "://" not in proxy:
            proxy = f"http://{proxy}"
    if not proxy:
        return None
    own = None
    with suppress(AttributeError, TypeError, ValueError):
        parsed = urlsplit(proxy)
        own = parsed if parsed.scheme in {"http", "https"} and parsed.hostname and parsed.port != 0 else None
    if own is None:  # the text is not shown: it may hold a password
        raise ConfigurationError(
            f"{source} must look like http://user:password@host:port; for SOCKS give a session with a connector for it"
        )
    if parts.scheme == "http" and not _is_loopback(own.hostname or ""):
        raise ConfigurationError(f"{source} would see the token: base_url is plain HTTP")
    return proxy


def environment_name(base_url: str) -> str:
    """Return "production", "test", "local" for this machine, or else the URL itself."""
    if _is_loopback(urlsplit(base_url).hostname or ""):
        return "local"
    return next((name for name, url in ENVIRONMENTS.items() if url == base_url), base_url)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
