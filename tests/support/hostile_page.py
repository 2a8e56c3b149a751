"""The page `docs/reference/faults.md`: what comes out when an operation meets a fault, as the matrix has seen it."""

from __future__ import annotations

import re
from pathlib import Path

from support.calls import CALLS
from support.hostile_faults import FAULTS

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "faults.md"

COLUMNS = {
    "a read": ({"read", "look-up"}, "all"),
    "a stream": ({"stream"}, "all"),
    "a write": ({"write"}, "write"),
    "a write with a journal": ({"journal"}, "write"),
    "a mirror": ({"mirror"}, "all"),
}
"""The kinds of operations in each column, and what the fault meets there."""

HEAD = """\
# Faults

What comes out when something goes wrong between you and KakaClo. Each line is a fault that the tests cause, with a server
that does it to true answers of the sandbox; each column what the operations of a kind end with while the fault lasts. The
table is written by the tests (`make faults`), from what they saw: every method that sends anything, {faults} faults and both
packages.

In every cell it is also checked that

- the call ends in time: a call within `max_wait` and `timeout` together, and the `timeout` of its own where it has one; what
  makes many requests within a bounded multiple of that;
- a write is sent once, and took effect once at most; what is in doubt is named;
- no task, thread, connection or file is left;
- the client's count of permits is never behind KakaClo's;
- no error shows the token or the address;
- the client works again as soon as the fault is over;
- with a journal, what was submitted again after the fault is there once: none is lost and none is there twice.

"A read" is every single call, look-up and check. A write meets the fault when the reads before it are over; one that meets it
in those reads ends as they do, and sends nothing. Fan-outs raise what a read raises, or hold it in its place. A wait goes on
while the fault may pass, until its own `timeout`. "Sent" is how often `payment.balance`, a read, and `orders.create`, a write,
went out.
"""


def row_of(fault, cells):
    """Return a fault's line of the table, from the cells of one face."""
    seen = []
    for kinds, scope in COLUMNS.values():
        outcomes = {
            cell.outcome for cell in cells if CALLS[cell.operation].kind in kinds and cell.scope == scope
        }
        seen.append("<br>".join(f"`{one}`" if one[0].isupper() else one for one in sorted(outcomes)) or "–")
    sent = {(cell.operation, cell.scope): cell.sent for cell in cells}
    often = f"{sent['payment.balance', 'all']} / {sent['orders.create', 'write']}"
    return f"| {fault.name} | {' | '.join(seen)} | {often} |"


def render(rows):
    """Return the page with these lines of the table, by the names of the faults."""
    parts = [HEAD.format(faults=len(FAULTS))]
    for group in dict.fromkeys(fault.group for fault in FAULTS.values()):
        names = [name for name, fault in FAULTS.items() if fault.group == group]
        head = f"| fault | {' | '.join(COLUMNS)} | sent |\n|{' --- |' * (len(COLUMNS) + 2)}"
        parts.append(
            f"\n## {group}\n\n"
            + "\n".join([head, *(rows.get(name, f"| {name} | not seen yet |") for name in names)])
            + "\n"
        )
    return "".join(parts)


def rows_on_page():
    """Return the lines of the table as the page has them, by the names of the faults."""
    text = PAGE.read_text() if PAGE.exists() else ""
    return {match[1]: match[0] for match in re.finditer(r"^\| (.+?) \|.*$", text, re.MULTILINE)}
