"""What the explorer's world of the shared bucket is made of: its bounds, the server, the connections, the processes."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

import attrs

from kakaclo_async.events import Lane
from kakaclo_async.ratelimit.bucket import RateLimit

if TYPE_CHECKING:
    import asyncio

    from kakaclo_async.ratelimit.gate import Gate

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
    heard: tuple = (0.0, 0.0)

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
