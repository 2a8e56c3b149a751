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
import threading
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Protocol, cast

import attrs

from kakaclo_async.config import check_number
from kakaclo_async.errors import ConfigurationError, ConnectionFailed, MissingExtra
from kakaclo_async.events import Lane
from kakaclo_async.ratelimit.bucket import BULK_SHARE
from kakaclo_async.ratelimit.local import LONGEST_PAUSE, PERMITS_TO_RECOVER, PROBE_LEASE, SMALLEST_SHARE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from redis.asyncio import Redis

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


@attrs.define(eq=False)
class _Client:
    """A client of Redis on one event loop.

    Attributes:
        redis: opens a connection for each command that is under way, and keeps it.
        script: run by it.
        turns: how many commands may be.
        users: the buckets that use it.
    """

    redis: Redis
    script: _Script
    turns: asyncio.Semaphore
    users: int = 0


class RedisServer:
    """A Redis server whose connections the buckets of many shops share: `RedisBucket(server, key="my-shop")`.

    Each event loop has connections of its own. The last of its buckets closes them: there is nothing else to close.

    Args:
        url: of the Redis server; see `RedisBucket`.
        connections: that one event loop opens at most. A permit takes a call of about a millisecond, so that a few
            serve a thousand shops.

    Raises:
        ConfigurationError: redis-py is not installed, the address cannot be read or is one of a Redis Cluster or
            Sentinel, or `connections` is below 1.
    """

    def __init__(self, url: str, *, connections: int = 10) -> None:
        check_number("connections", connections, least=1, whole=True)
        try:
            from redis import exceptions  # noqa: PLC0415 - an extra
        except ImportError:
            raise MissingExtra("RedisBucket needs redis-py: pip install 'kakaclo[redis]'") from None
        scheme = url.partition(":")[0].lower()
        if "sentinel" in scheme or "cluster" in scheme:
            raise ConfigurationError(_SENTINEL if "sentinel" in scheme else _CLUSTER)
        self._url = url
        self._connections = connections
        self._clients: dict[asyncio.AbstractEventLoop, _Client] = {}
        self._lock = threading.Lock()  # loops run in threads
        self.broken = exceptions.ConnectionError
        self.moved = exceptions.MovedError
        self.refusals = (
            exceptions.AuthenticationError,
            exceptions.AuthenticationWrongNumberOfArgsError,
            exceptions.NoPermissionError,
            exceptions.InvalidResponse,
        )
        self.trouble = (exceptions.RedisError, OSError)
        try:
            pool = self._redis().connection_pool
        except ValueError:
            raise ConfigurationError(
                "the address of Redis must look like redis://host:6379/0, rediss:// or unix://"
            ) from None
        sockets = cast("dict[str, object]", pool.connection_kwargs)
        # Of one answer; a new connection needs several.
        self.patience = 2 * float(cast("float", sockets.get("socket_timeout") or _TIMEOUT))

    def _redis(self) -> Redis:
        from redis import asyncio as redis  # noqa: PLC0415 - an extra
        from redis.asyncio.retry import Retry  # noqa: PLC0415 - an extra
        from redis.backoff import NoBackoff  # noqa: PLC0415 - an extra

        # Not by redis-py, which would repeat a command that took effect whatever it does: see `Remote._run`.
        never = Retry(NoBackoff(), 0, supported_errors=(self.broken,))
        return redis.Redis.from_url(  # pyright: ignore[reportUnknownMemberType] - its **kwargs are untyped
            self._url, socket_timeout=_TIMEOUT, socket_connect_timeout=_TIMEOUT, retry=never
        )

    def __repr__(self) -> str:
        buckets = sum(client.users for client in self._clients.values())
        return f"<RedisServer {buckets} buckets in use>"

    def join(self) -> _Client:
        """Return the running event loop's client, for one more bucket."""
        loop = asyncio.get_running_loop()
        with self._lock:
            client = self._clients.get(loop)
            if client is None:
                redis = self._redis()
                script = cast("_Script", redis.register_script(_script()))
                client = _Client(redis, script, asyncio.Semaphore(self._connections))
                others = {known: made for known, made in self._clients.items() if not known.is_closed()}
                self._clients = {**others, loop: client}
            client.users += 1
        return client

    async def levels(self, limits: Mapping[str, RateLimit]) -> dict[str, float]:
        """Return the permits that are in use in some buckets, without asking for any: 0 where nobody has asked yet.

        Args:
            limits: the shops' limits, by the names of their buckets.

        Raises:
            ConnectionFailed: Redis cannot be used now.
        """
        client = self.join()
        try:
            async with asyncio.timeout(self.patience), client.turns, client.redis.pipeline(False) as line:
                line.time()  # pyright: ignore[reportUnknownMemberType] - its **kwargs are untyped
                for key in limits:
                    line.hmget(_bucket_key(key), ["level", "at"])
                (seconds, microseconds), *found = await line.execute()
        except self.trouble as error:
            why = f"the buckets in Redis cannot be read now ({type(error).__name__})"
            raise ConnectionFailed(why, sent=False) from error
        finally:
            await self.leave(client)
        now = seconds + microseconds / 1e6
        return {
            key: max(0.0, min(limit.burst, float(level)) - limit.per_second * max(0.0, now - float(at)))
            if level is not None
            else 0.0
            for (key, limit), (level, at) in zip(limits.items(), found, strict=True)
        }

    async def leave(self, client: _Client) -> None:
        """Close the client's connections, unless other buckets use them."""
        with self._lock:
            client.users -= 1
            if client.users:
                return
            self._clients = {loop: known for loop, known in self._clients.items() if known is not client}
        with contextlib.suppress(*self.trouble):
            await client.redis.aclose()


