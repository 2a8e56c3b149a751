from __future__ import annotations

from collections import Counter
from decimal import Decimal

import pytest

ORDERS = "/v2/order/orders"
HOUR, DAY = 3600, 86_400


@pytest.fixture
def split_line(http):
    """A line that one country cannot fill."""
    catalog = http.sandbox.catalog
    sku = next(catalog.selling("CN", "US", pieces=2))
    home = sum(qty for code, place, qty in catalog.stock_rows() if code == sku and place != "W001")
    return sku, home + 1


@pytest.fixture
def line(http):
    return next(http.sandbox.catalog.selling("CN", pieces=5)), 2


async def one(http, number):
    [order] = (await http.get(ORDERS, ids=number))["list"]
    return order


async def test_an_order_costs_balance_and_stock_and_adds_up(http, line, order_body):
    sku, quantity = line
    catalog, ledger = http.sandbox.catalog, http.sandbox.ledger
    stock, balance = catalog.qty(sku), ledger.balance
    number = await http.post(ORDERS, order_body(line, customOrderId="KA1", remark="best order"))
    assert isinstance(number, int)
    order = await one(http, number)
    assert (order["id"], order["customOrderId"], order["remark"]) == (str(number), "KA1", "best order")
    assert (order["status"], order["financialStatus"]) == ("processing", "paid")
    assert (order["fulfillmentStatus"], order["refundStatus"]) == ("waiting_to_ship", "NULL")
    assert order["fulfillments"] is None
    [item] = order["orderItems"]
    assert (item["skuCode"], item["productNum"], item["countryCode"]) == (sku, quantity, "CN")
    assert item["total"] == item["amount"] * quantity == order["subTotalAmount"]
    assert (
        order["finalAmount"] == order["subTotalAmount"] + order["freightAmount"] == order["refundableAmount"]
    )
    assert ledger.balance == balance - order["finalAmount"] == await http.get("/v1/payment/balance")
    assert catalog.qty(sku) == stock - quantity


async def test_freight_of_an_order_is_what_the_trial_said(http, line, order_body):
    sku, quantity = line
    trial = {"products": [{"sku": sku, "quantity": quantity}], "shipToCountry": "US"}
    options = await http.post(f"{ORDERS}/channel/automationSplit", trial)
    for option in options:
        number = await http.post(ORDERS, order_body(line, channelType=option["channelType"]))
        assert (await one(http, number))["freightAmount"] == option["estimatedFreight"]


@pytest.mark.parametrize("shape", ["waiting_to_ship", "fully_shipped"])
async def test_an_order_has_every_field_of_the_published_samples(http, line, order_body, sample, shape):
    published = sample(f"v2_order_orders_{shape}")["data"]
    number = await http.post(ORDERS, order_body(line))
    if shape == "fully_shipped":
        http.sandbox.skip(DAY)
    page = await http.get(ORDERS, ids=number)
    assert set(published) <= set(page)
    [order], [wanted] = page["list"], published["list"]
    assert set(wanted) <= set(order)
    assert set(wanted["orderItems"][0]) <= set(order["orderItems"][0])
    assert set(wanted["shippingAddress"]) <= set(order["shippingAddress"])
    assert order["fulfillmentStatus"] == shape
    for parcel in wanted["fulfillments"] or ():
        assert set(parcel) <= set(order["fulfillments"][0])
        assert set(parcel["items"][0]) <= set(order["fulfillments"][0]["items"][0])


async def test_a_line_that_one_country_cannot_fill_becomes_an_item_of_each(http, split_line, order_body):
    sku, quantity = split_line
    order = await one(http, await http.post(ORDERS, order_body(split_line)))
    assert [(item["skuCode"], item["countryCode"]) for item in order["orderItems"]] == [
        (sku, "CN"),
        (sku, "US"),
    ]
    assert sum(item["productNum"] for item in order["orderItems"]) == quantity
    assert len({item["itemId"] for item in order["orderItems"]}) == 2
    left = {(place, qty) for code, place, qty in http.sandbox.catalog.stock_rows() if code == sku and qty}
    assert {place for place, _ in left} <= {"W001"}


