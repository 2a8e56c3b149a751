"""One bucket for many processes and hosts, kept in Redis."""

from __future__ import annotations

import asyncio
import contextlib
import random
import uuid
from collections import deque
from importlib.resources import files
from typing import TYPE_CHECKING, Literal, Protocol, cast

import attrs

from kakaclo_async.errors import ConfigurationError, ConnectionFailed, KakaCloError
from kakaclo_async.traffic.bucket import BULK_SHARE, HAIR, Offer, RateLimit
from kakaclo_async.traffic.local import LocalBucket
from kakaclo_async.traffic.throttle import LONGEST_PAUSE, MARBLES_TO_RECOVER, SMALLEST_SHARE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kakaclo_async.events import Lane

__all__ = ["RedisBucket"]

# Redis is near: what takes longer is trouble.
_TIMEOUT = 5.0
# Seconds to go on alone before Redis is tried again.
_ALONE = 5.0
# Seconds after which a probe that never reported is given up: its process is gone.
_PROBE_LEASE = 60.0


class _Script(Protocol):
    async def __call__(self, keys: Sequence[str], args: Sequence[str | float]) -> Sequence[bytes]: ...


@attrs.frozen(slots=True)
class _View:
    """What was last heard of the bucket.

    Attributes:
        level: marbles in it.
        leak: marbles that leak per second.
        hold: seconds that everybody holds after a 429.
        skipped: see `Bucket.skipped`.
        at: the loop's time when it was heard.
    """

    level: float
    leak: float
    hold: float
    skipped: int
    at: float


class RedisBucket:
    """One bucket for all processes that use the same token: `KakaClo(bucket=RedisBucket("redis://..."))`.

    Lanes, reserve, the share of the bulk lane and the pause with its single probe after a 429 hold for all
    processes together. The Redis server's clock counts. A marble is taken when it is due and never ahead, with
    about one script call each.

    Args:
        url: of the Redis server: `redis://`, `rediss://` or `unix://`.
        key: the name of the bucket; one for each token.
        rate_limit: the shop's limit, the same in all processes.
        fallback: what happens while Redis cannot be reached: "error" raises `ConnectionFailed`; "local" lets this
            process go on with a bucket of its own, so that several of them together will meet 429s.
        random: gives [0, 1), for the jitter of pauses after a 429.

    Raises:
        ConfigurationError: redis-py is not installed, or the address cannot be read.
    """

    instant = False

    def __init__(
        self,
        url: str,
        *,
        key: str = "kakaclo",
        rate_limit: RateLimit = RateLimit(),  # noqa: B008 - frozen
        fallback: Literal["error", "local"] = "error",
        random: Callable[[], float] = random.random,
    ) -> None:
        try:
            from redis import asyncio as redis  # noqa: PLC0415 - an extra
        except ImportError:
            raise ConfigurationError("RedisBucket needs redis-py: pip install 'kakaclo[redis]'") from None
