"""The look that decides is not fooled by the list that it reads."""

from __future__ import annotations

import attrs
import pytest
from support.campaign import stock_up
from support.ordering import POST
from support.shop import ADDRESS

from kakaclo_async import Address, Item, OutcomeUnknown, RefundItem
from kakaclo_async.errors import IncompletePull
from kakaclo_async.ordering import WriteStatus
from kakaclo_async.sandbox import Fault
from kakaclo_async.sandbox.http import orders as sandbox_orders
from kakaclo_async.sandbox.http.routing import Request as SandboxRequest

pytestmark = pytest.mark.stepped

ELSEWHERE = Address(
    country="FR", province="Nord", recipient="Somebody Else", phone="0033 1 23 45 67", street1="Rue 9"
)


@pytest.fixture
def shown(monkeypatch):
    """Let the list show its orders, or its pages, as the test says."""
    common, page_of = sandbox_orders._common, SandboxRequest.page_of

    def let(change_row=None, *, size=None, total=None, only_first_page=False):
        def page(request, found, write):
            query = dict(request.query)
            if size is not None:
                query["pageSize"] = str(size)
            if only_first_page:
                query.pop("pageNumber", None)
            made = page_of(attrs.evolve(request, query=query), found, write)
            return made if total is None else made | {"total": total(made["total"])}

        if change_row is not None:
            monkeypatch.setattr(sandbox_orders, "_common", lambda order: common(order) | change_row(order))
        monkeypatch.setattr(SandboxRequest, "page_of", page)

    return let


async def in_doubt(kk, sandbox, journal, order, fault="reset_after", **fault_settings):
    sandbox.faults.add(Fault(fault, **POST, **fault_settings))
    with pytest.raises(OutcomeUnknown):
        await kk.orders.submit(order, journal=journal, timeout=0)


@pytest.mark.parametrize("total", [lambda count: None, lambda count: min(count, 20)], ids=["none", "capped"])
async def test_an_order_behind_the_first_pages_of_a_list_without_a_true_total_is_found(
    kk, sandbox, journal, order, shown, monkeypatch, total
):
    monkeypatch.setattr(
        "kakaclo_async.paging.listing.EXACT_TOTALS", 20, raising=False
    )  # as an index has 10,000
    stock_up(sandbox)
    for number in range(33):
        await kk.orders.create(order(f"OTHER-{number}"))
        if number == 2:
            await in_doubt(kk, sandbox, journal, order())
    shown(size=10, total=total)

    created = await kk.orders.submit(order(), journal=journal, timeout=None)

    ours = [placed for placed in sandbox.journal if placed.custom_order_id == "SHOP-1"]
    assert [placed.orders for placed in ours] == [(created.id,)]


async def test_a_list_that_ends_before_its_total_proves_no_absence(kk, sandbox, journal, order, shown):
    await in_doubt(kk, sandbox, journal, order(), "reset_before")
    shown(total=lambda _: 10_000)

    with pytest.raises(OutcomeUnknown, match="list of orders could not be read to its end"):
        await kk.orders.submit(order(), journal=journal, timeout=None)

    assert sandbox.journal == []


@pytest.mark.parametrize(
    "garble",
    [lambda text: None, lambda text: "", str.upper, lambda text: text[:5], lambda text: f" {text.title()} "],
    ids=["null", "blank", "capitals", "cut", "title"],
)
@pytest.mark.parametrize("address_shown", [True, False])
async def test_an_order_whose_custom_id_comes_back_garbled_is_not_sent_again(
    kk, sandbox, journal, order, shown, garble, address_shown
):
    hidden = {} if address_shown else {"shippingAddress": None}
    shown(lambda order: {"customOrderId": garble(order.custom_order_id), **hidden})
    await in_doubt(kk, sandbox, journal, order("shop-1001"))

    with pytest.raises(
        OutcomeUnknown, match=r"order \d+ has these items under a custom order id that is cut"
    ):
        await kk.orders.submit(order("shop-1001"), journal=journal, timeout=None)

    assert len(sandbox.journal) == 1


