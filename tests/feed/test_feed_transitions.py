"""Of every history of an order, however it is looked at, each transition is told once and in its order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import attrs
import pytest
from hypothesis import given, strategies as st

from kakaclo_async.feed.transitions import Seen, is_over, look, pause
from kakaclo_async.models.order import (
    FinancialStatus,
    Fulfillment,
    FulfillmentStatus,
    Order,
    OrderItem,
    OrderStatus,
    PackageStatus,
    RefundState,
)

START = datetime(2026, 11, 1, tzinfo=UTC)
NEW = Order(
    id="1000000371651",
    custom_order_id="SHOP-1",
    status=OrderStatus.WAITING_PAYMENT,
    final_amount=Decimal("30.00"),
    freight_amount=Decimal(5),
    sub_total_amount=Decimal(25),
    refunded_amount=Decimal("0.00"),
    create_date=START,
    update_date=START,
    order_items=(OrderItem(sku_code="A", product_num=5, amount=Decimal(5), total=Decimal(25)),),
)
ITEMS = (OrderItem(sku_code="A", product_num=2, amount=Decimal(5), total=Decimal(10)),)


def pay(order, _):
    return attrs.evolve(order, status=OrderStatus.PROCESSING, financial_status=FinancialStatus.PAID), ["paid"]


def prepare(order, number):
    package = Fulfillment(id=f"P{number}", status=PackageStatus.PREPARING, tracking_code=f"T{number}")
    return attrs.evolve(order, fulfillments=(*order.fulfillments, package)), []


def ship(order, number):
    package = Fulfillment(
        id=f"P{number}",
        status=PackageStatus.SHIPPED,
        tracking_code=f"T{number}",
        delivery_time=START + timedelta(hours=number),
        items=ITEMS,
    )
    others = tuple(one for one in order.fulfillments if one.id != package.id)
    changed = attrs.evolve(order, fulfillments=(*others, package))
    return attrs.evolve(changed, fulfillment_status=FulfillmentStatus.PARTIALLY_SHIPPED), [
        f"shipped:P{number}:T{number}"
    ]


def refund(order, _):
    total = (order.refunded_amount or Decimal(0)) + 1
    return attrs.evolve(order, refunded_amount=total, refund_status=RefundState.PARTIAL_REFUND), [
        f"refund:{total.normalize():f}"
    ]


def puzzle(order, _):
    return attrs.evolve(
        order,
        fulfillment_status=FulfillmentStatus("on_the_moon"),
        refund_status=RefundState("thinking"),
    ), []


def complete(order, _):
    return attrs.evolve(order, status=OrderStatus.COMPLETED), ["completed"]


def cancel(order, _):
    return attrs.evolve(order, status=OrderStatus.CANCEL), ["cancelled"]


HISTORIES = st.tuples(
    st.lists(st.sampled_from([prepare, ship, refund, puzzle]), max_size=6),
    st.sampled_from([complete, cancel, puzzle]),
).map(lambda drawn: [pay, *drawn[0], drawn[1]])


def states(history):
    """Each state of an order, with the transitions that led to it."""
    order, found = NEW, [(NEW, [])]
    for number, step in enumerate(history, 1):
        order, keys = step(order, number)
        order = attrs.evolve(order, update_date=START + timedelta(minutes=number))
        found.append((order, keys))
    return found


@given(history=HISTORIES, data=st.data())
def test_each_transition_is_told_once_and_in_order_however_often_and_late_it_is_looked_at(history, data):
    known = states(history)
    looks = data.draw(st.lists(st.integers(0, len(known) - 1), max_size=12))  # also stale answers
    looks.append(len(known) - 1)
    seen, told, at = Seen(), [], 0
    for index in looks:
        facts, seen = look(known[index][0], Seen.from_text(seen.to_text()))
        keys = [fact.key for fact in facts]
        if index < at:
            assert keys == []  # a stale answer
        at = max(at, index)
        told += keys
    expected = [key for _, keys in known for key in keys]
    assert len(told) == len(set(told))
    amounts = [key for key in told if key.startswith("refund:")]
    assert {key for key in expected if not key.startswith("refund:")} == set(told) - set(amounts)
    assert amounts == [key for key in expected if key in amounts]
    assert amounts[-1:] == [key for key in expected if key.startswith("refund:")][-1:]
    assert told[:1] == ["paid"]
    if told[-1] not in ("completed", "cancelled"):
        assert expected[-1] not in ("completed", "cancelled")


@given(history=HISTORIES)
def test_looked_at_after_each_step_the_feed_has_every_step(history):
    seen, told = Seen(), []
    known = states(history)
    for order, _ in known:
        facts, seen = look(order, seen)
        told += [fact.key for fact in facts]
    assert told == [key for _, keys in known for key in keys]


def test_a_package_is_told_again_when_it_gets_another_number_and_first_when_it_has_one():
    order, _ = ship(pay(NEW, 0)[0], 1)
    [package] = order.fulfillments
    seen, told = Seen(), []
    for code in (None, "T1", "T1", "T2", "T1"):
        changed = attrs.evolve(order, fulfillments=(attrs.evolve(package, tracking_code=code),))
        facts, seen = look(changed, seen)
        told += [fact.fields["tracking_code"] for fact in facts if fact.key.startswith("shipped")]
    assert told == ["T1", "T2"]


def test_a_package_without_a_number_is_told_once_it_has_arrived():
    order, _ = ship(pay(NEW, 0)[0], 1)
    [package] = order.fulfillments
    arrived = attrs.evolve(package, tracking_code=None, status=PackageStatus.COMPLETED)
    facts, _ = look(attrs.evolve(order, fulfillments=(arrived,)), Seen())
    assert [fact.key for fact in facts] == ["paid", "shipped:P1:"]


def test_what_nobody_can_order_keeps_no_package_from_being_told():
    order, _ = ship(pay(NEW, 0)[0], 1)
    odd = OrderItem(sku_code="A,B", product_num=1, amount=Decimal(5), total=Decimal(5))
    package = attrs.evolve(order.fulfillments[0], items=(odd, *ITEMS))
    facts, _ = look(attrs.evolve(order, fulfillments=(package,)), Seen())
    assert [[item.sku for item in fact.fields["items"]] for fact in facts[1:]] == [["A"]]


def test_an_order_is_over_when_it_has_arrived_or_its_money_is_back():
    paid, _ = pay(NEW, 0)
    cancelled = attrs.evolve(paid, status=OrderStatus.CANCEL)
    assert not is_over(NEW)
    assert not is_over(paid)
    assert not is_over(cancelled)
    assert is_over(attrs.evolve(NEW, status=OrderStatus.CANCEL))  # nothing was paid
    assert is_over(attrs.evolve(cancelled, refunded_amount=Decimal(30)))
    assert is_over(attrs.evolve(cancelled, refund_status=RefundState.REFUNDED, refunded_amount=Decimal(25)))
    assert is_over(attrs.evolve(paid, status=OrderStatus.COMPLETED))
    refunding = attrs.evolve(paid, status=OrderStatus.COMPLETED, refund_status=RefundState.REFUNDING)
    assert not is_over(refunding)
    assert not is_over(attrs.evolve(paid, status=OrderStatus("on_the_moon")))


def test_pauses_grow_with_the_time_since_something_changed():
    assert [pause(age) for age in (-5, 0, 1800, 6000, 86_400, 10**9)] == [30, 30, 30, 100, 1440, 86_400]


def test_an_order_whose_time_is_set_back_is_told_all_the_same():
    paid, _ = pay(NEW, 0)
    _, seen = look(attrs.evolve(paid, update_date=START + timedelta(days=1)), Seen())
    facts, _ = look(attrs.evolve(complete(paid, 0)[0], update_date=START), seen)
    assert [fact.key for fact in facts] == ["completed"]


@pytest.mark.parametrize(
    ("status", "declined"),
    [
        (None, True),
        (RefundState.REFUNDING, False),
        (RefundState.REFUND, False),
        (RefundState("thinking"), False),
    ],
)
def test_only_a_refund_that_is_surely_over_without_money_is_called_declined(status, declined):
    asked = attrs.evolve(pay(NEW, 0)[0], refund_status=RefundState.REFUNDING)
    _, seen = look(asked, Seen())
    facts, _ = look(attrs.evolve(asked, refund_status=status), seen)
    assert [fact.fields["amount"] for fact in facts] == ([0] if declined else [])
    stale = attrs.evolve(asked, refund_status=None, update_date=START - timedelta(minutes=1))
    assert look(stale, seen)[0] == []


def test_an_order_is_not_over_before_what_came_back_was_told():
    cancelled = attrs.evolve(pay(NEW, 0)[0], status=OrderStatus.CANCEL, refund_status=RefundState.REFUND)
    assert not is_over(cancelled)
    assert not is_over(attrs.evolve(cancelled, status=OrderStatus.COMPLETED))
    assert is_over(attrs.evolve(cancelled, refunded_amount=Decimal(30)))


def test_a_refund_of_which_kakaclo_says_no_amount_is_told_once():
    order = attrs.evolve(pay(NEW, 0)[0], refunded_amount=None, refund_status=RefundState.REFUNDED)
    facts, seen = look(order, Seen())
    assert [(fact.key, fact.fields.get("amount")) for fact in facts][1:] == [("refund:", None)]
    assert look(order, seen)[0] == []