def _bucket_key(name: str) -> str:
    return f"{{{name}}}:bucket"


@cache
def _script() -> str:
    return files("kakaclo_async.ratelimit").joinpath("bucket.lua").read_text(encoding="utf-8")


class Remote:
    """The script, run on the Redis server.

    Args:
        server: the Redis server.
        key: the name of the bucket.
        rate: the shop's limit.
    """

    def __init__(self, server: RedisServer, key: str, rate: RateLimit) -> None:
        self._server = server
        self._client: _Client | None = None
        # One hash tag, so that a Redis cluster keeps them together.
        self._keys = [_bucket_key(key), *(f"{{{key}}}:{lane}" for lane in Lane)]
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

    async def run(self, *operation: str | float) -> list[float]:
        """Run the script with an operation and its arguments, and return its numbers.

        Raises:
            ConnectionFailed: Redis does not keep the bucket now: it is away, hangs, loads, or was demoted.
            ConfigurationError: the very first answer of Redis refuses what only other settings can mend.
        """
        now = asyncio.get_running_loop().time()
        if self._asked_at is not None:
            self._settings[-1] = now - self._asked_at + _CLOCK_DRIFT
        server = self._server
        client = self._client = self._client or server.join()
        try:
            async with asyncio.timeout(server.patience), client.turns:
                answer = await self._run(client.script, *operation)
        except server.trouble as error:
            with contextlib.suppress(*server.trouble):
                # After a failover the name may stand for another server. What other buckets use now ends by itself.
                await client.redis.connection_pool.disconnect(inuse_connections=False)
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

    async def _run(self, script: _Script, *operation: str | float) -> Sequence[bytes]:
        """Run it; a kept connection that broke is made anew once, and a Redis that hangs is not waited for twice."""
        arguments = [*self._settings, *operation]
        try:
            return await script(self._keys, arguments)
        except self._server.broken:
            # It may have taken effect. A permit that is taken twice is one too many; given back twice, one too few.
            if operation[0] == "give_back":
                raise
            return await script(self._keys, arguments)

    def _mistake(self, error: Exception) -> str | None:
        """Return what to say of an error that no waiting can heal."""
        if isinstance(error, self._server.moved) or str(error).startswith(
            "MOVED "
        ):  # redis-py 5 has no class for it
            return _CLUSTER
        if isinstance(error, self._server.refusals) or any(text in str(error) for text in _MISTAKES):
            return (
                f"Redis refuses to keep the bucket ({type(error).__name__}): correct the address, its user,"
                " password and database, or the key"
            )
        return None

    async def aclose(self) -> None:
        """Close the connections, unless other buckets use them."""
        client, self._client = self._client, None
        if client is not None:
            await self._server.leave(client)
