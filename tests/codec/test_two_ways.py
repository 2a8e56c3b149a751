"""The quick way and the forgiving way give the same records, and the quick one is taken when nothing surprises."""

from __future__ import annotations

import copy
import gc
import pickle
import traceback
from decimal import Decimal
from typing import get_args

import attrs
import pytest
from hypothesis import given, strategies as st

from kakaclo_async import codec
from kakaclo_async.codec import strict
from kakaclo_async.codec.converter import UNKNOWN_FIELDS, type_of
from kakaclo_async.codec.embedded import read_option
from kakaclo_async.codec.many import Shared
from kakaclo_async.codec.scalars import InvalidValue, Memo
from kakaclo_async.errors import DecodeError
from kakaclo_async.models.common import Option, Page, Record
from kakaclo_async.models.freight import FreightOption
from kakaclo_async.models.order import Order
from kakaclo_async.models.product import Product, Sku, StockLevel

MAYBE_NUMBER = st.sampled_from(
    [None, "", 0, 7, -7, 2**40, 2**63, "7", Decimal("7.00"), "7.0", "NULL", 7.5, True, "x", {}]
)
MAYBE_TEXT = st.sampled_from([None, "", "NULL", "text", 5, Decimal("5.50"), False, []])
MAYBE_OPTION = st.sampled_from(
    [None, "", "NULL", '{"name":"color","value":"Red"}', '{"name":"size","value":3}', "{", "?", {"name": "x"}]
)
SKUS = st.fixed_dictionaries(
    {"sku": st.sampled_from(["A", "B", 5, "", None])},
    optional={
        "price": MAYBE_NUMBER,
        "stock": MAYBE_NUMBER,
        "skuStatus": MAYBE_NUMBER,
        "material": MAYBE_TEXT,
        "option1": MAYBE_OPTION,
        "fabric": MAYBE_TEXT,
    },
)
PRODUCTS = st.fixed_dictionaries(
    {"spu": st.sampled_from(["P", "Q"])},
    optional={
        "skuDetails": st.lists(SKUS | st.none(), max_size=3) | st.sampled_from([None, ""]),
        "skuImgUrl": st.lists(st.fixed_dictionaries({"skus": st.lists(MAYBE_TEXT, max_size=2)}), max_size=2),
        "supplierLevel": MAYBE_TEXT,
        "updateTime": st.sampled_from(["2024-01-01T00:00:00Z", 1712475208144, "", None, "2024-01-01"]),
    },
)


def outcome(read):
    try:
        found = read()
    except DecodeError as error:
        return error.where, error.reason
    # These take no part in ==.
    kept = [[sku.extra, sku.option1 and sku.option1.raw] for product in found for sku in product.sku_details]
    return found, [product.extra for product in found], kept


@given(st.lists(PRODUCTS, max_size=3))
def test_both_ways_give_the_same_records_or_the_same_error(rows):
    data = codec.encode({"list": rows})

    def long_way():
        try:
            return codec.converter.structure(codec.decode(data, object), Page[Product])
        except InvalidValue as error:
            raise DecodeError(error.reason, where=error.where("data")) from None

    assert outcome(lambda: codec.decode(data, Page[Product])) == outcome(long_way)


def test_both_ways_agree_on_every_published_answer(sample, published):
    name, kind = published
    body = sample(name)
    forgiving = codec.converter.structure(codec.decode(codec.read_envelope(body).data, object), kind)

    strict_one = codec.decode_body(
        body, kind, success=10000
    )  # the forgiving way has met all its fields by now

    rows = isinstance(forgiving, tuple)
    if not issubclass(type_of(get_args(kind)[0] if rows else kind), Record):
        assert strict_one is None  # texts, lists of them and the balance have one way only
        return
    assert type(strict_one) is type(forgiving)
    both = (strict_one, forgiving) if rows else ((strict_one,), (forgiving,))
    # Field by field: `extra` and the raw texts take no part in ==.
    one_way, other_way = ([attrs.asdict(row) for row in found] for found in both)
    assert one_way == other_way


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [{"estimatedFreight": 6.16}, None],
        [{"estimatedFreight": "6.160", "channelType": "NULL", "deliveryTime": ""}],
        [{"estimatedFreight": 6, "channelType": "Slow", "newField": [1]}],
        [{"estimatedFreight": True}],
        [{"channelType": "Express"}],
        [[{"estimatedFreight": 1}]],
        {"list": [{"estimatedFreight": 1}]},
        "",
        None,
    ],
)
def test_both_ways_read_a_list_alike(rows):
    data, kind = codec.encode(rows), tuple[FreightOption, ...]

    def told(read):
        try:
            return [attrs.asdict(row) for row in read()]
        except (DecodeError, InvalidValue) as error:
            return error.reason

    def forgiving():
        return codec.converter.structure(codec.decode(data, object), kind)

    for _ in range(2):  # what the first reading met, the second expects
        assert told(lambda: codec.decode(data, kind)) == told(forgiving)


def sample_is_read_strictly(sample, name, kind):
    return codec.decode_body(sample(name), kind, success=10000) is not None


