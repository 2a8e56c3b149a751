"""A world for the explorer: processes that share a bucket in Redis, which loses answers, goes away, or fails over.

Gate, bucket and script are the real ones, and so is redis-py above its connections; a real redis-server runs the
script. What is scripted is the connection, and Redis' clock. KakaClo's own bucket is the judge.
"""

from __future__ import annotations

import asyncio
from math import inf

import attrs
from redis import exceptions

from kakaclo_async.errors import ConnectionFailed, RateLimited
from kakaclo_async.events import Lane
from kakaclo_async.ratelimit.gate import Gate
from kakaclo_async.ratelimit.local import LocalBucket
from kakaclo_async.ratelimit.redis import RedisBucket
from kakaclo_async.sandbox.world.clock import LeakyBucket
from support.bucket_parts import EMPTY, GRAIN, LANES, RATE, RESERVE, SET, WARM, Pending, Process, Wire
from support.bucket_promises import BucketPromises
from support.explorer import Event, Gone, who


class BucketWorld(BucketPromises):
    """Processes that make calls at once.

    Args:
        loop: runs them.
        bounds: what may happen.
        server: runs the script.
    """

    def __init__(self, loop, bounds, server):
        super().__init__(loop)
        self.bounds, self.server = bounds, server
        self.left = {name: value for name, value in attrs.asdict(bounds).items() if isinstance(value, int)}
        self.held = self.before = EMPTY
        self.touched = self.touched_before = 0.0
        self.lost = None
        self.is_away = False
        self.set_by = 0.0
        self.judge = LeakyBucket(RATE.burst + GRAIN, RATE.per_second, loop.time)
        self.used = LeakyBucket(inf, RATE.per_second, loop.time)
        self.refused, self.forgotten, self.sent_alone = 0, 0.0, 0
        self.processes = {}
        self.ending_since = None
        self.broken = None

    @property
    def is_calm(self):
        """Whether nothing goes wrong, yet or any more."""
        return self.ending_since is not None or self.loop.time() < WARM

    # The processes.

    def start(self):
        for number, calls in enumerate(self.bounds.processes):
            self._begin("abc"[number], self._live(number, calls))

    def _begin(self, name, life):
        if self.bounds.fallback == "none":
            bucket = LocalBucket(RATE, random=lambda: 0.5)
        else:
            bucket = RedisBucket(
                "redis://redis", rate_limit=RATE, fallback=self.bounds.fallback, random=lambda: 0.5
            )
            bucket._name = name
            server = bucket._remote._server
            make = server._redis

            def redis():
                client = make()
                client.connection_pool.connection_class = lambda **settings: Wire(self, process, **settings)
                return client

            server._redis = redis
        gate = Gate(bucket, reserve=RESERVE)
        if self.bounds.fallback == "none" and self.processes:
            gate = self.processes["a"].gate  # there is one process
        process = self.processes[name] = Process(name, gate)
        token = who.set(name)
        process.task = self.loop.create_task(life)
        who.reset(token)

    async def _live(self, number, calls):
        process = self.processes[who.get()]
        for at in (number, number + 4):
            await asyncio.sleep(at - self.loop.time())
            await self._call(process, Lane.INTERACTIVE)
        await asyncio.sleep(WARM - self.loop.time())
        for group in calls.split():
            if group.isdigit():
                await asyncio.sleep(float(group))
            else:
                await asyncio.gather(*(self._call(process, LANES[lane]) for lane in group))

    async def _call(self, process, lane):
        while True:
            try:
                with await process.gate.enter(lane):
                    await self._request(process)
                    return
            except ConnectionFailed:
                await asyncio.sleep(1)
            except RateLimited:
                pass

    async def _last(self):
        """What must work in the end: after a quiet time all permits are free at once."""
        process = self.processes[who.get()]
        await self._call(process, Lane.INTERACTIVE)
        await asyncio.sleep(400)
        now = self.loop.time()
        await asyncio.gather(*(self._call(process, Lane.INTERACTIVE) for _ in range(RATE.burst)))
        if self.loop.time() > now + 0.001:
            self.broken = f"after a quiet time, {RATE.burst} calls took {self.loop.time() - now:.2f} s"

    async def _request(self, process):
        """Send a request at once, unless it hangs before it leaves."""
        if not self.is_calm and self.left["unused"] and not self.is_over:
            await self._wait(process, Pending("request", "its request", self.loop.create_future()))
        if process.is_alone:
            process.untold += 1
            self.sent_alone += 1
        self.used.take()
        self.broken = self.broken or self._surplus()
        if self.judge.take():
            self.refused += 1
            self.used._level -= 1
            raise RateLimited("slow down", retry_after=None)

    async def ask(self, process, arguments):
        operation = [_text(word) for word in arguments[9:]]
        pending = Pending("redis", " ".join(operation), self.loop.create_future(), arguments)
        return await self._wait(process, pending)

    async def _wait(self, process, pending):
        if self.is_over:
            raise Gone
        if not process.is_dead:
            process.pending.append(pending)
        return await pending.future

    def _answer(self, process, pending, result):
        process.pending.remove(pending)
        process.history = hash((process.history, pending.label, repr(result), self.loop.time()))
        if isinstance(result, BaseException):
            pending.future.set_exception(result)
        else:
            pending.future.set_result(result)

    # What may happen.

    def events(self):
        live = [process for process in self.processes.values() if not process.is_dead]
        outcomes = [
            each for process in live for one in process.pending for each in self._outcomes(process, one)
        ]
        time = self._time(live)
        if self.is_calm:
            return (outcomes or time)[:1]
        busy = [process for process in live if not process.task.done()]
        extra = []
        if self.loop.time() > self.bounds.horizon or not busy:
            time = []
        else:
            extra = [
                *self._troubles(),
                *(self._event(f"{one.name} dies", self._die, one, costs="deaths") for one in busy),
            ]
        if self.is_away:
            extra.append(self._event("Redis is back", self._back))
        if not outcomes and not time:
            extra.append(self._event("nothing fails any more", self._end))
        return [*outcomes, *time, *(event for event in extra if event is not None)]

    def _event(self, label, do, *arguments, costs=None):
        if costs and not self.left[costs]:
            return None

        def happen():
            if costs:
                self.left[costs] -= 1
            do(*arguments)

        return Event(f"{self.loop.time():5.1f}  {label}", happen)

    def _outcomes(self, process, pending):
        def event(label, do, *arguments, costs=None):
            return self._event(
                f"{process.name} {pending.label}: {label}", do, process, pending, *arguments, costs=costs
            )

        if pending.kind == "request":
            found = [event("it leaves" if not pending.hangs else "it never leaves", self._leave)]
            if not pending.hangs:
                found.append(event("it hangs", self._hang, costs="unused"))
        elif self.is_away:
            found = [event("Redis is away", self._lose, exceptions.ConnectionError, False)]
        else:
            found = [event("answered", self._answered)]
            if not self.is_calm:
                for error in (exceptions.ConnectionError, exceptions.TimeoutError):
                    name = error.__name__
                    found.append(event(f"{name}, lost", self._lose, error, False, costs="losses"))
                    found.append(
                        event(f"{name}, its answer is lost", self._lose, error, True, costs="losses")
                    )
        return [one for one in found if one is not None]

    def _troubles(self):
        yield self._event("Redis goes away", self._away, costs="outages")
        yield self._event("Redis is restarted, and empty", self._fail_over, EMPTY, costs="failovers")
        if self.before not in (self.held, EMPTY):
            yield self._event(
                "a replica takes over without the last command",
                self._fail_over,
                self.before,
                costs="failovers",
            )
        for way in (1, -1):
            yield self._event(f"Redis' clock is set by {way * SET:+g} s", self._set, way * SET, costs="sets")

    def _time(self, live):
        timer, waits = self.loop.next_timer(), [one for process in live for one in process.pending]
        moments = [] if timer is None else [timer]
        if any(one.hangs for one in waits):
            moments.append(self.loop.time() + 2 / RATE.per_second)
        if not moments or not all(one.hangs for one in waits):
            return []
        return [self._event(f"... until {min(moments):.1f}", self.loop.jump, min(moments))]

    # What it does.

    def _answered(self, process, pending):
        answer = self._execute(process, pending.arguments)
        if pending.arguments[9] == "take":
            process.heard = (float(answer[3]), self.loop.time())
        self._answer(process, pending, answer)

    def _execute(self, process, arguments):
        self.before, self.touched_before = self.held, self.touched
        now = self.loop.time() + self.set_by + 1e9
        self.held, answer = self.server.run(self.held, now, arguments)
        self.touched = self.loop.time()
        if arguments[9] == "take":
            process.untold = 0.0
            if self.lost:
                # The new server is told what this process last heard, and may miss what others took since.
                self.forgotten += max(0.0, self._now(*self.lost) - self._now(*process.heard))
                self.lost = None
            if arguments[10] == "bulk" and float(answer[0]):
                self.check_reserve()
        return answer

    def _lose(self, process, pending, error, took_effect):
        if took_effect:
            self._execute(process, pending.arguments)
        self._answer(process, pending, error("lost"))

    def _leave(self, process, pending):
        error = ConnectionFailed("no connection", sent=False) if pending.hangs else None
        self._answer(process, pending, error)

    def _hang(self, _, pending):
        pending.hangs = True

    def _away(self):
        self.is_away = True

    def _back(self):
        self.is_away = False

    def _fail_over(self, held):
        level = self.level + (self._now(*self.lost) if self.lost else 0.0)
        if held is self.before:
            self.touched = self.touched_before
        self.held = self.before = held
        self.touched_before = self.touched
        if held == EMPTY:
            self.lost = (level, self.loop.time())
        else:
            self.forgotten += max(0.0, level - self.level)

    def _now(self, level, at):
        return max(0.0, level - RATE.per_second * (self.loop.time() - at))

    def _set(self, seconds):
        self.set_by += seconds
        self.forgotten += RATE.per_second  # a second's doubt

    def _die(self, process):
        process.is_dead = True
        process.pending.clear()
        self.loop.stop_timers(process.name)

    def _end(self):
        self.ending_since = self.loop.time()
        if self.set_by:
            self.forgotten += RATE.burst  # the first call of a process believes the clock
        self.is_away = False
        for process in self.processes.values():
            for pending in [one for one in process.pending if one.hangs]:
                self._leave(process, pending)
        self._begin("z", self._last())


def _text(word):
    return f"{word:g}" if isinstance(word, float) else str(word)
