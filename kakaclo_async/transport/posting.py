"""Post documents to a receiver of events: not KakaClo, so without its token, permits and answers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

import aiohttp
from yarl import URL

from kakaclo_async.config import __version__
from kakaclo_async.errors import ConnectionFailed
from kakaclo_async.transport import why_it_failed
from kakaclo_async.transport.connections import close_at_once, new_session

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType


class Poster:
    """Posts to one URL. TLS is verified, redirects are not followed, and nothing is repeated.

    Args:
        url: the receiver's; it may hold a secret, and no error shows it.
        host: the receiver, for errors.
    """

    def __init__(self, url: str, host: str) -> None:
        self._url = url
        self._host = host
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = new_session(True, force_close=False)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._session is not None:
            await close_at_once(self._session)

    async def post(self, body: bytes, headers: Mapping[str, str], *, timeout: float) -> int:  # noqa: ASYNC109 - the error says it
        """Post a body, and return the HTTP status of the answer, which is not read.

        Raises:
            ConnectionFailed: no answer, or the body may not have arrived.
        """
        assert self._session is not None  # noqa: S101 - it is entered
        try:
            async with (
                asyncio.timeout(timeout),
                self._session.post(
                    URL(self._url),
                    data=body,
                    headers={**headers, "User-Agent": f"kakaclo-python/{__version__}"},
                    allow_redirects=False,
                    raise_for_status=False,
                ) as response,
            ):
                return response.status
        except TimeoutError:
            why = f"no answer in {timeout:.3g} s"
        except (aiohttp.ClientError, OSError) as error:
            why = why_it_failed(error)
        # Not in a handler: aiohttp's errors hold the URL.
        raise ConnectionFailed(f"webhook {self._host}: {why}", sent=True)