async def test_a_garbled_order_of_another_address_age_or_journal_entry_keeps_none_in_doubt(
    kk, sandbox, journal, order, shown
):
    await kk.orders.create(order("SHOP-1"))  # a day before, as the sandbox tells time
    sandbox.skip(86_000)
    await kk.orders.create(order("SHOP-1", address=ELSEWHERE))
    shown(lambda order: {"customOrderId": None})
    known = await kk.orders.submit(order("SHOP-0"), journal=journal)
    await in_doubt(kk, sandbox, journal, order(), "reset_before")

    created = await kk.orders.submit(order(), journal=journal, timeout=None)

    assert [placed.orders[0] for placed in sandbox.journal][-2:] == [known.id, created.id]


@pytest.mark.parametrize("age", [300, 20 * 3600])
async def test_another_order_of_the_same_id_and_items_is_not_taken_for_ours(kk, sandbox, journal, order, age):
    theirs = await kk.orders.create(order(address=ELSEWHERE))
    sandbox.skip(age)
    await in_doubt(kk, sandbox, journal, order(), "reset_before")

    created = await kk.orders.submit(order(), journal=journal, timeout=None)

    assert created.id != theirs.id
    assert [placed.orders[0] for placed in sandbox.journal] == [theirs.id, created.id]


async def test_ours_is_found_beside_another_order_of_the_same_id_and_items(kk, sandbox, journal, order):
    await kk.orders.create(order(address=ELSEWHERE))
    sandbox.skip(300)
    await in_doubt(kk, sandbox, journal, order())

    created = await kk.orders.submit(order(), journal=journal, timeout=None)

    assert [placed.orders[0] for placed in sandbox.journal][1:] == [created.id]


@pytest.mark.parametrize(
    ("address", "age", "hidden"),
    [
        (ELSEWHERE, 0, False),  # at the very time, with another address
        (attrs.evolve(ADDRESS, recipient="Somebody Else"), 3600, False),  # some of it agrees
        (ELSEWHERE, 3600, True),  # only older
    ],
    ids=["same time", "mixed", "no address"],
)
async def test_an_order_that_may_be_ours_or_anothers_leaves_a_doubt_that_names_it(
    kk, sandbox, journal, order, shown, address, age, hidden
):
    if hidden:
        shown(lambda order: {"shippingAddress": None})
    theirs = await kk.orders.create(order(address=address))
    sandbox.skip(age)
    await in_doubt(kk, sandbox, journal, order(), "reset_before")

    with pytest.raises(
        OutcomeUnknown, match=f"order {theirs.id} carries .* another address or age"
    ) as caught:
        await kk.orders.submit(order(), journal=journal, timeout=None)

    assert len(sandbox.journal) == 1
    assert "Somebody" not in str(caught.value)


@pytest.mark.parametrize(
    "rewrite",
    [
        {"phone": "+1 (555) 0100-999", "recipient": "NOBODY SHALL-SEE", "province": "FL", "country": "us"},
        {"phone": "*** 999", "recipient": "N***", "street1": None, "country": "United States"},
        {
            "recipient": "Nobody Shall-See",
            "phone": "555 0100 999",
            "street1": "1 Secret Street",
            "city": "MIAMI",
        },
    ],
    ids=["formatted", "masked", "corrected"],
)
async def test_ours_is_found_however_the_list_writes_its_address(kk, sandbox, journal, order, shown, rewrite):
    shown(lambda order: {"shippingAddress": {**order.address, **rewrite}})
    await in_doubt(kk, sandbox, journal, order())

    created = await kk.orders.submit(order(), journal=journal, timeout=None)

    [placed] = sandbox.journal
    assert placed.orders == (created.id,)


REFUND = {"path": "/v2/order/orders/*/refund", "method": "POST"}


