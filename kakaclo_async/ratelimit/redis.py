"""One bucket for many processes and hosts, kept in Redis."""

from __future__ import annotations

import asyncio
import contextlib
import random
import uuid
from collections import deque
from functools import partial
from importlib.resources import files
from typing import TYPE_CHECKING, Literal, Protocol, cast

import attrs

from kakaclo_async.errors import ConfigurationError, ConnectionFailed, KakaCloError
from kakaclo_async.events import Lane
from kakaclo_async.ratelimit.bucket import BULK_SHARE, TIMER_SLACK, Offer, RateLimit
from kakaclo_async.ratelimit.local import (
    LONGEST_PAUSE,
    PERMITS_TO_RECOVER,
    PROBE_LEASE,
    SMALLEST_SHARE,
    Leak,
    LocalBucket,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


_TIMEOUT = 5.0
"""Seconds for an answer of Redis: it is near, so a longer wait means trouble."""


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
            raise ConfigurationError("RedisBucket needs redis-py: pip install 'kakaclo[redis]'") from None
        try:
            self._client = redis.Redis.from_url(  # pyright: ignore[reportUnknownMemberType] - its **kwargs are untyped
                url, socket_timeout=_TIMEOUT, socket_connect_timeout=_TIMEOUT, retry=Retry(NoBackoff(), 1)
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
        """Close the connections."""
        await self._client.aclose()


_ALONE = 5.0
"""Seconds to go on alone before Redis is tried again."""


class RedisBucket:
    """One bucket for all processes that use the same token: `KakaClo(bucket=RedisBucket("redis://..."))`.

    Lanes, reserve, the share of the bulk lane, and the pause with its single probe after a 429 apply to all
    processes together. The Redis server's clock counts. A permit is taken when it is due and never ahead, with
    about one script call each.

    Args:
        url: of the Redis server: `redis://`, `rediss://` or `unix://`.
        key: the name of the bucket; one for each token.
        rate_limit: the shop's limit, the same in all processes.
        fallback: what happens while Redis cannot be reached: "error" raises `ConnectionFailed`; "local" lets
            this process go on with a bucket of its own, so that several of them together may meet 429s.
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
        if fallback not in {"error", "local"}:
            raise ConfigurationError(f'fallback must be "error" or "local", not {fallback!r}')
        self._renew = partial(
            RedisBucket, url, key=key, rate_limit=rate_limit, fallback=fallback, random=random
        )
        self._remote = Remote(url, key, rate_limit)
        self._local = LocalBucket(rate_limit, random=random) if fallback == "local" else None
        self._alone_until: float | None = None
        self.rate = rate_limit
        self._random = random
        self._name = uuid.uuid4().hex
        self._loop: asyncio.AbstractEventLoop | None = None
        self._view = _View(0.0, Leak(rate_limit.per_second), hold=0.0, interactive_streak=0, at=0.0)
        self._reports: deque[tuple[str | float, ...]] = deque()
        self._reporting: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()

    @property
    def interactive_streak(self) -> int:
        """Permits granted to contended interactive calls since bulk got its last, as last heard."""
        return self._view.interactive_streak if self._alone is None else self._alone.interactive_streak

    @property
    def level(self) -> float:
        """Permits in the bucket now, as last heard; 0: all are free."""
        return self._view.level_at(self._now()) if self._alone is None else self._alone.level

    @property
    def _alone(self) -> LocalBucket | None:
        """The bucket of our own, while we go on alone."""
        return None if self._alone_until is None else self._local

    async def take(self, lane: Lane, wanted: int, *, reserve: int, contended: bool) -> Offer:
        """Take up to `wanted` permits; see `Bucket.take`.

        Raises:
            ConnectionFailed: Redis cannot be reached, and there is no fallback.
            ConfigurationError: Redis refuses the script: a wrong password, a read-only replica.
        """
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        now = self._now()
        if self._alone_until is None or now >= self._alone_until:
            try:
                return await self._ask(lane, wanted, reserve, contended=contended)
            except ConnectionFailed:
                if self._local is None:
                    raise
                self._alone_until = now + _ALONE
        bucket = cast("LocalBucket", self._local)
        return await bucket.take(lane, wanted, reserve=reserve, contended=contended)

    async def _ask(self, lane: Lane, wanted: int, reserve: int, *, contended: bool) -> Offer:
        async with self._turn:
            await self._send_reports()
            granted, wait, probe, level, leak, hold, interactive_streak = await self._remote.run(
                "take", lane, self._name, wanted, reserve, int(contended)
            )
        self._alone_until = None
        leaking = Leak(self.rate.per_second, min(1.0, leak / self.rate.per_second))
        self._view = _View(level, leaking, hold, int(interactive_streak), self._now())
        return Offer(int(granted), wait + TIMER_SLACK, bool(probe))

    def due(self, permits: float) -> float:
        """Return the seconds until that many permits are free, as far as is known here."""
        if self._alone is not None:
            return self._alone.due(permits)
        view, now = self._view, self._now()
        needed = view.level_at(now) + permits - self.rate.burst
        wait = view.leak.after(now - view.at).seconds(needed) if needed > 0 else 0.0
        return max(wait, view.hold - (now - view.at))

    def give_back(self, permits: int, *, probe: bool) -> None:
        """Return permits that were not used."""
        if self._alone is not None:
            self._alone.give_back(permits, probe=probe)
            return
        self._report("give_back", permits)
        if probe:
            self._report("probed", 0)

    def throttled(self, retry_after: float | None, *, probe: bool) -> None:
        """Note a 429: the bucket counts as full, for all processes."""
        if self._alone is not None:
            self._alone.throttled(retry_after, probe=probe)
            return
        asked = min(retry_after or 0.0, LONGEST_PAUSE)
        leaking = self._view.leak.after(self._now() - self._view.at)
        self._view = attrs.evolve(self._view, level=self.rate.burst, leak=leaking, hold=asked, at=self._now())
        self._report(
            "refused", "" if retry_after is None else retry_after, int(probe), 0.5 + self._random() / 2
        )

    def probed(self, *, passed: bool) -> None:
        """Note the probe's end."""
        if self._alone is not None:
            self._alone.probed(passed=passed)
        else:
            self._report("probed", int(passed))

    def _now(self) -> float:
        # Before the first permit there is no loop, and nothing has happened.
        return 0.0 if self._loop is None else self._loop.time()

    def _report(self, *report: str | float) -> None:
        self._reports.append(report)
        if self._reporting is None:
            self._reporting = asyncio.create_task(self._send_reports_alone(), name="kakaclo bucket report")

    async def _send_reports_alone(self) -> None:
        with contextlib.suppress(KakaCloError):  # the next `take` reports the trouble
            async with self._turn:
                await self._send_reports()
        self._reporting = None

    async def _send_reports(self) -> None:
        while self._reports:
            await self._remote.run(*self._reports.popleft())

    def renewed(self) -> RedisBucket:
        """Return the same bucket with no connections yet; see `Bucket.renewed`."""
        return self._renew()

    async def aclose(self) -> None:
        """Send the reports that are left, and close the connection."""
        if self._reporting is not None:
            await self._reporting
        await self._remote.aclose()

    def __repr__(self) -> str:
        rate = self.rate
        state = "" if self._alone is None else " (alone)"
        return f"<RedisBucket {self.level:.1f}/{rate.burst} leaking {rate.per_second:g}/s{state}>"


@attrs.frozen(slots=True)
class _View:
    """What was last heard of the bucket.

    Attributes:
        level: permits in it.
        leak: how it leaks from then on.
        hold: seconds that all calls hold after a 429.
        interactive_streak: see `Bucket.interactive_streak`.
        at: the loop's time when it was heard.
    """

    level: float
    leak: Leak
    hold: float
    interactive_streak: int
    at: float

    def level_at(self, now: float) -> float:
        return max(0.0, self.level - self.leak.permits(now - self.at))
