"""The refund matrix: the right request, or the right refusal; and exactly once with a journal."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal

import pytest
from support.ordering import client
from support.whole import a_line, an_order

from kakaclo_async import (
    DeadlineExceeded,
    Fulfillment,
    InvalidRequest,
    Item,
    NotFound,
    OrderStatus,
    OutcomeUnknown,
    RefundItem,
    RefundStatus,
    Rejected,
)
from kakaclo_async.errors import DecodeError
from kakaclo_async.models.order import FulfillmentStatus, PackageStatus, RefundState
from kakaclo_async.models.refund import check_refundable, expected_amount, fill_lines
from kakaclo_async.ordering import Journal
from kakaclo_async.sandbox import Fault
from kakaclo_async.sandbox.http import orders as sandbox_orders

pytestmark = pytest.mark.stepped
POST = {"path": "/v2/order/orders/*/refund", "method": "POST"}


@pytest.fixture(autouse=True)
def no_lag(sandbox):
    """Orders that are seen at once, except where a test says otherwise."""
    sandbox.index_lag = 0.0


def bodies(sandbox):
    return [json.loads(served.body) for served in sandbox.log if served.path.endswith("/refund")]


async def test_a_whole_order_is_named_without_lines(kk, sandbox, order):
    created = await kk.orders.create(order())
    plan = await kk.refunds.plan(created.id, reason="Out Of Stock")
    assert bodies(sandbox) == []

    await kk.refunds.request(created.id, reason="Out Of Stock")

    assert bodies(sandbox) == [{"remark": "Out Of Stock", "refundReason": "Out Of Stock"}]
    assert plan.amount == sandbox.journal[0].paid


async def test_a_part_is_named_by_item_and_country(kk, sandbox, order):
    item = Item(order().items[0].sku, 3)
    created = await kk.orders.create(order("A", item))
    (line,) = (await kk.orders.get(created.id)).order_items

    plan = await kk.refunds.plan(created.id, [Item(item.sku, 2)])
    await kk.refunds.request(created.id, [Item(item.sku, 2)])

    [sent] = bodies(sandbox)
    assert sent["orderItems"] == [
        {"itemId": line.item_id, "skuCode": item.sku, "quantity": 2, "countryCode": line.country_code}
    ]
    assert plan.amount == line.amount * 2


async def test_lines_of_two_countries_are_told_apart(kk, sandbox, order, two_countries):
    created = await kk.orders.create(order("A", *two_countries))

    await kk.refunds.request(created.id, [Item(item.sku, 1) for item in two_countries])

    [sent] = bodies(sandbox)
    assert [(line["skuCode"], line["countryCode"]) for line in sent["orderItems"]] == [
        (two_countries[0].sku, "CN"),
        (two_countries[1].sku, "US"),
    ]


@pytest.mark.parametrize("times", [0, 1])
async def test_twice_is_refused_before_and_after_the_first_settled(kk, sandbox, order, times):
    created = await kk.orders.create(order())
    await kk.refunds.request(created.id)
    sandbox.skip(times * 3600)

    with pytest.raises(Rejected, match=f"order {created.id} .*'SHOP-1'.* cannot be refunded"):
        await kk.refunds.request(created.id)
    with pytest.raises((Rejected, InvalidRequest)):
        await kk.refunds.request(created.id, [Item(order().items[0].sku, 1)])

    assert len(bodies(sandbox)) == 1


async def test_the_rest_after_a_part_may_be_refunded_and_more_than_the_rest_may_not(kk, sandbox, order):
    sku = order().items[0].sku
    created = await kk.orders.create(order("A", Item(sku, 3)))
    await kk.refunds.request(created.id, [Item(sku, 1)])

    with pytest.raises(InvalidRequest, match=f"at most 2 of the 3 bought of SKU '{sku}' are left"):
        await kk.refunds.request(created.id, [Item(sku, 3)])
    await kk.refunds.request(created.id, [Item(sku, 2)])

    assert [line["quantity"] for sent in bodies(sandbox) for line in sent["orderItems"]] == [1, 2]


async def test_more_than_was_bought_and_what_was_not_bought_are_refused_by_name(kk, sandbox, order):
    sku = order().items[0].sku
    created = await kk.orders.create(order())

    named = rf"order {created.id} \(custom order id 'SHOP-1'\)"
    with pytest.raises(
        InvalidRequest, match=f"{named} holds 1 of SKU '{sku}', not the 2 to refund; ask for no more"
    ):
        await kk.refunds.plan(created.id, [Item(sku, 2)])
    with pytest.raises(InvalidRequest, match=f"{named} holds no SKU 'NOSUCH'; it holds {sku}"):
        await kk.refunds.request(created.id, [Item("NOSUCH", 1)])

    assert bodies(sandbox) == []


@pytest.mark.parametrize("part", [True, False])
async def test_a_shipped_order_is_refused_with_the_reason(kk, sandbox, order, part):
    created = await kk.orders.create(order())
    sandbox.skip(86_400)

    with pytest.raises(Rejected, match=f"order {created.id} .* is shipped .*nothing was sent"):
        await kk.refunds.request(created.id, order().items if part else None)

    assert bodies(sandbox) == []


async def test_a_new_order_that_the_index_does_not_know_can_be_refunded_as_a_whole_only(kk, sandbox, order):
    sandbox.index_lag = 300.0
    created = await kk.orders.create(order())

    with pytest.raises(NotFound, match="5 minutes"):
        await kk.refunds.request(created.id, order().items)
    assert (await kk.refunds.plan(created.id)).amount is None
    assert await kk.refunds.request(created.id)


@pytest.mark.parametrize("items", [[], ["A"]])
async def test_items_that_are_none_are_refused(kk, items):
    with pytest.raises(InvalidRequest):
        await kk.refunds.plan("1", items)


LINE = a_line(id="1", sku_code="X", product_num=2, amount=Decimal(5), country_code="CN")


def queried(**facts):
    return an_order(**{"id": "7", "order_items": (LINE,), **facts})


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        (queried(status=OrderStatus.CANCEL), "it is cancelled"),
        (queried(refund_status=RefundState.REFUND), "all of it is refunded"),
        (queried(refund_status=RefundState.REFUNDED), "all of it is refunded"),
        (queried(refundable_amount=Decimal(0)), "nothing is left"),
        (queried(fulfillment_status=FulfillmentStatus.PARTIALLY_SHIPPED), "shipped \\(partially_shipped\\)"),
        (queried(status=OrderStatus.COMPLETED), "shipped \\(completed\\)"),
        (
            queried(order_items=(a_line(sku_code="X", product_num=1, refund_status=RefundState.REFUNDING),)),
            "under way",
        ),
    ],
)
def test_what_cannot_be_refunded_is_refused_with_the_reason(order, reason):
    with pytest.raises(Rejected, match=reason):
        check_refundable(order)


def test_what_can_be_refunded_is_not_refused():
    check_refundable(queried(fulfillment_status=FulfillmentStatus.WAITING_TO_SHIP))
    check_refundable(queried(refund_status=RefundState.PARTIAL_REFUND))


def test_more_money_than_is_refundable_is_refused_and_an_unknown_price_is_not_guessed():
    lines = fill_lines(queried(), [Item("X", 2)])

    assert expected_amount(queried(), lines) == Decimal(10)
    assert expected_amount(queried(order_items=()), lines) is None
    with pytest.raises(InvalidRequest, match="order 7: 9 USD are refundable, and these items cost 10"):
        expected_amount(queried(refundable_amount=Decimal(9)), lines)


async def test_with_a_journal_the_same_refund_is_asked_for_once(kk, sandbox, journal, order):
    created = await kk.orders.create(order())

    numbers = [await kk.refunds.request(created.id, order().items, journal=journal) for _ in range(3)]

    assert len(set(numbers)) == 1
    assert list(sandbox.ledger.refunds) == [numbers[0]]
    assert len(bodies(sandbox)) == 1
    assert bodies(sandbox)[0]["remark"].startswith("Other [ref ")


async def test_with_a_journal_an_equal_refund_is_another_when_it_says_so(kk, sandbox, journal, order):
    sku = order().items[0].sku
    created = await kk.orders.create(order("A", Item(sku, 3)))

    one = await kk.refunds.request(created.id, [Item(sku, 1)], journal=journal)
    two = await kk.refunds.request(created.id, [Item(sku, 1)], journal=journal, again="second")

    assert one != two
    assert len(sandbox.ledger.refunds) == 2


@pytest.mark.parametrize("kind", ["reset_after", "reset_before", "server_error", "silence"])
async def test_with_a_journal_a_refund_in_doubt_is_settled(kk, sandbox, journal, order, kind):
    sandbox.ship_after = 86_400.0
    created = await kk.orders.create(order())
    sandbox.faults.add(Fault(kind, **POST))

    number = await kk.refunds.request(created.id, journal=journal, timeout=None)

    assert list(sandbox.ledger.refunds) == [number]
    assert await journal.pending() == ()


async def test_a_refund_in_doubt_names_its_order_and_when_to_come_back(kk, sandbox, journal, order):
    created = await kk.orders.create(order())
    sandbox.faults.add(Fault("reset_after", **POST))

    with pytest.raises(OutcomeUnknown, match=f"a refund of order {created.id} .* may or may not") as caught:
        await kk.refunds.request(created.id, journal=journal, timeout=0)

    assert (caught.value.order_id, caught.value.custom_order_id) == (created.id, "SHOP-1")
    assert caught.value.settles_at is not None
    assert [(entry.kind, entry.attempts) for entry in await journal.pending()] == [("refund", 1)]
    assert await journal.settle(kk) == ()


async def test_a_refund_without_a_remark_leaves_a_doubt(kk, sandbox, journal, order):
    created = await kk.orders.create(order())
    theirs = sandbox.ledger.refund(created.id, None, "Other", None)
    sandbox.faults.add(Fault("reset_before", **POST))

    with pytest.raises(OutcomeUnknown, match=f"refund {theirs} of order {created.id} shows no remark"):
        await kk.refunds.request(
            created.id,
            [RefundItem(item_id="1", sku_code="X", quantity=1)],
            journal=journal,
            timeout=None,
        )

    assert len(bodies(sandbox)) == 1


@pytest.mark.parametrize("shown", ["Other [re\ufffd", "\ufffd", "Oth\ufffd [ref \ufffd", "NULL"])
async def test_a_refund_whose_remark_comes_damaged_leaves_a_doubt(
    kk, sandbox, journal, order, monkeypatch, shown
):
    created = await kk.orders.create(order())
    write = sandbox_orders._refund_document
    monkeypatch.setattr(sandbox_orders, "_refund_document", lambda one: {**write(one), "remark": shown})
    sandbox.faults.add(Fault("reset_after", **POST))

    with pytest.raises(OutcomeUnknown, match="shows"):
        await kk.refunds.request(created.id, reason="Other", journal=journal, timeout=None)

    assert len(bodies(sandbox)) == 1


@pytest.mark.parametrize("kind", ["reset_after", "reset_before"])
@pytest.mark.parametrize("odd", [{"refundStatus": {}}, {"refundStatus": []}])
async def test_refunds_that_cannot_be_read_are_told_apart_by_their_remarks(
    kk, sandbox, journal, order, monkeypatch, kind, odd
):
    sku = order().items[0].sku
    created = await kk.orders.create(order("A", Item(sku, 2)))
    theirs = await kk.refunds.request(created.id, [Item(sku, 1)], remark="by hand")
    write = sandbox_orders._refund_document
    monkeypatch.setattr(sandbox_orders, "_refund_document", lambda one: {**write(one), **odd})
    sandbox.faults.add(Fault(kind, **POST))

    ours = await kk.refunds.request(created.id, [Item(sku, 1)], journal=journal, timeout=None)

    assert ours != theirs
    assert len(sandbox.ledger.refunds) == 2
    with pytest.raises(DecodeError, match=theirs):
        await kk.refunds.of(created.id)


@pytest.mark.parametrize("odd", [{"remark": {}}, {"remark": None, "refundNo": {}}, {"refundNo": []}])
async def test_a_refund_that_cannot_be_read_and_may_be_ours_leaves_a_doubt(
    kk, sandbox, journal, order, monkeypatch, odd
):
    created = await kk.orders.create(order())
    write = sandbox_orders._refund_document
    monkeypatch.setattr(sandbox_orders, "_refund_document", lambda one: {**write(one), **odd})
    sandbox.faults.add(Fault("reset_after", **POST))

    with pytest.raises(OutcomeUnknown):
        await kk.refunds.request(created.id, journal=journal, timeout=None)

    assert len(bodies(sandbox)) == 1


async def test_a_damaged_remark_of_another_text_keeps_no_doubt(kk, sandbox, journal, order, monkeypatch):
    sku = order().items[0].sku
    created = await kk.orders.create(order("A", Item(sku, 2)))
    await kk.refunds.request(created.id, [Item(sku, 1)], remark="by hand")
    write = sandbox_orders._refund_document

    def damaged(one):
        return {**write(one), "remark": write(one)["remark"].replace("by hand", "by \ufffd")}

    monkeypatch.setattr(sandbox_orders, "_refund_document", damaged)
    sandbox.faults.add(Fault("reset_before", **POST))

    assert await kk.refunds.request(created.id, [Item(sku, 1)], journal=journal, timeout=None)


async def test_a_refund_that_was_declined_may_be_asked_for_again(kk, sandbox, journal, order):
    created = await kk.orders.create(order())
    sandbox.faults.add(Fault("rejected", **POST))
    with pytest.raises(Rejected):
        await kk.refunds.request(created.id, journal=journal)

    number = await kk.refunds.request(created.id, journal=journal)

    assert list(sandbox.ledger.refunds) == [number]


async def test_without_a_journal_a_refund_in_doubt_is_sent_once(kk, sandbox, order):
    created = await kk.orders.create(order())
    sandbox.faults.add(Fault("reset_after", **POST))

    with pytest.raises(
        OutcomeUnknown, match=rf"order {created.id} \(.*'SHOP-1'\).*; look at refunds.of before"
    ):
        await kk.refunds.request(created.id)

    assert len(sandbox.ledger.refunds) == 1


@pytest.mark.parametrize("with_journal", [True, False])
async def test_a_refund_that_is_declined_or_answered_without_a_number_names_both_ids(
    kk, sandbox, journal, order, monkeypatch, with_journal
):
    options = {"journal": journal, "timeout": 0} if with_journal else {}
    created = await kk.orders.create(order())
    sandbox.faults.add(Fault("rejected", message="ask later", **POST))

    with pytest.raises(
        Rejected, match=rf"no refund of order {created.id} \(.*'SHOP-1'\) was .*ask later; put"
    ):
        await kk.refunds.request(created.id, **options)
    with monkeypatch.context() as patched:
        patched.setattr(sandbox.ledger, "refund", lambda *_: "")
        with pytest.raises(OutcomeUnknown, match=rf"order {created.id} \(.*'SHOP-1'\).*named no number"):
            await kk.refunds.request(created.id, **options)


def test_a_package_that_is_being_prepared_is_not_shipped():
    check_refundable(queried(fulfillments=(Fulfillment(status=PackageStatus.PREPARING),)))
    for status in (PackageStatus.SHIPPED, PackageStatus.COMPLETED, None):
        with pytest.raises(Rejected, match="it is shipped"):
            check_refundable(queried(fulfillments=(Fulfillment(status=status),)))


async def test_waiting_survives_an_outage_and_ends_with_the_settlement(kk, sandbox, order):
    created = await kk.orders.create(order())
    number = await kk.refunds.request(created.id)
    sandbox.faults.add(Fault("bad_gateway", times=40))

    [refund] = await kk.refunds.wait(created.id)

    assert (refund.refund_no, refund.refund_status) == (number, RefundStatus.REFUND_SUCCESSFULLY)


async def test_waiting_ends_with_a_failure_too(kk, sandbox, order):
    created = await kk.orders.create(order())
    number = await kk.refunds.request(created.id)
    waiting = asyncio.create_task(kk.refunds.wait(created.id))
    await asyncio.sleep(10)
    sandbox.ledger.settle(number, granted=False)

    [refund] = await waiting

    assert refund.refund_status is RefundStatus.REFUND_FAILED


async def test_waiting_ends_with_its_time(kk, sandbox, order):
    created = await kk.orders.create(order())
    number = await kk.refunds.request(created.id)

    with pytest.raises(DeadlineExceeded, match=f"order {created.id}: refund {number} is pending"):
        await kk.refunds.wait(created.id, timeout=100)


async def test_waiting_does_not_go_on_after_a_refusal(kk, sandbox, order):
    sandbox.faults.add(Fault("rejected", path="/v2/order/orders/refund/*"))

    with pytest.raises(Rejected):
        await kk.refunds.wait("1")


async def test_looks_grow_rare(kk, sandbox, order):
    created = await kk.orders.create(order())
    await kk.refunds.request(created.id)

    await kk.refunds.wait(created.id)

    assert sandbox.requests[f"/v2/order/orders/refund/{created.id}"] <= 40


async def test_a_worker_that_comes_a_little_later_takes_the_refund_that_the_order_already_shows(
    sandbox, url, kk, order
):
    created = await kk.orders.create(order())
    late = Journal(url, now=sandbox.now)
    recall, first = late.recall, []

    async def recall_too_early(kind, key):
        if not first:
            first.append(await kk.refunds.request(created.id, journal=Journal(url, now=sandbox.now)))
            return None
        return await recall(kind, key)

    late.recall = recall_too_early

    assert await kk.refunds.request(created.id, journal=late) == first[0]
    assert list(sandbox.ledger.refunds) == first


async def test_two_workers_with_the_same_refund_ask_once(sandbox, url, kk, order):
    created = await kk.orders.create(order())
    async with client(sandbox) as other:
        numbers = await asyncio.gather(
            *(one.refunds.request(created.id, journal=Journal(url, now=sandbox.now)) for one in (kk, other))
        )

    assert list(sandbox.ledger.refunds) == list(set(numbers))
