"""What is senseless without a value has one: a row that lacks it is told as unreadable, and costs no other."""

from __future__ import annotations

from decimal import Decimal

import pytest
from support.documents import is_code, is_required
from support.whole import ORDER, ORDER_V1

from kakaclo_async import public
from kakaclo_async.codec import Undecodable
from kakaclo_async.codec.converter import wire_fields
from kakaclo_async.errors import DecodeError
from kakaclo_async.models.common import Page, Record
from kakaclo_async.models.freight import FreightOption, LogisticsChannel
from kakaclo_async.models.order import Order, OrderItem
from kakaclo_async.models.order_v1 import OrderItemV1, OrderV1
from kakaclo_async.models.product import StockLevel, WarehouseStock

WHOLE = {
    FreightOption: {"channelType": "Express", "estimatedFreight": 0},
    LogisticsChannel: {"channelCode": "WB004", "estimatedFreight": "6.45"},
    Order: ORDER,
    OrderItem: {"skuCode": "A", "productNum": 1, "amount": 5, "total": "5.00"},
    OrderItemV1: {"skuCode": "A", "productNum": "1", "purchasePrices": 5, "subtotal": "5.00"},
    OrderV1: ORDER_V1,
    WarehouseStock: {"warehouseCode": "G006", "qty": 0},
}
RECORDS = [
    one for name in public.NAMES if isinstance(one := getattr(public, name), type) and issubclass(one, Record)
]
MUST_HAVE = [
    (kind, field)
    for kind in RECORDS
    if kind is not Page
    for field in wire_fields(kind)
    if is_required(field) and not is_code(field)
]


def test_there_is_a_whole_document_for_each_record_that_cannot_be_without_a_value():
    assert {kind for kind, _ in MUST_HAVE} == WHOLE.keys()


@pytest.mark.parametrize(
    ("kind", "field"), MUST_HAVE, ids=[f"{kind.__name__}-{field.name}" for kind, field in MUST_HAVE]
)
@pytest.mark.parametrize(
    "lack", [{}, {"": None}, {"": ""}, {"": "NULL"}], ids=["no", "null", "empty", "NULL"]
)
def test_a_row_that_lacks_what_it_must_have_is_told_and_costs_no_other(decode, kind, field, lack):
    whole = WHOLE[kind]
    name = field.wire_names[0]
    row = {key: value for key, value in whole.items() if key != name} | dict(zip([name], lack, strict=False))
    assert getattr(decode(whole, kind), field.name) is not None

    with pytest.raises(DecodeError, match="is missing") as caught:
        decode(row, kind)
    assert caught.value.where == f"data.{name}"
    first, second = decode({"list": [row, whole]}, Page[kind | Undecodable])
    assert first.problem == f"{kind.__name__}.{name} is missing"
    assert second == decode(whole, kind)


@pytest.mark.parametrize(
    ("kind", "row", "where"),
    [
        (StockLevel, {"sku": "A", "warehouseStockList": [{"qty": 1}, {}]}, "warehouseStockList[1].qty"),
        (Order, ORDER | {"orderItems": [{"skuCode": "A"}]}, "orderItems[0].productNum"),
        (
            Order,
            ORDER | {"fulfillments": [{"items": [{"productNum": 1}]}]},
            "fulfillments[0].items[0].amount",
        ),
    ],
)
def test_a_part_that_lacks_it_is_told_by_its_place(decode, kind, row, where):
    with pytest.raises(DecodeError, match="is missing") as caught:
        decode({"list": [row]}, Page[kind])
    assert caught.value.where == f"data.list[0].{where}"


@pytest.mark.parametrize(
    "document",
    [
        {"status": "processing", "totalAmount": "20.12", "freightAmount": 10, "skusAmount": "9.32"},
        {"status": "held", "finalAmount": None, "totalAmount": 1, "freightAmount": -1, "subTotalAmount": 0},
        {"status": "a\ufffd", "finalAmount": "", "totalAmount": 0, "freightAmount": 0, "subTotalAmount": 0},
    ],
)
def test_it_may_come_under_either_name_and_in_every_form(decode, document):
    order = decode({"id": 1} | document, Order)
    assert order.status.value == document["status"]
    assert order.final_amount == Decimal(document["totalAmount"])
