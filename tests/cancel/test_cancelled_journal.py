"""A journal that is asked, or settles and sends again, and is cancelled anywhere, knows what it must."""

from __future__ import annotations

import inspect
import sqlite3
from contextlib import closing

import attrs
import pytest

from kakaclo_async import OutcomeUnknown
from kakaclo_async.errors import Conflict
from kakaclo_async.ordering import Journal
from kakaclo_async.sandbox import Fault

pytestmark = pytest.mark.stepped

LOST = Fault("server_error", takes_effect=False, method="POST", path="/v2/order/orders")
TROUBLE = {"arrived": attrs.evolve(LOST, takes_effect=True), "lost": LOST}
CALLS = {
    "pending": lambda journal, kk, order: journal.pending(),
    "find": lambda journal, kk, order: journal.find(order.custom_order_id),
    "recall": lambda journal, kk, order: journal.recall("order", order.custom_order_id),
    "add": lambda journal, kk, order: journal.add(order),
    "withdraw": lambda journal, kk, order: journal.withdraw(order.custom_order_id),
    "settle": lambda journal, kk, order: journal.settle(kk),
    "finish": lambda journal, kk, order: journal.finish(kk),
    "drain": lambda journal, kk, order: journal.drain(kk),
}

LONG = {"settle", "finish", "drain"}  # hundreds of steps, each with an order of its own


def test_every_public_call_of_a_journal_is_cancelled_somewhere():
    """`once` is what `orders.submit` and its kin call: see test_cancelled_writes.py."""
    public = {name for name, _ in inspect.getmembers(Journal, inspect.isfunction) if not name.startswith("_")}
    assert public == {*CALLS, "once"}


def state_of(tmp_path, key):
    with closing(sqlite3.connect(tmp_path / "orders.db")) as connection:
        return connection.execute("SELECT state, holder FROM kakaclo_write WHERE key = ?", (key,)).fetchone()


@pytest.mark.parametrize("trouble", TROUBLE)
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name in LONG)) for name in CALLS]
)
async def test_a_call_of_a_journal_that_is_cancelled_loses_and_doubles_nothing(
    name, trouble, everywhere, shop, tmp_path, monkeypatch, stride
):
    monkeypatch.setattr("kakaclo_async.ordering.database._PRAGMAS", ("synchronous = OFF",))
    journal = Journal(f"sqlite:///{tmp_path}/orders.db", quiet_time=5.0, now=shop.sandbox.now)

    async def leave_in_doubt(kk, key):
        shop.sandbox.faults.add(TROUBLE[trouble])
        with pytest.raises(OutcomeUnknown):
            await kk.orders.submit(attrs.evolve(shop.order, custom_order_id=key), journal=journal, timeout=0)
        shop.sandbox.faults.clear()

    async def judge(kk, number, ended):
        key = f"J-{number}"
        placed = [entry for entry in shop.sandbox.journal if entry.custom_order_id == key]
        assert len(placed) <= 1
        state, holder = state_of(tmp_path, key)
        assert holder is None
        assert state in ({"sent", "done"} if placed else {"sent", "lost", "waiting"})
        if ended.error is not None:
            # What is in doubt cannot be withdrawn.
            expected = Conflict if name == "withdraw" else OutcomeUnknown
            assert ended.cancelled or isinstance(ended.error, expected)
        created = await kk.orders.submit(
            attrs.evolve(shop.order, custom_order_id=key), journal=journal, timeout=None
        )
        assert [entry.orders[0] for entry in shop.sandbox.journal if entry.custom_order_id == key] == [
            created.id
        ]
        await leave_in_doubt(kk, f"J-{number + 1}")

    async with everywhere.client() as kk:
        await leave_in_doubt(kk, "J-1")
    shop.sandbox.skip(60)
    await everywhere(
        lambda kk, number: CALLS[name](journal, kk, attrs.evolve(shop.order, custom_order_id=f"J-{number}")),
        judge,
        every=stride(23 if name in {"finish", "drain"} else 7),
    )
