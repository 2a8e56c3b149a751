"""What changes something: only with `write`, only after a question, and once."""

from __future__ import annotations

import html
import re
from decimal import Decimal

import pytest
from support.shop import ADDRESS

from kakaclo_async import NewOrder, OutcomeUnknown
from kakaclo_async.ordering import Journal
from kakaclo_async.sandbox import Fault

pytestmark = pytest.mark.long


def form_of(page):
    [token] = re.findall(r'name="form" value="([^"]+)"', page)
    return token


async def test_a_board_that_reads_shows_no_form_that_writes_and_takes_none(shown, reader):
    for path in (f"/orders/{shown.waiting_id}", "/doubts"):
        _, page = await reader.get(path)
        assert "/refund" not in page
        assert "/finish" not in page
    for path in (f"/orders/{shown.waiting_id}/refund", "/doubts/finish"):
        for status, page in (await reader.get(f"{path}?whole=yes"), await reader.post(path, form="x")):
            assert status == 403
            assert "--write" in page
    assert len(shown.sandbox.ledger.refunds) == 1


async def test_a_refund_is_asked_for_once_and_as_it_was_shown(shown, writer):
    path = f"/orders/{shown.waiting_id}/refund"
    status, page = await writer.get(f"{path}?whole=yes&reason=Out+Of+Stock")
    assert status == 200
    amount, balance = shown.sandbox.ledger.orders[shown.waiting_id].final, shown.sandbox.ledger.balance
    assert all(f"{money:f}" in page for money in (amount, balance, balance + amount))
    assert len(shown.sandbox.ledger.refunds) == 1, "nothing before the answer"
    form = form_of(page)

    status, page = await writer.post(path, form=form, whole="no", reason="Other")
    assert status == 200
    again, text = await writer.post(path, form=form)

    refund = list(shown.sandbox.ledger.refunds.values())[-1]
    assert (refund.order, refund.reason) == (shown.waiting_id, "Out Of Stock")
    assert refund.number in page
    assert (again, "sent before" in text) == (403, True)
    assert len(shown.sandbox.ledger.refunds) == 2


async def test_pieces_are_refunded_as_many_as_were_named(shown, writer):
    path = f"/orders/{shown.waiting_id}/refund"
    item = shown.sandbox.ledger.orders[shown.waiting_id].items[0]
    _, page = await writer.get(path, params={f"sku:{item.sku}": "1"})
    await writer.post(path, form=form_of(page))
    refund = list(shown.sandbox.ledger.refunds.values())[-1]
    assert dict(refund.pieces) == {item.number: 1}


async def test_a_refund_that_the_journal_knows_is_named_and_another_one_is_asked_for_as_such(shown, writer):
    item = shown.sandbox.ledger.orders[shown.waiting_id].items[0]
    path, one = f"/orders/{shown.waiting_id}/refund", {f"sku:{item.sku}": "1"}
    _, page = await writer.get(path, params=one)
    _, late = await writer.get(path, params=one)
    _, page = await writer.post(path, form=form_of(page))
    refund = list(shown.sandbox.ledger.refunds.values())[-1]
    assert f"Refund {refund.number} was asked for." in page

    status, page = await writer.get(path, params=one)
    assert (status, 'name="form"' in page) == (200, False)
    assert f"Refund {refund.number} was asked for before" in page
    assert "Its status is pending review." in page
    [link] = re.findall(r'href="([^"]+another=yes[^"]*)"', page)

    _, page = await writer.post(path, form=form_of(late))
    assert f"Refund {refund.number} was asked for before, so nothing was sent" in page
    assert len(shown.sandbox.ledger.refunds) == 2

    _, page = await writer.get(html.unescape(link))
    assert "another one like it" in page
    _, page = await writer.post(path, form=form_of(page))
    newest = list(shown.sandbox.ledger.refunds.values())[-1]
    assert newest.number != refund.number
    assert f"Refund {newest.number} was asked for." in page
    assert len(shown.sandbox.ledger.refunds) == 3


async def test_no_refund_is_asked_for_beside_one_of_the_order_that_is_in_doubt(shown, writer):
    path = f"/orders/{shown.waiting_id}/refund?whole=yes"
    _, page = await writer.get(path)
    shown.sandbox.faults.add(Fault("reset_before", path="*/refund", method="POST"))
    with pytest.raises(OutcomeUnknown):
        await shown.kk.refunds.request(shown.waiting_id, journal=shown.journal, timeout=0)

    for status, told in (
        await writer.get(path),
        await writer.get(f"{path}&another=yes"),
        await writer.post(path, form=form_of(page)),
    ):
        assert (status, 'name="form"' in told) == (200, False)
        assert "may have been asked for before, so nothing was sent" in told


@pytest.mark.parametrize("query", ["", "?sku:A=0", "?sku:A=-1", "?sku:A=x", f"?sku:A={'9' * 5000}"], ids=len)
async def test_a_refund_of_nothing_is_not_asked_for(shown, writer, query):
    status, _ = await writer.get(f"/orders/{shown.waiting_id}/refund{query}")
    assert status == 400


async def test_the_form_of_one_order_refunds_no_other(shown, writer):
    _, page = await writer.get(f"/orders/{shown.waiting_id}/refund?whole=yes")
    for path in (f"/orders/{shown.order_id}/refund", "/doubts/finish"):
        _, page = await writer.get(f"/orders/{shown.waiting_id}/refund?whole=yes")
        status, _ = await writer.post(path, form=form_of(page))
        assert status == 403
    assert len(shown.sandbox.ledger.refunds) == 1


async def test_finish_settles_what_was_in_doubt_after_a_question(shown, writer):
    status, page = await writer.get("/doubts/finish")
    assert status == 200
    assert "SHOP-3" in page
    before = shown.sandbox.ledger.balance
    [cost] = re.findall(r"costs at most <strong>([\d.]+) USD", page)
    assert f"{before:f} USD" in page
    assert len(await shown.journal.pending()) == 1

    status, page = await writer.post("/doubts/finish", form=form_of(page))

    assert status == 200
    assert "Nothing is in doubt" in page
    assert await Journal(shown.journal_url).pending() == ()
    placed = [entry.paid for entry in shown.sandbox.journal if entry.custom_order_id == "SHOP-3"]
    assert placed == [Decimal(cost)]


async def test_what_came_into_doubt_after_the_question_is_not_sent_by_its_yes(shown, writer):
    _, page = await writer.get("/doubts/finish")
    shown.sandbox.faults.add(Fault("reset_before", path="*/orders", method="POST"))
    late = NewOrder(address=ADDRESS, items=[{"sku": shown.sku, "quantity": 1}], custom_order_id="LATE-1")
    with pytest.raises(OutcomeUnknown):
        await shown.kk.orders.submit(late, journal=shown.journal, timeout=0)
    # A quiet time of nothing: by now a look can tell that KakaClo did not get it.
    [gone] = await Journal(shown.journal_url, quiet_time=0).settle(shown.kk)
    assert (gone.key, gone.status) == ("LATE-1", "not executed")

    status, page = await writer.post("/doubts/finish", form=form_of(page))

    assert (status, "LATE-1" in page) == (200, True)
    assert "LATE-1" not in {entry.custom_order_id for entry in shown.sandbox.journal}
