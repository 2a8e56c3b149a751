"""Streams that users iterate over: one that lacks rows never looks complete."""

from __future__ import annotations

import asyncio
import gc
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import pytest
from support.shop import ADDRESS

from kakaclo_async import IncompletePull, Item, MaterialImage, NewDesign, NewOrder, ServerError
from kakaclo_async.errors import DecodeError
from kakaclo_async.models.common import Page
from kakaclo_async.paging.listing import Listing
from kakaclo_async.sandbox import Fault, FaultKind
from kakaclo_async.sandbox.http import routing

pytestmark = [pytest.mark.stepped, pytest.mark.kakaclo_sandbox(index_lag=0, design_delay=0.0)]

LONG_AGO = datetime(2015, 1, 1, tzinfo=UTC)


def ready(sandbox):
    return sandbox.now() - timedelta(minutes=10)


async def orders(kk, sandbox):
    sku = next(sandbox.catalog.selling("US", pieces=5))
    for number in range(3):
        await kk.orders.create(NewOrder(address=ADDRESS, items=[Item(sku, 1)], custom_order_id=f"C-{number}"))
    return lambda: kk.orders.query(created_from=LONG_AGO)


async def designs(kk, sandbox):
    image = MaterialImage(image_name="front.png", image_url="https://img.example/front.png")
    [name, *_] = await kk.custom.category_names()
    async with aclosing(kk.custom.models(category_names=[name])) as models:
        model = await anext(models)
    await kk.custom.add_design(
        NewDesign(
            model_id=model.id,
            en_name="Mug",
            image_url="https://img.example/mug.png",
            material_images=[image],
        )
    )
    return kk.custom.designs


async def models(kk, sandbox):
    return kk.custom.models


async def category(kk, sandbox):
    number = next(iter(sandbox.catalog.products()))["categoryId"]
    return lambda: kk.products.in_category(number)


async def products(kk, sandbox):
    return lambda: kk.products.updated(LONG_AGO, ready(sandbox))


async def stocks(kk, sandbox):
    return lambda: kk.stocks.updated(LONG_AGO, ready(sandbox))


async def batches(kk, sandbox):
    return lambda: kk.products.updated(LONG_AGO, ready(sandbox)).batches(3)


EVERY_STREAM = pytest.mark.parametrize(
    "kind", [products, stocks, category, orders, models, designs, batches], ids=lambda kind: kind.__name__
)


def keys(rows):
    """Return what tells rows apart, in order."""
    flat = [row for part in rows for row in (part[0].rows if isinstance(part, tuple) else (part,))]
    return sorted(str(getattr(row, "spu", None) or getattr(row, "sku", None) or row.id) for row in flat)


@EVERY_STREAM
async def test_a_stream_whose_wait_timed_out_goes_on_where_it_was(kk, sandbox, kind):
    stream = await kind(kk, sandbox)
    whole = [row async for row in stream()]
    assert whole
    sandbox.faults.add(Fault(FaultKind.DELAY, seconds=5, times=2))
    rows = stream()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(rows), 1)
    assert keys([row async for row in rows]) == keys(whole)
    assert await anext(rows, "ended") == "ended"


@EVERY_STREAM
async def test_a_stream_that_failed_says_so_each_time(kk, sandbox, kind):
    rows = (await kind(kk, sandbox))()
    sandbox.faults.add(Fault(FaultKind.SERVER_ERROR, times=None))
    raised = []
    for _ in range(3):
        with pytest.raises(ServerError) as caught:
            [row async for row in rows]
        raised.append(caught.value)
    assert len(set(map(id, raised))) == 3  # each with a traceback of its own
    await rows.aclose()
    assert await anext(rows, "ended") == "ended"


