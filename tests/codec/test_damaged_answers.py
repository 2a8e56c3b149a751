"""One text or number that is damaged costs no other row of its answer, and no field but its own."""

from __future__ import annotations

import json
import time
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings, strategies as st
from support.travelling import whole

from kakaclo_async import codec
from kakaclo_async.catalog.reading import raw_json
from kakaclo_async.codec import Undecodable
from kakaclo_async.errors import DecodeError
from kakaclo_async.models.common import Page
from kakaclo_async.models.order import Balance
from kakaclo_async.models.product import Product

ROWS = Page[Product | Undecodable]


def read(body, kind=ROWS):
    """Read an answer as the protocol does."""
    found = codec.decode_body(body, kind, success=10000)
    return codec.decode(codec.read_envelope(body).data, kind) if found is None else found


def answer(*rows):
    return b'{"code":10000,"message":"ok","data":{"list":[%b],"total":%d}}' % (b",".join(rows), len(rows))


def between(row):
    """The row of that text, between two that are sound."""
    first, found, last = read(answer(b'{"spu":"A","price":6.1600}', row, b'{"spu":"C"}'))
    assert (first.spu, str(first.price), last.spu) == ("A", "6.1600", "C")
    return found


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (b"Dress \xf0\x9f\x98", "Dress \ufffd"),
        (b"Dress \xe8\xa3 red", "Dress \ufffd red"),
        (b"Dress \\ud83d", "Dress \ufffd"),
        (b"Dress \\ude00", "Dress \ufffd"),
        (b"\\ud83d\\ud83d\\ude00", "\ufffd\U0001f600"),
        (b"\\uD83D\\uDE00 \\uD83D", "\U0001f600 \ufffd"),
        (b"Dress \\ud8", "Dress \ufffd"),
        (b"a\tb\x01c", "a\tb\ufffdc"),
        (b"a\nb\x00c\x7f", "a\nb\ufffdc\x7f"),
        (b"\\\\ud83d \xff", "\\ud83d \ufffd"),
        (b'\\" \\/ \\n \xff', '" / \n \ufffd'),
        (b"it\\'s \\x41", "it\\'s \\x41"),
        (b"\\N", "\\N"),
        (b"\\T \\B \\F \\R", "\\T \\B \\F \\R"),
        (b"\\U0041 \\u00e9 \\u00E9", "\\U0041 \u00e9 \u00e9"),
        (b"\\\t", "\\\t"),
    ],
)
def test_a_text_that_is_damaged_keeps_what_can_be_read(name, text):
    product = between(b'{"spu":"B","productName":"%b","price":1.50}' % name)
    assert (product.product_name, str(product.price)) == (text, "1.50")
    product.product_name.encode()


HELD_BY_NO_FIELD = [
    b"1e400",
    b"-1e-400",
    b"1e99999999999999999999",
    b'"1e99999999999999999999"',
    b"1" + b"0" * 400 + b".5",
    b"9" * 5000,
    b"0." + b"1" * 5000,
    b"NaN",
    b"-Infinity",
    b"undefined",
    b"6.1\xff",
    b"6.1\x00",
]


@pytest.mark.parametrize("number", HELD_BY_NO_FIELD)
@pytest.mark.parametrize("field", [b"price", b"stock", b"categoryId", b"spuStatus"])
def test_a_number_that_no_field_can_hold_costs_its_row_alone(field, number):
    row = between(b'{"spu":"B","%b":%b}' % (field, number))
    assert isinstance(row, Undecodable)
    assert row.problem.startswith(f"Product.{field.decode()} ")
    assert json.loads(raw_json(row))["spu"] == "B"


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 2**64, f'"{2**64}"', "1e19"])
def test_an_integer_that_no_database_holds_costs_its_row_alone(number):
    row = between(b'{"spu":"B","stock":%b}' % str(number).encode())
    assert row.problem == "Product.stock is a number out of all bounds"


def test_the_largest_integers_are_read():
    product = between(b'{"spu":"B","stock":%d,"kkProductId":%d}' % (2**63 - 1, -(2**63)))
    assert (product.stock, product.kk_product_id) == (2**63 - 1, -(2**63))


@pytest.mark.parametrize("number", HELD_BY_NO_FIELD)
@pytest.mark.parametrize("held", [b"%b", b'{"a":[%b]}'])
def test_it_costs_nothing_in_a_field_that_is_unknown(number, held):
    product = between(b'{"spu":"B","price":6.16,"some_thing":%b}' % held.replace(b"%b", number))
    assert (product.spu, product.price) == ("B", Decimal("6.16"))
    assert "some_thing" in product.extra
    msgspec.json.encode(codec.to_json(product))


@pytest.mark.parametrize("number", [b"1e400", b"9" * 5000])
def test_a_text_takes_the_digits_of_any_number(number):
    assert between(b'{"spu":"B","productName":%b}' % number).product_name == number.decode()


