"""What a piece of work took: CPU beside wall time, and the most memory."""

from __future__ import annotations

import gc
import re
import resource
import time
from dataclasses import dataclass, field
from math import nan
from pathlib import Path
from typing import Self


@dataclass(frozen=True)
class Taken:
    """What one run of a contender took, per unit; `also` has further counts by name."""

    cpu: float = nan
    wall: float = nan
    count: float = nan
    also: dict[str, float] = field(default_factory=dict)


class Watch:
    """Times a block: CPU of this process and, with `children`, of those that ended meanwhile."""

    def __init__(self, *, children: bool = False) -> None:
        self._children = children
        self.cpu = self.wall = nan

    def __enter__(self) -> Self:
        gc.collect()
        self._began = self._spent(), time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        wall = time.perf_counter() - self._began[1]
        self.cpu, self.wall = self._spent() - self._began[0], wall

    def per(self, units: float = 1, *, scale: float = 1.0, count: float = nan, **also: float) -> Taken:
        """Return it for each unit, in seconds times `scale`."""
        return Taken(self.cpu / units * scale, self.wall / units * scale, count, also)

    def _spent(self) -> float:
        spent = time.process_time()
        if self._children:
            used = resource.getrusage(resource.RUSAGE_CHILDREN)
            spent += used.ru_utime + used.ru_stime
        return spent


def peak_memory() -> float:
    """Return the most memory that this process has held so far, in MB."""
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    if found is None:
        raise RuntimeError("this system does not tell")
    return int(found[1]) / 1024