def test_plain_answers_take_the_quick_way(sample):
    assert sample_is_read_strictly(sample, "v1_product_products", Page[Product])
    assert sample_is_read_strictly(sample, "v1_product_stocks_two", Page[StockLevel])
    assert sample_is_read_strictly(sample, "v2_order_channel_automationSplit", tuple[FreightOption, ...])


def test_an_unknown_field_takes_the_long_way_only_once(sample):
    name = "v2_order_orders_fully_shipped"  # its pages carry fields that mean nothing
    codec.decode(codec.read_envelope(sample(name)).data, Page[Order])
    assert sample_is_read_strictly(sample, name, Page[Order])


def test_no_flood_of_unknown_fields_is_remembered(decode, monkeypatch):
    monkeypatch.setattr(UNKNOWN_FIELDS, "_names", dict(UNKNOWN_FIELDS._names))
    flood = {f"f{n}": n for n in range(1000)} | {"no identifier": 1, '"\\': 2}
    for _ in range(2):
        assert dict(decode({"sku": "A"} | flood, Sku).extra) == flood
    assert UNKNOWN_FIELDS.count <= 256
    assert not {"no identifier", '"\\'} & {*UNKNOWN_FIELDS.of(Sku)}


def test_quickly_built_records_are_ordinary_ones():
    read = strict.strict_decoder(Sku)
    sku = read(b'{"sku":"A","price":1.50,"stock":3}')
    assert type(sku) is Sku
    assert sku == Sku(sku="A", price=Decimal("1.50"), stock=3)
    assert hash(sku) == hash(Sku(sku="A", price=Decimal("1.50"), stock=3))
    assert attrs.evolve(sku, stock=4) == Sku(sku="A", price=Decimal("1.50"), stock=4)
    assert gc.is_tracked(sku)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        sku.stock = 5
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        del sku.stock


def test_the_generated_source_is_there_for_debuggers_and_tracebacks():
    with pytest.raises(InvalidValue) as caught:
        strict.strict_decoder(Sku)(b'{"sku":"A","price":"cheap"}')
    shown = "".join(traceback.format_exception(caught.value))
    assert "<generated builder of Sku" in shown
    assert "record.price = value if type(value) is Decimal else" in shown


@pytest.mark.parametrize(
    ("raw", "name", "value"),
    [
        ('{"name":"color","value":"Red"}', "color", "Red"),
        ('{"name":"size","value":3}', "size", "3"),
        ('{"value":""}', None, ""),
        ('{"name":"color","va', None, None),
        ('{"name":"color","value":' + "[" * 5000, None, None),
    ],
)
@pytest.mark.parametrize(
    "look", [copy.copy, pickle.dumps, hash, repr, attrs.asdict, attrs.evolve, Option.to_plain]
)
def test_an_option_is_the_same_whatever_asks_first_for_what_it_says(raw, name, value, look):
    read, unread = Option(name, value, raw), read_option(raw)
    assert look(unread) == look(read)
    assert (unread.name, unread.value, unread.raw) == (name, value, raw)
    assert type(unread) is Option
    with pytest.raises(AttributeError, match="'Option' object has no attribute 'nam'"):
        unread.nam  # noqa: B018 - it raises
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        unread.value = "Blue"


def test_equal_options_are_one_object_until_a_flood_of_others_and_some_time_after_it(monkeypatch):
    monkeypatch.setattr(Shared, "_MOST", 20)
    monkeypatch.setattr(Shared, "_PAUSE", 60)

    def options(values):
        texts = [f'{{"name":"color","value":"{value}"}}' for value in values]
        rows = [{"sku": "A", "option1": text} for text in texts]
        page = strict.strict_decoder(Page[Sku])(codec.encode({"list": rows}))
        assert [sku.option1.value for sku in page] == [str(value) for value in values]
        return {id(sku.option1) for sku in page}

    strict._shared(Option).rest(10**6)  # ends a pause, if others have caused one
    options(range(30))
    shared = [len(options(["Red", "Red"])) == 1 for _ in range(100)]
    assert not any(shared[:9])
    assert all(shared[11:])


def test_options_of_which_most_are_new_are_not_remembered_for_long_and_those_that_repeat_are(monkeypatch):
    monkeypatch.setattr(Shared, "_TRIAL", 10)

    def remembered(values):
        shared = strict._shared(Option)
        shared.clear()
        shared.rest(10**6)
        shared.seen = 0
        for value in values:
            texts = {f"option{place}": f'{{"name":"o","value":"{value} {place}"}}' for place in (1, 2, 3)}
            [sku] = strict.strict_decoder(Page[Sku])(codec.encode({"list": [{"sku": "A", **texts}]}))
            assert {name: getattr(sku, name).raw for name in texts} == texts
            assert (type(sku.option1), sku.option1.value) == (Option, f"{value} 1")
        return shared.known is not None

    assert not remembered(range(30))
    assert remembered([number // 3 for number in range(90)])


def test_what_is_remembered_is_bounded():
    memo = Memo(lambda text: text * 2)
    assert memo["x" * 10_000] == "x" * 20_000
    assert len(memo) == 0
    for number in range(20_000):
        assert memo[str(number)] == str(number) * 2
    assert len(memo) <= 8192
