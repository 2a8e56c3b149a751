"""The wrapping of every answer, and what is no answer at all."""

from __future__ import annotations

import json

import pytest

from kakaclo_async import codec
from kakaclo_async.errors import DecodeError
from kakaclo_async.models.common import Page
from kakaclo_async.models.product import StockLevel

STOCK = b'{"list":[{"sku":"A","warehouseStockList":[{"qty":2}]}],"total":1}'


def test_an_envelope_gives_code_message_and_untouched_data():
    envelope = codec.read_envelope(b'{"code": 10000, "message": "ok", "data": %b}' % STOCK)
    assert (envelope.code, envelope.message, envelope.error) == (10000, "ok", None)
    assert bytes(envelope.data) == STOCK
    assert "qty" not in repr(envelope)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("10000", 10000),
        ('"10000"', 10000),
        ("10000.0", 10000),
        ('"E7"', "E7"),
        ("null", None),
        ('""', None),
        ("1.5", "1.5"),
        ("true", "true"),
    ],
)
def test_a_code_is_a_number_where_it_can_be_one(text, code):
    assert codec.read_envelope(f'{{"code": {text}}}'.encode()).code == code


def test_what_an_envelope_lacks_is_none():
    envelope = codec.read_envelope(b"{}")
    assert (envelope.code, envelope.message, envelope.data, envelope.error) == (None, "", None, None)
    assert bytes(codec.read_envelope(b'{"data": null}').data) == b"null"


def test_the_other_error_document_is_read(sample):
    envelope = codec.read_envelope(sample("error_400_invalid_request"))
    assert (envelope.code, envelope.error, envelope.data) == (None, "Invalid request", None)


def test_odd_messages_become_texts():
    envelope = codec.read_envelope(b'{"code": 5, "message": {"en": "no"}, "error": 7, "trace": [1]}')
    assert json.loads(envelope.message) == {"en": "no"}
    assert envelope.error == "7"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"  \n",
        b"<html><body>502</body></html>",
        b'{"code": 10000, "data": {"li',
        b"[]",
        b"null",
        b'"x"',
        b"\xff\xfe",
        b"[" * 200_000,
        b"{" * 9,
    ],
)
def test_what_is_no_json_object_is_refused(body):
    with pytest.raises(DecodeError) as caught:
        codec.read_envelope(body)
    assert caught.value.where == "body"


def test_one_pass_reads_what_two_steps_read():
    body = b'{"code": 10000, "message": "ok", "data": %b, "time": 3}' % STOCK
    found = codec.decode_body(body, Page[StockLevel], success=10000)
    assert found == codec.decode(STOCK, Page[StockLevel])
    assert found[0].qty == 2


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"code": 500, "message": "no", "data": %b}' % STOCK, Page[StockLevel]),
        (b'{"code": "10000", "data": %b}' % STOCK, Page[StockLevel]),
        (b'{"code": 10000}', Page[StockLevel]),
        (b'{"code": 10000, "data": {"list": [{"sku": 5}]}}', Page[StockLevel]),
        (b'{"code": 10000, "data": "1"}', str),
        (b"<html>", Page[StockLevel]),
        (b"[" * 200_000, Page[StockLevel]),
    ],
)
def test_one_pass_leaves_all_else_to_the_two_steps(body, kind):
    assert codec.decode_body(body, kind, success=10000) is None
