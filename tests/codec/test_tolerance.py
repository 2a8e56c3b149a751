"""What the API may send, and the documents warn of, is read."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, strategies as st
from support.whole import ORDER, an_order

from kakaclo_async import codec
from kakaclo_async.errors import DecodeError
from kakaclo_async.models.common import Attributes, Option, Page
from kakaclo_async.models.custom import Design, DesignModel, DesignModelDetail
from kakaclo_async.models.freight import ChannelType, FreightOption
from kakaclo_async.models.order import Balance, FinancialStatus, Order, RefundState
from kakaclo_async.models.product import (
    Category,
    Product,
    ProductStatus,
    SizeValue,
    Sku,
    StockLevel,
    SupplierLevel,
)
from kakaclo_async.models.refund import Refund


def sku_of(text: str) -> Sku:
    """Read a SKU from JSON text, in both ways, which must agree."""
    data = f'{{"sku":"A",{text}}}'.encode()
    found = codec.decode(data, Sku)
    assert found == codec.converter.structure(codec.decode(data, object), Sku)
    return found


MONEY = (
    st.decimals(min_value=-(10**6), max_value=10**6, places=4, allow_nan=False)
    .flatmap(
        lambda number: st.sampled_from([number.quantize(Decimal(1).scaleb(-places)) for places in range(5)])
    )
    .map(lambda number: number or abs(number))  # nobody writes minus nothing
)


@given(MONEY)
def test_money_keeps_every_digit_of_its_text(number):
    assert str(sku_of(f'"price":{number}').price) == str(number)
    assert str(sku_of(f'"price":"{number}"').price) == str(number)


def test_equal_numbers_of_different_scale_stay_apart():
    texts = ["4.6", "4.60", "4.6000", "4.600"]
    assert [str(sku_of(f'"price":{text}').price) for text in texts] == texts
    assert [str(sku_of(f'"price":"{text}"').price) for text in texts] == texts


@pytest.mark.parametrize(
    ("text", "stock"),
    [
        ("12", 12),
        ('"12"', 12),
        ("3.0", 3),
        ('"3.00"', 3),
        ('""', None),
        ('" "', None),
        ('"NULL"', None),
        ("null", None),
        ("-1", -1),
        ("1e2", 100),
    ],
)
def test_whole_numbers_come_in_many_forms(text, stock):
    found = sku_of(f'"stock":{text}').stock
    assert found == stock
    assert found is None or type(found) is int


@pytest.mark.parametrize(
    ("text", "price"), [('"6.1600"', "6.1600"), ("5", "5"), ('" 5.0 "', "5.0"), ('"1e2"', "1E+2")]
)
def test_numbers_may_be_texts(text, price):
    assert str(sku_of(f'"price":{text}').price) == price


@pytest.mark.parametrize("text", ['""', "null", '"  "'])
def test_absent_numbers_times_and_statuses_are_none(decode, text):
    value = json.loads(text)
    sku = {
        "sku": "A",
        "price": value,
        "stock": value,
        "skuStatus": value,
        "option1": value.strip() if value else value,
    }
    product = decode(
        {
            "spu": "P",
            "categoryId": value,
            "price": value,
            "attributesJson": (value or "").strip(),
            "skuDetails": [sku],
        },
        Product,
    )
    assert product == Product(spu="P", sku_details=(Sku(sku="A"),))
    order = decode(
        ORDER | dict.fromkeys(["financialStatus", "payDate", "couponAmount"], (value or "").strip()), Order
    )
    assert order == an_order()


@pytest.mark.parametrize(
    ("number", "text"), [(5, "5"), (Decimal("5.50"), "5.50"), (Decimal("0.00000001"), "0.00000001")]
)
def test_numbers_where_texts_belong_become_their_digits(decode, number, text):
    assert decode({"sku": number, "material": number}, Sku) == Sku(sku=text, material=text)
    assert decode(number, str) == text


def test_null_and_empty_lists_are_empty(decode):
    for nothing in (None, ""):
        assert decode({"spu": "P", "skuDetails": nothing, "skuImgUrl": nothing}, Product) == Product(spu="P")
        assert decode({"list": nothing, "total": nothing}, Page[Product]) == Page()
        assert decode(nothing, Page[Product]) == Page()
        assert decode(nothing, tuple[FreightOption, ...]) == ()
        assert decode(nothing, list[str]) == []
    assert codec.decode(None, Page[Product]) == Page()


def test_null_elements_of_lists_are_left_out(decode):
    page = decode({"list": [None, {"sku": "A", "warehouseStockList": [None]}]}, Page[StockLevel])
    assert page.list == (StockLevel(sku="A"),)
    assert decode(["a", None, 3], tuple[str, ...]) == ("a", "3")
    assert decode(["a", 3], list[str]) == ["a", "3"]


def test_a_bare_list_is_a_page(decode):
    assert decode([{"sku": "A"}], Page[StockLevel]) == Page(list=(StockLevel(sku="A"),))


def test_null_is_none_and_never_the_text_none(decode):
    fields = ["productName", "description", "fullCategoryName", "createTime", "attributesJson"]
    assert decode({"spu": "P"} | dict.fromkeys(fields), Product) == Product(spu="P")


def test_null_as_text_is_no_status(decode):
    fields = ["financialStatus", "fulfillmentStatus", "refundStatus"]
    assert decode(ORDER | dict.fromkeys(fields, "NULL"), Order) == an_order()
    assert decode({"sku": "A", "skuStatus": "NULL"}, Sku) == Sku(sku="A")


def test_a_status_of_zero_is_a_status():
    assert sku_of('"skuStatus":0').sku_status is ProductStatus.OFF_SHELF
    assert sku_of('"skuStatus":"0"').sku_status is ProductStatus.OFF_SHELF


def test_the_empty_supplier_level_is_documented_and_kept(decode):
    assert decode({"spu": "P", "supplierLevel": ""}, Product).supplier_level is SupplierLevel.NOT_CONNECTED
    assert decode({"spu": "P", "supplierLevel": None}, Product).supplier_level is None


@given(st.text(min_size=1).filter(lambda text: text != "NULL"), st.integers(-(2**40), 2**40))
def test_any_status_is_usable(text, number):
    order = codec.decode(codec.encode(ORDER | {"financialStatus": text}), Order)
    assert order.financial_status.value == text
    assert order.financial_status is FinancialStatus(text)
    sku = sku_of(f'"skuStatus":{number}')
    assert sku.sku_status == number
    assert sku.sku_status is ProductStatus(number)


def test_both_words_for_a_settled_refund_are_understood(decode):
    for word in ("refund", "refunded"):
        state = decode(ORDER | {"refundStatus": word}, Order).refund_status
        assert (state.is_known, state.is_refunded, state.value) == (True, True, word)
    assert not RefundState.PARTIAL_REFUND.is_refunded


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.text(max_size=8)
    | st.decimals(-9, 9, places=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.text(max_size=8).map("x{}".format), JSON, min_size=1, max_size=4))
def test_unknown_fields_are_kept_and_change_nothing_else(fields):
    body = codec.encode(
        {"list": [{"sku": "A", "warehouseStockList": [{"qty": 3} | fields]} | fields]} | fields
    )
    for _ in range(2):  # strange the first time, expected the second
        page = codec.decode(body, Page[StockLevel])
        assert page == Page(list=(codec.decode(b'{"sku":"A","warehouseStockList":[{"qty":3}]}', StockLevel),))
        for record in (page, page[0], page[0].warehouses[0]):
            assert dict(record.extra) == fields


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2022-01-07T03:29:18Z", datetime(2022, 1, 7, 3, 29, 18, tzinfo=UTC)),
        ("2022-01-07T03:29:18.250Z", datetime(2022, 1, 7, 3, 29, 18, 250_000, tzinfo=UTC)),
        ("2022-01-07T03:29:18+00:00", datetime(2022, 1, 7, 3, 29, 18, tzinfo=UTC)),
        ("2022-01-07T11:29:18+08:00", datetime(2022, 1, 7, 3, 29, 18, tzinfo=UTC)),
        (1712475208144, datetime(2024, 4, 7, 7, 33, 28, 144_000, tzinfo=UTC)),
        ("1712475208144", datetime(2024, 4, 7, 7, 33, 28, 144_000, tzinfo=UTC)),
        ("1612121201144", datetime(2021, 1, 31, 19, 26, 41, 144_000, tzinfo=UTC)),
        (Decimal("1712475208144.0"), datetime(2024, 4, 7, 7, 33, 28, 144_000, tzinfo=UTC)),
        ("", None),
        ("NULL", None),
        (None, None),
    ],
)
def test_times_are_read_from_iso_and_milliseconds(decode, text, moment):
    found = decode({"spu": "P", "updateTime": text}, Product).update_time
    assert found == moment
    assert found is None or found.tzinfo is UTC


@given(st.datetimes(datetime(1971, 1, 1), datetime(9000, 1, 1)))  # noqa: DTZ001 # naive is what hypothesis wants
def test_milliseconds_come_back_exactly(naive):
    moment = naive.replace(tzinfo=UTC) - timedelta(microseconds=naive.microsecond % 1000)
    data = codec.encode({"spu": "P", "updateTime": codec.to_millis(moment)})
    assert codec.decode(data, Product).update_time == moment


@pytest.mark.parametrize("kind", [Design, DesignModel, DesignModelDetail])
@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-03-13 11:58:58", datetime(2024, 3, 13, 11, 58, 58, tzinfo=UTC)),
        ("2024-03-13 11:58:58.157", datetime(2024, 3, 13, 11, 58, 58, 157_000, tzinfo=UTC)),
        (" 2024-03-13T11:58:58 ", datetime(2024, 3, 13, 11, 58, 58, tzinfo=UTC)),
        ("2024-03-13T19:58:58+08:00", datetime(2024, 3, 13, 11, 58, 58, tzinfo=UTC)),
        ("2024-03-13T11:58:58Z", datetime(2024, 3, 13, 11, 58, 58, tzinfo=UTC)),
        (1712475208144, datetime(2024, 4, 7, 7, 33, 28, 144_000, tzinfo=UTC)),
        ("1712475208144", datetime(2024, 4, 7, 7, 33, 28, 144_000, tzinfo=UTC)),
        *[
            (text, None)
            for text in ("yesterday", "NULL", "", None, True, {}, [], 10**30, "2024-13-13 11:58:58")
        ],
    ],
)
def test_a_time_of_the_custom_area_is_read_in_every_form_and_never_costs_its_record(
    decode, kind, text, moment
):
    [found] = decode({"list": [{"id": 7, "createDate": text, "modifyDate": text}]}, Page[kind])
    assert (found.id, found.create_date, found.modify_date) == (7, moment, moment)
    assert found.create_date is None or found.create_date.tzinfo is UTC


@pytest.mark.parametrize(
    ("given", "known_as"),
    [
        (234234645, "234234645"),
        ("234234645", "234234645"),
        (10**18 + 1, "1000000000000000001"),
        (None, None),
        ({}, None),
    ],
)
def test_a_custom_designed_id_is_a_text_however_it_comes(decode, given, known_as):
    assert decode({"id": 1, "customDesignedId": given}, Design).custom_designed_id == known_as


@pytest.mark.parametrize(
    ("answer", "numbers"),
    [
        ("1000000371651", ("1000000371651",)),
        ('"1000000371651"', ("1000000371651",)),
        ('" 1000000371651 "', ("1000000371651",)),
        ("1000000371651.0", ("1000000371651",)),
        ("9007199254740993", ("9007199254740993",)),
        ("123456789012345678901234567890", ("123456789012345678901234567890",)),
        ("[7, 8]", ("7", "8")),
        ('["7", null, 8, "7"]', ("7", "8")),
        ('"7,8"', ("7", "8")),
        ('"R-7"', ("R-7",)),
        ('["R-7", "KA8_1"]', ("R-7", "KA8_1")),
        ('{"KIND": ["7", "8"]}', ("7", "8")),
        ('{"KIND": 7}', ("7",)),
        ('{"KIND": "7"}', ("7",)),
        ('[{"KIND": 7}, {"KIND": 8}]', ("7", "8")),
        ('{"id": 7}', ("7",)),
        ('{"id": 99, "KIND": 7, "customOrderId": "S-1"}', ("7",)),
        ('""', ("",)),
        ("[]", ("",)),
        ("{}", ("",)),
        ("1e30", ("1" + "0" * 30,)),
    ],
)
@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (codec.OrderNumber, "kkOrderId"),
        (codec.OrderNumber, "kkOrderIds"),
        (codec.RefundNumber, "RefundNo"),
        (codec.RefundNumber, "refundNo"),
    ],
)
def test_the_number_of_what_was_made_is_read_in_every_form(kind, name, answer, numbers):
    found = codec.decode(answer.replace("KIND", name).encode(), kind)
    assert (found, found.all) == (numbers[0], numbers)


@pytest.mark.parametrize(
    "answer",
    [
        "true",
        "1.5",
        '{"taken": true}',
        '{"kkOrderId": {"taken": true}}',
        "[[true]]",
        "null",
        '["ok"]',
        '["order 7 is placed"]',
        '{"id": "no, 7"}',
    ],
)
@pytest.mark.parametrize("kind", [codec.OrderNumber, codec.RefundNumber])
def test_an_answer_that_names_no_number_is_refused(kind, answer):
    with pytest.raises(DecodeError):
        codec.decode(answer.encode(), kind)


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ('{"name":"color","value":"Black"}', "color", "Black"),
        ('{"name":"print","value":""}', "print", ""),
        ('{"name":"size","value":38}', "size", "38"),
        ('{"name":"size","value":38.50,"unit":"EU"}', "size", "38.50"),
        ('{"name":"size","value":["S","M"]}', "size", '["S","M"]'),
        ('{"name":"size"}', "size", None),
        ("{}", None, None),
        ("Black", None, None),
        ('{"name":"color","val', None, None),
        ("[1]", None, None),
        ("[" * 50_000, None, None),
        ('{"name":"color","value":1e999999999999}', None, None),
    ],
)
def test_an_option_is_read_as_far_as_it_goes_and_kept_raw(decode, text, name, value):
    option = decode({"sku": "A", "option1": text}, Sku).option1
    assert (option.name, option.value, option.raw) == (name, value, text)


def test_an_option_that_is_an_object_is_read_too(decode):
    option = decode({"sku": "A", "option1": {"name": "size", "value": "XL"}}, Sku).option1
    assert option == Option("size", "XL", raw="")
    assert json.loads(option.raw) == {"name": "size", "value": "XL"}
    assert decode({"sku": "A", "option1": "NULL"}, Sku).option1 is None


def test_attributes_are_texts_whatever_they_were(decode):
    text = '{"season": "Winter", "weight": 1.50, "lined": true, "sizes": ["S"], "note": null}'
    attributes = decode({"spu": "P", "attributesJson": text}, Product).attributes_json
    assert attributes == {"season": "Winter", "weight": "1.50", "lined": "true", "sizes": '["S"]', "note": ""}
    assert attributes.raw == text
    unreadable = decode({"spu": "P", "attributesJson": "season: Winter"}, Product).attributes_json
    assert (unreadable, unreadable.raw) == (Attributes(), "season: Winter")
    assert decode({"spu": "P", "attributesJson": {"season": "Winter"}}, Product).attributes_json == {
        "season": "Winter"
    }
    assert decode({"spu": "P", "attributesJson": None}, Product).attributes_json is None


def test_a_size_chart_is_read_as_far_as_it_goes(decode):
    values = '[{"name":"S","value":71.10},{"name":"M","value":"72.0"},{"name":"L","value":"70-80"},{"name":"XL"},3]'
    text = f'[{{"sheet_name":"Chart","size":[{{"name":"Bust","size_value":{values}}},"?"]}},null]'
    content = decode({"enSizeContent": text}, DesignModelDetail).en_size_content
    assert content[0].size[0].size_value == (
        SizeValue("S", Decimal("71.10")),
        SizeValue("M", Decimal("72.0")),
        SizeValue("L", "70-80"),
        SizeValue("XL", None),
    )
    assert str(content[0].size[0].size_value[0].value) == "71.10"
    assert content.raw == text
    unreadable = decode({"enSizeContent": "see the picture"}, DesignModelDetail).en_size_content
    assert (unreadable.sheets, unreadable.raw) == ((), "see the picture")
    assert decode({"enSizeContent": ""}, DesignModelDetail).en_size_content is None


@pytest.mark.parametrize(
    ("data", "amount"),
    [
        (Decimal("120.5000"), "120.5000"),
        (7, "7"),
        ("120.50", "120.50"),
        ({"balance": Decimal("1.10"), "storeId": 77}, "1.10"),
        ({"currency": "USD", "usable": "3.30"}, "3.30"),
        ({"frozen": 1, "usable": 2}, None),
        ("", None),
        (None, None),
        (True, None),
        ("a lot", None),
        ([], None),
    ],
)
def test_the_balance_is_found_or_left_alone(decode, data, amount):
    balance = decode(data, Balance)
    assert balance.amount == (None if amount is None else Decimal(amount))
    assert balance.amount is None or str(balance.amount) == amount
    assert balance.raw == data


def test_the_newer_name_wins_when_it_holds_a_value(decode):
    times = {"updateDate": "2024-01-01T00:00:00Z", "modifyDate": "2023-01-01T00:00:00Z"}
    assert decode(ORDER | times, Order).update_date.year == 2024
    assert decode(ORDER | times | {"updateDate": None}, Order).update_date.year == 2023
    assert decode(ORDER | times | {"updateDate": ""}, Order).update_date.year == 2023
    assert decode(ORDER | {"updateDate": "", "remark": 5}, Order).update_date is None
    long_way = decode(ORDER | {"remark": 5} | times | {"updateDate": ""}, Order)
    assert (long_way.update_date.year, long_way.remark) == (2023, "5")


def test_categories_nest_as_deep_as_the_answer_goes(decode):
    top = {
        "categoryId": 1,
        "child": [{"categoryId": "2", "child": [{"categoryId": 3, "child": None}]}, {"categoryId": 4}],
    }
    (category,) = decode({"list": [top]}, Page[Category])
    assert [node.category_id for node in category.walk()] == [1, 2, 3, 4]


def test_an_absent_nested_record_is_none(decode):
    for nothing in (None, ""):
        assert decode(ORDER | {"shippingAddress": nothing}, Order).shipping_address is None


def test_values_of_twenty_megabytes_are_read(decode):
    text = "x" * 20_000_000
    product = decode({"spu": "P", "description": text, "attributesJson": text}, Product)
    assert product.description == text
    assert product.attributes_json.raw == text


def test_more_different_values_than_are_remembered_are_all_read(decode):
    rows = [
        {"sku": f"S{n}", "option1": f'{{"name":"color","value":"{n}"}}', "price": Decimal(n).scaleb(-2)}
        for n in range(9000)
    ]
    product = decode({"spu": "P", "skuDetails": rows}, Product)
    assert [sku.option1.value for sku in product.sku_details] == [str(n) for n in range(9000)]
    assert [sku.price for sku in product.sku_details] == [row["price"] for row in rows]


def test_plain_data_is_given_as_it_is(decode):
    assert decode({"a": [1, Decimal("1.50"), None]}, object) == {"a": [1, Decimal("1.50"), None]}
    assert decode(None, object) is None


def test_a_quote_without_a_type_or_with_a_new_one_is_usable(decode):
    first, second = decode(
        [{"channelType": "", "estimatedFreight": 1}, {"channelType": "Drone", "estimatedFreight": "2"}],
        tuple[FreightOption, ...],
    )
    assert first.channel_type is None
    assert second.channel_type is ChannelType("Drone")


def test_texts_may_hold_anything(decode):
    refund = decode({"refundNo": 5, "id": 1000000387523, "remark": "\x00\u2028\U0001f600"}, Refund)
    assert (refund.refund_no, refund.id, refund.remark) == ("5", "1000000387523", "\x00\u2028\U0001f600")