async def test_orders_can_be_split_by_country_and_answer_with_the_first_number(http, split_line, order_body):
    http.sandbox.split_orders = True
    number = await http.post(ORDERS, order_body(split_line, customOrderId="KA2"))
    orders = (await http.get(ORDERS))["list"]
    assert [order["customOrderId"] for order in orders] == ["KA2", "KA2"]
    assert [order["orderItems"][0]["countryCode"] for order in orders] == ["US", "CN"]
    assert orders[1]["id"] == str(number)
    [placed] = http.sandbox.journal
    assert placed.orders == (orders[1]["id"], orders[0]["id"])
    assert placed.paid == sum(order["finalAmount"] for order in orders)


async def test_equal_custom_order_ids_are_two_orders_and_both_are_paid(http, line, order_body):
    balance = http.sandbox.ledger.balance
    numbers = [await http.post(ORDERS, order_body(line, customOrderId="KA3")) for _ in range(2)]
    assert len(set(numbers)) == 2
    assert Counter(placed.custom_order_id for placed in http.sandbox.journal) == {"KA3": 2}
    assert http.sandbox.ledger.balance == balance - sum(placed.paid for placed in http.sandbox.journal)


async def test_two_lines_of_one_sku_share_its_stock(http, order_body):
    sku = next(http.sandbox.catalog.selling())
    stock = http.sandbox.catalog.qty(sku)
    assert "short of 1" in await http.refusal("POST", ORDERS, body=order_body((sku, stock), (sku, 1)))
    await http.post(ORDERS, order_body((sku, stock - 1), (sku, 1)))
    assert http.sandbox.catalog.qty(sku) == 0


async def test_stock_in_a_disabled_warehouse_is_not_for_sale(http, order_body):
    sku = next(http.sandbox.catalog.selling())
    stock = http.sandbox.catalog.qty(sku)
    http.sandbox.catalog.set_stock(sku, "G006", 50)
    assert "short of 1" in await http.refusal("POST", ORDERS, body=order_body((sku, stock + 1)))


def spoilt(body, place, value):
    *path, last = place.split(".")
    inner = body
    for name in path:
        inner = inner[int(name)] if name.isdigit() else inner[name]
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    return body


@pytest.mark.parametrize(
    ("place", "value", "says"),
    [
        ("orderAddresses", None, "orderAddresses"),
        *[(f"orderAddresses.{name}", None, name) for name in ("country", "phone", "recipient", "province")],
        ("orderAddresses.country", "XX", "XX"),
        *[
            (f"orderAddresses.{name}", "x" * 33, name)
            for name in ("recipient", "province", "zip", "ioss", "vat")
        ],
        *[(f"orderAddresses.{name}", "x" * 65, name) for name in ("phone", "street1", "street2", "city")],
        ("orderItemsList", None, "orderItemsList"),
        ("orderItemsList", [], "orderItemsList"),
        ("orderItemsList.0.quantity", 0, "quantity"),
        ("orderItemsList.0.quantity", 1.5, "quantity"),
        ("orderItemsList.0.sku", "x" * 65, "sku"),
        ("orderItemsList.0.sku", "NOPE1_B", "NOPE1_B"),
        ("orderItemsList.0.quantity", 100_000, "short of"),
        ("channelType", "Slow", "channelType"),
        ("channelCode", "WB001", "channelCode"),
        ("warehouseCode", "G007", "warehouseCode"),
    ],
)
@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_an_order_that_is_not_right_is_refused_and_costs_nothing(
    http, line, order_body, version, place, value, says
):
    before = http.sandbox.ledger.balance, set(http.sandbox.catalog.stock_rows())
    body = spoilt(order_body(line), place, value)
    assert says in await http.refusal("POST", f"/{version}/order/orders", body=body)
    assert (http.sandbox.ledger.balance, set(http.sandbox.catalog.stock_rows())) == before
    assert http.sandbox.journal == []
    assert http.sandbox.ledger.orders == {}


