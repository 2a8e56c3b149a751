"""What every benchmark shares: cases as data, measuring in turns, verdicts, and the report."""

from harness.case import LATE, Bar, Case, Contender, Plot, Refused, Size, Skipped
from harness.watch import Taken, Watch, peak_memory

__all__ = [
    "LATE",
    "Bar",
    "Case",
    "Contender",
    "Plot",
    "Refused",
    "Size",
    "Skipped",
    "Taken",
    "Watch",
    "peak_memory",
]