@EVERY_STREAM
async def test_a_stream_that_is_closed_or_dropped_cancels_its_request(kk, sandbox, kind):
    stream = await kind(kk, sandbox)
    before = asyncio.all_tasks()
    for end in ("close", "drop"):
        sandbox.faults.add(Fault(FaultKind.DELAY, seconds=5, times=1))
        rows = stream()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(rows), 1)
        if end == "close":
            await rows.aclose()
            assert await anext(rows, "ended") == "ended"
        del rows
        gc.collect()
        for _ in range(50):
            await asyncio.sleep(0)
        assert {task for task in asyncio.all_tasks() - before if "kakaclo_async" in repr(task)} == set()


class Gate:
    """A list of three pages, each of which waits to be let in."""

    def __init__(self):
        self.asked = []
        self.free = asyncio.Semaphore(0)

    async def read(self, number):
        self.asked.append(number)
        await self.free.acquire()
        return Page(list=(3 * number, 3 * number + 1, 3 * number + 2), total=9)

    def rows(self):
        return Listing("rows", self.read, lambda row: row).rows()


@pytest.mark.parametrize("turns", range(6))
async def test_a_cancellation_at_any_moment_loses_no_row_and_asks_for_no_page_twice(turns):
    gate = Gate()
    rows, found = gate.rows(), []
    while True:
        waiting = asyncio.ensure_future(anext(rows, None))
        for _ in range(turns):
            await asyncio.sleep(0)
        waiting.cancel()
        gate.free.release()
        [row] = await asyncio.gather(waiting, return_exceptions=True)
        if isinstance(row, asyncio.CancelledError):
            row = await anext(rows, None)
        if row is None:
            break
        found.append(row)
    assert sorted(found) == list(range(3, 12))
    assert sorted(gate.asked) == [1, 2, 3]


async def test_tasks_may_share_a_stream_and_each_row_goes_to_one():
    gate = Gate()
    rows = gate.rows()

    async def some():
        return [row async for row in rows]

    both = asyncio.gather(some(), some())
    for _ in range(3):
        gate.free.release()
        await asyncio.sleep(0.1)
    assert sorted(row for part in await both for row in part) == list(range(3, 12))
    assert sorted(gate.asked) == [1, 2, 3]


async def test_a_stream_whose_own_task_is_cancelled_says_that_rows_are_missing():
    gate = Gate()
    rows = gate.rows()
    before = asyncio.all_tasks()
    waiting = asyncio.ensure_future(anext(rows))
    await asyncio.sleep(0.1)
    for task in asyncio.all_tasks() - before - {waiting}:
        task.cancel()  # as the end of `asyncio.run` does
    with pytest.raises(IncompletePull, match="was interrupted, and rows are missing: start it again"):
        await waiting
    with pytest.raises(IncompletePull):
        await anext(rows)


async def test_a_stream_takes_an_exception_as_its_end_as_generators_do():
    rows = Gate().rows()
    with pytest.raises(ValueError, match="enough"):
        await rows.athrow(ValueError("enough"))
    assert await anext(rows, "ended") == "ended"


async def _strange(kk, sandbox, kind, monkeypatch):
    stream = await kind(kk, sandbox)
    whole = keys([row async for row in stream()])
    write = routing.success

    def spoiled(data, message):
        for row in data["list"] if isinstance(data, dict) and "list" in data else ():
            if (
                str(row.get("spu") or row.get("sku") or row.get("id")) == whole[0]
                or row.get("id") == whole[0]
            ):
                row |= {"price": "cheap", "finalAmount": "much", "warehouseStockList": 5}
        return write(data, message)

    monkeypatch.setattr(routing, "success", spoiled)
    return stream, whole


@pytest.mark.parametrize("kind", [products, stocks, category, orders], ids=lambda kind: kind.__name__)
async def test_a_stream_gives_all_other_rows_and_names_at_its_end_the_one_that_cannot_be_read(
    kk, sandbox, kind, monkeypatch
):
    stream, whole = await _strange(kk, sandbox, kind, monkeypatch)
    rows, found = stream(), []

    with pytest.raises(DecodeError, match=whole[0]):
        async for row in rows:
            found.append(row)  # noqa: PERF401 - what came before the error counts

    assert keys(found) == whole[1:]
    with pytest.raises(DecodeError, match="all others can"):
        await anext(rows)
