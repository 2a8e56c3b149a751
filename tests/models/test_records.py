"""Records: values that print no secrets, compare by what they say, and survive pickling."""

from __future__ import annotations

import copy
import pickle
import typing
from decimal import Decimal
from importlib import import_module
from pkgutil import iter_modules

import attrs
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from support.travelling import public_models, values_of
from support.whole import an_offer, an_order

from kakaclo_async import models, public
from kakaclo_async.errors import InvalidRequest
from kakaclo_async.models.common import Attributes, FrozenMapping, Option, Page
from kakaclo_async.models.family import Family
from kakaclo_async.models.freight import ChannelType, FreightMatrix, FreightOption, FreightQuote, Item
from kakaclo_async.models.new_order import Address, NewOrder
from kakaclo_async.models.order import Balance, ShippingAddress
from kakaclo_async.models.product import Category, Sku, StockLevel, WarehouseStock
from kakaclo_async.ordering import Entry

SECRETS = {
    "phone": "555-0100",
    "recipient": "Jane Roe",
    "province": "New York",
    "street1": "1 Main St",
    "street2": "Flat 2",
    "city": "Albany",
    "zip": "12207",
    "ioss": "IM123",
    "vat": "VAT9",
}
MODULES = [import_module(f"{models.__name__}.{module.name}") for module in iter_modules(models.__path__)]
DEFINED = [
    kind
    for module in MODULES
    for kind in vars(module).values()
    if isinstance(kind, type) and kind.__module__ == module.__name__
]
CLASSES = [kind for kind in DEFINED if attrs.has(kind)]


PROPERTIES = {
    kind: [name for name in dir(kind) if name[0] != "_" and isinstance(getattr(kind, name), property)]
    for kind in public_models()
    if kind is not Entry  # it holds the journal's own JSON
}
WITH_PROPERTIES = [kind for kind, names in PROPERTIES.items() if names]


