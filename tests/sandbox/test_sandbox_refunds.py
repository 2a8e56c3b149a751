from __future__ import annotations

from decimal import Decimal

import pytest

ORDERS = "/v2/order/orders"
HOUR, DAY = 3600, 86_400


@pytest.fixture
async def order(http, order_body):
    """An order of two items: one SKU from two countries."""
    catalog = http.sandbox.catalog
    sku = next(catalog.selling("CN", "US", pieces=3))
    home = sum(qty for code, place, qty in catalog.stock_rows() if code == sku and place != "W001")
    number = await http.post(ORDERS, order_body((sku, home + 2)))
    return await one(http, number)


async def one(http, number):
    [order] = (await http.get(ORDERS, ids=number))["list"]
    return order


async def refunds(http, order, version="v2"):
    return (await http.get(f"/{version}/order/orders/refund/{order['id']}"))["list"]


def part(item, quantity, **other):
    line = {
        "itemId": item["itemId"],
        "skuCode": item["skuCode"],
        "quantity": quantity,
        "countryCode": item["countryCode"],
    }
    return {"remark": "test", "refundReason": "Other", "orderItems": [{**line, **other}]}


async def test_a_whole_refund_settles_later_and_gives_everything_back(http, order):
    sku = order["orderItems"][0]["skuCode"]
    taken = sum(item["productNum"] for item in order["orderItems"])
    stock, balance = http.sandbox.catalog.qty(sku), http.sandbox.ledger.balance
    rows = {row for row in http.sandbox.catalog.stock_rows() if row[0] == sku}
    number = await http.post(f"{ORDERS}/{order['id']}/refund", {"remark": "other reason"})
    assert isinstance(number, str)
    [pending] = await refunds(http, order)
    assert pending == {
        "refundNo": number,
        "id": order["id"],
        "remark": "other reason",
        "refundStatus": "pending_review",
    }
    waiting = await one(http, order["id"])
    assert (waiting["refundStatus"], waiting["refundedAmount"]) == ("refunding", 0)
    assert http.sandbox.ledger.balance == balance
    http.sandbox.skip(HOUR)
    assert [refund["refundStatus"] for refund in await refunds(http, order)] == ["refund_successfully"]
    settled = await one(http, order["id"])
    assert (settled["status"], settled["refundStatus"]) == ("cancel", "refund")
    assert settled["fulfillmentStatus"] == "NULL"
    assert (settled["refundedAmount"], settled["refundableAmount"]) == (order["finalAmount"], 0)
    assert settled["refundDate"] == settled["cancelDate"] is not None
    assert http.sandbox.ledger.balance == balance + order["finalAmount"]
    assert http.sandbox.catalog.qty(sku) == stock + taken
    assert {row for row in http.sandbox.catalog.stock_rows() if row[0] == sku} != rows
    http.sandbox.skip(30 * DAY)
    assert (await one(http, order["id"]))["fulfillments"] is None


async def test_a_part_refund_gives_back_the_price_of_the_pieces(http, order):
    cn, us = order["orderItems"]
    balance, stock = http.sandbox.ledger.balance, http.sandbox.catalog.qty(us["skuCode"], "W001")
    await http.post(f"{ORDERS}/{order['id']}/refund", part(us, 1))
    http.sandbox.skip(HOUR)
    settled = await one(http, order["id"])
    assert settled["refundStatus"] == "partial_refund"
    assert [item["refundStatus"] for item in settled["orderItems"]] == ["NULL", "partial_refund"]
    assert settled["refundedAmount"] == us["amount"]
    assert settled["refundableAmount"] == order["finalAmount"] - us["amount"]
    assert http.sandbox.ledger.balance == balance + us["amount"]
    assert http.sandbox.catalog.qty(us["skuCode"], "W001") == stock + 1
    http.sandbox.skip(30 * DAY)
    shipped = await one(http, order["id"])
    assert (shipped["fulfillmentStatus"], len(shipped["fulfillments"])) == ("completed", 2)
    assert cn["itemId"] in {item["itemId"] for item in shipped["fulfillments"][0]["items"]}


async def test_an_item_refunded_in_full_is_not_shipped(http, order):
    _, us = order["orderItems"]
    await http.post(f"{ORDERS}/{order['id']}/refund", part(us, us["productNum"]))
    http.sandbox.skip(30 * DAY)
    done = await one(http, order["id"])
    assert [item["refundStatus"] for item in done["orderItems"]] == ["NULL", "refund"]
    assert [item["fulfillmentStatus"] for item in done["orderItems"]] == ["completed", "NULL"]
    assert (done["fulfillmentStatus"], len(done["fulfillments"])) == ("completed", 1)


async def test_the_last_part_brings_the_freight_back(http, order):
    for item in order["orderItems"]:
        await http.post(f"{ORDERS}/{order['id']}/refund", part(item, item["productNum"]))
    http.sandbox.skip(HOUR)
    settled = await one(http, order["id"])
    assert settled["refundStatus"] == "refund"
    assert settled["refundableAmount"] == 0
    assert len(await refunds(http, order)) == 2


async def test_parts_of_one_item_return_to_the_warehouses_they_came_from(http, order_body):
    catalog = http.sandbox.catalog
    sku = next(catalog.selling("CN", "US", pieces=2))
    for warehouse, qty in (("G004", 2), ("G007", 2), ("W001", 0)):
        catalog.set_stock(sku, warehouse, qty)
    before = {row for row in catalog.stock_rows() if row[0] == sku}
    order = await one(http, await http.post(ORDERS, order_body((sku, 4))))
    [item] = order["orderItems"]
    for _ in range(4):
        await http.post(f"{ORDERS}/{order['id']}/refund", part(item, 1))
        http.sandbox.skip(HOUR)
    assert {row for row in catalog.stock_rows() if row[0] == sku} == before


