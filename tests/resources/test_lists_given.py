"""Whatever holds the codes, the items or the carts, a list or a generator, the call is the same."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime

import attrs
import pytest
from support.shop import ADDRESS
from support.travelling import whole

from kakaclo_async import (
    FreightRequest,
    InvalidRequest,
    Item,
    MaterialImage,
    NewDesign,
    NewOrder,
    NewRefund,
    RefundItem,
)
from kakaclo_async.resources import custom, freight, orders, products, reference, refunds, stocks, v1

pytestmark = [pytest.mark.stepped, pytest.mark.filterwarnings("ignore:KakaClo's V1")]

LONG_AGO = datetime(2015, 1, 1, tzinfo=UTC)
LINE = RefundItem(item_id="1", sku_code="A", quantity=1)
CARTS = [[Item("A", 1)], [Item("B", 2)], [Item("C", 3), Item("A", 1)]]

# Each by the name of its method and its parameter: how to call it, and a list that it may be given.
CALLS = {
    "Products.get_many spus": (lambda kk, given: kk.products.get_many(spus=given), ["P1", "P2"]),
    "Products.get_many skus": (lambda kk, given: kk.products.get_many(skus=given), ["A", "B"]),
    "Products.page spus": (lambda kk, given: kk.products.page(spus=given), ["P1", "P2"]),
    "Products.page skus": (lambda kk, given: kk.products.page(skus=given), ["A", "B"]),
    "Stocks.get_many skus": (lambda kk, given: kk.stocks.get_many(given), ["A", "B"]),
    "Stocks.page skus": (lambda kk, given: kk.stocks.page(skus=given), ["A", "B"]),
    "Freight.quote items": (lambda kk, given: kk.freight.quote(given, "US"), CARTS[2]),
    "Freight.quote_many requests": (
        lambda kk, given: kk.freight.quote_many(given, "collect"),
        [FreightRequest(cart, country) for cart in CARTS for country in ("US", "FR")],
    ),
    "Freight.matrix carts": (lambda kk, given: kk.freight.matrix(given, ["US", "FR"]), CARTS),
    "Freight.matrix countries": (lambda kk, given: kk.freight.matrix(CARTS, given), ["US", "FR"]),
    "Freight.channels items": (lambda kk, given: kk.freight.channels(given, "US"), CARTS[2]),
    "Orders.family asked": (
        lambda kk, given: kk.orders.family("X", asked=given, created_from=LONG_AGO),
        CARTS[2],
    ),
    "Orders.get_many ids": (lambda kk, given: kk.orders.get_many(given), ["1000001", "1000002"]),
    "Orders.page ids": (lambda kk, given: kk.orders.page(ids=given), ["1000001", "1000002"]),
    "Orders.query statuses": (lambda kk, given: kk.orders.query(statuses=given), ["completed", "cancel"]),
    "Refunds.plan items": (lambda kk, given: kk.refunds.plan("1", given), [LINE, LINE]),
    "Refunds.request items": (lambda kk, given: kk.refunds.request("1", given), [LINE, LINE]),
    "Custom.models category_names": (lambda kk, given: kk.custom.models(category_names=given), ["a", "b"]),
    "Custom.models model_codes": (lambda kk, given: kk.custom.models(model_codes=given), ["a", "b"]),
    "Custom.designs model_codes": (lambda kk, given: kk.custom.designs(model_codes=given), ["a", "b"]),
    "Custom.designs spus": (lambda kk, given: kk.custom.designs(spus=given), ["P1", "P2"]),
    "OrdersV1.page ids": (lambda kk, given: kk.v1.orders.page(ids=given), ["1000001", "1000002"]),
    "OrdersV1.page statuses": (lambda kk, given: kk.v1.orders.page(statuses=given), ["shipped", "cancel"]),
    "FreightV1.channels items": (lambda kk, given: kk.v1.freight.channels(given, "US"), CARTS[2]),
}


def lists_taken():
    for module in (custom, freight, orders, products, reference, refunds, stocks, v1):
        for name, kind in vars(module).items():
            if inspect.isclass(kind) and kind.__module__ == module.__name__ and not name.startswith("_"):
                for method, function in inspect.getmembers(kind, inspect.isfunction):
                    if not method.startswith("_"):
                        for parameter in inspect.signature(function).parameters.values():
                            if "Iterable[" in str(parameter.annotation):
                                yield f"{name}.{method} {parameter.name}"


def test_the_table_has_every_public_method_that_takes_a_list():
    assert set(lists_taken()) == CALLS.keys()


async def outcome(kk, monkeypatch, call, given):
    """What came of a call, and what was sent: an unknown code may cost the same error either way."""
    sent = []
    kind = type(kk._sender.state.transport)
    plain = kind.send

    async def send(self, request, *arguments, **options):
        sent.append(
            (
                request.method,
                request.path,
                tuple(getattr(request, "query", ())),
                getattr(request, "body", None),
            )
        )
        return await plain(self, request, *arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(kind, "send", send)
        try:
            found = call(kk, given)
            if hasattr(found, "__aiter__"):
                came = [row async for row in found]
            else:
                came = await found
        except Exception as error:  # noqa: BLE001 - compared below
            came = (type(error), str(error))
    if isinstance(came, Mapping):
        came = [(key, whole(value)) for key, value in came.items()]
    return whole(came), Counter(map(repr, sent))


@pytest.mark.kakaclo_sandbox(products=5, index_lag=0, capacity=10_000, per_second=10_000)
@pytest.mark.parametrize("name", CALLS)
async def test_a_generator_does_what_a_list_does(kk, monkeypatch, name):
    call, listed = CALLS[name]

    one = await outcome(kk, monkeypatch, call, listed)
    kk._sender.state.freight.drop(lambda _: True)
    other = await outcome(
        kk, monkeypatch, call, ((part for part in each) if type(each) is list else each for each in listed)
    )

    assert other == one


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("text", ["ABC", 7])
async def test_one_text_or_number_is_no_list(kk, sandbox, name, text):
    call, _ = CALLS[name]

    with pytest.raises(InvalidRequest):
        found = call(kk, text)
        _ = [row async for row in found] if hasattr(found, "__aiter__") else await found

    assert sandbox.requests.total() == 0


async def test_a_matrix_of_generators_has_every_cell(kk, sandbox):
    skus = list(sandbox.catalog.selling(pieces=5))[:3]
    carts = ((Item(code, 1) for _ in (1,)) for code in skus)

    matrix = await kk.freight.matrix(carts, (country for country in ["US", "FR"]))

    assert list(matrix) == [((Item(code, 1),), country) for code in skus for country in ("US", "FR")]


def test_models_read_a_generator_once_and_keep_all_of_it():
    items = [Item("A", 1), Item("B", 2)]
    images = [MaterialImage("a", "b"), MaterialImage("c", "d")]
    design = {"model_id": 1, "en_name": "A", "image_url": "B"}

    assert NewOrder(address=ADDRESS, items=iter(items)).items == tuple(items)
    assert FreightRequest(iter(items), "US").items == tuple(items)
    assert NewRefund(order_items=iter([LINE])).order_items == (LINE,)
    assert NewDesign(**design, material_images=iter(images)).material_images == tuple(images)


async def test_plain_data_of_an_order_may_hold_a_generator(kk, sandbox):
    sku = next(sandbox.catalog.selling(pieces=5))
    check = await kk.orders.check(
        {"address": attrs.asdict(ADDRESS), "items": ({"sku": sku, "quantity": number} for number in (1, 2))}
    )

    assert check.ok, check.problems
