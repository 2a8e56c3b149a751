"""Rate limiting: the bucket of permits, and the gate with its lanes in front of it.

Every request costs one permit:

    permit = await gate.enter(lane, max_wait=30.0)  # again=True for a retry: to the head of its lane
    with permit:  # permit.waited: seconds in the queue
        ...  # build the request, send it and read the answer

How the block is left tells the gate what became of the request. `RateLimited`: all calls hold, and one probe goes
out after the pause. Nothing, or an error that an answer brought (`APIError`, `DecodeError`): the bucket had room.
`ConnectionFailed` with `sent=False`: the request never left, and its permit goes to the next call. Anything else, such
as no answer or a cancellation, says nothing, and when that request was the probe, the next one is. Code that does not
raise inside the block calls `permit.throttled(retry_after)` or `permit.give_back()` there. A permit always needs its
block: a probe that never reports keeps all other calls waiting, for `PROBE_LEASE` seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
from importlib.resources import files
from typing import TYPE_CHECKING, Protocol, cast

from kakaclo_async.errors import ConfigurationError, ConnectionFailed, MissingExtra
from kakaclo_async.events import Lane
from kakaclo_async.ratelimit.bucket import BULK_SHARE
from kakaclo_async.ratelimit.local import LONGEST_PAUSE, PERMITS_TO_RECOVER, PROBE_LEASE, SMALLEST_SHARE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kakaclo_async.ratelimit.bucket import RateLimit


_TIMEOUT = 1.0
"""Seconds for an answer of Redis: it is near, so a longer wait means trouble."""

_CLOCK_DRIFT = 1.0
"""Seconds by which the Redis server's clock may differ from ours between two calls, a slow network included."""

_DAY = 86400.0

_MISTAKES = ("unknown command", "DB index", "WRONGTYPE", "ACL failure", "NOPERM")
"""Parts of refusals that redis-py has no class for, and that no waiting can heal."""

_ONE_SERVER = (
    "RedisBucket keeps its bucket on one Redis server and speaks to no Redis {}: give the address of"
)
_CLUSTER = _ONE_SERVER.format("Cluster") + " a server outside the cluster"
_SENTINEL = (
    _ONE_SERVER.format("Sentinel") + " the primary that survives a failover: a proxy's, or a name in DNS"
)


class _Script(Protocol):
    async def __call__(self, keys: Sequence[str], args: Sequence[str | float]) -> Sequence[bytes]: ...


class Remote:
    """The script, run on the Redis server.

    Args:
        url: of the Redis server.
        key: the name of the bucket.
        rate: the shop's limit.

    Raises:
        ConfigurationError: redis-py is not installed, or the address cannot be read.
    """

    def __init__(self, url: str, key: str, rate: RateLimit) -> None:
        try:
            from redis import asyncio as redis, exceptions  # noqa: PLC0415 - an extra
            from redis.asyncio.retry import Retry  # noqa: PLC0415 - an extra
            from redis.backoff import NoBackoff  # noqa: PLC0415 - an extra
        except ImportError:
            raise MissingExtra("RedisBucket needs redis-py: pip install 'kakaclo[redis]'") from None
        scheme = url.partition(":")[0].lower()
        if "sentinel" in scheme or "cluster" in scheme:
            raise ConfigurationError(_SENTINEL if "sentinel" in scheme else _CLUSTER)
        # Not by redis-py, which would repeat a command that took effect whatever it does: see `_run`.
        never = Retry(NoBackoff(), 0, supported_errors=(exceptions.ConnectionError,))
        try:
            self._client = redis.Redis.from_url(  # pyright: ignore[reportUnknownMemberType] - its **kwargs are untyped
                url, socket_timeout=_TIMEOUT, socket_connect_timeout=_TIMEOUT, retry=never
            )
        except ValueError:
            raise ConfigurationError(
                "the address of Redis must look like redis://host:6379/0, rediss:// or unix://"
            ) from None
        text = files("kakaclo_async.ratelimit").joinpath("bucket.lua").read_text(encoding="utf-8")
        self._script = cast("_Script", self._client.register_script(text))
        # One hash tag, so that a Redis cluster keeps them together.
        self._keys = [f"{{{key}}}:bucket", *(f"{{{key}}}:{lane}" for lane in Lane)]
        self._settings: list[str | float] = [
            rate.burst,
            rate.per_second,
            LONGEST_PAUSE,
            SMALLEST_SHARE,
            PERMITS_TO_RECOVER,
            BULK_SHARE,
            PROBE_LEASE,
            "",  # seconds that the bucket had counted at the last call
            _DAY,  # seconds since then: the first knows of none
        ]
        self._answered = False
        self._asked_at: float | None = None
        sockets = cast("dict[str, object]", self._client.connection_pool.connection_kwargs)
        # Of one answer; a new connection needs several.
        self._patience = 2 * float(cast("float", sockets.get("socket_timeout") or _TIMEOUT))
        self._broken = exceptions.ConnectionError
        self._moved = exceptions.MovedError
        self._refusals = (
            exceptions.AuthenticationError,
            exceptions.AuthenticationWrongNumberOfArgsError,
            exceptions.NoPermissionError,
            exceptions.InvalidResponse,
        )
        self._trouble = (exceptions.RedisError, OSError)

    async def run(self, *operation: str | float) -> list[float]:
        """Run the script with an operation and its arguments, and return its numbers.

        Raises:
            ConnectionFailed: Redis does not keep the bucket now: it is away, hangs, loads, or was demoted.
            ConfigurationError: the very first answer of Redis refuses what only other settings can mend.
        """
        now = asyncio.get_running_loop().time()
        if self._asked_at is not None:
            self._settings[-1] = now - self._asked_at + _CLOCK_DRIFT
        try:
            async with asyncio.timeout(self._patience):
                answer = await self._run(*operation)
        except self._trouble as error:
            with contextlib.suppress(*self._trouble):
                # After a failover the name may stand for another server.
                await self._client.connection_pool.disconnect()
            if not self._answered and (advice := self._mistake(error)):
                raise ConfigurationError(advice) from error
            raise ConnectionFailed(
                f"the bucket in Redis cannot be reached or used now ({type(error).__name__}): start Redis, or"
                ' choose RedisBucket(..., fallback="local")',
                sent=False,
            ) from error
        self._answered, self._asked_at = True, now
        *numbers, self._settings[-2] = map(float, answer)
        return numbers

    async def _run(self, *operation: str | float) -> Sequence[bytes]:
        """Run it; a kept connection that broke is made anew once, and a Redis that hangs is not waited for twice."""
        arguments = [*self._settings, *operation]
        try:
            return await self._script(self._keys, arguments)
        except self._broken:
            # It may have taken effect. A permit that is taken twice is one too many; given back twice, one too few.
            if operation[0] == "give_back":
                raise
            return await self._script(self._keys, arguments)

    def _mistake(self, error: Exception) -> str | None:
        """Return what to say of an error that no waiting can heal."""
        if isinstance(error, self._moved) or str(error).startswith(
            "MOVED "
        ):  # redis-py 5 has no class for it
            return _CLUSTER
        if isinstance(error, self._refusals) or any(text in str(error) for text in _MISTAKES):
            return (
                f"Redis refuses to keep the bucket ({type(error).__name__}): correct the address, its user,"
                " password and database, or the key"
            )
        return None

    async def aclose(self) -> None:
        """Close the connections."""
        with contextlib.suppress(*self._trouble):
            await self._client.aclose()
