"""Models in FastAPI and pydantic: what a handler returns, what it takes, and the page that documents it."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

import httpx
import jsonschema
import pytest
from fastapi import Body, FastAPI
from openapi_spec_validator import validate
from pydantic import BaseModel, TypeAdapter, ValidationError
from support.leaks import PERSON, Search
from support.travelling import VALUES, public_errors, public_models
from support.whole import an_offer, an_order

from kakaclo_async import (
    Category,
    Certificate,
    FreightQuote,
    Item,
    NewOrder,
    Option,
    Order,
    OrderCheck,
    OrderProblem,
    OrderStatus,
    Page,
    Product,
    Rejected,
    Sku,
    Window,
)
from kakaclo_async.catalog import Change

MODELS = public_models()
CART = {"items": [{"sku": "A", "quantity": 2}], "address": PERSON.to_dict()}


class Basket(BaseModel):
    """A shop's own model, with ours in it."""

    item: Item
    quote: FreightQuote | None = None
    lines: list[Sku] = []


def make_app():
    app = FastAPI()

    @app.get("/page")
    async def page() -> Page[Product]:
        return Page(list=(Product(spu="A", price=Decimal("6.1600")),), total=1)

    @app.get("/tree")
    async def tree() -> Category:
        return Category(category_id=1, child=(Category(category_id=2),))

    @app.post("/check")
    async def check(order: Annotated[NewOrder, Body()]) -> OrderCheck:
        assert isinstance(order, NewOrder)
        return OrderCheck(problems=(OrderProblem("items[0]", order.items[0].sku),))

    @app.post("/basket")
    async def basket(wanted: Basket) -> Basket:
        assert isinstance(wanted.item, Item)
        return wanted

    return app


@pytest.fixture
async def shop():
    transport = httpx.ASGITransport(make_app())
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
        yield client


async def test_a_handler_returns_models(shop):
    document = (await shop.get("/page")).json()
    assert document["list"][0]["price"] == "6.1600"
    assert Page.from_dict(document)[0] == Product(spu="A", price=Decimal("6.1600"))
    assert (await shop.get("/tree")).json()["child"][0]["category_id"] == 2


async def test_a_handler_takes_models_alone_and_in_models_of_the_shop(shop):
    found = (await shop.post("/check", json=CART)).json()
    assert OrderCheck.from_dict(found).problems[0].text == "A"
    basket = {"item": {"sku": "A", "quantity": 1}, "quote": FreightQuote((an_offer(),)).to_dict()}
    assert (await shop.post("/basket", json=basket)).json() == basket | {"lines": []}


async def test_a_bad_body_has_all_its_problems_in_their_places_and_repeats_no_address(shop):
    body = {"items": [{"sku": "", "quantity": 0}], "address": PERSON.to_dict() | {"country": "Nowhere"}}
    answer = await shop.post("/check", json=body)
    assert answer.status_code == 422
    places = [tuple(problem["loc"]) for problem in answer.json()["detail"]]
    assert places == [
        ("body", "address", "country"),
        ("body", "items", 0, "sku"),
        ("body", "items", 0, "quantity"),
    ]
    Search()("an answer", answer.text)


async def test_the_page_of_the_api_has_a_schema_for_each_model(shop):
    document = (await shop.get("/openapi.json")).json()
    validate(document)
    schemas = document["components"]["schemas"]
    assert {
        "Page_Product",
        "Product",
        "Sku",
        "Category",
        "NewOrder",
        "Address",
        "OrderCheck",
        "Basket",
    } <= set(schemas)
    assert schemas["NewOrder"]["required"] == ["address", "items"]
    assert schemas["Product"]["properties"]["sku_details"]["items"] == {"$ref": "#/components/schemas/Sku"}
    assert schemas["Category"]["properties"]["child"]["items"] == {"$ref": "#/components/schemas/Category"}
    assert (await shop.get("/docs")).status_code == 200


@pytest.mark.parametrize("kind", [*MODELS, *public_errors()], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("mode", ["validation", "serialization"])
def test_every_public_model_and_error_has_a_json_schema(kind, mode):
    schema = TypeAdapter(kind).json_schema(mode=mode)
    if kind in VALUES or issubclass(kind, Exception):
        assert schema["type"] == "object"
    else:
        assert schema["allOf"] == [{"$ref": f"#/$defs/{kind.__name__}"}]


NOW = datetime(2024, 1, 7, 3, 29, 18, 250, tzinfo=UTC)
SOME = [
    Page[Product](
        list=(Product(spu="A", sku_details=(Sku(sku="B", option1=Option("color", "Red", "{}")),)),)
    ),
    an_order(
        status=OrderStatus("new"),
        pay_date=NOW,
        final_amount=Decimal("1.10"),
        extra={"a": Decimal("1.5")},
    ),
    NewOrder(address=PERSON, items=[Item("A", 1)], channel_type="Express"),
    Certificate(gaps=(Window(NOW, NOW),), reasons=("moved",)),
    Change(id=1, at=NOW, kind="sold_out", spu="A", sku=None, old="1", new="0"),
]


@pytest.mark.parametrize("model", SOME, ids=lambda model: type(model).__name__)
def test_what_a_model_becomes_fits_its_schema_and_is_read_again(model):
    adapter = TypeAdapter(Page[Product] if isinstance(model, Page) else type(model))
    document = json.loads(adapter.dump_json(model))
    jsonschema.validate(document, adapter.json_schema(mode="serialization"))
    assert adapter.validate_python(document) == model


def test_a_field_of_another_kind_is_refused_and_not_shown():
    with pytest.raises(ValidationError) as caught:
        Basket(item={"sku": "A", "quantity": 1}, quote=PERSON)
    Search()("an error", str(caught.value), repr(caught.value.errors()))


def test_an_error_is_a_field_too():
    adapter = TypeAdapter(Order | Rejected)
    assert adapter.dump_python(Rejected("no", status=400))["error"] == "Rejected"


@pytest.mark.process
def test_the_core_imports_no_pydantic():
    code = (
        "import sys, kakaclo_async; kakaclo_async.Sku(sku='A').to_json(); sys.exit('pydantic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
