"""Lists that only have page numbers: nothing is lost while they move, and what cannot be sure says so."""

from __future__ import annotations

import random

import attrs
import pytest
from hypothesis import given, strategies as st

from kakaclo_async.errors import IncompletePull
from kakaclo_async.models.common import Page
from kakaclo_async.models.custom import Design
from kakaclo_async.paging.listing import Listing
from kakaclo_async.resources import custom

SIZE = 10


@attrs.define
class MovingList:
    """A server-side list; `move` is called before each page is served."""

    rows: list[int]
    move: object = None
    total: object = int
    requests: list[int] = attrs.field(factory=list)

    async def read(self, number):
        if self.move is not None and self.requests:
            self.move(self.rows)
        self.requests.append(number)
        start = (number - 1) * SIZE
        return Page(list=tuple(self.rows[start : start + SIZE]), total=self.total(len(self.rows)))


async def rows_of(server):
    return [row async for row in Listing("rows", server.read, lambda row: row).rows()]


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 20, 95, 100])
async def test_a_list_at_rest_costs_one_request_per_page(count):
    server = MovingList(list(range(count)))
    assert sorted(await rows_of(server)) == list(range(count))
    assert len(server.requests) == max(1, -(-count // SIZE))


@pytest.mark.parametrize("count", [0, 7, 10, 35])
async def test_a_list_without_a_total_is_read_to_an_empty_page(count):
    server = MovingList(list(range(count)), total=lambda _: None)

    assert await rows_of(server) == list(range(count))

    assert server.requests == list(range(1, -(-count // SIZE) + 2))


def capped(count):
    return min(count, 10_000)


async def test_a_total_of_ten_thousand_is_no_total():
    server = MovingList(list(range(10_237)), total=capped)

    assert len(await rows_of(server)) == 10_237


async def test_rows_that_come_in_while_a_list_without_a_total_is_read_hide_none():
    def arrive(rows):
        if len(rows) < 60:
            rows.insert(0, 1000 + len(rows))

    server = MovingList(list(range(50)), total=lambda _: None, move=arrive)

    assert set(range(50)) <= set(await rows_of(server))


@pytest.mark.parametrize(
    ("rows", "total"), [(10_000, capped), (9_990, lambda _: 10_000), (10_000, lambda _: None)]
)
async def test_a_list_that_ends_where_an_index_may_have_stopped_is_not_called_complete(rows, total):
    server = MovingList(list(range(rows)), total=total)

    with pytest.raises(IncompletePull, match="more than the server shows"):
        await rows_of(server)


async def test_a_server_that_ignores_page_numbers_is_not_asked_for_ever():
    server = MovingList(list(range(10)), total=lambda _: None)
    read = server.read

    async def first_page(_number):
        return await read(1)

    with pytest.raises(IncompletePull):
        async for _ in Listing("rows", first_page, lambda row: row).rows():
            pass

    assert len(server.requests) < 50


@given(st.integers(0, 2**32))
def test_rows_that_leave_hide_no_other_row(seed):
    import asyncio

    chance = random.Random(seed)
    rows = list(range(200))

    def leave(present):
        for _ in range(chance.randrange(4)):
            if present:
                present.pop(chance.randrange(len(present)))

    server = MovingList(list(rows), move=leave)
    found = asyncio.run(rows_of(server))
    assert len(found) == len(set(found))
    assert set(server.rows) <= set(found)


async def test_a_plain_page_loop_loses_rows_of_the_same_list():
    server = MovingList(list(range(200)), move=lambda rows: rows.pop(0))
    found, number = set(), 1
    while page := await server.read(number):
        found.update(page)
        number += 1
    assert not set(server.rows) <= found


async def test_rows_that_come_in_are_found_by_another_round_and_none_twice():
    def arrive(rows):
        if len(rows) < 103:
            rows.insert(0, 1000 + len(rows))

    server = MovingList(list(range(100)), move=arrive)
    found = await rows_of(server)
    assert len(found) == len(set(found))
    assert set(found) == set(server.rows)


async def test_a_list_that_never_rests_ends_with_a_clear_error_after_what_was_found():
    server = MovingList(list(range(50)), move=lambda rows: rows.insert(0, len(rows)))
    found = []
    with pytest.raises(IncompletePull, match="rows kept changing") as caught:
        async for row in Listing("rows", server.read, lambda row: row).rows():
            found.append(row)  # noqa: PERF401 - the rows before the error count, too
    assert not caught.value.certificate.complete
    assert set(range(50)) <= set(found)


@pytest.mark.parametrize("seed", range(20))
async def test_pages_that_lack_rows_lose_none_while_others_leave(seed):
    """A row that leaves makes the total smaller, and must not make up for one that a page did not show."""
    chance = random.Random(seed)
    server = MovingList(list(range(100)), move=lambda rows: rows and chance.random() < 0.3 and rows.pop(0))
    whole = server.read

    async def read(number):
        page = await whole(number)
        rows = list(page.list)
        if rows and chance.random() < 0.2:
            rows.pop(chance.randrange(len(rows)))
        elif len(rows) > 1 and chance.random() < 0.2:
            rows[1] = rows[0]
        return attrs.evolve(page, list=tuple(rows))

    try:
        found = {row async for row in Listing("rows", read, lambda row: row).rows()}
    except IncompletePull:
        return
    assert set(server.rows) <= found


async def test_a_page_that_stays_short_makes_the_list_incomplete():
    server = MovingList(list(range(100)))
    whole = server.read

    async def read(number):
        page = await whole(number)
        return attrs.evolve(page, list=tuple(row for row in page.list if row != 55))

    with pytest.raises(IncompletePull):
        [row async for row in Listing("rows", read, lambda row: row).rows()]


async def test_models_without_an_id_are_told_apart_by_all_that_they_hold():
    """The line that a model shows holds less than the model."""
    rows = [Design(image_url=url, en_name="Shirt") for url in ("a.jpg", "b.jpg")]
    server = MovingList(rows)
    found = [row async for row in Listing("designs", server.read, custom._key).rows()]
    assert sorted(row.image_url for row in found) == ["a.jpg", "b.jpg"]
