"""Designed products: KakaClo answers nothing, and still each is added once, found and returned."""

from __future__ import annotations

import asyncio
import re

import pytest
from support.ordering import bury, client, kill_at

from kakaclo_async import DeadlineExceeded, Item, ModelStatus, NewDesign, OutcomeUnknown, Rejected
from kakaclo_async.errors import Conflict, DecodeError
from kakaclo_async.ordering import Journal
from kakaclo_async.ordering.refunds import DesignWrites
from kakaclo_async.sandbox import Fault
from kakaclo_async.sandbox.http import custom as sandbox_custom

pytestmark = pytest.mark.stepped
PATH = "/v1/product/custom/customDesigned/addProduct"
IMAGE = "https://img.example/a.png"


@pytest.fixture
async def model(kk):
    models = [found async for found in kk.custom.models()]
    details = [await kk.custom.model(found.id) for found in models[:3]]
    return next(detail for detail in details if detail.status is ModelStatus.ON_SHELF)


@pytest.fixture
def design(model):
    def make(name="Dinosaur", **changes):
        return NewDesign(**{"model_id": model.id, "en_name": name, "image_url": IMAGE, **changes})

    return make


async def added(kk):
    return [design async for design in kk.custom.designs()]


async def test_a_design_is_returned_when_it_can_be_ordered(kk, sandbox, design, order):
    new = await kk.custom.add_design(design())

    assert [new] == await added(kk)
    product = await kk.products.get(new.spu)
    sandbox.skip(400)
    assert (await kk.orders.check(order("A", Item(product.sku_details[0].sku, 1)))).ok


@pytest.mark.parametrize("text", [b"\x01", b"\xff", rb"\ud83d"])
async def test_a_model_code_that_was_damaged_hides_no_design(sandbox, journal, design, damage, text):
    """Searched for by it, a design that was added would never show up, and be added again in the end."""
    new, broken = design(), True
    damage(
        lambda body: re.sub(rb'("modelCode":"[^"]*)"', rb'\1%b"' % re.escape(text), body) if broken else body
    )
    async with client(sandbox) as kk:  # one that has not kept the model
        await kk.custom.add_design(new, journal=journal)
        broken = False
        await kk.custom.add_design(new, journal=journal)
        assert len(await added(kk)) == sandbox.requests[PATH] == 1
        assert (await kk.custom.model(int(new.model_id))).model_code.isprintable()


async def test_an_equal_design_without_a_journal_is_another(kk, sandbox, design):
    one = await kk.custom.add_design(design())
    two = await kk.custom.add_design(design())

    assert one.id != two.id
    assert {found.id for found in await added(kk)} == {one.id, two.id}


async def test_with_a_journal_an_equal_design_is_the_same(kk, sandbox, journal, design):
    one = await kk.custom.add_design(design(), journal=journal)
    two = await kk.custom.add_design(design(), journal=journal)
    other = await kk.custom.add_design(design("Mammoth"), journal=journal)

    assert one == two
    assert len(await added(kk)) == sandbox.requests[PATH] == 2
    assert other.en_name == "Mammoth"


@pytest.mark.parametrize("kind", ["reset_after", "reset_before", "server_error", "silence"])
async def test_with_a_journal_a_design_in_doubt_is_settled(kk, sandbox, journal, design, kind):
    before = await kk.custom.add_design(design())
    sandbox.faults.add(Fault(kind, path=PATH))

    new = await kk.custom.add_design(design(), journal=journal, timeout=None)

    assert {found.id for found in await added(kk)} == {before.id, new.id}
    assert await journal.pending() == ()


async def test_without_a_journal_a_design_in_doubt_is_sent_once(kk, sandbox, design):
    sandbox.faults.add(Fault("reset_after", path=PATH))

    with pytest.raises(OutcomeUnknown, match="look for it in custom.designs"):
        await kk.custom.add_design(design())

    assert sandbox.requests[PATH] == 1


async def test_a_design_that_was_taken_and_does_not_show_up_is_never_sent_again(kk, sandbox, journal, design):
    sandbox.design_delay = 7200.0

    with pytest.raises(OutcomeUnknown, match="KakaClo took it"):
        await kk.custom.add_design(design(), journal=journal, timeout=60.0)
    sandbox.skip(3600)
    [entry] = await journal.settle(kk)
    assert "does not show up" in entry.why
    sandbox.skip(7200)

    new = await kk.custom.add_design(design(), journal=journal)

    assert [new] == await added(kk)
    assert sandbox.requests[PATH] == 1


