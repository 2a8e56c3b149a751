"""One request that became several orders, seen as one."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings, strategies as st
from support.whole import a_line, an_order

from kakaclo_async import (
    Address,
    Family,
    FamilyStatus,
    FreightRequest,
    Fulfillment,
    InvalidRequest,
    Item,
    NewOrder,
    TrackingInfo,
)
from kakaclo_async.models.family import money_problems
from kakaclo_async.models.order import FulfillmentStatus as F, OrderStatus as S
from kakaclo_async.resources.orders.requests import made_at, new_custom_order_id

stepped = pytest.mark.stepped


def part(number, *items, **facts):
    lines = tuple(a_line(sku_code=sku, product_num=quantity) for sku, quantity in items)
    return an_order(id=str(number), custom_order_id="A", order_items=lines, **facts)


HOME = Address(country="US", recipient="A", phone="1", province="P")
ASKED = (Item("X", 2), Item("Y", 1))


def family(*orders, asked=ASKED):
    return Family(custom_order_id="A", orders=orders, asked=asked)


def test_items_of_all_orders_are_added_up_against_what_was_asked():
    whole = family(part(1, ("X", 1)), part(2, ("X", 1), ("Y", 1)))

    assert whole.items == (Item("X", 2), Item("Y", 1))
    assert whole.complete
    assert whole.problems == ()


@pytest.mark.parametrize(("sku", "quantity"), [("A,B", 1), ("S" * 65, 1), ("\n", 1), ("X", 10**16), ("", 2)])
def test_what_no_request_takes_breaks_nobody_who_reads_it_and_is_not_sent(sku, quantity):
    read = family(part(1, (sku, quantity)), asked=())
    [item] = read.items
    assert (item.sku, item.quantity) == (sku, quantity)
    assert read.surplus == read.items == (item,)
    assert read.problems
    assert repr(item)
    with pytest.raises(InvalidRequest):
        FreightRequest(read.items, "US")
    with pytest.raises(InvalidRequest):
        NewOrder(address=HOME, items=read.surplus)


async def test_an_entry_of_the_journal_adds_up_more_pieces_than_one_line_takes(journal):
    most = Item("X", 10**16 - 1)
    entry = await journal.add(NewOrder(address=HOME, items=[most, Item("X", 1)], custom_order_id="A"))
    assert [(item.sku, item.quantity) for item in entry.items] == [("X", 10**16)]


def test_what_is_missing_is_named():
    half = family(part(1, ("X", 1)))

    assert half.missing == (Item("X", 1), Item("Y", 1))
    assert not half.complete
    assert half.problems == ("not ordered: 1 of X, 1 of Y",)


def test_what_was_ordered_twice_is_named():
    twice = family(part(1, ("X", 2), ("Y", 1)), part(2, ("X", 2), ("Y", 1)))

    assert twice.surplus == (Item("X", 2), Item("Y", 1))
    assert not twice.complete
    assert twice.problems == ("ordered without being asked for: 2 of X, 1 of Y",)


def test_a_family_of_which_nobody_told_what_was_asked_is_complete_if_it_is_there():
    assert family(part(1, ("X", 1)), asked=None).complete
    assert not family(asked=None).complete
    assert family(asked=None).problems == ("no order carries the custom order id 'A'",)


@pytest.mark.parametrize(
    ("orders", "status"),
    [
        ([], FamilyStatus.NOT_FOUND),
        ([(S.PROCESSING, F.FULLY_SHIPPED), (S.ABNORMAL_ORDER, None)], FamilyStatus.ABNORMAL),
        ([(S.PROCESSING, F.FULLY_SHIPPED), (S.WAITING_PAYMENT, None)], FamilyStatus.WAITING_PAYMENT),
        ([(S.PROCESSING, F.WAITING_TO_SHIP), (S.PROCESSING, None)], FamilyStatus.WAITING_TO_SHIP),
        ([(S.PROCESSING, F.WAITING_TO_SHIP), (S.COMPLETED, F.COMPLETED)], FamilyStatus.PARTIALLY_SHIPPED),
        ([(S.PROCESSING, F.PARTIALLY_SHIPPED)], FamilyStatus.PARTIALLY_SHIPPED),
        ([(S.PROCESSING, F.FULLY_SHIPPED), (S.COMPLETED, F.COMPLETED)], FamilyStatus.SHIPPED),
        ([(S.COMPLETED, F.COMPLETED), (S.CANCEL, None)], FamilyStatus.COMPLETED),
        ([(S.CANCEL, None), (S.CANCEL, None)], FamilyStatus.CANCELLED),
    ],
)
def test_many_statuses_are_rolled_up_into_one(orders, status):
    parts = [part(n, status=order, fulfillment_status=shipped) for n, (order, shipped) in enumerate(orders)]

    assert family(*parts).status is status


def test_money_packages_and_tracking_are_those_of_all_orders():
    packages = [
        Fulfillment(tracking_code="T1", tracking_infos=(TrackingInfo(tracking_code="T1"),)),
        Fulfillment(tracking_code=None, tracking_infos=(TrackingInfo(tracking_code="T2"),)),
    ]
    both = family(
        *(
            part(
                n,
                freight_amount=Decimal("1.10"),
                final_amount=Decimal(5),
                refunded_amount=Decimal(0),
                fulfillments=(p,),
            )
            for n, p in enumerate(packages)
        )
    )

    assert (both.freight, both.final_amount, both.refunded_amount) == (
        Decimal("2.20"),
        Decimal(10),
        Decimal(0),
    )
    assert both.packages == tuple(packages)
    assert both.tracking_codes == ("T1", "T2")
    assert family(part(1)).refunded_amount is None


cents = st.integers(0, 10**6).map(lambda number: Decimal(number).scaleb(-2))


@settings(max_examples=40, deadline=None)
@given(sub=cents, freight=cents, coupon=cents, refunded=cents, error=st.sampled_from([0, 1]))
def test_money_that_contradicts_itself_is_reported_and_other_money_is_not(
    sub, freight, coupon, refunded, error
):
    final = sub + freight - coupon + error
    order = part(
        7,
        sub_total_amount=sub,
        freight_amount=freight,
        coupon_amount=coupon,
        final_amount=final,
        refunded_amount=refunded,
        refundable_amount=final - refunded,
    )

    problems = money_problems(order)

    assert len(problems) == error
    assert all("order 7: final_amount is" in problem for problem in problems)


def test_amounts_that_are_not_told_contradict_nothing():
    told = {"final_amount": Decimal(2), "sub_total_amount": Decimal(2)}
    assert money_problems(part(1, **told)) == ()
    wrong = an_order(order_items=(a_line(total=Decimal(1)),), **told)
    assert money_problems(wrong) == ("order 1: sub_total_amount is 2, its parts make 1",)


@settings(max_examples=40, deadline=None)
@given(milliseconds=st.integers(0, 2**48 - 1))
def test_an_id_of_our_own_tells_when_it_was_made(milliseconds):
    assert made_at(new_custom_order_id(milliseconds)) == milliseconds / 1000


@pytest.mark.parametrize("custom_order_id", ["KA1", "KK" + "0" * 25 + "U", "XX" + "0" * 26, ""])
def test_other_ids_tell_nothing(custom_order_id):
    assert made_at(custom_order_id) is None


@stepped
async def test_a_family_is_read_back_with_what_the_journal_knows(kk, sandbox, journal, order, two_countries):
    sandbox.split_orders = True
    created = await kk.orders.submit(order("SHOP-1", *two_countries), journal=journal)
    await kk.orders.submit(order("SHOP-2"), journal=journal)

    assert (await kk.orders.family("SHOP-1", journal=journal)).status is FamilyStatus.NOT_FOUND
    sandbox.skip(400)
    found = await kk.orders.family("SHOP-1", journal=journal)

    assert [one.id for one in found.orders] == list(sandbox.journal[0].orders)
    assert found.orders[0].id == created.id
    assert found.asked == tuple(two_countries)
    assert found.complete
    assert found.problems == ()
    assert found.final_amount == sandbox.journal[0].paid
    sandbox.skip(86_400)
    shipped = await kk.orders.family("SHOP-1")
    assert shipped.status is FamilyStatus.SHIPPED
    assert len(shipped.tracking_codes) == 2


@stepped
async def test_a_family_of_an_id_of_our_own_or_a_known_time_costs_no_long_search(kk, sandbox, order):
    created = await kk.orders.create(order(None))
    sandbox.skip(400)

    assert (await kk.orders.family(created.custom_order_id, asked=order().items)).complete
    assert (
        await kk.orders.family(created.custom_order_id, created_from=sandbox.now() - timedelta(hours=1))
    ).complete

    starts = [served.query.get("createStartTime") for served in sandbox.log if served.method == "GET"]
    today = sandbox.now().date()
    assert [start[:10] for start in starts] == [str(today - timedelta(days=1)), starts[1][:10]]
    with pytest.raises(InvalidRequest):
        await kk.orders.family("A,B")
