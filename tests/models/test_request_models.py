"""Requests are checked where they are made, and the sentence names the field."""

from __future__ import annotations

import re

import pytest
from support.whole import an_offer

from kakaclo_async.errors import InvalidRequest
from kakaclo_async.models._checks import check_country
from kakaclo_async.models.custom import MaterialImage, NewDesign
from kakaclo_async.models.freight import (
    ChannelsRequest,
    ChannelType,
    FreightMatrix,
    FreightQuote,
    FreightRequest,
    Item,
)
from kakaclo_async.models.new_order import Address, NewOrder, SalePlatform
from kakaclo_async.models.refund import NewRefund, RefundItem

HOME = {"country": "US", "phone": "555-0100", "recipient": "Jane Roe", "province": "NY"}
LINE = {"item_id": "1", "sku_code": "A", "quantity": 1}
DESIGN = {"model_id": 73, "en_name": "Shirt", "image_url": "https://example.com/a.png"}


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Item("A", 0), "Item.quantity must be above 0, not 0"),
        (lambda: Item("A", -1), "Item.quantity must be above 0, not -1"),
        (lambda: Item("A", True), "Item.quantity must be a whole number above 0, not bool"),
        (lambda: Item("A", 1.0), "Item.quantity must be a whole number above 0, not float"),
        (lambda: Item("A", 10**16), "Item.quantity takes at most 16 digits"),
        (lambda: Item("A", 10**5000), "Item.quantity takes at most 16 digits"),
        (lambda: RefundItem(**LINE | {"quantity": 10**16}), "RefundItem.quantity takes at most 16 digits"),
        (
            lambda: ChannelsRequest([Item("A", 1)], "US", "G" * 33),
            "ChannelsRequest.warehouse_code takes at most 32 characters, not 33",
        ),
        (lambda: FreightRequest([Item("A", 1)], "C" * 13), "FreightRequest.country .* at most 12 characters"),
        (lambda: FreightRequest([Item("A", 1)], "USA"), "as 'US': write 'US'$"),
        (lambda: FreightRequest([Item("A", 1)], "Atlantis"), "FreightRequest.country must be a .* as 'US'$"),
        (lambda: Item("", 1), "Item.sku must not be empty"),
        (lambda: Item("  ", 1), "Item.sku must not be empty"),
        (lambda: Item(None, 1), "Item.sku must not be empty"),
        (lambda: Item(5, 1), "Item.sku must be a str, not int"),
        (lambda: Item("x" * 65, 1), "Item.sku takes at most 64 characters, not 65"),
        (lambda: FreightRequest([], "US"), "FreightRequest.items must hold at least one Item"),
        (lambda: FreightRequest(None, "US"), "FreightRequest.items must be a sequence of Item"),
        (lambda: FreightRequest(["A"], "US"), r"FreightRequest.items\[0\] must be of type Item, not str"),
        (lambda: FreightRequest([Item("A", 1)], ""), "FreightRequest.country must not be empty"),
        (
            lambda: ChannelsRequest([Item("A", 1)], "US", 7),
            "ChannelsRequest.warehouse_code must be a str, not int",
        ),
        (lambda: RefundItem(**LINE | {"quantity": 0}), "RefundItem.quantity must be above 0"),
        (lambda: RefundItem(**LINE | {"item_id": ""}), "RefundItem.item_id must not be empty"),
        (
            lambda: NewRefund(order_items=[Item("A", 1)]),
            r"NewRefund.order_items\[0\] must be of type RefundItem",
        ),
        (lambda: NewRefund(remark=5), "NewRefund.remark must be a str, not int"),
        (lambda: NewDesign(**DESIGN | {"model_id": ""}), "NewDesign.model_id must not be empty"),
        (lambda: NewDesign(**DESIGN | {"model_id": True}), "NewDesign.model_id must be a str, not bool"),
        (
            lambda: NewDesign(**DESIGN, material_images=[1]),
            r"NewDesign.material_images\[0\] must be of type Mat",
        ),
        (lambda: MaterialImage("a", ""), "MaterialImage.image_url must not be empty"),
    ],
)
def test_a_broken_limit_is_refused_by_name(make, sentence):
    with pytest.raises(InvalidRequest, match=sentence):
        make()


@pytest.mark.parametrize("field", HOME)
@pytest.mark.parametrize("value", ["", " ", None])
def test_required_parts_of_an_address_must_be_filled(field, value):
    with pytest.raises(InvalidRequest, match=f"Address.{field} must not be empty"):
        Address(**HOME | {field: value})


