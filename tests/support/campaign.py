"""What campaigns share: the faults, and the books that must agree in the end."""

from __future__ import annotations

from collections import Counter

from kakaclo_async.sandbox import Fault
from support.ordering import POST

# Each kind alike; half of the pages of HTML come from a gateway that has passed the order on, half of them as a 408.
ENDS = (
    *[("reset_before", {}), ("reset_after", {}), ("server_error", {}), ("silence", {})] * 2,
    *[("truncated_json", {}), ("throttled", {})] * 2,
    *[
        ("bad_gateway", {"takes_effect": effect, "status": code})
        for effect in (False, True)
        for code in (502, 408)
    ],
)
KINDS = {kind for kind, _ in ENDS}


def stock_up(sandbox):
    """Give the sandbox more pieces than a campaign buys."""
    for sku, warehouse, _ in list(sandbox.catalog.stock_rows()):
        sandbox.catalog.set_stock(sku, warehouse, 10**6)


def fail_30_percent(sandbox):
    """Let 30 % of the requests that place an order fail, and one in twenty of those that look."""
    left = 1.0
    for kind, settings in ENDS:
        share = 0.3 / len(ENDS)
        sandbox.faults.add(Fault(kind, times=None, probability=share / left, **settings, **POST))
        left -= share  # a request meets a fault only if it met none before
    sandbox.faults.add(Fault("bad_gateway", path=POST["path"], method="GET", times=None, probability=0.05))


def duplicates(sandbox):
    counts = Counter(placed.custom_order_id for placed in sandbox.journal)
    return {key: count for key, count in counts.items() if count > 1}


def faults_met(sandbox):
    return Counter(served.fault for served in sandbox.log if served.method == "POST" and served.fault)


def gateways_408(sandbox):
    """Return how many orders a gateway answered with a 408 of its own."""
    return sum(served.method == "POST" and served.status == 408 for served in sandbox.log)


def check_books(sandbox, numbers, balance):
    """Every order that was submitted is placed and paid once, under the number that its submitter heard."""
    assert duplicates(sandbox) == {}
    placed = {placed.custom_order_id: placed.orders[0] for placed in sandbox.journal}
    assert placed == numbers
    assert {order.number: order.custom_order_id for order in sandbox.ledger.orders.values()} == {
        number: key for key, number in numbers.items()
    }
    assert sandbox.ledger.balance == balance - sum(placed.paid for placed in sandbox.journal)
