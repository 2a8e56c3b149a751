"""What must hold in the explorer's world of the shared bucket."""

from __future__ import annotations

from kakaclo_async.ratelimit.local import Leak
from support.bucket_parts import GRAIN, RATE, RESERVE
from support.explorer import Violation, World


class BucketPromises(World):
    """The bucket knows of all that KakaClo has counted, but for what its Redis may forget; and nothing is lost."""

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

    def _surplus(self):
        """Return what is wrong if KakaClo has more requests than the bucket knows of, and may not know of."""
        excused = self.forgotten + sum(process.untold for process in self.processes.values())
        excused += self._now(*self.lost) if self.lost else 0.0
        surplus = self.used.level - self.level - excused
        if surplus <= GRAIN:
            return None
        return (
            f"{self.used.level:.2f} requests are in KakaClo's bucket, {self.level:.2f} in ours, and {excused:.2f} may be"
            " missing there"
        )

    def check_reserve(self):
        """Raise `Violation` if bulk, which has just got a permit, took it from the reserve before its turn."""
        if self._held("interactive_streak", self.before) < 9 and self.level > RATE.burst - RESERVE + GRAIN:
            raise Violation(f"bulk took from the reserve: {self.level:.2f} of {RATE.burst} are taken")

    def check(self):
        if broken := self.broken or self._surplus():
            raise Violation(broken)
        if self.refused > self.forgotten + self.sent_alone + GRAIN:
            raise Violation(f"KakaClo answered 429 {self.refused} times")
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
            self.forgotten, self.sent_alone, self.lost,
            tuple(
                (name, one.is_dead, one.history, one.untold, one.heard, tuple((wait.label, wait.hangs) for wait in one.pending))
                for name, one in self.processes.items()
            ),
        )  # fmt: skip
