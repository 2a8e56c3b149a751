"""Tracking numbers for shops: every package comes through, each piece once, under the shop's own names."""

from __future__ import annotations

from collections import Counter

import attrs
import pytest
from hypothesis import given, strategies as st
from support.parcels import items, of, order, package

from kakaclo_async import Item, OrderStatus, PackageStatus
from kakaclo_async.models.order import RefundState
from kakaclo_async.shop.outgoing.tracking import tracking_rows
from kakaclo_async.shop.outgoing.tracking_lines import shipped
from kakaclo_async.shop.outgoing.tracking_map import ShopLine


@pytest.mark.parametrize(
    "unshipped",
    [
        {"status": PackageStatus.PREPARING},
        {"status": None},
        {"status": PackageStatus("lost_at_sea")},
        {"tracking_code": None},
        {"tracking_code": " "},
    ],
)
def test_only_shipped_packages_with_a_number_are_told(unshipped):
    assert shipped([order("1", "S", [("A", 1)], package("P", ("A", 1), **unshipped))]).rows == ()


def test_several_numbers_of_one_order_all_come_through():
    found = shipped(
        [
            order(
                "1",
                "S",
                [("A", 3), ("B", 1)],
                package("P1", ("A", 2)),
                package("P2", ("A", 1), ("B", 1), hour=13),
            ),
            order("2", "S", [("C", 1)], package("P3", ("C", 1), status=PackageStatus.COMPLETED)),
        ]
    )

    assert of(found, "shop_sku", "quantity", "tracking_codes") == [
        ("A", 2, ("T-P1",)),
        ("C", 1, ("T-P3",)),
        ("A", 1, ("T-P2",)),
        ("B", 1, ("T-P2",)),
    ]
    assert all(row.family_shipped for row in found.rows)


def test_sets_are_told_in_the_shops_own_pieces():
    lines = {"S": [ShopLine("SET-2", "i1", 3, [Item("A", 6)])]}
    found = shipped(
        [order("1", "S", [("A", 6)], package("P1", ("A", 3)), package("P2", ("A", 3), hour=13))],
        shop_lines=lines,
    )

    assert of(found, "shop_sku", "quantity", "order_item_id", "tracking_codes") == [
        ("SET-2", 1, "i1", ("T-P1",)),
        ("SET-2", 2, "i1", ("T-P1", "T-P2")),
    ]


def test_a_bundle_is_told_when_its_last_part_leaves_with_the_numbers_of_all():
    lines = {"S": [ShopLine("DUO", None, 1, [Item("A", 1), Item("B", 1)])]}
    orders = [
        order("1", "S", [("A", 1)], package("P1", ("A", 1))),
        order("2", "S", [("B", 1)], package("P2", ("B", 1), hour=13)),
    ]

    found = shipped(orders, shop_lines=lines)
    begun = shipped(orders[:1], shop_lines=lines)

    assert of(found, "quantity", "tracking_codes") == [(0, ("T-P1",)), (1, ("T-P1", "T-P2"))]
    assert of(begun, "quantity", "family_shipped") == [(0, False)]
    assert [row["Fulfillment: Tracking Number"] for row in tracking_rows(found.rows, "matrixify").rows] == [
        "T-P1, T-P2"
    ]
    ast = tracking_rows(found.rows, "woo-ast").rows
    assert [(row["tracking_number"], row["sku"], row["qty"]) for row in ast] == [
        ("T-P1", "", ""),
        ("T-P2", "DUO", "1"),
    ]
    amazon = tracking_rows(found.rows, "amazon")
    assert "travels in several packages, and Amazon takes one number: T-P1 is not told" in amazon.problems[0]


def test_the_shops_own_goods_are_no_affair_of_kakaclos():
    lines = {"S": [ShopLine("TEE", None, 1, [Item("A", 1)]), ShopLine("MUG", None, 1, [])]}

    found = shipped([order("1", "S", [("A", 1)], package("P", ("A", 1)))], shop_lines=lines)

    assert of(found, "shop_sku", "family_shipped") == [("TEE", True)]


MAP = {
    "TEE": [Item("A", 1)],
    "SET-2": [Item("B", 2)],
    "DUO": [Item("C", 1), Item("D", 1)],
    "PAIR": [Item("A", 2)],
}


def test_without_the_shops_orders_the_map_is_read_back_where_it_can_mean_one_thing_alone():
    content = [("B", 4), ("C", 1), ("D", 1), ("E", 1)]
    found = shipped([order("1", "S", content, package("P", *content))], sku_map=MAP)

    assert sorted(of(found, "shop_sku", "quantity")) == [("DUO", 1), ("E", 1), ("SET-2", 2)]
    assert found.problems == ()


@pytest.mark.parametrize("content", [[("A", 2)], [("B", 3)], [("C", 1)], [("C", 2), ("D", 1)]])
def test_nothing_is_guessed_where_the_map_can_mean_several_things_or_nothing(content):
    found = shipped([order("1", "S", content, package("P", *content))], sku_map=MAP)

    if content == [("C", 1)]:  # no bundle fits: it was ordered by KakaClo's own SKU
        assert of(found, "shop_sku") == [("C",)]
    else:
        assert found.rows == ()
        assert "order S: its SKUs may stand for several of the shop's" in found.problems[0]