async def test_what_is_not_on_sale_cannot_be_ordered(http, line, order_body):
    http.sandbox.catalog.set_status(line[0], 0)
    assert "not on sale" in await http.refusal("POST", ORDERS, body=order_body(line))


async def test_the_balance_must_suffice(opened, order_body):
    http = await opened(balance=Decimal("1.00"))
    sku = next(http.sandbox.catalog.selling())
    assert "balance" in await http.refusal("POST", ORDERS, body=order_body((sku, 1)))
    assert http.sandbox.ledger.balance == 1


async def test_a_body_that_is_no_json_is_an_invalid_request(http, sample):
    headers = {"Authorization": f"Bearer {http.sandbox.token}"}
    async with http.session.post(http.sandbox.url + ORDERS, data=b"{", headers=headers) as answer:
        assert answer.status == 400
        assert await answer.json() == sample("error_400_invalid_request")


async def test_an_order_ships_by_country_and_is_completed_days_later(http, split_line, order_body):
    number = await http.post(ORDERS, order_body(split_line))
    states = []
    for pause in (5 * HOUR, 2 * HOUR, 6 * HOUR, 5 * DAY):
        http.sandbox.skip(pause)
        order = await one(http, number)
        states.append((order["fulfillmentStatus"], len(order["fulfillments"] or ())))
    assert states == [
        ("waiting_to_ship", 0),
        ("partially_shipped", 1),
        ("fully_shipped", 2),
        ("completed", 2),
    ]
    assert order["status"] == "completed"
    assert order["completedDate"] == order["modifyDate"] == http.at(hours=12, days=5)
    assert {parcel["status"] for parcel in order["fulfillments"]} == {"completed"}
    assert [parcel["items"][0]["countryCode"] for parcel in order["fulfillments"]] == ["CN", "US"]
    assert len({parcel["trackingCode"] for parcel in order["fulfillments"]}) == 2
    for parcel in order["fulfillments"]:
        assert parcel["trackingInfos"][0]["trackingCode"] == parcel["trackingCode"]


async def test_items_tell_how_far_they_are(http, split_line, order_body):
    number = await http.post(ORDERS, order_body(split_line))
    seen = []
    for pause in (0, 7 * HOUR, 30 * DAY):
        http.sandbox.skip(pause)
        seen.append([item["fulfillmentStatus"] for item in (await one(http, number))["orderItems"]])
    assert seen == [
        ["waiting_to_ship", "waiting_to_ship"],
        ["fully_shipped", "waiting_to_ship"],
        ["completed", "completed"],
    ]


async def test_the_order_search_trails_the_database(opened, order_body):
    http = await opened(index_lag=300)
    sku = next(http.sandbox.catalog.selling())
    number = await http.post(ORDERS, order_body((sku, 1)))
    http.sandbox.skip(299)
    assert (await http.get(ORDERS, ids=number))["list"] == []
    assert str(number) in http.sandbox.ledger.orders
    http.sandbox.skip(1)
    assert (await one(http, number))["id"] == str(number)


async def test_orders_are_found_by_number_and_time_newest_first(http, line, order_body):
    numbers = []
    for _ in range(4):
        numbers.append(str(await http.post(ORDERS, order_body((line[0], 1)))))
        http.sandbox.skip(HOUR)

    async def found(**query):
        return [order["id"] for order in (await http.get(ORDERS, **query))["list"]]

    assert await found() == numbers[::-1]
    assert await found(ids=f"{numbers[2]},{numbers[0]},77") == [numbers[2], numbers[0]]
    created = {
        "createStartTime": http.at(hours=1),
        "createEndTime": http.at(hours=2),
    }
    assert await found(**created) == [numbers[2], numbers[1]]
    http.sandbox.skip(3 * HOUR)  # the first two left six hours after their creation
    assert await found(updateStartTime=http.at(hours=6)) == [numbers[1], numbers[0]]
    assert await found(updateEndTime=http.at(hours=5)) == [numbers[3], numbers[2]]


