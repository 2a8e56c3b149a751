"""What campaigns share: the faults, and the books that must agree in the end."""

from __future__ import annotations

from collections import Counter

from ordering_kit import POST

from kakaclo_async.sandbox import Fault

# 30 % of the requests that place an order, each kind alike; and one in twenty of those that look.
SHARES = {
    "reset_before": {},
    "reset_after": {},
    "server_error": {},
    "silence": {},
    "truncated_json": {},
    "bad_gateway": {},
    "throttled": {},
}


def fail_30_percent(sandbox):
    left = 1.0
    for kind in SHARES:
        share = 0.3 / len(SHARES)
        sandbox.faults.add(Fault(kind, times=None, probability=share / left, **POST))
        left -= share  # a request meets a fault only if it met none before
    sandbox.faults.add(Fault("bad_gateway", path=POST["path"], method="GET", times=None, probability=0.05))


def duplicates(sandbox):
    counts = Counter(placed.custom_order_id for placed in sandbox.journal)
    return {key: count for key, count in counts.items() if count > 1}


def faults_met(sandbox):
    return Counter(served.fault for served in sandbox.log if served.method == "POST" and served.fault)


def check_books(sandbox, numbers):
    """Every order that was submitted is placed once, under the number that its submitter heard."""
    assert duplicates(sandbox) == {}
    placed = {placed.custom_order_id: placed.orders[0] for placed in sandbox.journal}
    assert placed == numbers