async def test_being_cancelled_while_it_does_not_show_up_is_a_doubt(kk, sandbox, journal, design):
    task = asyncio.create_task(kk.custom.add_design(design(), journal=journal))
    await asyncio.sleep(10)
    task.cancel()

    with pytest.raises((OutcomeUnknown, asyncio.CancelledError)):
        await task

    assert [entry.kind for entry in await journal.pending()] == ["design"]
    assert await kk.custom.add_design(design(), journal=journal)
    assert sandbox.requests[PATH] == 1


@pytest.mark.parametrize("number", [1, 2, 3])
async def test_a_worker_that_dies_leaves_one_design(kk, sandbox, url, design, number):
    doomed = Journal(url, now=sandbox.now)
    dead = kill_at(doomed, number, "after")
    async with client(sandbox) as other:
        task = asyncio.create_task(other.custom.add_design(design(), journal=doomed))
        await dead.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await bury(doomed)

    new = await kk.custom.add_design(design(), journal=Journal(url, now=sandbox.now), timeout=None)

    assert [new] == await added(kk)


async def test_a_design_that_is_declined_is_told_so(kk, sandbox, journal, design):
    with pytest.raises(Rejected):
        await kk.custom.add_design(design(model_id=10**6), journal=journal)

    assert await journal.pending() == ()


async def test_a_design_that_cannot_be_ordered_in_time_is_told_by_its_number(
    kk, sandbox, design, monkeypatch
):
    async def nothing(*_arguments, **_options):
        return ()

    monkeypatch.setattr("kakaclo_async.resources.products.Products.get_many", nothing)

    with pytest.raises(DeadlineExceeded, match=r"design \d+ was added, and cannot be ordered"):
        await kk.custom.add_design(design(), timeout=300)


async def test_a_conflict_names_the_design(kk):
    assert isinstance(DesignWrites(kk._sender).conflict("K"), Conflict)


@pytest.fixture
def spoil(monkeypatch):
    """Lets searches show the designs with these names with other fields."""
    write = sandbox_custom._design_document

    def spoil(name, **fields):
        def spoiled(design, ordered):
            found = write(design, ordered)
            return {**found, **fields} if found["enName"] == name else found

        monkeypatch.setattr(sandbox_custom, "_design_document", spoiled)

    return spoil


UNREADABLE = [{"price": "cheap"}, {"id": {}}, {"orderCount": 2**64}]


@pytest.mark.parametrize("fields", UNREADABLE)
@pytest.mark.parametrize("kind", ["reset_after", "reset_before"])
async def test_a_design_of_others_that_cannot_be_read_keeps_no_doubt(
    kk, sandbox, journal, design, spoil, fields, kind
):
    await kk.custom.add_design(design("Mammoth"))
    spoil("Mammoth", **fields)
    sandbox.faults.add(Fault(kind, path=PATH))

    new = await kk.custom.add_design(design(), journal=journal, timeout=None)

    assert new.en_name == "Dinosaur"
    spoil("nobody")
    assert sorted(made.en_name for made in await added(kk)) == ["Dinosaur", "Mammoth"]
    assert await journal.pending() == ()


@pytest.mark.parametrize(
    "fields", [{"enName": "Dino\ufffd"}, {"imageUrl": {}, "price": "cheap"}, {"id": {}}, {"enName": None}]
)
async def test_a_design_in_doubt_that_may_be_one_that_cannot_be_read_is_never_sent_again(
    kk, sandbox, journal, design, spoil, fields
):
    spoil("Dinosaur", **fields)
    sandbox.faults.add(Fault("reset_after", path=PATH))
    with pytest.raises(OutcomeUnknown):
        await kk.custom.add_design(design(), journal=journal, timeout=0)
    sandbox.skip(7200)

    with pytest.raises(OutcomeUnknown, match="cannot be read: it may be this one"):
        await kk.custom.add_design(design(), journal=journal, timeout=3600)

    assert sandbox.requests[PATH] == 1


async def test_a_design_in_doubt_is_found_by_what_can_be_read_of_it(kk, sandbox, journal, design, spoil):
    spoil("Dinosaur", price="cheap")
    sandbox.faults.add(Fault("reset_after", path=PATH))

    with pytest.raises(DecodeError, match=r"design \d+: was added, and cannot be read"):
        await kk.custom.add_design(design(), journal=journal, timeout=None)

    assert sandbox.requests[PATH] == 1
    assert await journal.pending() == ()
