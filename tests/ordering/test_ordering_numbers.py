"""Whatever form KakaClo's number comes in: the first one is the result, the others are kept, none is a doubt."""

from __future__ import annotations

import pytest

from kakaclo_async import Number, OutcomeUnknown
from kakaclo_async.ordering import Journal
from kakaclo_async.sandbox.http.orders import OrderArea

pytestmark = pytest.mark.stepped

FORMS = pytest.mark.parametrize("form", ["value", "list", "object"])


def split(sandbox, form):
    sandbox.split_orders, sandbox.number_form = True, form


def numbers_named(sandbox, form):
    """Return the numbers of the last order, as far as the answer named them."""
    return sandbox.journal[-1].orders[: 1 if form == "value" else None]


@FORMS
async def test_an_order_knows_every_number_that_the_answer_named(kk, sandbox, order, two_countries, form):
    split(sandbox, form)
    created = await kk.orders.create(order("A", *two_countries))
    assert created.ids == numbers_named(sandbox, form)
    assert (type(created.id), created.id) == (str, created.ids[0])


@FORMS
async def test_the_outdated_area_reads_the_same_forms(kk, sandbox, order, two_countries, form):
    split(sandbox, form)
    with pytest.warns(DeprecationWarning, match="V1"):
        v1 = kk.v1
    created = await v1.orders.create(order("A", *two_countries))
    assert created.ids == numbers_named(sandbox, form)
    sandbox.skip(600)
    refund = await v1.refunds.request(created.id, "changed my mind")
    assert Number.all_of(refund) == tuple(sandbox.ledger.refunds)


@FORMS
async def test_a_journal_keeps_all_numbers_for_every_later_submit(
    kk, sandbox, url, journal, order, two_countries, form
):
    split(sandbox, form)
    one = await kk.orders.submit(order("A", *two_countries), journal=journal)
    again = await kk.orders.submit(order("A", *two_countries), journal=Journal(url, now=sandbox.now))
    assert one.ids == again.ids == numbers_named(sandbox, form)
    assert (await journal.find("A")).outcome == one.id
    assert len(sandbox.journal) == 1


@FORMS
async def test_a_refund_is_a_text_that_knows_every_number(
    kk, sandbox, url, journal, order, form, monkeypatch
):
    created = await kk.orders.create(order("A"))
    sandbox.skip(600)
    several = {"value": "111", "list": ["111", "1111"], "object": {"RefundNo": ["111", "1111"]}}[form]
    monkeypatch.setattr(OrderArea, "_numbered", lambda *_, **__: several)
    refund = await kk.refunds.request(created.id, journal=journal)
    again = await kk.refunds.request(created.id, journal=Journal(url, now=sandbox.now))
    assert refund == again == "111"
    assert Number.all_of(refund) == Number.all_of(again) == (("111",) if form == "value" else ("111", "1111"))
    assert len(sandbox.ledger.refunds) == 1


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.filterwarnings("ignore:KakaClo's V1")
async def test_the_number_of_the_order_is_not_taken_for_that_of_its_refund(
    kk, sandbox, order, monkeypatch, version
):
    number = (await kk.orders.create(order("A"))).id
    sandbox.skip(600)
    monkeypatch.setattr(OrderArea, "_numbered", lambda *_, **__: {"id": number})
    with pytest.raises(OutcomeUnknown, match="named no number"):
        await (kk.refunds.request(number) if version == "v2" else kk.v1.refunds.request(number, "x"))


UNREADABLE = pytest.mark.parametrize(
    "answer", [{"taken": True}, {}, [], "", True, 1.5, None, {"kkOrderIds": []}]
)


@UNREADABLE
@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.filterwarnings("ignore:KakaClo's V1")
async def test_a_success_without_a_number_is_a_doubt_in_both_versions(
    kk, sandbox, order, monkeypatch, answer, version
):
    monkeypatch.setattr(OrderArea, "_numbered", lambda *_, **__: answer)
    orders = kk.orders if version == "v2" else kk.v1.orders
    with pytest.raises(OutcomeUnknown, match="'A'"):
        await orders.create(order("A"))
    sandbox.skip(600)
    with pytest.raises(OutcomeUnknown):
        number = sandbox.journal[0].orders[0]
        await (kk.refunds.request(number) if version == "v2" else kk.v1.refunds.request(number, "x"))
    assert (len(sandbox.journal), len(sandbox.ledger.refunds)) == (1, 1)


@UNREADABLE
async def test_a_journal_never_sends_an_order_again_whose_number_it_could_not_read(
    kk, sandbox, journal, order, monkeypatch, answer
):
    monkeypatch.setattr(OrderArea, "_numbered", lambda *_, **__: answer)
    with pytest.raises(OutcomeUnknown):
        await kk.orders.submit(order("A"), journal=journal, timeout=0)
    created = await kk.orders.submit(order("A"), journal=journal, timeout=None)
    assert [placed.orders for placed in sandbox.journal] == [(created.id,)]
