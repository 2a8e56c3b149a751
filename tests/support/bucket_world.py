"""A world for the explorer: processes that share a bucket in Redis, which loses answers, goes away, or fails over.

Gate, bucket, redis-py's retries and the script are the real ones, and a real redis-server runs the script. What is
scripted is the connection, and Redis' clock. KakaClo's own bucket is the judge.
"""

from __future__ import annotations

import asyncio
import contextlib
from importlib.resources import files
from math import inf
from types import SimpleNamespace

import attrs
from redis import exceptions
from support.explorer import Event, Gone, Violation, World, who

from kakaclo_async.errors import ConnectionFailed, RateLimited
from kakaclo_async.events import Lane
from kakaclo_async.ratelimit.bucket import RateLimit
from kakaclo_async.ratelimit.gate import Gate
from kakaclo_async.ratelimit.local import Leak, LocalBucket
from kakaclo_async.ratelimit.redis import RedisBucket
from kakaclo_async.sandbox.world.clock import LeakyBucket

SCRIPT = files("kakaclo_async.ratelimit").joinpath("bucket.lua").read_text(encoding="utf-8")
STEPPED = SCRIPT.replace("redis.call('TIME')", "redis.call('MGET', 'seconds', 'microseconds')")
KEYS = ("{kakaclo}:bucket", "{kakaclo}:interactive", "{kakaclo}:bulk")
RATE = RateLimit(capacity=4, per_second=1.0, margin=0)
RESERVE = 1
LANES = {"i": Lane.INTERACTIVE, "b": Lane.BULK}
WARM = 30.0  # by then all processes know of each other, and the bucket is empty again
SET = 3600.0
EMPTY = ((), (), ())
GRAIN = 0.02  # permits: what the script rounds away


@attrs.frozen
class Bounds:
    """What may happen, and how often.

    Attributes:
        processes: the calls of each: "iib 6 i" are two interactive ones and one in the bulk lane, all at once, and once
            they have ended and 6 seconds are over, another.
        losses: commands, or answers to them, that are lost.
        outages: times that Redis is away, for any time.
        failovers: to a replica that knows nothing, or not the last command.
        unused: requests that never leave, after any time.
        deaths: processes that die.
        sets: times that Redis' clock is set.
        fallback: of the buckets; "none": each has a local bucket of its own.
        horizon: seconds after which nothing new goes wrong.
    """

    processes: tuple = ("iii", "iib")
    losses: int = 0
    outages: int = 0
    failovers: int = 0
    unused: int = 0
    deaths: int = 0
    sets: int = 0
    fallback: str = "error"
    horizon: float = WARM + 20.0


class Server:
    """The script on a real Redis, as a function: what it holds, the time and a command give what it holds then.

    Args:
        client: of a Redis that nobody else uses.
        script: its text.
    """

    def __init__(self, client, script=STEPPED):
        self._client = client
        self._digest = client.script_load(script)
        self._known = {}
        self.executed = 0

    def run(self, held, now, arguments):
        key = (held, now, arguments)
        if (known := self._known.get(key)) is None:
            known = self._known[key] = self._execute(held, now, arguments)
        return known

    def _execute(self, held, now, arguments):
        self.executed += 1
        work = self._client.pipeline(transaction=False)
        work.delete(*KEYS)
        if held[0]:
            work.hset(KEYS[0], mapping=dict(held[0]))
        for name, waiting in zip(KEYS[1:], held[1:], strict=True):
            if waiting:
                work.zadd(name, dict(waiting))
        work.mset({"seconds": int(now), "microseconds": round(now % 1 * 1e6)})
        work.evalsha(self._digest, 3, *KEYS, *arguments)
        work.hgetall(KEYS[0])
        for name in KEYS[1:]:
            work.zrange(name, 0, -1, withscores=True)
        *_, answer, fields, interactive, bulk = work.execute()
        held = (tuple(sorted(fields.items())), tuple(map(tuple, interactive)), tuple(map(tuple, bulk)))
        return held, [bytes(number) for number in answer]


@attrs.define(eq=False)
class Pending:
    """What a process waits for: an answer of Redis, or whether its request leaves."""

    kind: str
    label: str
    future: asyncio.Future
    arguments: tuple = ()
    hangs: bool = False


@attrs.define(eq=False)
class Process:
    """A process with its gate, and all that it has seen."""

    name: str
    gate: Gate
    task: asyncio.Task | None = None
    is_dead: bool = False
    pending: list = attrs.field(factory=list)
    history: int = 0
    untold: float = 0.0

    @property
    def bucket(self):
        return self.gate._bucket

    @property
    def is_alone(self):
        return getattr(self.bucket, "_alone", None) is not None


class Wire:
    """A connection of redis-py, to the server of the world; its pool makes it."""

    def __init__(self, world, process, *, retry, **_):
        self._world, self._process, self._words = world, process, ()
        self.retry, self.db, self.host, self.port = retry, 0, "redis", 0

    async def connect(self):
        pass

    async def disconnect(self, *_, **__):
        pass

    async def can_read(self):
        return False

    async def re_auth(self):
        pass

    def should_reconnect(self):
        return False

    async def send_command(self, *words):
        self._words = words

    async def read_response(self, **_):
        assert self._words[0] == "EVALSHA", self._words
        return await self._world.ask(self._process, tuple(self._words[6:]))


