"""Settings, checked once before the first request: options, caching and the base URL."""

from __future__ import annotations

import ipaddress
import json
import os
import re
from collections import deque
from collections.abc import Awaitable
from math import inf
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import quote, urlsplit

import attrs

from kakaclo_async.errors import ConfigurationError, KakaCloError
from kakaclo_async.events import Lane

if TYPE_CHECKING:
    from collections.abc import Callable


__version__ = "0.1.0"


ENVIRONMENTS = {
    "production": "https://developer.kakaclo.com/openapi",
    "test": "https://test-developer.kakaclo.com/openapi",
}


API_SETTINGS_URL: Final = "https://kakaclo.com/personal-center/api-setting"
"""The page where people make and refresh access tokens; no endpoint does."""

PAYMENT_URL: Final = "https://www.kakaclo.com/personal-center/payment-manage"
"""The page where people top up the balance that orders are paid from."""


_LEAST_TIME: Final = 2.0  # KakaClo answers in less than one


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
        if not self.timeout > 0:
            raise ConfigurationError(f"timeout must be more than 0 seconds, not {self.timeout!r}")
        if self.max_wait is not None and not self.max_wait >= 0:
            raise ConfigurationError(f"max_wait must be None or at least 0 seconds, not {self.max_wait!r}")
        if self.max_attempts < 1:
            raise ConfigurationError(f"max_attempts must be at least 1, not {self.max_attempts!r}")
        if self.attempt_timeout is not None and not self.attempt_timeout > 0:
            raise ConfigurationError(
                f"attempt_timeout must be None or more than 0 seconds, not {self.attempt_timeout!r}"
            )

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
    """

    options: Options
    deadline: float
    attempt: int = 0
    refusals: int = 0
    waited: float = 0.0
    spent: float = 0.0
    preparing: float = 0.0
    left: bool = False

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
class Caching:
    """How long answers are kept. KakaClo asks its clients to cache what they ask for repeatedly.

    Attributes:
        freight: seconds for quotes, by country and the multiset of items; 0 keeps none.
        reference: seconds for categories, warehouses, and the models of custom products; 0 keeps none.
        size: entries of each kind, at most; the least recently used is dropped first.
    """

    freight: float = 600.0
    reference: float = 86_400.0
    size: int = 4096


def choose_base_url(environment: str, base_url: str | None) -> str:
    """Return the base URL to use, without a slash at its end.

    Args:
        environment: "production" or "test".
        base_url: overrides the environment, as does the environment variable KAKACLO_BASE_URL.

    Raises:
        ConfigurationError: an unknown environment, or an address that is not HTTPS (loopback may be HTTP).
    """
    if environment not in ENVIRONMENTS:
        known = ", ".join(ENVIRONMENTS)
        raise ConfigurationError(f"unknown environment {environment!r}: choose one of {known}")
    url = (base_url or os.environ.get("KAKACLO_BASE_URL") or ENVIRONMENTS[environment]).rstrip("/")
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError as error:
        raise ConfigurationError(f"base_url is no address: {error}") from None
    if not host or parts.scheme not in {"http", "https"} or parts.username or parts.query or parts.fragment:
        raise ConfigurationError("base_url must look like https://host/path, without user, query or fragment")
    if parts.scheme == "http" and not _is_loopback(host):
        raise ConfigurationError(f"base_url must be HTTPS: over plain HTTP {host} would see the token")
    return url


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


_SHORTEST = 6  # characters; replacing less would garble sentences, and is no secret
_SHORTEST_HEAD = 8  # the same for what is left of a token where a server cut its message
_REMEMBERED = 8  # tokens of a function: the answer to one may arrive when the next is in use


class Token:
    """An access token, or the function that fetches it.

    Args:
        source: the token, a function that returns one (sync or async; it is asked before each request, so it
            should cache), or None for the environment variable KAKACLO_TOKEN. An async one is cut off when the
            attempt's time is up; a sync one that blocks holds the event loop, and cannot be.
    """

    __slots__ = ("_seen", "_source")

    def __init__(self, source: str | Callable[[], str | Awaitable[str]] | None) -> None:
        if source is None:
            source = os.environ.get("KAKACLO_TOKEN")
        if source is None:
            raise ConfigurationError(
                f"no access token: pass token= or set KAKACLO_TOKEN (tokens are made at {API_SETTINGS_URL})"
            )
        self._source = source if callable(source) else _checked(source)
        self._seen: deque[str] = deque([] if callable(source) else [source], _REMEMBERED)

    async def read(self) -> str:
        """Return the token to send now.

        Raises:
            ConfigurationError: the function failed, or returned what is no token.
        """
        if isinstance(self._source, str):
            return self._source
        try:
            found: object = self._source()
            if isinstance(found, Awaitable):
                found = await cast("Awaitable[object]", found)
        except KakaCloError:
            raise
        except Exception as error:
            raise ConfigurationError(f"the token function failed with {type(error).__name__}") from error
        if not isinstance(found, str):
            raise ConfigurationError(f"the token function must return a str, not {type(found).__name__}")
        token = _checked(found)
        if token not in self._seen:
            self._seen.append(token)
        return token

    @property
    def is_fixed(self) -> bool:
        """Whether reading it takes no time."""
        return isinstance(self._source, str)

    def scrub(self, text: str) -> str:
        """Return `text` without the tokens sent of late, should a server have echoed one, or its head at the end."""
        for token in self._seen:
            if len(token) >= _SHORTEST:
                text = re.sub(spellings(token), "***", text, flags=re.IGNORECASE)
            whole = text.rstrip(".\N{HORIZONTAL ELLIPSIS}")
            heads = (token[:size] for size in range(len(token) - 1, _SHORTEST_HEAD - 1, -1))
            if (head := next(filter(whole.endswith, heads), None)) is not None:
                text = whole.removesuffix(head) + "***"
        return text

    def __repr__(self) -> str:
        return "Token(***)"


def spellings(secret: str) -> str:
    """Return a pattern for a secret as it is, and as URLs and JSON write it, with any blanks between its words."""
    return r"(?:\s+|\+|%20)".join("".join(map(_spelling, word)) for word in secret.split())


def _spelling(character: str) -> str:
    if character.isascii() and character.isalnum():
        return character
    # Backslashes are few, or a text full of them would take quadratic time.
    forms = [r"\\{0,4}" + re.escape(character), re.escape(quote(character, safe="", errors="replace"))]
    if not character.isascii():
        forms.append(r"\\{1,4}" + re.escape(json.dumps(character)[2:-1]))
    return f"(?:{'|'.join(forms)})"


def _checked(token: str) -> str:
    # A line break would start a header of its own; a token has no use for blanks or other alphabets.
    if not token or not token.isascii() or any(c.isspace() or not c.isprintable() for c in token):
        raise ConfigurationError("the access token is empty or holds characters that no token has")
    return token