@pytest.mark.parametrize(
    "row",
    [
        b'{"spu":"B\xff"}',
        b'{"spu":"B","skuDetails":[{"sku":"\\ud83d"}]}',
        b'{"spu":"B\xef\xbf\xbd"}',
        b'{"spu":"B","skuD\xfftails":[]}',
        b'{"spu":"B","skuD\x00tails":[]}',
        b'{"spu":"B","skuD\ttails" : []}',
    ],
)
def test_a_row_whose_code_or_field_names_are_damaged_is_no_other_row(row):
    found = between(row)
    assert isinstance(found, Undecodable)
    assert "damaged" in found.problem


@pytest.mark.parametrize(
    "wrap",
    [
        lambda body: b"\xef\xbb\xbf" + body,
        lambda body: body + b"\0",
        lambda body: body.decode().encode("utf-16"),
        lambda body: body.decode().encode("utf-16-le"),
    ],
    ids=["mark", "nul", "utf-16", "utf-16-le"],
)
def test_an_answer_in_another_wrapping_is_read(wrap):
    [product] = read(wrap(answer('{"spu":"B","productName":"裙"}'.encode())))
    assert product.product_name == "裙"


ROW = {
    "spu": "AMN00001",
    "productName": "Kleid \U0001f457 裙",
    "price": "6.1600",
    "salesVolume": 120,
    "attributesJson": '{"season":"Summer"}',
    "skuDetails": [{"sku": "AMN00001_B", "price": 6, "skuName": "schwarz, größe"}],
}
PAGE = [{**ROW, "spu": f"AMN{n:05}"} for n in range(30)]


@settings(deadline=None)
@given(data=st.data(), ascii_only=st.booleans())
def test_a_byte_damaged_anywhere_in_a_row_costs_no_other_row(data, ascii_only):
    rows = [json.dumps(row, ensure_ascii=ascii_only).encode() for row in PAGE]
    place = data.draw(st.integers(0, 29))
    row = rows[place]
    structure = b'"\\{}[],: '
    at = data.draw(st.sampled_from([at for at, byte in enumerate(row) if byte not in structure]))
    damage = data.draw(st.sampled_from([*range(0x80, 0x100), *range(0x20), 0x7F]))
    rows[place] = row[:at] + bytes([damage]) + row[at + 1 :]

    page = read(answer(*rows))

    sound = read(answer(*(json.dumps(each).encode() for each in PAGE)))
    assert len(page) == 30
    assert [*page[:place], *page[place + 1 :]] == [*sound[:place], *sound[place + 1 :]]
    damaged = page[place]
    (raw_json(damaged) if isinstance(damaged, Undecodable) else damaged.to_json()).encode()


@given(st.binary(max_size=40), st.sampled_from([Product, ROWS, object, str, Balance]))
def test_whatever_comes_is_read_or_refused_and_can_be_stored(body, kind):
    for wrapped in (body, b'{"code":10000,"data":%b}' % body, b'{"code":10000,"data":["%b"]}' % body):
        try:
            found = read(wrapped, kind)
        except DecodeError:
            continue
        whole(found).encode()


@pytest.mark.parametrize(
    "body",
    [
        b'{"code":1000\xff,"data":{}}',
        b'{"code":1000\x00,"error":"x"}',
        b'{"code":%b,"data":{}}' % (b"9" * 5000),
        b'{"code":10000,"data":{"list":[{"spu":"A"}',
        b'{"code":10000,"data":{"list":[{"spu":"A","productName":"x}]}}',
    ],
)
def test_a_code_that_is_damaged_and_a_document_that_is_broken_stay_unreadable(body):
    with pytest.raises(DecodeError) as caught:
        codec.read_envelope(body)
    assert caught.value.where == "body"
    assert caught.value.__context__ is None


def test_a_refusal_whose_words_are_damaged_is_a_refusal():
    envelope = codec.read_envelope(b'{"code":40002,"message":"no SKU \xf0\x9f\x98"}')
    assert (envelope.code, envelope.message, envelope.is_mended) == (40002, "no SKU \ufffd", True)


@pytest.mark.parametrize("piece", [b'"', b'\\"', b'"x', b"\\\\", b'{"a":', b"\\u", b'\\"x'])
def test_the_time_that_a_broken_answer_takes_grows_with_its_size_alone(piece):
    def seconds(size):
        body = b'{"code":10000,"data":{"list":[{"spu":"' + piece * (size // len(piece))
        started = time.thread_time()
        with pytest.raises(DecodeError):
            codec.read_envelope(body)
        return time.thread_time() - started

    small, large = (min(seconds(size) for _ in range(3)) for size in (8_000, 64_000))
    assert large < 24 * small + 0.01  # a square would be 64 times as much


@pytest.mark.parametrize("data", [b"12\xff", b'"12\xff"', b"NaN", b"1e400"])
def test_the_only_value_of_an_answer_is_whole_or_unreadable(data):
    for kind in (str, int, Balance, object):
        with pytest.raises(DecodeError):
            codec.decode(data, kind)
