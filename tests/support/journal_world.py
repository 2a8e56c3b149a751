"""A world for the explorer: workers with one journal, a KakaClo that fails, clocks that are set, and deaths.

The journal, the client and the SQL are the real ones. Only the wire is scripted, and when each transaction runs. The
seconds are small, in the proportions of the real ones: what a request may travel and the index lag fit into the quiet
time, with nothing to spare.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from datetime import UTC, datetime
from email.utils import format_datetime
from types import SimpleNamespace

import attrs
from sqlalchemy import CursorResult, StaticPool, create_engine
from support.explorer import Event, Gone, Violation, World, who
from support.shop import ADDRESS, UNLIMITED

from kakaclo_async import Item, KakaClo, KakaCloError, NewOrder, OutcomeUnknown
from kakaclo_async.database.engines import Transactions, _set_up_sqlite
from kakaclo_async.errors import ConnectionFailed, DatabaseAway
from kakaclo_async.ordering import Journal
from kakaclo_async.ordering.database import MIGRATIONS
from kakaclo_async.protocol import Answer
from kakaclo_async.retry import Pauses

_NEVER_WRITTEN = {"reads what is open (refund)", "reads what is open (design)"}
START = 1_760_000_000.0
LEASE, TIMEOUT, QUIET = 6.0, 3.0, 10.0
TRAVEL, LAG = 4.0, 5.9  # together a little less than the quiet time
POLL = 3.5  # between two looks at what another worker sends, or at KakaClo
SET = 40.0  # by which the wall clock is set: more than lease, time-out and quiet time together
KEY = "SHOP-1"
ORDER = NewOrder(address=ADDRESS, items=[Item("SKU", 1)], custom_order_id=KEY)


@attrs.frozen
class Bounds:
    """What may happen, and how often.

    Attributes:
        workers: the programs of the processes, each "submit", "look", "settle" or "finish", with seconds to begin
            after: "settle 12".
        losses: requests, or answers to them, that are lost, or arrive after their sender gave them up.
        refusals: POSTs that KakaClo declines.
        crashes: workers that die.
        stalls: transactions, requests and their answers that take any time; others take none.
        sets: times that the wall clock is set, ahead or back.
        failures: transactions that fail, before or after they took effect.
        directions: in which the clock is set.
        has_date: whether KakaClo's answers have a `Date`.
        horizon: seconds after which nothing new goes wrong.
    """

    workers: tuple = ("submit", "submit")
    losses: int = 1
    refusals: int = 0
    crashes: int = 0
    stalls: int = 0
    sets: int = 0
    failures: int = 0
    directions: tuple = (1, -1)
    has_date: bool = True
    horizon: float = 60.0


class Machine:
    """Stands for the system's clocks and its randomness, in the modules that use them."""

    world = None

    @classmethod
    def patch(cls, monkeypatch):
        """Let the journal live in the world that is being explored."""
        machine = cls()
        clocks = SimpleNamespace(time=machine.time, monotonic=lambda: machine.world.loop.time())
        for module in ("sending", "ordering.leases", "ordering.writes"):
            monkeypatch.setattr(f"kakaclo_async.{module}.time", clocks)
        token = SimpleNamespace(token_hex=lambda _: machine.world.processes[who.get()].new_token())
        monkeypatch.setattr("kakaclo_async.ordering.leases.secrets", token)
        monkeypatch.setattr("kakaclo_async.ordering.journal.wall_clock", machine.now)
        monkeypatch.setattr("kakaclo_async.ordering.journal._PAUSES", Pauses(POLL, 1.0, POLL))
        monkeypatch.setattr("kakaclo_async.ordering.reconcile._FIRST_PAUSE", POLL)
        return machine

    def time(self):
        return START + self.world.loop.time() + self.world.set_by

    def now(self):
        return datetime.fromtimestamp(self.time(), UTC)


