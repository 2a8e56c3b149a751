"""A look for thousands of orders in doubt holds nobody up."""

from __future__ import annotations

import asyncio

import attrs
import pytest

from kakaclo_async.codec import encode
from kakaclo_async.ordering import Entry, WriteStatus
from kakaclo_async.ordering.orders import OrderWrites
from kakaclo_async.ordering.reconcile import reconcile
from kakaclo_async.sending import sender_of

pytestmark = [pytest.mark.stepped, pytest.mark.kakaclo_sandbox(products=20, index_lag=0)]

MANY = 8000


@attrs.define
class Book:
    """A journal of orders that are all in doubt."""

    entries: list
    quiet_time: float = 600.0
    settled: list = attrs.field(factory=list)

    async def open(self, _kind):
        return self.entries

    async def settle(self, _kind, found, unclear, absent, _clocks):
        self.settled.append((found, unclear, list(absent)))


async def test_a_look_for_thousands_gives_the_event_loop_its_turns(kk, sandbox, order, monkeypatch):
    asyncio.get_running_loop().set_debug(False)
    payload, now = encode(order()), sandbox.now()
    entry = Entry(
        kind="order", key="", status=WriteStatus.UNKNOWN, outcome=None, why=None, attempts=1, payload=payload,
        sent_from=now, sent_until=now, settles_at=now, created_at=now, seen_at=now, digest="", notes=None,
    )  # fmt: skip
    book = Book([attrs.evolve(entry, key=f"A{number}") for number in range(MANY)])
    counts = {"done": 0, "most": 0}

    plain = OrderWrites.redact

    def redact(writes, payload):
        counts["done"] += 1
        return plain(writes, payload)

    async def watch():
        while True:
            before = counts["done"]
            await asyncio.sleep(0)
            counts["most"] = max(counts["most"], counts["done"] - before)

    monkeypatch.setattr(OrderWrites, "redact", redact)
    watching = asyncio.create_task(watch())
    await reconcile(book, OrderWrites(sender_of(kk)))
    await asyncio.sleep(0)  # it has counted the last turn
    watching.cancel()
    [(found, unclear, absent)] = book.settled
    assert (found, unclear, len(absent)) == ({}, {}, MANY)
    assert counts["done"] == MANY
    assert counts["most"] <= MANY / 3
