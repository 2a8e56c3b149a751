"""Reads single values of settings, and says what is wrong with them."""

from __future__ import annotations

import math
import os
import re
from decimal import Decimal
from difflib import get_close_matches
from hashlib import sha256
from typing import TYPE_CHECKING, Final

import attrs

from kakaclo_async.config import UnusableToken
from kakaclo_async.errors import ConfigurationError
from kakaclo_async.feed.webhook import Webhook
from kakaclo_async.fleet.engine import log
from kakaclo_async.token import TokenSource, token_from
from kakaclo_async.transport.endpoint import choose_base_url

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping


AS_ONE: Final = (
    "their orders go to one account, and each counts its requests alone; give each a token of its own"
)

_INDEX_LAG: Final = 300.0
_YEAR: Final = 31_536_000.0
_UNITS: Final = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@attrs.frozen
class Problem:
    """Something wrong in a file of settings. It repeats no value, which may be a secret.

    Attributes:
        file: its name.
        key: which one; empty: the file as a whole.
        what: a sentence that goes on after the key.
    """

    file: str
    key: str
    what: str

    def __str__(self) -> str:
        return " ".join(part for part in (f"{self.file}:", self.key, self.what) if part)


class Twins:
    """Finds shops that have one token; it keeps hashes only.

    Both would place the orders of one account, and each would count its requests alone.

    Args:
        shops: that there are; those that are gone may still send for a while.
    """

    def __init__(self, shops: Collection[str]) -> None:
        self._shops = shops
        self._latest: dict[str, tuple[str | None, bytes]] = {}

    def other(self, shop: str, base_url: str | None, token: str) -> str | None:
        """Note a shop's token; return another shop that has it, when the token is a new one.

        Args:
            shop: its name.
            base_url: of its KakaClo: others may have the same tokens.
            token: that was read just now.
        """
        found = (base_url, sha256(token.encode()).digest())
        if self._latest.get(shop) == found or shop not in self._shops:
            return None
        self._latest[shop] = found
        return next((name for name in self._shops if name != shop and self._latest.get(name) == found), None)

    def watched(
        self, source: Callable[[], Awaitable[str]], shop: str, base_url: str | None
    ) -> Callable[[], Awaitable[str]]:
        """Return a token function that tells the log when another shop has the same token."""
        if not isinstance(source, TokenSource):
            return source
        own = source._read  # noqa: SLF001 - packages share privates

        def read() -> str:
            token = own()
            if (other := self.other(shop, base_url, token)) is not None:
                log.error("shops %s and %s have one token: %s", other, shop, AS_ONE)
            return token

        return TokenSource(source.place, read, source.kept)

    def keep(self, shops: Collection[str]) -> None:
        """Forget all shops but these."""
        self._shops = shops
        self._latest = {name: found for name, found in self._latest.items() if name in shops}


def table(
    given: Mapping[str, object], known: Collection[str], place: str, key: str, problems: list[Problem]
) -> Iterator[str]:
    """Yield the keys that are known; note the others, with the nearest name."""
    for name in given:
        if name in known:
            yield name
            continue
        near = get_close_matches(name, known, n=1)
        hint = f": did you mean {near[0]}?" if near else f": there are {', '.join(sorted(known))}"
        problems.append(Problem(place, f"{key}.{name[:40]}".lstrip("."), f"is not known{hint}"))


def text(value: object) -> str:
    """Read a text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be a text")
    return value.strip()


def word(*words: str) -> Callable[[object], str]:
    """Return what reads one of some words."""

    def read(value: object) -> str:
        if value not in words:
            raise ValueError(f"must be {' or '.join(map(repr, words))}".replace("'", '"'))
        return str(value)

    return read


def switch(value: object) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        raise ValueError("must be true or false")  # noqa: TRY004 - as for every other value
    return value


def number(value: object) -> float:
    """Read a number above 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ValueError("must be a number above 0")
    return float(value)


def within(least: float, most: float) -> Callable[[object], float]:
    """Return what reads a number, and refuses those with which nothing could be reckoned."""

    def read(value: object) -> float:
        found = number(value)
        if not least <= found <= most:
            raise ValueError(f"must be from {least:g} to {most:,.15g}")
        return found

    return read


def part(value: object) -> float:
    """Read a number above 0, up to 1."""
    found = number(value)
    if found > 1:
        raise ValueError("must be at most 1")
    return found


def amount(value: object) -> Decimal:
    """Read dollars, with cents."""
    return Decimal(str(within(0.01, 1e9)(value)))


def whole(least: int, most: int) -> Callable[[object], int]:
    """Return what reads a whole number."""

    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(f"must be a whole number, {least} or more")
        if value > most:
            raise ValueError(f"must be at most {most}")
        return value

    return read


def duration(value: object) -> float:
    """Read seconds, up to a year: a number, or "90s", "5m", "1h", "1d"."""
    if isinstance(value, str) and (match := re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd]?)", value.strip())):
        value = float(match[1]) * _UNITS[match[2]]
    try:
        found = number(value)
    except ValueError:
        raise ValueError('must be seconds, or a text such as "90s", "5m" or "1h"') from None
    if not 0.001 <= found <= _YEAR:
        raise ValueError("must be from a millisecond to a year")
    return found


def url_problem(url: str, *, allow_http: bool) -> str | None:
    """Say what is wrong with the URL of an API; None: nothing."""
    try:
        choose_base_url(None, url, allow_http=allow_http)
    except ConfigurationError as error:
        if isinstance(error.__context__, ValueError):  # whose text may repeat a part of it
            return "is no address"
        return (
            str(error)
            .removeprefix("base_url ")
            .replace("allow_http=True (--allow-http)", "allow_http = true")
        )
    return None


def webhook_problem(url: str) -> str | None:
    """Say what is wrong with the URL of a webhook; None: nothing."""
    try:
        Webhook(url, "0123456789abcdef")
    except ConfigurationError as error:
        return str(error).removeprefix("the webhook's URL ").partition("; if that is")[0]
    return None


async def webhook_secret(source: str) -> str:
    """Read the secret of a webhook from its place.

    Raises:
        ConfigurationError: it cannot be read.
    """
    try:
        return await token_from(source)()
    except UnusableToken as error:
        why = str(error).replace("the token", "the secret", 1)
        raise ConfigurationError(f"the webhook's secret cannot be read: {why}") from None


def redirected(shops: Mapping[str, str | None]) -> str | None:
    """Say where shops without a `base_url` go by the environment of this process; None: to KakaClo.

    Args:
        shops: the `base_url` of each.
    """
    alone = sorted(name for name, base_url in shops.items() if base_url is None)
    if not alone or not os.environ.get("KAKACLO_BASE_URL"):
        return None
    return (
        f"{', '.join(alone)}: no base_url, and the environment variable KAKACLO_BASE_URL is set, so these shops ask"
        " there, and not KakaClo"
    )


def too_quick(times: Mapping[str, float]) -> dict[str, str]:
    """Say of which shops the `quiet_time` is too short to be sure, and why, by name."""
    why = (
        f"is below {_INDEX_LAG:g} seconds, for which a list may lack a new order: one in doubt may be found missing,"
        " and be placed twice; that is for sandboxes"
    )
    return {name: why for name, seconds in times.items() if seconds < _INDEX_LAG}