async def refunds_of_one_piece(kk, sandbox, order, count):
    sku = order().items[0].sku
    stock_up(sandbox)
    sandbox.index_lag = 0.0
    created = await kk.orders.create(order("SHOP-1", Item(sku, 30)))
    [line] = (await kk.orders.get(created.id)).order_items
    piece = RefundItem(item_id=line.item_id, sku_code=sku, quantity=1, country_code=line.country_code)
    for number in range(count):
        await kk.refunds.request(created.id, [piece], remark=f"piece {number}")
    return created, piece


async def test_all_refunds_of_an_order_are_listed(kk, sandbox, order):
    created, _ = await refunds_of_one_piece(kk, sandbox, order, 23)

    refunds = await kk.refunds.of(created.id)

    assert [refund.refund_no for refund in refunds] == list(reversed(sandbox.ledger.refunds))


async def test_a_refund_behind_the_first_page_is_found_and_not_asked_for_again(kk, sandbox, journal, order):
    created, piece = await refunds_of_one_piece(kk, sandbox, order, 0)
    sandbox.faults.add(Fault("reset_after", **REFUND))
    with pytest.raises(OutcomeUnknown):
        await kk.refunds.request(created.id, [piece], journal=journal, timeout=0)
    for number in range(12):
        await kk.refunds.request(created.id, [piece], remark=f"piece {number}")
    sandbox.skip(700)

    number = await kk.refunds.request(created.id, [piece], journal=journal)

    assert number == next(iter(sandbox.ledger.refunds))
    assert len(sandbox.ledger.refunds) == 13


async def test_refunds_that_the_server_counts_and_does_not_show_leave_a_doubt(
    kk, sandbox, journal, order, shown
):
    created, piece = await refunds_of_one_piece(kk, sandbox, order, 12)
    shown(only_first_page=True)
    sandbox.faults.add(Fault("reset_before", **REFUND))

    with pytest.raises(OutcomeUnknown, match=f"refunds of order {created.id} cannot be read"):
        await kk.refunds.request(created.id, [piece], journal=journal, timeout=None)
    with pytest.raises(IncompletePull):
        await kk.refunds.of(created.id)

    assert len(sandbox.ledger.refunds) == 12


async def test_refunds_of_one_order_that_cannot_be_read_keep_no_other_refund_in_doubt(
    kk, sandbox, journal, order
):
    sandbox.index_lag = 0.0
    numbers = []
    for key in ("SHOP-1", "SHOP-2"):
        created = await kk.orders.create(order(key))
        sandbox.faults.add(Fault("reset_after", **REFUND))
        with pytest.raises(OutcomeUnknown):
            await kk.refunds.request(created.id, journal=journal, timeout=0)
        numbers.append(created.id)
    sandbox.faults.add(Fault("rejected", path=f"/v2/order/orders/refund/{numbers[0]}", times=None))

    [left] = await journal.settle(kk)

    assert left.key.startswith(numbers[0])
    assert left.status is WriteStatus.UNKNOWN


@pytest.mark.parametrize(("remark", "clear"), [("Other [ref 01", False), ("OTHER [REF {mark}]", True)])
async def test_a_mark_that_comes_back_cut_or_in_capitals_is_no_absence(
    kk, sandbox, journal, order, monkeypatch, remark, clear
):
    sandbox.index_lag = 0.0
    created = await kk.orders.create(order())
    sandbox.faults.add(Fault("reset_after", **REFUND))
    with pytest.raises(OutcomeUnknown):
        await kk.refunds.request(created.id, journal=journal, timeout=0)
    [entry] = await journal.pending()
    mark = entry.key.partition("/")[2]
    shown = remark.format(mark=mark.upper()) if clear else f"Other [ref {mark[:2]}"
    document = sandbox_orders._refund_document
    monkeypatch.setattr(
        sandbox_orders, "_refund_document", lambda refund: document(refund) | {"remark": shown}
    )
    sandbox.skip(700)

    left = await journal.settle(kk)

    assert len(left) == (0 if clear else 1)
    assert clear or (left[0].status is WriteStatus.UNKNOWN and "a part of its mark" in left[0].why)
