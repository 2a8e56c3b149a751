"""Requests are written as the samples are."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, strategies as st

from kakaclo_async import codec
from kakaclo_async.errors import InvalidRequest
from kakaclo_async.models.common import Attributes, Option, Page
from kakaclo_async.models.custom import MaterialImage, NewDesign
from kakaclo_async.models.freight import ChannelsRequest, ChannelType, FreightRequest, Item
from kakaclo_async.models.new_order import Address, NewOrder
from kakaclo_async.models.order import Balance
from kakaclo_async.models.product import (
    Product,
    ProductStatus,
    SizeContent,
    SizeRow,
    SizeSheet,
    SizeValue,
    Sku,
)
from kakaclo_async.models.refund import NewRefund, RefundItem, RefundReason

SAMPLES = Path(__file__).parent.parent / "samples"
IMAGES = "https://oss-pubilc.kakaclo.com/images/common/custom/images/20240325"
ORDER = NewOrder(
    address=Address(
        country="US",
        city="Orlafasns",
        phone="07 82 24 67 93",
        recipient="Lffsollia Odfsdlena",
        street1=" 7 rue  Rabelais",
        province=" de Lofasfasire",
        zip="vsvs00v30",
    ),
    items=[Item("AMB01682_W_M_AU", 1)],
    remark="best order",
    sale_platform="KA",
    custom_order_id="KA10001",
)
PARCEL = [Item("FSZW06578_P_L_NUB", 1)]
REQUESTS = {
    "v1_custom_customDesigned_addProduct": NewDesign(
        model_id=1,
        en_name="Dinosaur Round Neck Short Sleeve T-Shirt-Children's Clothing",
        image_url=f"{IMAGES}/1f74a546-96ce-4940-86d2-b345f4897ad0.png",
        back_image_url=f"{IMAGES}/5baf5db0-4e6a-41e9-9c79-df2ec2bc758e.png",
        material_images=[MaterialImage("aaa", f"{IMAGES}/5baf5db0-4e6a-41e9-9c79-df2ec2bc758e.png")],
        color_value="#A72525",
    ),
    "v1_order_channel": ChannelsRequest(PARCEL, "US", "H008"),
    "v1_order_create": ORDER,
    "v2_order_channel": ChannelsRequest(PARCEL, "US"),
    "v2_order_channel_automationSplit": FreightRequest(PARCEL, "US"),
    "v2_order_create": ORDER,
    "v2_order_refund_create_full": NewRefund(remark="other reason"),
    "v2_order_refund_create_partial": NewRefund(
        remark="test",
        refund_reason=RefundReason.OTHER,
        order_items=[
            RefundItem(item_id="120001", sku_code="FSZW08923_R_L_NUB", quantity=1, country_code="CN"),
            RefundItem(item_id="120002", sku_code="FSZW08923_R_L_NUB", quantity=2, country_code="US"),
        ],
    ),
}


def test_every_published_request_is_a_test_case():
    assert {path.name.removesuffix(".request.json") for path in SAMPLES.glob("*.request.json")} == set(
        REQUESTS
    )


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_is_written_as_its_sample(sample, name):
    assert json.loads(codec.encode(REQUESTS[name])) == json.loads(sample(f"{name}.request"))


def test_statuses_are_written_as_their_wire_values():
    order = NewOrder(
        address=ORDER.address, items=PARCEL, channel_type=ChannelType.EXPEDITED, sale_platform="Etsy"
    )
    body = json.loads(codec.encode(order))
    assert (body["channelType"], body["salePlatform"]) == ("Expedited", "Etsy")
    assert not {"channelCode", "warehouseCode", "customOrderId", "remark"} & body.keys()


def test_plain_data_is_written_with_exact_money_and_wire_times():
    moment = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert (
        codec.encode({"price": Decimal("6.1600"), "at": moment})
        == b'{"price":6.1600,"at":"2024-01-02T03:04:05Z"}'
    )


def test_wire_times_are_in_utc_and_to_the_second():
    moment = datetime(2024, 1, 1, 2, 0, 0, 999_999, tzinfo=timezone(timedelta(hours=8)))
    assert codec.to_wire_time(moment) == "2023-12-31T18:00:00Z"
    assert codec.to_wire_time(datetime(900, 1, 1, tzinfo=UTC)) == "0900-01-01T00:00:00Z"
    assert codec.to_millis(moment) == 1_704_045_600_999
    assert codec.to_millis(datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)) == -1000


@pytest.mark.parametrize("write", [codec.to_wire_time, codec.to_millis])
def test_naive_times_are_refused_with_a_sentence(write):
    with pytest.raises(InvalidRequest, match="without a time zone"):
        write(datetime(2024, 1, 1))  # noqa: DTZ001 # naive on purpose


def test_json_for_people_has_snake_case_names_and_exact_texts(decode):
    sku = {
        "sku": "A",
        "price": Decimal("6.1600"),
        "option1": '{"name":"color","value":"Red"}',
        "option2": "?",
        "new": 1.5,
    }
    page = decode(
        {"list": [{"spu": "P", "updateTime": "2024-01-02T03:04:05Z", "skuDetails": [sku]}]}, Page[Product]
    )
    (product,) = codec.to_json(page)["list"]
    assert product["update_time"] == "2024-01-02T03:04:05Z"
    (shown,) = product["sku_details"]
    assert shown["price"] == "6.1600"
    assert shown["option1"] == {"name": "color", "value": "Red"}
    assert shown["option2"] == {"name": None, "value": None, "raw": "?"}
    assert shown["extra"] == {"new": "1.5"}
    assert "extra" not in product


def test_texts_and_numbers_of_other_classes_are_written_as_what_they_are():
    pieces = type("Pieces", (int,), {})(3)
    number = codec.RefundNumber("R1", "R2")
    order = NewOrder(address=ORDER.address, items=[Item("A", pieces)], remark=number)
    body = json.loads(codec.encode(order))
    assert (body["remark"], body["orderItemsList"]) == ("R1", [{"sku": "A", "quantity": 3}])


def test_json_for_people_has_a_number_as_a_text_that_every_writer_knows():
    written = codec.to_json({"refund": codec.RefundNumber("R1", "R2")})
    assert msgspec.json.encode(written) == b'{"refund":"R1"}'


def test_json_for_people_shows_the_raw_text_of_what_could_not_be_read_and_of_nothing_else():
    chart = SizeContent(
        (SizeSheet("Shirt", (SizeRow("Bust", (SizeValue("S", Decimal(88)),)),)),), raw="[...]"
    )
    assert codec.to_json(SizeContent((), raw="see picture")) == {"sheets": [], "raw": "see picture"}
    assert codec.to_json(chart) == {
        "sheets": [
            {
                "sheet_name": "Shirt",
                "size": [{"name": "Bust", "size_value": [{"name": "S", "value": "88"}]}],
            }
        ]
    }
    assert codec.to_json(Balance(Decimal("1.10"), raw=1)) == {"amount": "1.10"}
    assert codec.to_json(Balance(None, raw={"a": 1, "b": 2})) == {"amount": None, "raw": {"a": 1, "b": 2}}
    assert codec.to_json([Option("size", None, raw="{}"), Sku(sku="A").extra]) == [
        {"name": "size", "value": None},
        {},
    ]


def test_json_for_people_has_plain_values_only():
    moment = datetime(2024, 5, 1, 8, tzinfo=timezone(timedelta(hours=8)))
    assert codec.to_json((moment, None, True)) == ["2024-05-01T00:00:00Z", None, True]
    assert type(codec.to_json(ProductStatus.ON_SHELF)) is int
    assert type(codec.to_json(ChannelType("Rocket"))) is str
    assert codec.to_json(Attributes({"season": "all"}, raw="{}")) == {"season": "all"}


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_decimals_keep_every_digit_in_json(number):
    shown = codec.to_json(number)
    assert "E" not in shown
    assert Decimal(shown) == number
