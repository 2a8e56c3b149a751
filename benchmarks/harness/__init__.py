"""What every benchmark shares: cases as data, measuring in turns, verdicts, and the report."""

from harness.case import Bar, Case, Contender, Plot, Refused, Size, Skipped
from harness.watch import Taken, Watch, peak_memory

__all__ = [
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
