"""A write that is cancelled anywhere is never doubled or lost, and never unknown without a word."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import attrs
import pytest
from support.calls import v1

from kakaclo_async import OutcomeUnknown
from kakaclo_async.codec import encode
from kakaclo_async.ordering import Journal
from kakaclo_async.resources.custom import design_key
from kakaclo_async.sandbox import Fault

pytestmark = pytest.mark.stepped

POST = {"method": "POST"}
TROUBLE = {
    "": None,
    "429": Fault("throttled", retry_after="3", **POST),
    "lost": Fault("server_error", takes_effect=False, **POST),
    "taken": Fault("server_error", takes_effect=True, **POST),
    "reset": Fault("reset_after", **POST),
}


async def orders_of(_kk, shop, number):
    return [placed for placed in shop.sandbox.journal if placed.custom_order_id == f"C-{number}"]


async def refunds_of(_kk, shop, number):
    return [
        refund for refund in shop.sandbox.ledger.refunds.values() if refund.order == shop.refundable(number)
    ]


async def designs_of(kk, _shop, number):
    return [design async for design in kk.custom.designs() if design.en_name == f"Cat {number}"]


@attrs.frozen
class Kind:
    """One way to write.

    Attributes:
        call: writes; without a journal if it is None.
        done: returns what was written.
        path: of the request.
        key: what a journal knows it by starts with that.
    """

    call: object
    done: object
    path: str
    key: object = None


KINDS = {
    "orders.create": Kind(
        lambda kk, shop, number, _: kk.orders.create(shop.order(f"C-{number}")), orders_of, "/v2/order/orders"
    ),
    "v1.orders.create": Kind(
        lambda kk, shop, number, _: v1(kk).orders.create(shop.order(f"C-{number}")),
        orders_of,
        "/v1/order/orders",
    ),
    "orders.submit": Kind(
        lambda kk, shop, number, journal: kk.orders.submit(
            shop.order(f"C-{number}"), journal=journal, timeout=None
        ),
        orders_of,
        "/v2/order/orders",
        lambda shop, number: f"C-{number}",
    ),
    "refunds.request": Kind(
        lambda kk, shop, number, journal: kk.refunds.request(
            shop.refundable(number), journal=journal, timeout=None
        ),
        refunds_of,
        "/v2/order/orders/*/refund",
        lambda shop, number: shop.refundable(number),
    ),
    "v1.refunds.request": Kind(
        lambda kk, shop, number, _: v1(kk).refunds.request(shop.refundable(number), "too much"),
        refunds_of,
        "/v1/order/orders/*/refund",
    ),
    "custom.add_design": Kind(
        lambda kk, shop, number, journal: kk.custom.add_design(shop.design(f"Cat {number}"), journal=journal),
        designs_of,
        "/v1/product/custom/customDesigned/addProduct",
        lambda shop, number: design_key(encode(shop.design(f"Cat {number}"))),
    ),
}
JOURNALLED = [name for name, kind in KINDS.items() if kind.key]


@pytest.mark.parametrize("trouble", TROUBLE)
@pytest.mark.parametrize("name", [name for name in KINDS if name != "orders.submit"])
async def test_a_write_that_is_cancelled_is_done_or_not_or_says_that_it_is_not_known(
    name, trouble, everywhere, shop
):
    kind = KINDS[name]
    known = set()

    def call(kk, number):
        set_up(shop, kind, trouble)
        return kind.call(kk, shop, number, None)

    async def judge(kk, number, ended):
        done = await kind.done(kk, shop, number)
        assert len(done) <= 1
        if ended.cancelled:
            assert not done
            known.add("cancelled")
        elif isinstance(ended.error, OutcomeUnknown):
            known.add("unknown")
        else:
            assert ended.error is None
            assert done
            known.add("done")

    await everywhere(call, judge, refused=trouble == "429")
    assert {"cancelled", "unknown"} <= known


def set_up(shop, kind, trouble):
    shop.sandbox.faults.clear()
    if (fault := TROUBLE[trouble]) is not None:
        shop.sandbox.faults.add(attrs.evolve(fault, path=kind.path))


@pytest.fixture
def journal(shop, tmp_path, monkeypatch):
    monkeypatch.setattr("kakaclo_async.ordering.database._PRAGMAS", ("synchronous = OFF",))
    return Journal(f"sqlite:///{tmp_path}/orders.db", quiet_time=5.0, now=shop.sandbox.now)


def states(tmp_path, key):
    """Return what a journal has below a key."""
    with closing(sqlite3.connect(tmp_path / "orders.db")) as connection:
        rows = connection.execute(
            "SELECT state, holder, outcome FROM kakaclo_write WHERE key LIKE ?", (f"{key}%",)
        )
        return rows.fetchall()


@pytest.mark.parametrize("trouble", TROUBLE)
@pytest.mark.parametrize("name", JOURNALLED)
async def test_a_journal_knows_what_a_cancelled_write_may_have_done_and_the_next_call_settles_it(
    name, trouble, everywhere, shop, journal, tmp_path, stride
):
    kind = KINDS[name]

    def call(kk, number):
        set_up(shop, kind, trouble)
        return kind.call(kk, shop, number, journal)

    async def judge(kk, number, ended):
        done = await kind.done(kk, shop, number)
        assert len(done) <= 1
        rows = states(tmp_path, kind.key(shop, number)) if (tmp_path / "orders.db").exists() else []
        assert [holder for state, holder, _ in rows if holder] == []
        state = rows[0][0] if rows else "ready"
        assert done or state in {"ready", "lost", "sent"}
        assert state in {"done", "sent"} or not done
        if ended.error is None:
            assert state == "done"
        elif not ended.cancelled:
            assert isinstance(ended.error, OutcomeUnknown)
        shop.sandbox.faults.clear()
        await kind.call(kk, shop, number, journal)
        assert len(await kind.done(kk, shop, number)) == 1

    await everywhere(call, judge, refused=trouble == "429", every=stride(90 if trouble == "lost" else 11))
