"""The bucket's script in Redis, and how it is reached."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Protocol, cast

from kakaclo_async.errors import ConfigurationError, ConnectionFailed
from kakaclo_async.events import Lane
from kakaclo_async.traffic.bucket import BULK_SHARE
from kakaclo_async.traffic.throttle import LONGEST_PAUSE, MARBLES_TO_RECOVER, SMALLEST_SHARE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kakaclo_async.traffic.bucket import RateLimit

__all__ = ["Remote"]

_TIMEOUT = 5.0
"""Seconds for an answer of Redis: it is near, and what takes longer is trouble."""

_PROBE_LEASE = 60.0
"""Seconds after which a probe that never reported is given up: its process is gone."""


class _Script(Protocol):
    async def __call__(self, keys: Sequence[str], args: Sequence[str | float]) -> Sequence[bytes]: ...


class Remote:
    """The script, on the server.

    Args:
        url: of the Redis server.
        key: the name of the bucket.
        rate: the shop's limit.

    Raises:
        ConfigurationError: redis-py is not installed, or the address cannot be read.
    """

    def __init__(self, url: str, key: str, rate: RateLimit) -> None:
        try:
            from redis import asyncio as redis  # noqa: PLC0415 - an extra
            from redis import exceptions  # noqa: PLC0415 - an extra
            from redis.asyncio.retry import Retry  # noqa: PLC0415 - an extra
            from redis.backoff import NoBackoff  # noqa: PLC0415 - an extra
        except ImportError:
            raise ConfigurationError("RedisBucket needs redis-py: pip install 'kakaclo[redis]'") from None
        try:
            self._client = redis.Redis.from_url(  # pyright: ignore[reportUnknownMemberType] - its **kwargs are untyped
                url, socket_timeout=_TIMEOUT, socket_connect_timeout=_TIMEOUT, retry=Retry(NoBackoff(), 1)
            )
        except ValueError:
            raise ConfigurationError(
                "the address of Redis must look like redis://host:6379/0, rediss:// or unix://"
            ) from None
        text = files("kakaclo_async.traffic").joinpath("bucket.lua").read_text(encoding="utf-8")
        self._script = cast("_Script", self._client.register_script(text))
        # One hash tag, so that a Redis cluster keeps them together.
        self._keys = [f"{{{key}}}:bucket", *(f"{{{key}}}:{lane}" for lane in Lane)]
        self._settings: list[str | float] = [
            rate.burst,
            rate.per_second,
            LONGEST_PAUSE,
            SMALLEST_SHARE,
            MARBLES_TO_RECOVER,
            BULK_SHARE,
            _PROBE_LEASE,
        ]
        self._refusals = (exceptions.AuthenticationError, exceptions.ResponseError)
        self._trouble = (exceptions.RedisError, OSError)

    async def run(self, *operation: str | float) -> list[float]:
        """Run the script with an operation and its arguments, and return its numbers.

        Raises:
            ConnectionFailed: Redis cannot be reached.
            ConfigurationError: Redis refuses the script: a wrong password, a read-only replica.
        """
        try:
            answer = await self._script(self._keys, [*self._settings, *operation])
        except self._refusals as error:
            raise ConfigurationError(f"Redis refuses to keep the bucket ({type(error).__name__})") from error
        except self._trouble as error:
            raise ConnectionFailed(
                f"the bucket in Redis cannot be reached ({type(error).__name__}): start Redis, or choose"
                ' RedisBucket(..., fallback="local")',
                sent=False,
            ) from error
        return [float(number) for number in answer]

    async def aclose(self) -> None:
        """Close the connection."""
        await self._client.aclose()