def test_the_properties_of_families_are_among_them():
    assert {"items", "missing", "surplus", "status"} <= set(PROPERTIES[Family])
    assert len(WITH_PROPERTIES) >= 5


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@pytest.mark.parametrize("kind", WITH_PROPERTIES, ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_whatever_was_read_all_its_properties_can_be_asked_for(kind, data):
    """A SKU that no request takes, say, must not break whoever looks at an order that holds it."""
    value = data.draw(values_of(kind))
    for name in PROPERTIES[kind]:
        getattr(value, name)


def test_every_model_is_public_under_its_own_name():
    assert len(CLASSES) >= 44
    named = {kind.__name__ for kind in DEFINED if not kind.__name__.startswith("_")} - {
        "Record",
        "Shown",
        "Tabled",
        "Likeness",
    }
    assert named <= set(public.NAMES)
    assert all(getattr(public, kind.__name__) is kind for kind in DEFINED if kind.__name__ in named)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_models_are_frozen_slotted_and_typed_at_run_time(kind):
    assert "__dict__" not in dir(kind)
    assert kind.__setattr__ is not object.__setattr__
    assert typing.get_type_hints(kind)


def test_no_repr_shows_an_address():
    order = NewOrder(address=Address(country="US", **SECRETS), items=[Item("A", 1)], remark="for Jane Roe")
    placed = an_order(shipping_address=ShippingAddress(country="US", **SECRETS), remark="for Jane Roe")
    assert repr(Page(list=(placed,))) == "Page(1 orders)"
    assert "country='US'" in repr(order)
    assert "country='US'" in repr(placed.shipping_address)
    for shown in (repr(order), repr(placed), str(order.address), repr(placed.shipping_address)):
        assert not any(secret in shown for secret in SECRETS.values())


def test_unknown_fields_take_no_part_in_equality_or_repr():
    plain, more = Sku(sku="A"), Sku(sku="A", extra=FrozenMapping({"phone": "555-0100"}))
    assert plain == more
    assert hash(plain) == hash(more)
    assert "555-0100" not in repr(more)
    assert more.extra["phone"] == "555-0100"


@pytest.mark.parametrize("mapping", [FrozenMapping({"a": 1}), Attributes({"a": "b"}, raw='{"a":"b"}')])
def test_mappings_are_frozen_and_copied_whole(mapping):
    for copied in (pickle.loads(pickle.dumps(mapping)), copy.deepcopy(mapping)):  # noqa: S301 # our own bytes
        assert copied == mapping
        assert type(copied) is type(mapping)
        assert getattr(copied, "raw", None) == getattr(mapping, "raw", None)
    with pytest.raises(AttributeError, match="cannot be changed"):
        mapping.raw = "x"
    with pytest.raises(TypeError):
        mapping["a"] = 2
    assert repr(mapping) == f"{type(mapping).__name__}({dict(mapping)!r})"


def test_attributes_compare_as_mappings_and_hash():
    assert Attributes({"a": "b"}) == {"a": "b"} == Attributes({"a": "b"}, raw="x")
    assert Attributes({"a": "b"}) != Attributes({"a": "c"})
    assert hash(Attributes({"a": "b", "c": "d"})) == hash(Attributes({"c": "d", "a": "b"}))


def test_a_page_is_a_sequence_of_its_rows():
    page = Page(list=("a", "b", "c"), total=9)
    assert (list(page), len(page), page[0], page[-1], page[1:]) == (["a", "b", "c"], 3, "a", "c", ("b", "c"))


@pytest.mark.parametrize(
    ("page", "shown"),
    [
        (Page(list=(Sku(sku="A"),) * 30, total=188_349, page_number=1), "Page(30 of 188,349 skus, page 1)"),
        (Page(list=(Category(),) * 2), "Page(2 categories)"),
        (Page(list=(StockLevel(sku="A"),), total=1), "Page(1 of 1 stock levels)"),
        (Page(list=(Category(), Sku(sku="A")), page_number=1_200), "Page(2 rows, page 1,200)"),
        (Page(), "Page(0 rows)"),
    ],
)
def test_a_page_is_shown_in_one_line(page, shown):
    assert repr(page) == str(page) == shown


def test_stock_is_the_sum_over_the_warehouses():
    level = StockLevel(sku="A", warehouses=(WarehouseStock(qty=3), WarehouseStock(qty=4)))
    assert level.qty == 7
    assert StockLevel(sku="A").qty == 0


def test_categories_are_walked_parents_first():
    tree = Category(
        category_id=1,
        child=(Category(category_id=2, child=(Category(category_id=3),)), Category(category_id=4)),
    )
    assert [category.category_id for category in tree.walk()] == [1, 2, 3, 4]


def test_options_are_equal_by_what_they_mean():
    assert Option("size", "S", raw='{"name":"size","value":"S"}') == Option(
        "size", "S", raw='{"value":"S", "name":"size"}'
    )


@pytest.mark.parametrize(
    ("wording", "days"),
    [
        ("6~9 Business Days", (6, 9)),
        ("8 - 12 business days", (8, 12)),
        ("3\uff5e5\u5929", (3, 5)),
        ("7 to 10 days", (7, 10)),
        ("12~8 Business Days", (8, 12)),
        ("5 Business Days", (5, 5)),
        ("soon", None),
        ("", None),
        (None, None),
        ("99999~100000 days", None),
    ],
)
def test_delivery_days_are_parsed_from_the_wording(wording, days):
    assert an_offer(delivery_time=wording).delivery_days == days


def option(kind, freight, wording):
    return FreightOption(
        channel_type=None if kind is None else ChannelType(kind),
        estimated_freight=Decimal(freight),
        delivery_time=wording,
    )


def test_a_quote_names_its_cheapest_and_its_fastest():
    standard, express = option("Standard", "5.04", "8~12 Days"), option("Express", "6.16", "6~9 Days")
    expedited = option("Expedited", "24.25", "3~4 Days")
    quote = FreightQuote((express, expedited, standard))
    assert quote.cheapest is standard
    assert quote.fastest is expedited
    assert quote.by_channel("Express") is quote.by_channel(ChannelType.EXPRESS) is express
    assert quote.by_channel("Drone") is None


def test_between_equals_the_other_virtue_decides():
    slow, quick = option("Standard", "5", "8~12 Days"), option("Express", "5", "6~9 Days")
    dear, cheap = option("Expedited", "9", "3~4 Days"), option("Express", "7", "3~4 Days")
    assert FreightQuote((slow, quick)).cheapest is quick
    assert FreightQuote((dear, cheap)).fastest is cheap


def test_an_offer_that_names_no_days_is_the_slowest():
    timed, untimed, dear = (
        option("Standard", "4", "20~30 Days"),
        option(None, "3", None),
        option(None, "9", ""),
    )
    assert FreightQuote((untimed, timed)).fastest is timed
    assert FreightQuote((dear, untimed)).fastest is untimed


def test_there_is_no_quote_without_offers():
    with pytest.raises(InvalidRequest, match=r"FreightQuote\.options must hold at least one FreightOption"):
        FreightQuote(())
    with pytest.raises(InvalidRequest, match=r"options"):
        FreightQuote.from_dict({"options": []})
    with pytest.raises(InvalidRequest, match="cells: each must hold a quote or an error"):
        FreightMatrix.from_dict({"cells": [{"items": [{"sku": "A", "quantity": 1}], "country": "US"}]})


def test_a_balance_shows_its_amount_alone():
    assert repr(Balance(Decimal("1.50"), raw={"user": "Jane Roe"})) == "Balance(amount=1.50)"
