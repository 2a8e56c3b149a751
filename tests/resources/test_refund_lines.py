from __future__ import annotations

import pytest
from support.whole import a_line, an_order

from kakaclo_async.errors import InvalidRequest
from kakaclo_async.models.freight import Item
from kakaclo_async.models.refund import RefundItem, fill_lines

ORDER = an_order(
    id="7",
    order_items=(
        a_line(id="1", item_id="120001", sku_code="DRESS", product_num=1, country_code="CN"),
        a_line(id="2", item_id="120001", sku_code="DRESS", product_num=2, country_code="US"),
        a_line(id="3", sku_code="SHIRT", product_num=4, country_code="CN"),
        a_line(id="4", sku_code="HAT", product_num=0),
    ),
)


def line(item_id, sku, quantity, country):
    return RefundItem(item_id=item_id, sku_code=sku, quantity=quantity, country_code=country)


def test_a_part_of_one_line_is_named_by_its_item_id_and_country():
    assert fill_lines(ORDER, [Item("SHIRT", 3)]) == (line("3", "SHIRT", 3, "CN"),)


def test_a_sku_that_comes_from_two_countries_fills_both_lines():
    assert fill_lines(ORDER, [Item("DRESS", 3)]) == (
        line("120001", "DRESS", 1, "CN"),
        line("120001", "DRESS", 2, "US"),
    )
    assert fill_lines(ORDER, [Item("DRESS", 1)]) == (line("120001", "DRESS", 1, "CN"),)


def test_equal_skus_are_added_up_before_lines_are_chosen():
    assert fill_lines(ORDER, [Item("DRESS", 1), Item("DRESS", 1)]) == (
        line("120001", "DRESS", 1, "CN"),
        line("120001", "DRESS", 1, "US"),
    )


@pytest.mark.parametrize(
    ("item", "text"),
    [
        (Item("SHOE", 1), "order 7 holds no SKU 'SHOE'"),
        (Item("DRESS", 4), "holds 3 of SKU 'DRESS', not the 4"),
        (Item("HAT", 1), "holds 0 of SKU 'HAT'"),
    ],
)
def test_more_than_was_bought_is_refused(item, text):
    with pytest.raises(InvalidRequest, match=text):
        fill_lines(ORDER, [item])
