"""Every published document is read, every documented field of it."""

from __future__ import annotations

import json
import pickle
from datetime import UTC, datetime
from decimal import Decimal

import attrs
import pytest
from support.whole import ORDER, ORDER_V1

from kakaclo_async import codec
from kakaclo_async.models.common import Option, Page
from kakaclo_async.models.custom import Design, DesignModel, DesignModelDetail, ModelStatus
from kakaclo_async.models.freight import ChannelType, FreightOption, LogisticsChannel
from kakaclo_async.models.order import (
    CarrierType,
    FinancialStatus,
    FulfillmentStatus,
    Order,
    OrderStatus,
    PackageStatus,
    StockStatus,
)
from kakaclo_async.models.order_v1 import OrderStatusV1, OrderV1
from kakaclo_async.models.product import Category, Product, ProductStatus, SizeValue, StockLevel, Warehouse
from kakaclo_async.models.refund import Refund, RefundStatus

PAGE_EXTRAS = {"vo", "totalPageNumber", "modifyDate", "nextId"}


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def records_in(value):
    if isinstance(value, list | tuple):
        for element in value:
            yield from records_in(element)
    elif attrs.has(type(value)):
        yield value
        for field in attrs.fields(type(value)):
            yield from records_in(getattr(value, field.name))


def test_no_field_of_a_sample_is_unknown(read, published):
    for record in records_in(read(*published)):
        assert not isinstance(record, codec.Undecodable)
        assert set(getattr(record, "extra", ())) <= (PAGE_EXTRAS if isinstance(record, Page) else set())


def test_every_decoded_sample_pickles_hashes_and_prints_as_json(read, published):
    found = read(*published)
    copy = pickle.loads(pickle.dumps(found))  # noqa: S301 # our own bytes
    assert copy == found
    assert hash(copy) == hash(found)
    assert json.loads(json.dumps(codec.to_json(found))) == codec.to_json(found)


def test_the_category_sample_is_all_empty_texts(read):
    (category,) = read("v1_product_category", Page[Category])
    assert (category.category_id, category.parent_id, category.level) == (None, None, None)
    assert (category.name, category.full_category_id, category.img_url) == ("", "", "")
    assert category.child == (Category(),)
    assert list(category.walk()) == [category, Category()]


def test_the_warehouse_sample_is_all_empty_texts(read):
    (warehouse,) = read("v1_product_countryAndWarehouse", Page[Warehouse])
    assert warehouse == Warehouse(
        warehouse_code="", warehouse_name="", warehouse_name_ext="", country_code="", country_cn=""
    )


def test_a_product(read):
    page = read("v1_product_products", Page[Product])
    assert (page.total, page.page_number, page.page_size, len(page)) == (1, 1, 1, 1)
    product = page[0]
    assert product.spu == "AMN00769"
    assert product.kk_product_id == 1177295
    assert product.product_name == "Fashion All-Match Casual Women'S Threaded Contrast Cropped Pants"
    assert product.description.startswith("Women'S Threaded Contrast Cropped Pants")
    assert product.size_image_path.endswith("d042f310fe9ac4115ba85a525ada61f4.jpg")
    assert product.spu_status is ProductStatus.ON_SHELF
    assert product.category_id == 3658
    assert product.full_category_name == "Women/Bottoms/Cropped Pants"
    assert product.sales_volume == 501
    assert dict(product.attributes_json) == {"season": "Spring-Summer", "waistline": "Mid waist"}
    assert product.attributes_json.raw == '{"season": "Spring-Summer", "waistline": "Mid waist"}'
    assert str(product.price) == "5.98"
    assert product.stock == 20
    assert product.supplier_level is None
    assert product.create_time == product.update_time == utc("2022-01-07T03:29:18")
    assert product.update_time.tzinfo is UTC
    (images,) = product.sku_img_url
    assert images.skus == ("AMN00769_DGR_XL_AU",)
    assert images.img_url == (product.sku_details[0].main_img,)


def test_a_sku(read):
    (sku,) = read("v1_product_products", Page[Product])[0].sku_details
    assert sku.sku == "AMN00769_DGR_XL_AU"
    assert sku.sku_name == "Fashion All-Match Casual Women'S Threaded Contrast Cropped Pants"
    assert sku.main_img.endswith("87c26392683a1a34df19f3b2cfb053b6.jpg")
    assert (sku.package_length, sku.package_width, sku.package_height) == (32, 22, 3)
    assert isinstance(sku.package_length, Decimal)
    assert sku.package_weight == 256
    assert (str(sku.cost), str(sku.price)) == ("4.6", "5.98")
    assert sku.stock == 20
    assert sku.option1 == Option("color", "Charcoal grey", raw="")
    assert sku.option1.raw == '{"name":"color","value":"Charcoal grey"}'
    assert (sku.option2.name, sku.option2.value) == ("size", "XL")
    assert (sku.option3.name, sku.option3.value) == ("print", "")
    assert sku.material == "100% Cotton"
    assert sku.sku_status is ProductStatus.ON_SHELF


