"""One bucket for many processes and hosts, kept in Redis."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import uuid
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Literal

import attrs

from kakaclo_async.errors import ConfigurationError, ConnectionFailed, KakaCloError
from kakaclo_async.ratelimit import RedisServer, Remote
from kakaclo_async.ratelimit.bucket import TIMER_SLACK, Offer, RateLimit
from kakaclo_async.ratelimit.local import LONGEST_PAUSE, Leak, LocalBucket, View

if TYPE_CHECKING:
    from collections.abc import Callable

    from kakaclo_async.events import Lane


_log = logging.getLogger("kakaclo.bucket")

_ALONE = 1.0
"""Seconds between two looks whether Redis is back, while calls come."""

_Report = tuple[float, tuple[str | float, ...]]


class _Alone(LocalBucket):
    """The bucket of one process while Redis is away: its part of what was left of the shared one."""

    def __init__(
        self,
        view: View,
        rate: RateLimit,
        random: Callable[[], float],
        tell: Callable[[LocalBucket, float | None], None],
    ) -> None:
        super().__init__(rate, random=random)
        self._tell = tell
        self.was_throttled = False
        now, share = asyncio.get_running_loop().time(), 1 / view.processes
        leak = view.leak.after(now - view.at)
        self._began = View(
            now,
            rate.burst - (rate.burst - view.level_at(now)) * share,
            Leak(rate.per_second, leak.share * share),
        )
        hold = max(0.0, view.hold - (now - view.at)) if view.holding else None
        self.start(self._began.level, self._began.leak.share, hold)

    @property
    def spent(self) -> float:
        """Permits that are in the bucket because this process took them alone."""
        return self.level - self._began.level_at(self._now())

    def throttled(self, retry_after: float | None, *, probe: bool) -> None:
        """Note a 429, which is news for the bucket that is in use by now as well."""
        self.was_throttled = True
        super().throttled(retry_after, probe=probe)
        self._tell(self, retry_after)


class RedisBucket:
    """One bucket for all processes that use the same token: `KakaClo(bucket=RedisBucket("redis://..."))`.

    Lanes, reserve, the share of the bulk lane, and the pause with its single probe after a 429 apply to all
    processes together. The Redis server's clock counts. A permit is taken when it is due and never ahead, with
    about one script call each.

    Args:
        url: of the Redis server, or a name that follows the primary: `redis://`, `rediss://` or `unix://`. No Redis
            Cluster, no Sentinel. `?socket_timeout=` takes the seconds to wait for an answer, 1 unless it is there.
            Or a `RedisServer`, whose connections the buckets of many shops share.
        key: the name of the bucket; one for each token.
        rate_limit: the shop's limit, the same in all processes.
        fallback: what happens while Redis is away, hangs, loads or was demoted: "error" raises
            `ConnectionFailed`; "local" lets this process go on with its part of what was left, so that several
            of them together may meet 429s after a while.
        random: gives [0, 1), for the jitter of pauses after a 429.

    Raises:
        ConfigurationError: redis-py is not installed, or the address cannot be read or is one of a Redis
            Cluster or Sentinel.
    """

    instant = False

    def __init__(
        self,
        url: str | RedisServer,
        *,
        key: str = "kakaclo",
        rate_limit: RateLimit = RateLimit(),  # noqa: B008 - frozen
        fallback: Literal["error", "local"] = "error",
        random: Callable[[], float] = random.random,
    ) -> None:
        if not isinstance(url, str | RedisServer):  # pyright: ignore[reportUnnecessaryIsInstance] - callers err
            raise ConfigurationError(
                f"the address of Redis must be a str or a RedisServer, not {type(url).__name__}"
            )
        if not isinstance(rate_limit, RateLimit):  # pyright: ignore[reportUnnecessaryIsInstance] - callers err
            raise ConfigurationError(f"rate_limit must be a RateLimit, not {type(rate_limit).__name__}")
        if fallback not in {"error", "local"}:
            raise ConfigurationError(f'fallback must be "error" or "local", not {fallback!r}')
        self._renew = partial(
            RedisBucket, url, key=key, rate_limit=rate_limit, fallback=fallback, random=random
        )
        server = url if isinstance(url, RedisServer) else RedisServer(url, connections=1)
        self._remote = Remote(server, key, rate_limit)
        self._falls_back = fallback == "local"
        self._alone: _Alone | None = None
        self._spent_alone = 0.0
        self.rate = rate_limit
        self._random = random
        self._name = uuid.uuid4().hex
        self._loop: asyncio.AbstractEventLoop | None = None
        self._view = View(0.0, 0.0, Leak(rate_limit.per_second))
        self._probe = 0
        self._reports: deque[_Report] = deque()
        self._errand: asyncio.Task[None] | None = None
        self._asked_alone = False
        self._closed = asyncio.Event()
        self._turn = asyncio.Lock()

    @property
    def interactive_streak(self) -> int:
        """Permits granted to contended interactive calls since bulk got its last, as last heard."""
        return self._view.interactive_streak if self._alone is None else self._alone.interactive_streak

    @property
    def level(self) -> float:
        """Permits in the bucket now, as last heard; 0: all are free."""
        return self._view.level_at(self._now()) if self._alone is None else self._alone.level

    async def take(self, lane: Lane, wanted: int, *, reserve: int, contended: bool) -> Offer:
        """Take up to `wanted` permits; see `Bucket.take`.

        Raises:
            ConnectionFailed: Redis cannot be used now, and there is no fallback.
            ConfigurationError: Redis refused the very first call: a wrong password, a user without rights.
        """
        self._loop = asyncio.get_running_loop()
        if self._alone is None:
            try:
                return await self._ask(lane, wanted, reserve, contended=contended)
            except ConnectionFailed as error:
                if not self._falls_back:
                    raise
                reason = type(error.__cause__).__name__
                _log.warning("Redis is away (%s): this process goes on with its part of the bucket", reason)
                self._alone = _Alone(self._view, self.rate, self._random, self._throttled_alone)
        self._asked_alone = True
        self._run_errands()
        alone = self._alone
        offer = await alone.take(lane, wanted, reserve=reserve, contended=contended)
        # Whoever waits asks again soon: Redis may be back, and know better.
        return attrs.evolve(offer, wait=min(offer.wait, _ALONE), source=alone)

    async def _ask(self, lane: Lane, wanted: int, reserve: int, *, contended: bool) -> Offer:
        async with self._turn:
            await self._send_reports()
            known = max(0.0, self._view.level_at(self._now()) - self._spent_alone)
            (
                granted,
                wait,
                probe,
                level,
                leak,
                hold,
                streak,
                refusals,
                probes,
                processes,
            ) = await self._remote.run(
                "take", lane, self._name, wanted, reserve, int(contended), known, self._spent_alone
            )
            self._spent_alone = 0.0
        leaking = Leak(self.rate.per_second, min(1.0, leak / self.rate.per_second))
        self._view = View(self._now(), level, leaking, hold, refusals > 0, int(streak), int(processes))
        if probe:
            self._probe = int(probes)
        return Offer(
            int(granted), wait + TIMER_SLACK, bool(probe), until=self._view.empty_at(self.rate.per_second)
        )

    def due(self, permits: float) -> float:
        """Return the seconds until that many permits are free, as far as is known here."""
        if self._alone is not None:
            return self._alone.due(permits)
        view, now = self._view, self._now()
        needed = view.level_at(now) + permits - self.rate.burst
        wait = view.leak.after(now - view.at).seconds(needed) if needed > 0 else 0.0
        return max(wait, view.hold - (now - view.at))

    # What becomes of a permit is told to the bucket that granted it: here, to the one in Redis.

    def give_back(self, permits: int, *, probe: bool) -> None:
        """Return permits that were not used."""
        if permits:
            self._report("give_back", permits)
        if probe:
            self.probed(passed=False)

    def throttled(self, retry_after: float | None, *, probe: bool) -> None:
        """Note a 429: the bucket counts as full, for all processes."""
        asked = min(retry_after or 0.0, LONGEST_PAUSE)
        leaking = self._view.leak.after(self._now() - self._view.at)
        self._view = attrs.evolve(
            self._view, at=self._now(), level=self.rate.burst, leak=leaking, hold=asked, holding=True
        )
        asks = "" if retry_after is None else retry_after
        self._report("refused", asks, int(probe), 0.5 + self._random() / 2, self._probe)
        if self._alone is not None:
            LocalBucket.throttled(self._alone, retry_after, probe=False)

    def probed(self, *, passed: bool) -> None:
        """Note the probe's end."""
        self._report("probed", int(passed), self._probe)

    def _throttled_alone(self, source: LocalBucket, retry_after: float | None) -> None:
        if self._alone is None:
            self.throttled(retry_after, probe=False)
        elif self._alone is not source:
            LocalBucket.throttled(self._alone, retry_after, probe=False)

    def _now(self) -> float:
        # Before the first permit there is no loop, and nothing has happened.
        return 0.0 if self._loop is None else self._loop.time()

    def _report(self, *operation: str | float) -> None:
        self._reports.append((self._now(), operation))
        self._run_errands()

    def _run_errands(self) -> None:
        if self._errand is None and not self._closed.is_set():
            self._errand = asyncio.create_task(self._errands(), name="kakaclo bucket report")

    async def _errands(self) -> None:
        """Send reports, and while this process is alone and calls come, look whether Redis is back."""
        try:
            while self._reports or self._asked_alone:
                self._asked_alone = False
                try:
                    async with self._turn:
                        await self._send_reports()
                        if self._alone is not None:
                            await self._remote.run("look")
                            self._come_back(self._alone)
                except ConnectionFailed:
                    if self._closed.is_set():
                        return
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._closed.wait(), _ALONE)
        except KakaCloError:
            self._alone = None  # the next `take` meets the same, and raises it
        finally:
            self._errand = None

    def _come_back(self, alone: _Alone) -> None:
        now, self._alone = self._now(), None
        _log.info("Redis is back: it keeps the bucket again")
        self._spent_alone += alone.spent  # to what could not be told before Redis went away again
        level = min(self.rate.burst, self._view.level_at(now) + alone.spent)
        leak = self._view.leak.after(now - self._view.at)
        self._view = attrs.evolve(self._view, at=now, level=level, leak=leak, hold=0.0)
        if alone.was_throttled and alone.hold is not None:
            self.throttled(alone.hold, probe=False)

    async def _send_reports(self) -> None:
        """Send what is left to report: a permit given back once at most, the news of a 429 until it is heard."""
        while self._reports:
            at, (kind, *rest) = self._reports[0]
            age = self._now() - at
            if kind == "give_back":
                self._reports.popleft()
                if self._now() >= self._view.empty_at(self.rate.per_second):
                    continue  # it leaked out while Redis was away
            if kind == "refused" and rest[0] != "":
                rest[0] = max(0.0, float(rest[0]) - age)
            if age <= LONGEST_PAUSE:
                await self._remote.run(kind, *rest)
            if kind != "give_back":
                self._reports.popleft()

    def renewed(self) -> RedisBucket:
        """Return the same bucket with no connections yet; see `Bucket.renewed`."""
        return self._renew()

    async def aclose(self) -> None:
        """Send the reports that are left, unless Redis is away, and close the connection."""
        self._closed.set()
        if self._errand is not None:
            await self._errand
        await self._remote.aclose()

    def __repr__(self) -> str:
        rate = self.rate
        state = "" if self._alone is None else " (alone)"
        return f"<RedisBucket {self.level:.1f}/{rate.burst} leaking {rate.per_second:g}/s{state}>"
