"""Which orders are ours: by custom order id and items, all of them, and nobody else's."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given, settings, strategies as st
from support.ordering import POST
from support.whole import a_line, an_order

from kakaclo_async import OutcomeUnknown
from kakaclo_async.ordering import Entry, WriteStatus, orders as order_writes
from kakaclo_async.ordering.journal import digest_of
from kakaclo_async.ordering.orders import OrderWrites
from kakaclo_async.sandbox import Fault

stepped = pytest.mark.stepped


def one(number, **pieces):
    lines = tuple(a_line(sku_code=sku, product_num=quantity) for sku, quantity in pieces.items())
    return an_order(id=str(number), custom_order_id="A", order_items=lines)


def unknown(payload, now):
    return Entry(
        kind="order",
        key="A",
        status=WriteStatus.UNKNOWN,
        outcome=None,
        why=None,
        attempts=1,
        sent_from=now,
        sent_until=now,
        settles_at=now,
        created_at=now,
        seen_at=now,
        payload=json.dumps(payload).encode(),
        digest="",
        notes=None,
    )


class Shown:
    """What a look at KakaClo shows."""

    def __init__(self, orders):
        self._orders = orders

    async def rows(self):
        for order in self._orders:
            yield order


@pytest.mark.parametrize(
    ("orders", "ours"),
    [
        ([], None),
        ([one(1, X=2, Y=1)], "1"),
        ([one(2, Y=1), one(1, X=2)], "1"),  # one request became two orders
        ([one(2, Y=1)], "unclear"),  # and only one of them shows yet
        ([one(1, X=1), one(2, X=2, Y=1)], "2"),  # another program's, with a part of ours
        ([one(1, X=1), one(2, X=2), one(3, Y=1)], "2"),
        ([one(1, X=3, Y=1)], "unclear"),
        ([one(1, X=2, Y=1, Z=1)], "unclear"),
        ([one(1, X=2, Y=1), one(2, X=2, Y=1)], "1"),  # somebody ordered it twice
        ([an_order(id="1", custom_order_id="A")], "unclear"),
    ],
)
async def test_ours_are_those_that_hold_together_what_was_asked(
    kk, sandbox, order, monkeypatch, orders, ours
):
    payload = {"orderItemsList": [{"sku": "X", "quantity": 2}, {"sku": "Y", "quantity": 1}]}
    entry = unknown(payload, sandbox.now())
    for shown in permutations(orders):
        monkeypatch.setattr(order_writes, "list_orders", lambda *_, shown=shown, **__: Shown(shown))

        seen = await OrderWrites(kk._sender).reconcile([entry], thorough=True)

        assert seen.found == ({} if ours in {None, "unclear"} else {"A": ours})
        assert list(seen.unclear) == (["A"] if ours == "unclear" else [])
        assert seen.complete


@stepped
async def test_a_family_of_which_a_part_shows_first_is_recorded_under_its_first_number(
    kk, sandbox, journal, order, two_countries, monkeypatch
):
    sandbox.split_orders = True
    sandbox.faults.add(Fault("reset_after", **POST))
    real, looks = order_writes.list_orders, []

    class FirstHidden:
        def __init__(self, *arguments, **options):
            self._rows = real(*arguments, **options).rows()

        async def rows(self):
            rows = sorted([row async for row in self._rows], key=order_writes.by_number)
            looks.append(len(rows))
            for row in rows[1:] if looks.count(2) <= 2 else rows:
                yield row

    monkeypatch.setattr(order_writes, "list_orders", FirstHidden)

    created = await kk.orders.submit(order("SHOP-1", *two_countries), journal=journal, timeout=None)

    [placed] = sandbox.journal
    assert created.id == placed.orders[0]
    assert looks.count(2) == 3


@stepped
async def test_a_part_that_stays_a_part_leaves_a_doubt_that_names_it_and_orders_nothing(
    kk, sandbox, journal, order, two_countries
):
    theirs = await kk.orders.create(order("SHOP-1", two_countries[0]))
    sandbox.faults.add(Fault("reset_before", **POST))

    with pytest.raises(OutcomeUnknown, match=f"order {theirs.id} carries this custom order id, with other"):
        await kk.orders.submit(order("SHOP-1", *two_countries), journal=journal, timeout=None)

    assert len(sandbox.journal) == 1


@stepped
async def test_the_same_items_in_another_order_are_the_same_order(kk, sandbox, journal, order, two_countries):
    first = await kk.orders.submit(order("SHOP-1", *two_countries), journal=journal)

    assert await kk.orders.submit(order("SHOP-1", *reversed(two_countries)), journal=journal) == first
    assert len(sandbox.journal) == 1


documents = st.recursive(
    st.none() | st.integers(-3, 3) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=3),
    max_leaves=8,
)


def turned_round(value):
    if isinstance(value, dict):
        return {name: turned_round(value[name]) for name in reversed(value)}
    return [turned_round(part) for part in reversed(value)] if isinstance(value, list) else value


def sorted_through(value):
    if isinstance(value, dict):
        return {name: sorted_through(value[name]) for name in sorted(value)}
    return sorted(map(sorted_through, value), key=json.dumps) if isinstance(value, list) else value


@settings(max_examples=60, deadline=None)
@given(documents, documents)
def test_a_hash_knows_no_order_of_fields_and_items_and_tells_all_else_apart(this, that):
    def digest(value):
        return digest_of(json.dumps(value).encode())

    assert digest(this) == digest(turned_round(this))
    assert (digest(this) == digest(that)) == (
        json.dumps(sorted_through(this)) == json.dumps(sorted_through(that))
    )


@stepped
async def test_an_order_is_found_when_kakaclos_clock_is_years_ahead_of_ours(kk, sandbox, order):
    sandbox.skip(timedelta(days=3650).total_seconds())
    created = await kk.orders.create(order())
    sandbox.skip(400)
    start = datetime.now(UTC) - timedelta(hours=1)

    [found] = await kk.orders.find("SHOP-1", created_from=start)
    [updated] = [row async for row in kk.orders.query(updated_from=start)]

    assert found.id == updated.id == created.id
