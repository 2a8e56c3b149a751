"""What cannot mean what its field says is refused, with its path and without its value."""

from __future__ import annotations

import pickle
from decimal import Decimal

import pytest
from hypothesis import given, strategies as st
from support.whole import ORDER

from kakaclo_async import codec
from kakaclo_async.errors import DecodeError
from kakaclo_async.models.common import Page
from kakaclo_async.models.custom import DesignModelDetail
from kakaclo_async.models.order import Balance, Order
from kakaclo_async.models.product import Category, Product, Sku, StockLevel

ADDRESS = {"country": "US", "phone": "555-0100", "recipient": "Jane Roe", "street1": "1 Main St"}


def page_with(**fields):
    sound = {"spu": "P", "skuDetails": [{"sku": "A"}]}
    return {"list": [sound, sound, sound, {"spu": "Q", "skuDetails": [{"sku": "B"} | fields]}]}


@pytest.mark.parametrize("value", [3.7, "3.7", True, False, {}, [], "abc", "1_000", "\u0663", "NaN", "0x10"])
def test_what_is_no_whole_number_is_refused(decode, value):
    value = Decimal(str(value)) if isinstance(value, float) else value
    with pytest.raises(DecodeError) as caught:
        decode(page_with(stock=value), Page[Product])
    assert caught.value.where == "data.list[3].skuDetails[0].stock"


@pytest.mark.parametrize(
    "value",
    [True, {}, [], "abc", "NaN", "Infinity", "-Infinity", "1,5", "1_0", "$5", "9" * 41, "1e999999999"],
)
def test_what_is_no_number_is_refused(decode, value):
    with pytest.raises(DecodeError) as caught:
        decode(page_with(price=value), Page[Product])
    assert caught.value.where == "data.list[3].skuDetails[0].price"


@pytest.mark.parametrize("value", [True, {}, ["x"]])
def test_what_is_no_text_is_refused(decode, value):
    with pytest.raises(DecodeError, match="must be a text") as caught:
        decode(page_with(skuName=value), Page[Product])
    assert caught.value.where == "data.list[3].skuDetails[0].skuName"


@pytest.mark.parametrize(
    "value",
    [
        "2022-01-07T03:29:18",
        "2022-01-07",
        "2022-13-01T00:00:00Z",
        "yesterday",
        True,
        {},
        1.5,
        10**30,
        "0001-01-01T00:00:00+14:00",
        "99999999999999999",
    ],
)
def test_what_is_no_moment_is_refused(decode, value):
    with pytest.raises(DecodeError) as caught:
        decode(
            {"spu": "P", "updateTime": Decimal(str(value)) if isinstance(value, float) else value}, Product
        )
    assert caught.value.where == "data.updateTime"


def test_naive_times_are_named_as_such(decode):
    with pytest.raises(DecodeError, match="without its offset"):
        decode({"spu": "P", "updateTime": "2022-01-07T03:29:18"}, Product)


@pytest.mark.parametrize(
    ("field", "value"), [("skuStatus", True), ("skuStatus", "on"), ("skuStatus", {}), ("skuStatus", "1.5")]
)
def test_what_is_no_numeric_status_is_refused(decode, field, value):
    with pytest.raises(DecodeError) as caught:
        decode(page_with(**{field: value}), Page[Product])
    assert caught.value.where == f"data.list[3].skuDetails[0].{field}"


@pytest.mark.parametrize("value", [True, {}, []])
def test_what_is_no_status_is_refused(decode, value):
    with pytest.raises(DecodeError) as caught:
        decode(ORDER | {"status": value}, Order)
    assert caught.value.where == "data.status"


@pytest.mark.parametrize(
    ("kind", "data", "where"),
    [
        (Page[Product], {"list": [{"productName": "x"}]}, "data.list[0].spu"),
        (Page[Product], {"list": [{"spu": None}]}, "data.list[0].spu"),
        (Page[Product], {"list": [{"spu": ""}]}, "data.list[0].spu"),
        (Page[Product], [{"spu": "P", "skuDetails": [{}]}], "data[0].skuDetails[0].sku"),
        (Page[StockLevel], {"list": [{"warehouseStockList": []}]}, "data.list[0].sku"),
        (Page[Order], {"list": [{"status": "processing"}]}, "data.list[0].id"),
    ],
)
def test_rows_without_their_identifier_are_refused(decode, kind, data, where):
    with pytest.raises(DecodeError, match="is missing") as caught:
        decode(data, kind)
    assert caught.value.where == where


