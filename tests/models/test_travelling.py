"""Every public value becomes plain data and comes back the same; what cannot be read is named, all of it at once."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from support.leaks import CORE, PERSON, Search, shown
from support.travelling import VALUES, public_models, values_of
from support.whole import an_offer, an_order

from kakaclo_async import (
    Address,
    Balance,
    Category,
    FreightMatrix,
    FreightQuote,
    FreightRequest,
    FrozenMapping,
    InvalidRequest,
    Item,
    NewOrder,
    Number,
    Order,
    OrderCheck,
    OrderStatus,
    Page,
    Product,
    Rejected,
    Sku,
    Window,
    to_json_value,
)
from kakaclo_async.catalog import Change, MirrorReport
from kakaclo_async.codec import decode, read_envelope
from kakaclo_async.ordering import Drained, Entry
from kakaclo_async.travel import Travels

MODELS = public_models()
GOOD = {"country": "US", "phone": "1", "recipient": "A", "province": "B"}


def test_every_public_value_travels_and_none_is_left_out():
    assert [kind.__name__ for kind in MODELS if not issubclass(kind, Travels)] == []
    assert {Order, NewOrder, Page, MirrorReport, Change, Entry, Window, *VALUES} <= set(MODELS)
    assert len(MODELS) >= 60


@pytest.mark.parametrize("kind", MODELS, ids=lambda kind: kind.__name__)
@given(data=st.data())
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_a_model_holds_comes_back_from_json(kind, data):
    model = data.draw(values_of(kind))
    document = json.loads(model.to_json())
    found = kind.from_dict(document)
    assert type(found) is kind
    if kind not in {FreightMatrix, Drained}:  # its errors are no equals
        assert found == model
    assert (
        found.to_dict()
        == document
        == json.loads(json.dumps(model, default=to_json_value) if kind is not Number else model.to_json())
    )


@pytest.mark.parametrize(
    "kind", [kind for kind in MODELS if kind not in {FrozenMapping, Number}], ids=lambda kind: kind.__name__
)
@given(
    junk=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.floats(),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
        max_leaves=5,
    ),
    data=st.data(),
)
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
def test_what_is_no_model_is_an_invalid_request_and_nothing_else(kind, junk, data):
    whole = values_of(kind) if data.draw(st.booleans()) else None
    document = junk if whole is None else data.draw(whole).to_dict()
    if whole is not None and document:
        document[data.draw(st.sampled_from(sorted(document)))] = junk
    with suppress(InvalidRequest):  # a KeyError, say, would be no answer
        assert isinstance(kind.from_dict(document), kind)


def test_the_published_answers_travel(sample_pages):
    for kind, body in sample_pages:
        page = decode(read_envelope(body).data, kind)
        assert page.list
        again = Page.from_dict(json.loads(page.to_json()))
        assert again == page
        assert [dict(row.extra) for row in again] == [dict(row.extra) for row in page]


@pytest.fixture
def sample_pages():
    from pathlib import Path

    samples = Path(__file__).parent.parent / "samples"
    return [
        (Page[Product], (samples / "v1_product_products.json").read_bytes()),
        (Page[Order], (samples / "v2_order_orders_fully_shipped.json").read_bytes()),
    ]


def test_the_form_is_what_a_person_would_write():
    order = an_order(
        id="1",
        status=OrderStatus("held_by_customs"),
        final_amount=Decimal("6.1600"),
        pay_date=datetime(2024, 1, 7, 11, 29, 18, tzinfo=timezone(timedelta(hours=8))),
        extra=FrozenMapping({"vip": True, "fee": Decimal("1.10")}),
    )
    document = order.to_dict()
    assert document["final_amount"] == "6.1600"
    assert document["pay_date"] == "2024-01-07T03:29:18Z"
    assert document["status"] == "held_by_customs"
    assert document["fulfillments"] == []
    assert document["extra"] == {"vip": True, "fee": {"$decimal": "1.10"}}
    assert "extra" not in an_order().to_dict()
    assert Order.from_dict(document).extra["fee"] == Decimal("1.10")
    assert type(Order.from_dict(document).extra) is FrozenMapping


def test_a_number_with_others_beside_it_keeps_them():
    assert Order.from_dict(an_order(id=Number("1", "2")).to_dict()).id.all == ("1", "2")
    assert an_order(id=Number("1")).to_dict()["id"] == "1"
    assert Number.from_dict({"all": ["7", "8"]}).all == ("7", "8")


def test_a_tree_and_a_page_in_a_check_come_back():
    tree = Category(category_id=1, child=(Category(category_id=2, child=(Category(category_id=3),)),))
    assert Category.from_dict(tree.to_dict()) == tree
    check = OrderCheck(problems=(), quote=FreightQuote([an_offer()]), sub_total=Decimal(5))
    assert OrderCheck.from_dict(check.to_dict()) == check
    assert Balance.from_dict(Balance(Decimal(1), raw={"a": [Decimal("1.5")]}).to_dict()).raw == {
        "a": [Decimal("1.5")]
    }


def test_all_problems_are_told_at_once_with_their_paths():
    document = {
        "address": {"country": "Nowhere", "phone": 5, "planet": "Earth"},
        "items": [{"sku": "", "quantity": 0}, {"sku": "A"}, "B"],
        "channel_typ": "Express",
    }
    with pytest.raises(InvalidRequest) as caught:
        NewOrder.from_dict(document)
    told = str(caught.value)
    for path in ("address.planet: ", "address.country: ", "address.phone: ", "address.recipient: it is missing",
                 "address.province: it is missing", "items[0].sku: ", "items[0].quantity: ",
                 "items[1].quantity: it is missing", "items[2]: ", "channel_typ: there is no such field"):  # fmt: skip
        assert path in told


def test_values_that_are_there_already_may_stand_in_plain_data():
    order = NewOrder.from_dict({"address": Address(**GOOD), "items": (Item("A", 1) for _ in "x")})
    assert order == NewOrder(address=Address(**GOOD), items=[Item("A", 1)])
    assert Sku.from_dict({"sku": "A", "price": Decimal("1.50")}).price == Decimal("1.50")


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"sku": "A", "price": 1.5}, "price: a float has not the digits"),
        ({"sku": "A", "price": "cheap"}, "price: it must be a number, written as a text"),
        ({"sku": "A", "stock": True}, "stock: it must be a whole number"),
        ({"sku": 5}, "sku: it must be a text"),
        ({}, "sku: it is missing"),
        ([], "it must be the fields of Sku"),
        ({"sku": "A", "option1": {"name": "a"}}, "option1.value: it is missing"),
    ],
)
def test_a_problem_says_what_is_wanted(document, told):
    with pytest.raises(InvalidRequest, match="this is no Sku: ") as caught:
        Sku.from_dict(document)
    assert told in str(caught.value)


def test_a_time_without_its_zone_is_refused():
    with pytest.raises(InvalidRequest, match="start: a time without its zone"):
        Window.from_dict({"start": "2024-01-01T00:00:00", "end": "2024-01-01T00:00:00Z"})


def test_what_is_refused_shows_no_person():
    person = PERSON.to_dict()
    search = Search()
    for document in ({"address": person | {"country": CORE}, "items": []}, {"address": person | {"zip": person}},
                     {"address": person, "items": [{"sku": "A", "quantity": 0}]}, [person]):  # fmt: skip
        with pytest.raises(InvalidRequest) as caught:
            NewOrder.from_dict(document)
        search("a refusal", *shown(caught.value))


def test_json_takes_what_is_not_its_own_and_says_what_it_cannot():
    row = {
        "at": datetime(2024, 1, 1, tzinfo=UTC),
        "price": Decimal("1.0"),
        "items": {Item("A", 1)},
        "e": Rejected("no", status=400),
    }
    found = json.loads(json.dumps(row, default=to_json_value))
    assert found["at"] == "2024-01-01T00:00:00Z"
    assert found["price"] == "1.0"
    assert found["items"] == [{"sku": "A", "quantity": 1}]
    assert found["e"]["error"] == "Rejected"
    with pytest.raises(TypeError, match="Object of type object is not JSON serializable"):
        json.dumps(object(), default=to_json_value)
    assert to_json_value({"a": "é".encode()}) == {"a": "é"}
    for value in (b"\xff", {"a": [b"\xff"]}):
        with pytest.raises(TypeError, match="^bytes that are no UTF-8 are not JSON serializable$"):
            to_json_value(value)


def test_a_request_with_others_fields_travels_as_its_own_class():
    request = FreightRequest([Item("A", 1)], "us")
    assert FreightRequest.from_dict({"items": [{"sku": "A", "quantity": 1}], "country": "US"}) == request


@pytest.mark.process
def test_importing_the_package_reads_no_plain_data():
    code = "import sys, kakaclo_async, kakaclo_sync; sys.exit('kakaclo_async.travel.reading' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


OUT_OF_BOUNDS = [
    "NaN",
    "sNaN",
    "Infinity",
    "1E+1999999999",
    "1e-500",
    "1_0",
    "٣",
    "9" * 1300,
    "1e" + "9" * 40,
]


@pytest.mark.parametrize("text", OUT_OF_BOUNDS)
def test_an_amount_that_no_money_has_is_refused(text):
    document = {"sku": "A", "price": text}
    with pytest.raises(InvalidRequest, match=r"^this is no Sku: price: it must be a number"):
        Sku.from_dict(document)
    with pytest.raises(InvalidRequest, match=r"^this is no Sku: extra\.\$decimal: it must be a number"):
        Sku.from_dict({"sku": "A", "extra": {"fees": [{"$decimal": text}]}})
    with pytest.raises(InvalidRequest, match=r"^this is no Balance: raw\.\$decimal: it must be a number"):
        Balance.from_dict({"amount": "1", "raw": {"$decimal": text}})


@pytest.mark.parametrize(
    "number", [Decimal("NaN"), Decimal("-Infinity"), Decimal("1E+1999999999"), 10**5000], ids=type
)
def test_nor_is_a_number_of_python_that_no_money_has(number):
    with pytest.raises(InvalidRequest, match=r"^this is no Sku: price: it is a number out of all bounds"):
        Sku.from_dict({"sku": "A", "price": number})


@pytest.mark.parametrize("text", ["12", "+1.50", "-.5", "1.", " 7 ", "6.1600", "1E+2", "1e-40", "0.000"])
def test_an_amount_as_people_and_programs_write_it_is_taken(text):
    assert Sku.from_dict({"sku": "A", "price": text}).price == Decimal(text)


@pytest.mark.parametrize("of", [5, [1], {"a": 1}, True])
def test_a_page_names_its_rows_by_a_text(of):
    with pytest.raises(InvalidRequest, match="^this is no Page: "):
        Page.from_dict({"list": [{}], "of": of})


def test_a_page_of_objects_names_what_they_are():
    rows = [{"sku": "A", "quantity": 1}]
    with pytest.raises(
        InvalidRequest, match="^this is no Page: of: it is missing: it names what the rows are"
    ):
        Page.from_dict({"list": rows})
    assert Page.from_dict({"list": rows, "of": "Item"}).list == (Item("A", 1),)
    assert repr(Page(list=({},))) == "Page(1 dicts)"
