"""The access token: read before each request, never shown."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from kakaclo_async.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


_SHORTEST = 6  # characters; replacing less would garble sentences, and is no secret


class Token:
    """An access token, or the function that fetches it.

    Args:
        source: the token, a function that returns one (sync or async; it is asked before each request, so it
            should cache), or None for the environment variable KAKACLO_TOKEN.
    """

    __slots__ = ("_source",)

    def __init__(self, source: str | Callable[[], str | Awaitable[str]] | None) -> None:
        if source is None:
            source = os.environ.get("KAKACLO_TOKEN")
        if source is None:
            raise ConfigurationError(
                "no access token: pass token= or set KAKACLO_TOKEN"
                " (tokens are made at https://kakaclo.com/personal-center/api-setting)"
            )
        self._source = source if callable(source) else _checked(source)

    async def read(self) -> str:
        """Return the token to send now."""
        if isinstance(self._source, str):
            return self._source
        found = self._source()
        return _checked(found if isinstance(found, str) else await found)

    def scrub(self, text: str) -> str:
        """Return `text` without the token, should a server have echoed it."""
        known = isinstance(self._source, str) and len(self._source) >= _SHORTEST
        return text.replace(str(self._source), "***") if known else text

    def __repr__(self) -> str:
        return "Token(***)"


def _checked(token: str) -> str:
    # A line break would start a header of its own; a token has no use for blanks or other alphabets.
    if not token or not token.isascii() or any(c.isspace() or not c.isprintable() for c in token):
        raise ConfigurationError("the access token is empty or holds characters that no token has")
    return token