@pytest.mark.parametrize(
    ("name", "skus"),
    [
        ("v1_product_stocks_one", ["FSZW03961_Y_XL_NUB"]),
        ("v1_product_stocks_two", ["FSZW03961_Y_S_NUB", "FSZW03961_Y_XL_NUB"]),
    ],
)
def test_stock(read, name, skus):
    page = read(name, Page[StockLevel])
    assert (page.total, page.page_number, page.page_size) == (len(skus), 1, 30)
    assert [level.sku for level in page] == skus
    for level in page:
        assert [(at.warehouse_code, at.country_code, at.qty) for at in level.warehouses] == [
            ("G006", "CN_N", 45),
            ("G007", "CN_S", 20),
        ]
        assert level.qty == 65


def test_a_freight_quote(read):
    options = read("v2_order_channel_automationSplit", tuple[FreightOption, ...])
    assert [
        (o.channel_type, str(o.estimated_freight), o.delivery_time, o.delivery_days) for o in options
    ] == [
        (ChannelType.EXPRESS, "6.1600", "6~9 Business Days", (6, 9)),
        (ChannelType.EXPEDITED, "24.2500", "3~4 Business Days", (3, 4)),
        (ChannelType.STANDARD, "5.0400", "8~12 Business Days", (8, 12)),
    ]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("v2_order_channel_automationSplit_old_shape", FreightOption),
        ("v2_order_channel_without_type", LogisticsChannel),
    ],
)
def test_the_older_shape_of_freight_has_codes_and_no_type(read, name, kind):
    first, second = read(name, tuple[kind, ...])
    assert (first.channel_code, first.channel_name_en, first.channel_type) == ("WB004", "PP", None)
    assert (str(first.estimated_freight), first.estimated_freight_currency) == ("4.83", "USD")
    assert (second.channel_code, str(second.estimated_freight)) == ("WB001", "3.61")
    assert (first.delivery_days, second.delivery_days) == ((3, 5), (6, 10))


@pytest.mark.parametrize("name", ["v1_order_channel", "v2_order_channel"])
def test_logistics_channels(read, name):
    first, second = read(name, tuple[LogisticsChannel, ...])
    assert (first.channel_type, str(first.estimated_freight)) == (ChannelType.STANDARD, "6.45")
    assert (second.channel_type, str(second.estimated_freight)) == (ChannelType.EXPEDITED, "4.77")
    assert (first.channel_code, first.channel_name_en) == ("WB004", "PP")
    assert second.channel_name_en.startswith("Wb clothing line")
    assert second.delivery_time == "6~10 Business Days"


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("v1_order_create", "1000000371651"),
        ("v2_order_create", "1000000371651"),
        ("v1_order_refund_create", "111"),
        ("v2_order_refund_create", "111"),
        ("v2_order_refund_create_numeric", "10002"),
    ],
)
def test_order_and_refund_numbers_are_texts(read, name, number):
    assert read(name, str) == number


def test_an_order(read):
    (order,) = read("v2_order_orders_fully_shipped", Page[Order])
    assert (order.id, order.custom_order_id, order.remark) == ("1000000462144", "1001", None)
    assert order.status is OrderStatus.PROCESSING
    assert order.financial_status is FinancialStatus.PAID
    assert order.fulfillment_status is FulfillmentStatus.FULLY_SHIPPED
    assert order.refund_status is None
    assert order.purchase_date == utc("2022-09-28T03:32:17")
    assert order.pay_date == order.completed_date == utc("2022-09-28T03:32:23")
    assert (order.cancel_date, order.refund_date) == (None, None)
    assert order.create_date == utc("2022-09-28T03:22:16")
    assert order.update_date == utc("2022-09-29T08:27:21")
    assert order.warehouse_id == 1
    amounts = (order.final_amount, order.freight_amount, order.sub_total_amount)
    assert [str(amount) for amount in amounts] == ["35.9800", "22.8700", "13.1100"]
    address = order.shipping_address
    assert (address.country, address.city, address.province, address.zip) == (
        "VE",
        "Orleans",
        "dddssssd",
        "11111",
    )
    assert (address.phone, address.recipient) == ("07 82 20 10 93", "Lollia Olena222")
    assert (address.street1, address.street2) == (" 7 rue Francois Rabelais", None)
    assert (address.vat, address.ioss) == (None, None)