def test_a_piece_that_no_item_accounts_for_is_a_problem_and_hides_no_other():
    lines = {"S": [ShopLine("TEE", None, 1, [Item("A", 1)])]}

    found = shipped(
        [order("1", "S", [("A", 1), ("X", 2)], package("P", ("A", 1), ("X", 2)))], shop_lines=lines
    )

    assert of(found, "shop_sku") == [("TEE",)]
    assert found.problems == (
        "order S: package P of order 1 holds 2 of X, which no item of the shop's order accounts for",
    )


def test_a_package_whose_content_is_not_named_holds_its_order_or_is_a_problem():
    alone = shipped([order("1", "S", [("A", 2)], package("P"))])
    two = shipped([order("1", "S", [("A", 2)], package("P"), package("Q", ("A", 1)))])

    assert of(alone, "shop_sku", "quantity") == [("A", 2)]
    assert of(two, "shop_sku", "quantity") == [("A", 1)]
    assert two.problems == ("order S: KakaClo does not say what package P of order 1 holds",)


def test_a_prefix_is_taken_off_and_orders_of_other_shops_are_left_out():
    orders = [
        order("1", "EU-77", [("A", 1)], package("P1", ("A", 1))),
        order("2", "US-77", [("A", 1)], package("P2", ("A", 1))),
        order("3", None, [("A", 1)], package("P3", ("A", 1))),
    ]
    lines = {"77": [ShopLine("TEE", None, 1, [Item("A", 1)])]}

    assert of(shipped(orders, prefix="EU-", shop_lines=lines), "custom_order_id", "order_id", "shop_sku") == [
        ("77", "1", "TEE")
    ]


def test_what_is_cancelled_or_refunded_keeps_no_family_from_being_shipped():
    gone = attrs.evolve(items(("C", 1))[0], refund_status=RefundState.REFUNDED)
    first = order("1", "S", [("A", 1)], package("P", ("A", 1)))
    orders = [
        attrs.evolve(first, order_items=(*first.order_items, gone)),
        order("2", "S", [("B", 1)], status=OrderStatus.CANCEL),
    ]
    lines = {"S": [ShopLine(sku, None, 1, [Item(sku, 1)]) for sku in "ABC"]}

    assert of(shipped(orders, shop_lines=lines), "shop_sku", "family_shipped") == [("A", True)]
    assert of(shipped(orders[:1], shop_lines=lines), "family_shipped") == [
        (False,)
    ]  # B may be in an order unseen


def test_a_row_is_told_once_and_what_was_told_stays_where_it_was():
    lines = {"S": [ShopLine("ONE", "i1", 1, [Item("A", 1)]), ShopLine("TWO", "i2", 1, [Item("A", 1)])]}
    late = package("P2", ("A", 1), hour=13)
    early = package("P1", ("A", 1), hour=9)

    def run(*packages, seen):
        found = shipped([order("1", "S", [("A", 2)], *packages)], shop_lines=lines, seen=seen)
        new = [row for row in found.rows if row.key not in seen]
        told = tracking_rows(found.rows, "csv", seen=seen)
        assert [row["package"] for row in told.rows] == [row.package for row in new]
        return new, told.keys

    first, keys = run(late, seen=())
    second, more = run(early, late, seen=keys)
    third, none = run(early, late, seen=keys | more)

    assert [(row.shop_sku, row.package) for row in first] == [("ONE", "P2")]
    assert [(row.shop_sku, row.package) for row in second] == [("TWO", "P1")]
    assert (third, none) == ([], frozenset())


counts = st.dictionaries(st.sampled_from("ABC"), st.integers(1, 4), min_size=1)


@given(st.lists(counts, min_size=1, max_size=4), st.lists(st.tuples(st.integers(1, 3), counts), max_size=4))
def test_no_piece_is_told_twice_and_none_that_was_not_sold(packed, sold):
    content = Counter()
    for each in packed:
        content.update(each)
    lines = [
        ShopLine(f"S{n}", None, quantity, [Item(sku, count * quantity) for sku, count in unit.items()])
        for n, (quantity, unit) in enumerate(sold)
    ]
    packages = [package(f"P{n}", *each.items(), hour=n) for n, each in enumerate(packed)]

    found = shipped([order("1", "S", content.items(), *packages)], shop_lines={"S": lines} if lines else None)

    told = Counter()
    for row in found.rows:
        told[row.shop_sku] += row.quantity
    if not lines:
        assert told == content
    spent = Counter()
    for line, (_, unit) in zip(lines, sold, strict=True):
        assert told[line.shop_sku] <= line.quantity
        spent.update({sku: count * told[line.shop_sku] for sku, count in unit.items()})
    assert spent <= content
    assert len({row.key for row in found.rows}) == len(found.rows)
