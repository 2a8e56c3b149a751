"""A world for the explorer: workers with one journal, a KakaClo that fails, clocks that are set, and deaths.

The journal, the client and the SQL are the real ones. Only the wire is scripted, and when each transaction runs.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace

import attrs
from sqlalchemy import CursorResult

from kakaclo_async import KakaClo, KakaCloError
from kakaclo_async.errors import ConnectionFailed, DatabaseAway
from kakaclo_async.ordering import Journal
from kakaclo_async.ordering.writes import witnesses
from kakaclo_async.protocol import Answer
from support.explorer import Event, Gone, who
from support.journal_parts import (
    KEY,
    LAG,
    LEASE,
    NEVER_WRITTEN,
    ORDER,
    POLL,
    QUIET,
    SET,
    START,
    TIMEOUT,
    TRAVEL,
    Pending,
    Placed,
    Process,
    document,
    name_of,
)
from support.journal_promises import JournalPromises
from support.shop import UNLIMITED
from support.whole import ORDER as WHOLE_ORDER


class JournalWorld(JournalPromises):
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
        witnesses.clear()
        for number, program in enumerate(self.bounds.workers, 1):
            self._begin(f"w{number}", program)

    def _begin(self, name, program):
        self.programs[name] = program
        journal = Journal(
            f"sqlite:////nowhere/{name}.db", quiet_time=QUIET, lease=LEASE, now=self.machine.now
        )
        kk = KakaClo(
            "t", base_url="http://127.0.0.1:1", rate_limit=UNLIMITED, timeout=TIMEOUT, max_attempts=1
        )
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
        label = name_of(work)
        if label in NEVER_WRITTEN and not self.is_over and not process.is_dead:
            return ()  # nobody writes those
        return await self._wait(process, "database", label, work=work)

    async def _send(self, process, request, _token, *, timeout):
        writes = request.method == "POST"
        return await self._wait(
            process, request.method, request.method, until=self.loop.time() + timeout * writes
        )

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
                yield event(
                    f"{pending.label}: the answer takes its time", self._commit_slowly, costs="stalls"
                )
            if may["failures"]:
                yield event(
                    f"{pending.label}: the database fails before", self._fail, False, costs="failures"
                )
                yield event(f"{pending.label}: the database fails after", self._fail, True, costs="failures")
        elif pending.kind == "GET":
            yield event("looks, and sees all", self._list, 0.0)
            if self.ending_since is None and any(self.loop.time() - order.at < LAG for order in self.orders):
                yield event("looks, and the index lags", self._list, LAG)
            if may["losses"]:
                yield event("looks, and gets a 501", self._refuse, 501, costs="losses")
        else:
            yield from self._outcomes_of_a_post(pending, event, may)

    def _outcomes_of_a_post(self, pending, event, may):
        if pending.arrived:
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
            yield self._event(
                f"{process.name} dies, its POST travels on", self._die, process, True, costs="crashes"
            )

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
        self._answer(process, pending, self._document(None, status))

    def _list(self, process, pending, lag):
        shown = [order for order in self.orders if self.loop.time() - order.at >= lag]
        rows = [
            WHOLE_ORDER
            | {
                "id": order.number,
                "customOrderId": KEY,
                "createDate": datetime.fromtimestamp(START + order.at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "orderItems": [{"skuCode": "SKU", "productNum": 1, "amount": 0, "total": 0}],
            }
            for order in shown
        ]
        self._answer(process, pending, self._document({"list": rows, "total": len(rows)}))

    def _document(self, data, status=200):
        return document(data, status, self.loop.time() if self.bounds.has_date else None)

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