@pytest.mark.parametrize(
    ("field", "longest"),
    [
        ("phone", 64),
        ("recipient", 32),
        ("province", 32),
        ("street1", 64),
        ("street2", 64),
        ("city", 64),
        ("zip", 32),
        ("ioss", 32),
        ("vat", 32),
    ],
)
def test_parts_of_an_address_have_their_documented_lengths(field, longest):
    assert getattr(Address(**HOME | {field: "x" * longest}), field) == "x" * longest
    with pytest.raises(InvalidRequest, match=f"Address.{field} takes at most {longest} characters") as caught:
        Address(**HOME | {field: "secret" * longest})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"items": []}, "NewOrder.items must hold at least one Item"),
        ({"address": HOME}, "NewOrder.address must be of type Address, not dict"),
        ({"channel_type": ""}, "NewOrder.channel_type must not be empty"),
        ({"channel_type": 3}, "NewOrder.channel_type must be a str, not int"),
        ({"channel_type": "x" * 17}, "NewOrder.channel_type takes at most 16 characters, not 17"),
        (
            {"channel_type": "x" * 17, "custom_order_id": "SHOP-1"},
            "^order 'SHOP-1': NewOrder.channel_type takes at most 16 characters, not 17$",
        ),
        (
            {"items": [], "custom_order_id": "SHOP-1"},
            "^order 'SHOP-1': NewOrder.items must hold at least one Item",
        ),
        ({"sale_platform": 3}, "NewOrder.sale_platform must be a str, not int"),
        ({"custom_order_id": 10001}, "NewOrder.custom_order_id must be a str, not int"),
    ],
)
def test_an_order_is_checked(fields, sentence):
    with pytest.raises(InvalidRequest, match=sentence):
        NewOrder(**{"address": Address(**HOME), "items": [Item("A", 1)]} | fields)


@pytest.mark.parametrize("written", ["US", "us", " Us ", "uS\n", "us\xa0"])
def test_a_country_is_one_code_however_it_is_written(written):
    assert Address(**HOME | {"country": written}).country == "US"
    assert FreightRequest([Item("A", 1)], written).country == "US"
    assert FreightRequest([Item("A", 1)], written) == FreightRequest([Item("A", 1)], "US")


def test_the_longest_quantity_is_taken():
    assert Item("A", 10**16 - 1).quantity == 10**16 - 1


def test_a_part_of_a_country_is_a_code_too():
    assert Address(**HOME | {"country": "cn_s"}).country == "CN_S"


@pytest.mark.parametrize(
    "written", ["U", "USA", "1A", "ÜS", "ıt", "United States", "US,FR", "CN_", "CN_ABCDEFGHIJ", 7]
)
@pytest.mark.parametrize(
    "make",
    [
        lambda country: Address(**HOME | {"country": country}),
        lambda country: FreightRequest([Item("A", 1)], country),
    ],
)
def test_what_is_no_country_code_is_refused_without_repeating_it(make, written):
    with pytest.raises(InvalidRequest, match=r"\.country must be ") as caught:
        make(written)
    assert str(written) not in str(caught.value).replace("'US'", "")


@pytest.mark.parametrize(
    ("written", "code"),
    [("United States", "US"), ("usa", "US"), ("U.S.A.", "US"), ("The Netherlands", "NL"), ("Florida", None)],
)
def test_the_error_for_the_name_of_a_country_says_what_to_write(written, code):
    for make in (
        lambda: Address(**HOME | {"country": written}),
        lambda: FreightRequest([Item("A", 1)], written),
        lambda: check_country(written),
    ):
        with pytest.raises(InvalidRequest) as caught:
            make()
        assert re.findall(r": write '(\w+)'", str(caught.value)) == ([code] if code else [])


@pytest.mark.parametrize("written", ["Express", "express", " EXPRESS "])
def test_a_channel_type_is_found_however_it_is_written(written):
    order = NewOrder(address=Address(**HOME), items=[Item("A", 1)], channel_type=written)
    offer = an_offer(channel_type=ChannelType.EXPRESS)
    assert order.channel_type is ChannelType.EXPRESS
    assert FreightQuote((offer,)).by_channel(written) is offer


def test_a_new_channel_type_is_sent_as_it_is():
    order = NewOrder(address=Address(**HOME), items=[Item("A", 1)], channel_type=" Overnight")
    assert order.channel_type == "Overnight"


def test_blanks_around_a_sku_are_dropped_and_what_cannot_be_looked_up_is_refused():
    assert Item(" A B\n", 1).sku == "A B"
    for sku in ("A,B", "A\nB", "A\x00"):
        with pytest.raises(InvalidRequest, match=r"Item\.sku must hold no comma and no line break"):
            Item(sku, 1)


def test_a_matrix_is_asked_by_any_spelling_of_a_country():
    cell = FreightQuote([an_offer()])
    assert FreightMatrix({((Item("A", 1),), "US"): cell})[[Item("A", 1)], "us"] is cell


def test_lists_and_generators_become_tuples():
    lines = [Item("A", 1), Item("B", 2)]
    assert FreightRequest(lines, "US") == FreightRequest((line for line in lines), "US")
    order = NewOrder(address=Address(**HOME), items=lines)
    assert (order.items, order.channel_type) == (tuple(lines), ChannelType.STANDARD)
    assert hash(order) == hash(NewOrder(address=Address(**HOME), items=tuple(lines)))


def test_texts_become_members_where_they_are_documented():
    order = NewOrder(
        address=Address(**HOME), items=[Item("A", 1)], channel_type="Express", sale_platform="eBay"
    )
    assert order.channel_type is ChannelType.EXPRESS
    assert order.sale_platform is SalePlatform.EBAY
    assert NewOrder(address=Address(**HOME), items=[Item("A", 1)], sale_platform="KA").sale_platform == "KA"


def test_a_model_id_may_be_the_number_that_a_model_carries():
    assert NewDesign(**DESIGN).model_id == NewDesign(**DESIGN | {"model_id": "73"}).model_id == "73"