class BucketWorld(World):
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
        self.is_away = False
        self.set_by = 0.0
        self.judge = LeakyBucket(RATE.burst + GRAIN, RATE.per_second, loop.time)
        self.used = LeakyBucket(inf, RATE.per_second, loop.time)
        self.refused, self.forgotten = 0, 0.0
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
            bucket._remote._client.connection_pool.connection_class = lambda **settings: Wire(
                self, process, **settings
            )
        process = self.processes[name] = Process(name, Gate(bucket, reserve=RESERVE))
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
        if self.judge.take():
            self.refused += 1
            raise RateLimited("slow down", retry_after=None)
        self.used.take()

    async def ask(self, process, arguments):
        operation = [_text(word) for word in arguments[8:]]
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
        outcomes = [each for process in live for one in process.pending for each in self._outcomes(process, one)]
        time = self._time(live)
        if self.is_calm:
            return (outcomes or time)[:1]
        busy = [process for process in live if not process.task.done()]
        extra = []
        if self.loop.time() > self.bounds.horizon or not busy:
            time = []
        else:
            extra = [*self._troubles(), *(self._event(f"{one.name} dies", self._die, one, costs="deaths") for one in busy)]
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
            return self._event(f"{process.name} {pending.label}: {label}", do, process, pending, *arguments, costs=costs)

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
                    found.append(event(f"{name}, its answer is lost", self._lose, error, True, costs="losses"))
        return [one for one in found if one is not None]

    def _troubles(self):
        yield self._event("Redis goes away", self._away, costs="outages")
        yield self._event("Redis is restarted, and empty", self._fail_over, EMPTY, costs="failovers")
        if self.before not in (self.held, EMPTY):
            yield self._event(
                "a replica takes over without the last command", self._fail_over, self.before, costs="failovers"
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
        self._answer(process, pending, self._execute(process, pending.arguments))

    def _execute(self, process, arguments):
        self.before, self.touched_before = self.held, self.touched
        now = self.loop.time() + self.set_by + 1000.0
        self.held, answer = self.server.run(self.held, now, arguments)
        self.touched = self.loop.time()
        if arguments[8] == "take":
            process.untold = 0.0
            if arguments[9] == "bulk" and int(float(answer[0])) and self._held("interactive_streak", self.before) < 9:
                if self.level > RATE.burst - RESERVE + GRAIN:
                    raise Violation(f"bulk took from the reserve: {self.level:.2f} of {RATE.burst} are taken")
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
        level = self.level
        if held is self.before:
            self.touched = self.touched_before
        self.held = self.before = held
        self.touched_before = self.touched
        self.forgotten += max(0.0, level - self.level)

    def _set(self, seconds):
        self.set_by += seconds

    def _die(self, process):
        process.is_dead = True
        process.pending.clear()
        self.loop.stop_timers(process.name)

    def _end(self):
        self.ending_since = self.loop.time()
        self.is_away = False
        for process in self.processes.values():
            for pending in [one for one in process.pending if one.hangs]:
                self._leave(process, pending)
        self._begin("z", self._last())

    # What must hold.

    def _held(self, name, held=None):
        fields = dict((self.held if held is None else held)[0])
        return float(fields.get(name.encode(), 1.0 if name == "share" else 0.0))

    @property
    def level(self):
        """Permits that the shared bucket counts as taken now."""
        if self.bounds.fallback == "none":
            return self.processes["a"].bucket.level
        leak = Leak(RATE.per_second, min(1.0, self._held("share")))
        return max(0.0, self._held("level") - leak.permits(self.loop.time() - self.touched))

    def check(self):
        excused = self.forgotten + sum(process.untold for process in self.processes.values())
        surplus = self.used.level - self.level - excused
        if surplus > GRAIN:
            raise Violation(
                f"KakaClo has counted {self.used.level:.2f} requests, the bucket {self.level:.2f}, and {excused:.2f} of"
                " them may be missing"
            )
        may_be_refused = self.bounds.failovers or self.bounds.outages and self.bounds.fallback == "local"
        if self.refused and not may_be_refused:
            raise Violation("KakaClo answered 429")
        if self.broken:
            raise Violation(self.broken)
        for name, process in self.processes.items():
            if process.task.done() and not process.task.cancelled() and process.task.exception():
                raise Violation(f"{name} ended with {process.task.exception()!r}")
        if self.ending_since is not None and self.loop.time() > self.ending_since + 1000:
            raise Violation("calls wait for ever")

    def check_end(self):
        waiting = [name for name, one in self.processes.items() if not (one.is_dead or one.task.done())]
        if waiting:
            raise Violation(f"calls of {', '.join(waiting)} never got a permit")

    def fingerprint(self):
        return (
            self.loop.time(), self.held, self.before, self.touched, self.touched_before, self.is_away, self.set_by, self.ending_since,
            tuple(self.left.items()), round(self.judge.level, 6), round(self.used.level, 6), self.refused,
            self.forgotten,
            tuple(
                (name, one.is_dead, one.history, one.untold, tuple((wait.label, wait.hangs) for wait in one.pending))
                for name, one in self.processes.items()
            ),
        )  # fmt: skip


def _text(word):
    return f"{word:g}" if isinstance(word, float) else str(word)