@pytest.mark.parametrize("kind", [str, int, Product, DesignModelDetail, Decimal])
def test_data_that_must_be_there_is_missed(decode, kind):
    with pytest.raises(DecodeError) as caught:
        decode(None, kind)
    assert (caught.value.where, caught.value.reason) == ("data", "is missing")
    with pytest.raises(DecodeError, match="is missing"):
        codec.decode(None, kind)


@pytest.mark.parametrize(
    ("data", "where"),
    [
        ({"list": {"spu": "P"}}, "data.list"),
        ({"list": ["P"]}, "data.list[0]"),
        ({"list": [{"spu": "P", "skuDetails": {}}]}, "data.list[0].skuDetails"),
        ({"list": [{"spu": "P", "skuImgUrl": [{"skus": ["a", {}]}]}]}, "data.list[0].skuImgUrl[0].skus[1]"),
        ("text", "data"),
        (5, "data"),
    ],
)
def test_a_wrong_shape_is_named_where_it_is(decode, data, where):
    with pytest.raises(DecodeError) as caught:
        decode(data, Page[Product])
    assert caught.value.where == where


def test_the_root_of_the_path_can_be_chosen(decode):
    with pytest.raises(DecodeError) as caught:
        decode({"sku": "A", "price": "abc"}, Sku, where="data.list[7]")
    assert caught.value.where == "data.list[7].price"


def test_an_alias_is_named_as_it_stands_in_the_document(decode):
    with pytest.raises(DecodeError) as caught:
        decode(ORDER | {"payAt": "soon"}, Order)
    assert caught.value.where == "data.payAt"


@given(st.sampled_from(["phone", "recipient", "street1"]), st.sampled_from([{}, [], True]))
def test_errors_repeat_no_value(field, wrong):
    secret = ADDRESS | {
        field: {"was": ADDRESS[field]} if wrong == {} else [ADDRESS[field]] if wrong == [] else wrong
    }
    with pytest.raises(DecodeError) as caught:
        codec.decode(codec.encode({"list": [ORDER | {"shippingAddress": secret}]}), Page[Order])
    error = caught.value
    assert error.where == f"data.list[0].shippingAddress.{field}"
    shown = f"{error} {error!r} {error.__dict__} {error.__cause__!r} {error.__context__!r}"
    assert not any(value in shown for value in ("555-0100", "Jane Roe", "1 Main St"))


def test_errors_keep_no_parser_error_which_would_hold_the_body():
    for body in (b'{"code": 1, "data": \xff "555-0100"}', b'{"phone": "555-0100"', b"<html>555-0100</html>"):
        with pytest.raises(DecodeError) as caught:
            codec.read_envelope(body)
        assert caught.value.__context__ is None
        with pytest.raises(DecodeError) as caught:
            codec.decode(body, Product)
        assert caught.value.__context__ is None


def test_a_decode_error_pickles(decode):
    with pytest.raises(DecodeError) as caught:
        decode(page_with(price=True), Page[Product])
    copy = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 # our own bytes
    assert (str(copy), copy.where, copy.reason) == (
        str(caught.value),
        caught.value.where,
        caught.value.reason,
    )
    assert str(copy) == "data.list[3].skuDetails[0].price: must be a number, not a boolean"


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[1,]", b'"\\ud800"', b"\xff", b"NaN", b"1e99999999999999999999"]
)
def test_data_that_is_no_json_is_refused(data):
    for kind in (Product, object, Balance):
        with pytest.raises(DecodeError) as caught:
            codec.decode(data, kind)
        assert caught.value.where == "data"


def test_nesting_bombs_are_refused():
    for kind in (object, Page[Product], Category):
        with pytest.raises(DecodeError):
            codec.decode(b"[" * 200_000, kind)
    deep = b'{"child":[' * 400 + b"]}" * 400
    with pytest.raises(DecodeError, match="too deep|no JSON"):
        codec.decode(deep, Category)
