"""What the explorer's world of the journal is made of: its bounds, the machine, the disk, and the workers' processes.

The seconds are small, in the proportions of the real ones: what a request may travel and the index lag fit into the
quiet time, with nothing to spare.
"""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime
from email.utils import format_datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING

import attrs
from sqlalchemy import StaticPool, create_engine

from kakaclo_async import Item, KakaClo, NewOrder
from kakaclo_async.database.engines import _set_up_sqlite, in_transaction
from kakaclo_async.ordering.database import MIGRATIONS
from kakaclo_async.protocol import Answer
from kakaclo_async.retry import Pauses
from support.explorer import who
from support.shop import ADDRESS

if TYPE_CHECKING:
    import asyncio

    from kakaclo_async.ordering import Journal

NEVER_WRITTEN = {"reads what is open (refund)", "reads what is open (design)"}
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
        clocks = SimpleNamespace(time=machine.time, monotonic=machine.monotonic)
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

    def monotonic(self):
        return self.world.loop.time()

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
        self._run(lambda connection: MIGRATIONS.migrate(connection, make=True))
        self._columns = [name for _, name, *_ in self._raw.execute("PRAGMA table_info(kakaclo_write)")]
        self._known = {}
        self.executed = 0

    def _run(self, work):
        return in_transaction(self._engine, work)

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


def document(data, status, time):
    """Return an answer of KakaClo's, with a `Date` unless the time is None."""
    code = 10000 if status == 200 else status
    body = json.dumps({"code": code, "message": "no" if data is None else "ok", "data": data})
    headers = {"content-type": "application/json"}
    if time is not None:
        headers["date"] = format_datetime(datetime.fromtimestamp(int(START + time), UTC), usegmt=True)
    return Answer(status, headers, body.encode())


def name_of(work):
    """Return what a transaction is for, as a trace names it."""
    name, held = work.__qualname__.split(".")[1], _held(work)
    if name == "_run":
        return name_of(held["work"])
    if name == "open":
        return f"reads what is open ({held['kind'] or 'all'})"
    if name == "_update":
        state = held["values"].get("state")
        return {None: "writes down that it is in doubt", "done": "writes down that it is placed"}.get(
            state, "writes down that it was not placed"
        )
    return {"enter": "claims it", "settle": "writes down what it saw", "renew": "prolongs its lease"}.get(
        name, name
    )


def _held(function):
    return dict(
        zip(
            function.__code__.co_freevars,
            (cell.cell_contents for cell in function.__closure__ or ()),
            strict=True,
        )
    )
