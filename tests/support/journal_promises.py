"""What must hold in the explorer's world of the journal."""

from __future__ import annotations

from kakaclo_async import OutcomeUnknown
from support.explorer import Violation, World
from support.journal_parts import LEASE, POLL, QUIET, SET, TIMEOUT


class JournalPromises(World):
    """Never two orders under one custom order id, nothing untrue is said of one, and in the end all is settled."""

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
                raise Violation(
                    f"the journal knows order {outcome} as placed, and there are {numbers or 'none'}"
                )
            if state in {"ready", "lost"} and (numbers or under_way):
                what = f"order {numbers[0]} is" if numbers else f"the POST of {under_way[0]} may yet be"
                raise Violation(f"the journal calls it not sent ({state}), and {what} placed")
        for name, process in self.processes.items():
            heard = process.heard
            if isinstance(heard, str) and heard not in numbers:
                raise Violation(f"{name} was told of order {heard}, and there are {numbers or 'none'}")
            is_sure = isinstance(heard, Exception) and not isinstance(heard, OutcomeUnknown)
            if is_sure and name in {*under_way, *(order.by for order in self.orders)}:
                raise Violation(
                    f"{name} was told that nothing was placed ({heard!r}), and its POST was or may be"
                )
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
                (
                    name,
                    one.is_dead,
                    None if one.is_idle else one.history,
                    repr(one.heard) if one.is_idle else "",
                    tuple(
                        (wait.label, wait.arrived, wait.is_slow, bool(wait.results), wait.until)
                        for wait in one.pending
                    ),
                )
                for name, one in self.processes.items()
            ),
        )