def test_the_items_of_an_order(read):
    (order,) = read("v2_order_orders_partially_shipped", Page[Order])
    first, second = order.order_items
    assert (first.id, first.item_id, first.sku_code) == ("1077104", "1077104", "FSZW05475_W_S_NUB")
    assert (first.product_name, first.product_num) == (None, 2)
    assert first.image_url.endswith("034de8662a1ad3f607b3c0522cdef229.jpg")
    assert (str(first.amount), str(first.total)) == ("7.2300", "14.4600")
    assert (first.option1.value, first.option2.value, first.option3) == ("Raw white off white", "S", None)
    assert (first.refund_status, first.stock_status, first.fulfillment_status) == (None, None, None)
    assert (first.country_code, second.country_code) == ("CN", "US")


def test_the_scale_of_money_is_kept_per_value(read):
    (order,) = read("v2_order_orders_waiting_to_ship", Page[Order])
    assert (str(order.order_items[0].total), str(order.order_items[0].amount)) == ("5.6800", "5.680")
    assert order.fulfillments == ()


def test_a_package(read):
    (package,) = read("v2_order_orders_fully_shipped", Page[Order])[0].fulfillments
    assert (package.id, package.pack_id) == ("KA2022092811300049_1", None)
    assert package.status is PackageStatus.SHIPPED
    assert package.carrier_type is CarrierType.LAST
    assert (package.carrier, package.tracking_code) == ("wandexpress", "WNBAA0202970436YQ")
    assert package.logistics_search_url == "https://t.17track.net/en?v=2#nums=WNBAA0202970436YQ"
    assert package.delivery_time == utc("2022-09-29T03:25:02")
    assert [item.id for item in package.items] == ["1094004", "1094003"]
    assert package.tracking_infos == ()


def test_a_v2_answer_with_v1_names_fills_the_v2_fields(read):
    (order,) = read("v2_order_orders_query_old_shape", Page[Order])
    assert order.pay_date == order.completed_date == utc("2022-11-01T06:21:21")
    assert order.purchase_date == utc("2022-11-01T06:21:20")
    assert order.update_date == order.create_date == utc("2022-11-01T06:21:12")
    assert (str(order.sub_total_amount), str(order.final_amount)) == ("9.3200", "20.1200")
    assert (order.status.value, order.status.is_known) == ("waiting_to_ship", False)
    (item,) = order.order_items
    assert (str(item.total), str(item.amount), str(item.promotion_amount)) == ("9.3200", "4.6600", "0.5000")
    assert item.stock_status is StockStatus.NORMAL
    assert order.shipping_address.recipient == "Lffsollia Odfsdlena"


def test_v1_orders_keep_their_v1_names(read):
    (order,) = read("v1_order_orders_query", Page[OrderV1])
    assert order.status is OrderStatusV1.WAITING_TO_SHIP
    assert order.pay_at == order.completed_at == utc("2022-11-01T06:21:21")
    assert (str(order.skus_amount), str(order.total_amount)) == ("9.3200", "20.1200")
    (item,) = order.order_items
    assert (str(item.subtotal), str(item.purchase_prices)) == ("9.3200", "4.6600")
    assert (str(item.promotion_amount), item.product_num) == ("0.5000", 2)


@pytest.mark.parametrize(
    ("name", "status", "packages"),
    [
        (
            "v1_order_orders_status_a",
            OrderStatusV1.SHIPPED,
            [("KA2022092811300049_1", ["1094004", "1094003"])],
        ),
        ("v1_order_orders_status_b", OrderStatusV1.PARTIAL_SHIPPED, [("KA2022082015300120_1", ["1077104"])]),
        ("v1_order_orders_status_c", OrderStatusV1.WAITING_TO_SHIP, []),
    ],
)
def test_v1_orders_in_their_statuses(read, name, status, packages):
    (order,) = read(name, Page[OrderV1])
    assert order.status is status
    assert [(package.id, [item.id for item in package.items]) for package in order.fulfillments] == packages
    assert str(sum(item.subtotal for item in order.order_items)) == str(order.skus_amount)


V1_LINE = {
    "id": "1",
    "skuCode": "A",
    "productNum": 2,
    "subtotal": Decimal("9.3200"),
    "purchasePrices": Decimal("4.6600"),
}
V1_TABLE = {
    "id": "1000000462144",
    "status": "waiting_to_ship",
    "totalAmount": Decimal("20.1200"),
    "freightAmount": Decimal("10.8000"),
    "skusAmount": Decimal("9.3200"),
    "finalAmount": Decimal("20.1200"),
    "orderItems": [V1_LINE | {"promotionAmount": Decimal("0.5000")}],
    "fulfillments": [
        {
            "id": "KA1_1",
            "carrierType": "latest",
            "trackingInfos": [
                {"carrier": "Yanwen", "trackingCode": "YT2"},
                {"carrier": "USPS", "trackingCode": "US1"},
            ],
            "orderItems": [V1_LINE],
        }
    ],
}


