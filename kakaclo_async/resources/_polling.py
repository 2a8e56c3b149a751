"""Poll with exponential backoff."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, TypeVar

from kakaclo_async.errors import DeadlineExceeded, KakaCloError
from kakaclo_async.retry import Pauses, may_repeat

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


T = TypeVar("T")

_PAUSES: Final = Pauses(first=1.0, growth=1.5, longest=60.0)


def may_pass(error: KakaCloError) -> bool:
    """Tell whether a look that failed may succeed later: KakaClo is down, or somebody is in the way."""
    return may_repeat(error, writes=False) or isinstance(error, DeadlineExceeded)


async def poll(
    look: Callable[[], Awaitable[T]],
    is_over: Callable[[T], bool],
    *,
    timeout: float | None,  # noqa: ASYNC109 - the last look decides what the error says
    too_late: Callable[[T | None], str],
) -> T:
    """Look until it is over.

    Args:
        look: looks once; a failure that may pass is taken as no news.
        is_over: judges what was seen.
        timeout: seconds at most; None for as long as it takes.
        too_late: tells what the last look showed, if any succeeded, for the error.

    Raises:
        DeadlineExceeded: it is not over after `timeout`.
        KakaCloError: a look failed in a way that will not pass.
    """
    clock = asyncio.get_running_loop().time
    deadline = None if timeout is None else clock() + timeout
    seen: T | None = None
    failure: KakaCloError | None = None
    pauses = iter(_PAUSES)
    while True:
        try:
            seen, failure = await look(), None
            if is_over(seen):
                return seen
        except KakaCloError as error:
            if not may_pass(error):
                raise
            failure = error
        pause = next(pauses)
        left = pause if deadline is None else deadline - clock()
        if left <= 0:
            raise DeadlineExceeded(f"{too_late(seen)} after {timeout:g} s") from failure
        await asyncio.sleep(min(pause, left))