async def test_a_refund_can_fail_and_the_goods_are_shipped_after_all(http, order):
    balance = http.sandbox.ledger.balance
    number = await http.post(f"{ORDERS}/{order['id']}/refund", {})
    http.sandbox.ledger.settle(number, granted=False)
    assert [refund["refundStatus"] for refund in await refunds(http, order)] == ["refund_failed"]
    assert (await one(http, order["id"]))["refundStatus"] == "NULL"
    assert http.sandbox.ledger.balance == balance
    http.sandbox.skip(30 * DAY)
    assert (await one(http, order["id"]))["fulfillmentStatus"] == "completed"
    assert http.sandbox.ledger.refunds[number].status == "refund_failed"


async def test_an_order_is_completed_once_a_late_refund_is_decided(opened, order_body):
    http = await opened(index_lag=0, refund_settle=20 * DAY)
    catalog = http.sandbox.catalog
    skus = list(catalog.selling("CN"))[:2]
    order = await one(http, await http.post(ORDERS, order_body((skus[0], 1), (skus[1], 1))))
    await http.post(f"{ORDERS}/{order['id']}/refund", part(order["orderItems"][0], 1))
    http.sandbox.skip(15 * DAY)
    assert (await one(http, order["id"]))["status"] == "processing"
    http.sandbox.skip(15 * DAY)
    assert (await one(http, order["id"]))["status"] == "completed"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"quantity": 100_000}, "left"),
        ({"quantity": 0}, "quantity"),
        ({"itemId": "77"}, "no item 77"),
        ({"skuCode": "OTHER_B"}, "OTHER_B"),
        ({"countryCode": "FR"}, "FR"),
    ],
)
async def test_a_part_that_is_not_in_the_order_is_refused(http, order, change, says):
    body = part(order["orderItems"][0], **{"quantity": 1, **change})
    assert says in await http.refusal("POST", f"{ORDERS}/{order['id']}/refund", body=body)
    assert await refunds(http, order) == []


async def test_nothing_is_refunded_twice(http, order):
    path, item = f"{ORDERS}/{order['id']}/refund", order["orderItems"][0]
    await http.post(path, part(item, item["productNum"]))
    assert "0 pieces left" in await http.refusal("POST", path, body=part(item, 1))
    await http.post(path, {})
    assert "nothing is left" in await http.refusal("POST", path, body={})
    http.sandbox.skip(HOUR)
    assert "nothing is left" in await http.refusal("POST", path, body={})
    assert (await one(http, order["id"]))["refundedAmount"] == order["finalAmount"]


async def test_an_order_that_was_shipped_is_not_refunded(http, order):
    http.sandbox.skip(7 * HOUR)
    assert "shipped" in await http.refusal("POST", f"{ORDERS}/{order['id']}/refund", body={})


async def test_unknown_orders_and_reasons_are_refused(http, order):
    assert "no order 77" in await http.refusal("POST", f"{ORDERS}/77/refund", body={})
    assert "no order 77" in await http.refusal(
        "POST", f"{ORDERS}/77/refund", body=part(order["orderItems"][0], 1)
    )
    wrong = {"refundReason": "Because"}
    assert "refundReason" in await http.refusal("POST", f"{ORDERS}/{order['id']}/refund", body=wrong)
    assert (await http.get(f"{ORDERS}/refund/77"))["total"] == 0


async def test_v1_refunds_whole_orders_only(http, order, sample):
    path, item = f"/v1/order/orders/{order['id']}/refund", order["orderItems"][0]
    for wrong in ({}, {"remark": "small letter"}, {"Remark": ""}, {"Remark": None}):
        assert "Remark" in await http.refusal("POST", path, {**part(item, 1), **wrong})
    await http.post(path, {**part(item, 1), "Remark": "changed"})
    [waiting] = (await http.get("/v1/order/orders"))["list"]
    assert waiting["status"] == "refunding"
    http.sandbox.skip(HOUR)
    [refund] = await refunds(http, order, "v1")
    assert set(sample("v1_order_refund_query")["data"]["list"][0]) <= set(refund)
    assert (await http.get("/v1/order/orders"))["list"][0]["status"] == "refunded"


@pytest.mark.parametrize("form", ["list", "object"])
async def test_refund_numbers_can_come_in_a_list_and_in_an_object(http, order, form):
    http.sandbox.number_form = form
    answer = await http.post(f"{ORDERS}/{order['id']}/refund", {})
    numbers = list(http.sandbox.ledger.refunds)
    assert answer == (numbers if form == "list" else {"RefundNo": numbers})


async def test_refund_numbers_can_be_numbers(http, order):
    http.sandbox.numeric_refund_numbers = True
    assert isinstance(await http.post(f"{ORDERS}/{order['id']}/refund", {}), int)


async def test_a_refund_of_a_product_that_is_gone_still_gives_the_money_back(http, order):
    balance = http.sandbox.ledger.balance
    http.sandbox.catalog.remove(order["orderItems"][0]["skuCode"].partition("_")[0])
    await http.post(f"{ORDERS}/{order['id']}/refund", {})
    http.sandbox.skip(HOUR)
    assert http.sandbox.ledger.balance - balance == order["finalAmount"] > Decimal(0)