class Disk:
    """The one database: SQLite in memory, each transaction as the journal runs it.

    A transaction of the same process with the same past, on the same rows and at the same time, has the same result:
    it is run once.
    """

    def __init__(self):
        self._raw = sqlite3.connect(":memory:", check_same_thread=False)
        self._engine = create_engine("sqlite://", creator=lambda: self._raw, poolclass=StaticPool)
        _set_up_sqlite(self._engine, "BEGIN IMMEDIATE")
        self._transactions = Transactions(self._engine)
        self._run(lambda connection: MIGRATIONS.migrate(connection, make=True))
        self._columns = [name for _, name, *_ in self._raw.execute("PRAGMA table_info(kakaclo_write)")]
        self._known = {}
        self.executed = 0

    def _run(self, work):
        return self._transactions._run(self._engine, work)

    def run(self, rows, work, past):
        """Run a transaction on some rows; return them as they are then, and its result or what it raised."""
        if (known := self._known.get((rows, past))) is None:
            known = self._known[rows, past] = self._execute(rows, work)
        return known

    def _execute(self, rows, work):
        self.executed += 1
        self._raw.execute("DELETE FROM kakaclo_write")
        marks = ", ".join("?" * len(self._columns))
        self._raw.executemany(f"INSERT INTO kakaclo_write VALUES ({marks})", rows)  # noqa: S608 - marks alone
        try:
            result = self._run(work)
        except Exception as error:  # noqa: BLE001 - the journal gets it
            result = error
        return tuple(self._raw.execute("SELECT * FROM kakaclo_write").fetchall()), result

    def fields(self, row):
        return dict(zip(self._columns, row, strict=True))


@attrs.define(eq=False)
class Pending:
    """What a process waits for: a transaction, or an answer.

    Attributes:
        kind: "database", "POST" or "GET".
        label: for traces.
        future: ends the wait.
        work: the transaction.
        until: when its sender gives up.
        arrived: whether the order was made.
        is_slow: whether time may pass meanwhile.
        results: what a transaction came to, while that is on its way back.
    """

    kind: str
    label: str
    future: asyncio.Future
    work: object = None
    until: float = float("inf")
    arrived: bool = False
    is_slow: bool = False
    results: list = attrs.field(factory=list)


@attrs.define(eq=False)
class Process:
    """A worker's process: what it waits for, and all that it has seen, which decides what it does next."""

    name: str
    journal: Journal
    kk: KakaClo
    task: asyncio.Task | None = None
    is_dead: bool = False
    pending: list = attrs.field(factory=list)
    history: int = 0
    tokens: int = 0
    heard: object = None
    posts: list = attrs.field(factory=list)

    def new_token(self):
        self.tokens += 1
        return f"{self.name}.{self.tokens}"

    @property
    def has_begun(self):
        """Whether anything happened to it."""
        return self.history != 0 or any(one.is_slow for one in self.pending)

    @property
    def is_idle(self):
        """Whether nothing of it runs any more."""
        return self.is_dead or all(task.done() for task in self.task.get_loop().tasks[self.name])


@attrs.define(eq=False)
class Placed:
    """An order at KakaClo, or one on its way there."""

    by: str
    number: str = ""
    at: float = 0.0
    until: float = 0.0