async def test_order_pages_hold_ten_unless_told_otherwise(http, line, order_body):
    for _ in range(12):
        http.sandbox.catalog.set_stock(line[0], "G007", 99)
        await http.post(ORDERS, order_body((line[0], 1)))
    page = await http.get(ORDERS)
    assert (len(page["list"]), page["total"], page["pageNumber"], page["pageSize"]) == (10, 12, 1, 10)
    assert len((await http.get(ORDERS, pageNumber=2))["list"]) == 2
    assert len((await http.get(ORDERS, pageSize=250))["list"]) == 12
    for wrong in ({"pageSize": 251}, {"pageSize": 0}, {"pageNumber": 0}, {"createStartTime": "now"}):
        assert next(iter(wrong)) in await http.refusal("GET", ORDERS, **wrong)


@pytest.mark.parametrize("query", ["v1", "v2 in the older shape"])
async def test_the_older_shape_has_the_older_names(http, line, order_body, sample, query):
    number = await http.post("/v1/order/orders", order_body(line))
    if query == "v1":
        page = await http.get("/v1/order/orders", ids=number)
    else:
        http.sandbox.old_order_shape = True
        page = await http.get(ORDERS, ids=number)
    [order], [wanted] = page["list"], sample("v1_order_orders_query")["data"]["list"]
    assert set(wanted) <= set(order)
    assert set(wanted["orderItems"][0]) <= set(order["orderItems"][0])
    assert order["totalAmount"] == order["finalAmount"] == order["skusAmount"] + order["freightAmount"]


async def test_v1_has_one_status_for_all_and_finds_by_it(http, split_line, order_body):
    number = str(await http.post("/v1/order/orders", order_body(split_line)))
    seen = []
    for pause in (0, 7 * HOUR, 6 * HOUR, 30 * DAY):
        http.sandbox.skip(pause)
        [order] = (await http.get("/v1/order/orders"))["list"]
        seen.append(order["status"])
        assert (await http.get("/v1/order/orders", status=f"cancel,{order['status']}"))["total"] == 1
        assert (await http.get("/v1/order/orders", status="cancel"))["total"] == 0
    assert seen == ["waiting_to_ship", "partial_shipped", "shipped", "delivered"]
    assert order["id"] == number
    assert len(order["fulfillments"]) == 2
    for package in order["fulfillments"]:
        assert package["carrierType"] == "last"
        assert package["trackingInfos"][0]["trackingCode"] == package["trackingCode"]
        assert package["orderItems"][0]["subtotal"]


@pytest.mark.parametrize("form", ["value", "list", "object"])
async def test_order_numbers_come_in_the_form_asked_for(opened, split_line, order_body, form):
    http = await opened(number_form=form, split_orders=True)
    answer = await http.post(ORDERS, order_body(split_line))
    numbers = [int(number) for number in http.sandbox.ledger.placed[-1].orders]
    assert len(numbers) == 2
    assert answer == {"value": numbers[0], "list": numbers, "object": {"kkOrderIds": numbers}}[form]


@pytest.mark.parametrize("path", [ORDERS, "/v1/order/orders"])
async def test_the_address_can_have_its_other_name(http, line, order_body, path):
    http.sandbox.address_field = "orderAddress"
    body = order_body(line)
    assert "missing required field `orderAddress`" in await http.refusal("POST", path, body)
    body["orderAddress"] = body.pop("orderAddresses")
    assert str(await http.post(path, body)) in http.sandbox.ledger.orders


async def test_order_numbers_can_be_text(opened, order_body):
    http = await opened(order_number_as_text=True)
    number = await http.post(ORDERS, order_body((next(http.sandbox.catalog.selling()), 1)))
    assert isinstance(number, str)


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("number", Decimal("10000.00")),
        ("text", "10000.00"),
        ("object", {"balance": Decimal("10000.00"), "currency": "USD"}),
    ],
)
async def test_the_balance_comes_in_the_form_asked_for(opened, form, expected):
    http = await opened(balance_form=form)
    assert await http.get("/v1/payment/balance") == expected