def test_a_v1_order_has_all_that_its_table_names(decode):
    order = decode(V1_TABLE, OrderV1)
    [item], [package] = order.order_items, order.fulfillments
    assert (str(order.total_amount), str(order.final_amount)) == ("20.1200", "20.1200")
    assert (str(item.subtotal), str(item.purchase_prices), str(item.promotion_amount)) == (
        "9.3200",
        "4.6600",
        "0.5000",
    )
    assert package.carrier_type is CarrierType.LATEST
    assert [info.tracking_code for info in package.tracking_infos] == ["YT2", "US1"]
    assert [line.sku_code for line in package.items] == ["A"]
    assert {name for record in records_in(order) for name in record.extra} == set()


@pytest.mark.parametrize("kind", [Order, OrderV1])
@pytest.mark.parametrize("name", ["items", "orderItems"])
def test_a_package_holds_its_lines_under_either_name_in_either_version(decode, kind, name):
    whole = ORDER if kind is Order else ORDER_V1
    [package] = decode(whole | {"fulfillments": [{"id": "P", name: [V1_LINE]}]}, kind).fulfillments
    assert [line.sku_code for line in package.items] == ["A"]
    assert package.extra == {}


@pytest.mark.parametrize("name", ["v1_order_refund_query", "v2_order_refund_query"])
def test_a_refund(read, name):
    (refund,) = read(name, Page[Refund])
    assert (refund.refund_no, refund.id, refund.remark) == ("1560897343230267394", "1000000387523", None)
    assert refund.refund_status is RefundStatus.REFUND_SUCCESSFULLY


def test_a_model_to_design_on(read):
    page = read("v1_custom_designModel_search", Page[DesignModel])
    (model,) = page
    assert (page.total, page.page_number) == (1, None)
    assert (model.id, model.model_code, model.category_name) == (73, "PODQRA028", "T-shirt")
    assert (str(model.price), model.en_name) == ("8.05", "Short sleeve T-shirt")
    assert model.image_url.endswith("5b14dda5-68e6-41bf-ae3a-b8caa2eaa267.png")
    assert model.back_image_url.endswith("5140a1a5-7f33-4ceb-99c7-6b86184d012e.png")
    assert model.create_date == model.modify_date == datetime(2024, 4, 9, 2, 25, 5, 78_000, tzinfo=UTC)


def test_a_model_in_detail(read):
    model = read("v1_custom_designModel_detail", DesignModelDetail)
    assert (model.id, model.model_code, model.order_count) == (73, "PODQRB518", 0)
    assert model.en_description == "<p> description ~~</p>"
    assert model.status is ModelStatus.ON_SHELF
    assert (str(model.price), str(model.weight)) == ("6.41", "200.01")
    assert [variant.size for variant in model.variants][:3] == ["2XS", "XS", "S"]
    assert {str(variant.weight) for variant in model.variants} == {"200.01"}
    (sheet,) = model.en_size_content
    assert (sheet.sheet_name, len(model.en_size_content), model.en_size_content[0]) == (
        "Size Chart",
        1,
        sheet,
    )
    assert [row.name for row in sheet.size] == [
        "Sleeve Length",
        "1/2 cuff",
        "1/2 bust",
        "1/2 swing",
        "clothes length",
    ]
    assert sheet.size[0].size_value[:2] == (SizeValue("2XS", Decimal(71)), SizeValue("XS", Decimal("72.27")))
    assert str(sheet.size[0].size_value[0].value) == "71.0"
    assert model.en_size_content.raw.startswith('[{"size":[{"name":"Sleeve Length"')


def test_a_design(read):
    (design,) = read("v1_custom_customDesigned_search", Page[Design])
    assert (design.id, design.custom_designed_id, design.kk_product_id) == (1, "234234645", 2323423)
    assert (design.model_code, design.spu, design.en_name) == ("PODQRA028", "A302", "en_name")
    assert (str(design.price), design.order_count) == ("8.35", 0)
    assert design.create_date == design.modify_date == datetime(2024, 4, 7, 7, 33, 28, 144_000, tzinfo=UTC)
    assert design.image_url.endswith("1f74a546-96ce-4940-86d2-b345f4897ad0.png")
    assert design.back_image_url.endswith("5baf5db0-4e6a-41e9-9c79-df2ec2bc758e.png")


def test_the_names_of_categories_and_an_empty_answer(read):
    names = read("v1_custom_modelCategoryName_search", tuple[str, ...])
    assert (len(names), names[0], names[-1]) == (16, "Fishing Clothes", "Vest")
    assert read("v1_custom_customDesigned_addProduct", str) == ""