class JournalWorld(World):
    """Workers that submit one order.

    Args:
        loop: runs them.
        bounds: what may happen.
        machine: their clocks.
        disk: their database.
    """

    def __init__(self, loop, bounds, machine, disk):
        super().__init__(loop)
        self.bounds = bounds
        self.left = attrs.asdict(bounds)
        self.set_by = 0.0
        self.machine, machine.world = machine, self
        self.disk, self.rows = disk, ()
        self.orders: list[Placed] = []
        self.travelling: list[Placed] = []
        self.processes: dict[str, Process] = {}
        self.programs: dict[str, str] = {}
        self.ending_since = None

    # The processes.

    def start(self):
        from kakaclo_async.ordering.writes import witnesses

        witnesses.clear()
        for number, program in enumerate(self.bounds.workers, 1):
            self._begin(f"w{number}", program)

    def _begin(self, name, program):
        self.programs[name] = program
        journal = Journal(f"sqlite:////nowhere/{name}.db", quiet_time=QUIET, lease=LEASE, now=self.machine.now)
        kk = KakaClo("t", base_url="http://127.0.0.1:1", rate_limit=UNLIMITED, timeout=TIMEOUT, max_attempts=1)
        process = self.processes[name] = Process(name, journal, kk)
        journal._database._transactions = SimpleNamespace(run=lambda work: self._transact(process, work))
        journal._database._is_ready = True
        kk._sender.state.transport = SimpleNamespace(send=lambda *a, **k: self._send(process, *a, **k))
        token = who.set(name)
        process.task = self.loop.create_task(self._run(process, program))
        who.reset(token)

    async def _run(self, process, program):
        what, _, delay = program.partition(" ")
        if delay:
            await asyncio.sleep(float(delay))
        try:
            if what == "settle":
                process.heard = await process.journal.settle(process.kk)
            elif what == "finish":
                process.heard = await process.journal.finish(process.kk)
            else:
                timeout = {"submit": None, "look": POLL + 1, "once": 0.0}[what]
                made = await process.kk.orders.submit(ORDER, journal=process.journal, timeout=timeout)
                process.heard = made.id
        except KakaCloError as error:
            process.heard = error

    async def _transact(self, process, work):
        label = _name_of(work)
        if label in _NEVER_WRITTEN and not self.is_over and not process.is_dead:
            return ()  # nobody writes those
        return await self._wait(process, "database", label, work=work)

    async def _send(self, process, request, _token, *, timeout):
        writes = request.method == "POST"
        return await self._wait(process, request.method, request.method, until=self.loop.time() + timeout * writes)

    async def _wait(self, process, kind, label, **more):
        if self.is_over:
            raise Gone
        pending = Pending(kind, label, self.loop.create_future(), **more)
        if not process.is_dead:
            process.pending.append(pending)
        return await pending.future

    def _answer(self, process, pending, result):
        """Let a process go on, with a result or an exception."""
        process.pending.remove(pending)
        seen = result.body if isinstance(result, Answer) else repr(result)
        if isinstance(result, CursorResult):
            seen = "written"  # what its users know of it
        process.history = hash((process.history, pending.label, seen, self.loop.time(), self.set_by))
        if isinstance(result, BaseException):
            pending.future.set_exception(result)
        else:
            pending.future.set_result(result)

    # What may happen.

    def events(self):
        live = [process for process in self.processes.values() if not process.is_dead]
        outcomes = [
            each
            for process in live
            if not self._has_a_twin(process)
            for one in process.pending
            for each in self._outcomes(process, one)
        ]
        if self.ending_since is not None:
            return (outcomes or self._arrivals(due=True) or self._time(live))[:1]
        busy = [process for process in live if not process.is_idle]
        time = self._time(live) if busy and self.loop.time() <= self.bounds.horizon else []
        extra = self._arrivals()
        if self.left["crashes"]:
            extra += [death for process in busy for death in self._deaths(process)]
        if self.left["sets"] and busy:
            extra += [
                self._event(f"the clock is set by {way * SET:+g} s", self._set, way * SET, costs="sets")
                for way in self.bounds.directions
            ]
        if not outcomes and not time:
            extra.append(self._event("nothing fails any more, and a new worker submits it", self._end))
        return [*outcomes, *time, *extra]

    def _has_a_twin(self, process):
        """Tell whether another process with the same program has not begun either: it does not matter which begins."""
        names = [name for name, one in self.processes.items() if not (one.has_begun or one.is_dead)]
        twins = [name for name in names if self.programs[name] == self.programs[process.name]]
        return process.name in twins[1:]

    def _event(self, label, do, *arguments, costs=None):
        def happen():
            if costs:
                self.left[costs] -= 1
            do(*arguments)

        return Event(f"{self.loop.time():5.1f}  {label}", happen)

    def _outcomes(self, process, pending):
        def event(label, do, *arguments, costs=None):
            return self._event(f"{process.name} {label}", do, process, pending, *arguments, costs=costs)

        may = {name: bool(left) and self.ending_since is None for name, left in self.left.items()}
        if may["stalls"] and not pending.is_slow:
            yield event(f"{pending.label}: takes its time", self._slow_down, costs="stalls")
        if pending.results:
            yield event(f"{pending.label}: the answer comes", self._commit_and_tell)
        elif pending.kind == "database":
            yield event(pending.label, self._commit_and_tell)
            if may["stalls"] and not pending.is_slow:
                yield event(f"{pending.label}: the answer takes its time", self._commit_slowly, costs="stalls")
            if may["failures"]:
                yield event(f"{pending.label}: the database fails before", self._fail, False, costs="failures")
                yield event(f"{pending.label}: the database fails after", self._fail, True, costs="failures")
        elif pending.kind == "GET":
            yield event("looks, and sees all", self._list, 0.0)
            if self.ending_since is None and any(self.loop.time() - order.at < LAG for order in self.orders):
                yield event("looks, and the index lags", self._list, LAG)
            if may["losses"]:
                yield event("looks, and gets a 501", self._refuse, 501, costs="losses")
        elif pending.arrived:
            yield event("POST is answered", self._place)
            if may["losses"]:
                yield event("POST's answer is lost", self._lose, "arrived", costs="losses")
        else:
            yield event("POST arrives, and is answered", self._place)
            if pending.is_slow:
                yield event("POST arrives, its answer does not yet", self._arrive_slowly)
            if may["losses"]:
                yield event("POST arrives, its answer is lost", self._lose, "arrives", costs="losses")
                yield event("POST is lost", self._lose, "gone", costs="losses")
                yield event("POST is given up, and travels on", self._lose, "late", costs="losses")
            if may["refusals"]:
                yield event("POST is refused", self._refuse, 400, costs="refusals")
                yield event("POST never leaves", self._never, costs="refusals")

    def _arrivals(self, *, due=False):
        return [
            self._event(f"the POST that {one.by} gave up arrives", self._arrive, one)
            for one in self.travelling
            if not due or one.until <= self.loop.time()
        ]

    def _deaths(self, process):
        yield self._event(f"{process.name} dies", self._die, process, False, costs="crashes")
        if any(pending.kind == "POST" and not pending.arrived for pending in process.pending):
            yield self._event(f"{process.name} dies, its POST travels on", self._die, process, True, costs="crashes")

    def _time(self, live):
        """Let the clock move to the next moment at which something happens by itself."""
        now, timer = self.loop.time(), self.loop.next_timer()
        waits = [pending for process in live for pending in process.pending]
        limits = [one.until for one in self.travelling] + [one.until for one in waits if one.kind == "POST"]
        moments = limits if timer is None else [*limits, timer]
        if not moments or min(limits, default=now + 1) <= now or not all(one.is_slow for one in waits):
            return []
        return [self._event(f"... until {min(moments):.1f}", self.loop.jump, min(moments))]

    # What it does.

    def _commit(self, process, pending):
        past = (process.name, process.history, pending.label, self.loop.time(), self.set_by)
        self.rows, result = self.disk.run(self.rows, pending.work, past)
        return result

    def _commit_and_tell(self, process, pending):
        result = pending.results[0] if pending.results else self._commit(process, pending)
        self._answer(process, pending, result)

    def _commit_slowly(self, process, pending):
        pending.results.append(self._commit(process, pending))
        pending.is_slow = True

    def _slow_down(self, _, pending):
        pending.is_slow = True

    def _fail(self, process, pending, after):
        if after:
            self._commit(process, pending)
        self._answer(process, pending, DatabaseAway("the database is away"))

    def _place(self, process, pending):
        if not pending.arrived:
            self._arrive_slowly(process, pending)
        number = next(order.number for order in reversed(self.orders) if order.by == process.name)
        self._answer(process, pending, self._document(number))

    def _arrive_slowly(self, process, pending):
        pending.arrived = True
        self._arrive(Placed(process.name))

    def _arrive(self, one):
        if one in self.travelling:
            self.travelling.remove(one)
        one.number, one.at = f"{1001 + len(self.orders)}", self.loop.time()
        self.orders.append(one)

    def _lose(self, process, pending, how):
        if how == "arrives":
            self._arrive(Placed(process.name))
        elif how == "late":
            self._travel(process)
        self._answer(process, pending, ConnectionFailed("the connection was reset", sent=True))

    def _travel(self, process):
        self.travelling.append(Placed(process.name, until=self.loop.time() + TRAVEL))

    def _never(self, process, pending):
        self._answer(process, pending, ConnectionFailed("no connection", sent=False))

    def _refuse(self, process, pending, status):
        self._answer(process, pending, self._document(None, status=status, code=status))

    def _list(self, process, pending, lag):
        shown = [order for order in self.orders if self.loop.time() - order.at >= lag]
        rows = [
            {
                "id": order.number,
                "customOrderId": KEY,
                "createDate": datetime.fromtimestamp(START + order.at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "orderItems": [{"skuCode": "SKU", "productNum": 1}],
            }
            for order in shown
        ]
        self._answer(process, pending, self._document({"list": rows, "total": len(rows)}))

    def _document(self, data, *, status=200, code=10000):
        body = json.dumps({"code": code, "message": "no" if data is None else "ok", "data": data})
        headers = {"content-type": "application/json"}
        if self.bounds.has_date:
            headers["date"] = format_datetime(
                datetime.fromtimestamp(int(START + self.loop.time()), UTC), usegmt=True
            )
        return Answer(status, headers, body.encode())

    def _die(self, process, travels):
        if travels:
            self._travel(process)
        process.is_dead = True
        process.pending.clear()
        self.loop.stop_timers(process.name)

    def _set(self, seconds):
        self.set_by += seconds

    def _end(self):
        self.ending_since = self.loop.time()
        self._begin("late", "submit")

    # What must hold.

    def check(self):
        if len(self.orders) > 1:
            raise Violation(f"{len(self.orders)} orders were placed under one custom order id")
        numbers = [order.number for order in self.orders]
        under_way = [one.by for one in self.travelling] + [
            name for name, one in self.processes.items() if any(wait.kind == "POST" for wait in one.pending)
        ]
        for row in map(self.disk.fields, self.rows):
            state, outcome = row["state"], row["outcome"]
            if state == "done" and outcome not in numbers:
                raise Violation(f"the journal knows order {outcome} as placed, and there are {numbers or 'none'}")
            if state in {"ready", "lost"} and (numbers or under_way):
                what = f"order {numbers[0]} is" if numbers else f"the POST of {under_way[0]} may yet be"
                raise Violation(f"the journal calls it not sent ({state}), and {what} placed")
        for name, process in self.processes.items():
            heard = process.heard
            if isinstance(heard, str) and heard not in numbers:
                raise Violation(f"{name} was told of order {heard}, and there are {numbers or 'none'}")
            if isinstance(heard, Exception) and not isinstance(heard, OutcomeUnknown):
                if name in {*under_way, *(order.by for order in self.orders)}:
                    raise Violation(f"{name} was told that nothing was placed ({heard!r}), and its POST was or may be")
            if process.task and process.task.done() and process.heard is None and not process.is_dead:
                raise Violation(f"{name} ended with {process.task.exception()!r}")
        self._check_time()

    def _check_time(self):
        since = self.ending_since
        most = LEASE + TIMEOUT + QUIET + 4 * POLL + (SET if self.bounds.sets else 0.0)
        if since is not None and self.loop.time() - since > most:
            raise Violation(f"it is not settled {most:g} s after nothing failed any more")

    def check_end(self):
        late = self.processes["late"].heard
        stuck = [name for name, one in self.processes.items() if not one.is_dead and one.heard is None]
        if stuck or not isinstance(late, str):
            raise Violation(f"in the end, {stuck or late!r} had no number")
        if [order.number for order in self.orders] != [late] or self.travelling:
            raise Violation(f"in the end, there were {len(self.orders)} orders, and {late} was told")

    def fingerprint(self):
        return (
            self.loop.time(),
            self.set_by,
            self.ending_since,
            tuple(value for value in self.left.values() if isinstance(value, int)),
            self.rows,
            tuple((order.by, order.at) for order in self.orders),
            tuple((one.by, one.until) for one in self.travelling),
            tuple(
                (name, one.is_dead, None if one.is_idle else one.history, repr(one.heard) if one.is_idle else "",
                 tuple((wait.label, wait.arrived, wait.is_slow, bool(wait.results), wait.until) for wait in one.pending))
                for name, one in self.processes.items()
            ),
        )


def _name_of(work):
    """Return what a transaction is for, as a trace names it."""
    name, held = work.__qualname__.split(".")[1], _held(work)
    if name == "_run":
        return _name_of(held["work"])
    if name == "open":
        return f"reads what is open ({held['kind'] or 'all'})"
    if name == "_update":
        state = held["values"].get("state")
        return {None: "writes down that it is in doubt", "done": "writes down that it is placed"}.get(
            state, "writes down that it was not placed"
        )
    return {"enter": "claims it", "settle": "writes down what it saw", "renew": "prolongs its lease"}.get(name, name)


def _held(function):
    return dict(
        zip(function.__code__.co_freevars, (cell.cell_contents for cell in function.__closure__ or ()), strict=True)
    )
