"""Every endpoint, over real HTTP, compared with what the sandbox knows to be true."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from support.shop import ADDRESS, two_countries

from kakaclo_async import (
    CarrierType,
    ChannelType,
    DeadlineExceeded,
    FreightRequest,
    InvalidRequest,
    Item,
    MaterialImage,
    ModelStatus,
    NewDesign,
    NewOrder,
    NotFound,
    OutcomeUnknown,
    RefundItem,
    RefundStatus,
    Rejected,
)
from kakaclo_async.models.freight import FreightQuote
from kakaclo_async.sandbox import Fault

pytestmark = pytest.mark.stepped

LONG_AGO = datetime(2015, 1, 1, tzinfo=UTC)


def ready(sandbox):
    """Return the end of the newest window that is complete."""
    return sandbox.now() - timedelta(minutes=10)


def on_sale(sandbox, *countries, pieces=1):
    return next(iter(sandbox.catalog.selling(*countries, pieces=pieces)))


def over_two_countries(sandbox):
    """Return items that need a warehouse in each country."""
    cn, us = two_countries(sandbox.catalog)
    return [Item(cn, 2), Item(us, 1)]


def order(*items, **changes):
    return NewOrder(**{"address": ADDRESS, "items": items, "custom_order_id": "KA1", **changes})


async def test_categories_come_as_a_tree(kk):
    tree = await kk.categories.tree()
    assert tree
    assert all(child.parent_id == top.category_id for top in tree for child in top.child)


async def test_warehouses_stand_in_both_countries(kk):
    assert {warehouse.country_code for warehouse in await kk.warehouses.all()} == {"CN", "US"}


async def test_a_product_is_what_the_catalog_holds(kk, sandbox):
    truth = next(iter(sandbox.catalog.products()))
    product = await kk.products.get(truth["spu"])
    assert product.product_name == truth["productName"]
    assert str(product.price) == str(truth["price"])
    assert [sku.sku for sku in product.sku_details] == [sku["sku"] for sku in truth["skuDetails"]]
    assert product.extra == {}


async def test_an_unknown_product_or_sku_is_not_found(kk):
    with pytest.raises(NotFound, match="NOSUCH"):
        await kk.products.get("NOSUCH")
    with pytest.raises(NotFound, match="NOSUCH"):
        await kk.stocks.get("NOSUCH")
    with pytest.raises(NotFound, match="1000"):
        await kk.orders.get("1000")


async def test_any_number_of_products_comes_in_the_order_asked(kk, sandbox):
    spus = list(sandbox.catalog.spus())[:70][::-1]
    products = await kk.products.get_many(spus=[*spus, "NOSUCH", spus[0]])
    assert [product.spu for product in products] == spus
    assert sandbox.requests["/v1/product/products"] == 3


async def test_products_are_found_by_their_skus_each_once(kk, sandbox):
    skus = list(sandbox.catalog.skus())[:40]
    products = await kk.products.get_many(skus=skus)
    assert len({product.spu for product in products}) == len(products)
    assert set(skus) <= {sku.sku for product in products for sku in product.sku_details}


async def test_codes_are_checked_before_a_permit_is_spent(kk, sandbox):
    too_many = [f"S{number}" for number in range(31)]
    for call in (
        kk.products.get("A,B"),
        kk.products.get_many(),
        kk.products.get_many(spus=["A"], skus=["B"]),
        kk.products.page(spus=too_many),
        kk.products.page(),
        kk.stocks.page(skus=too_many),
        kk.stocks.get_many("AMN00432_B_M"),
        kk.orders.get_many("1000"),
        kk.orders.find("", LONG_AGO),
        kk.freight.quote([], "US"),
        kk.freight.quote([Item("A", 1)], "USA"),
        kk.freight.quote_many([], on_error="ignore"),
        kk.freight.matrix([[Item("A", 1)]], "US"),
        kk.refunds.request("1", items=[]),
        kk.refunds.request("1", items=["A"]),
        kk.custom.model(0),
    ):
        with pytest.raises(InvalidRequest):
            await call
    for stream in (
        lambda: kk.products.updated(datetime(2024, 1, 1), sandbox.now()),  # noqa: DTZ001
        lambda: kk.stocks.updated(sandbox.now(), LONG_AGO),
        lambda: kk.products.in_category(-1),
    ):
        with pytest.raises(InvalidRequest):
            stream()
    assert sandbox.requests.total() == 0


async def test_a_page_tells_its_place(kk, sandbox):
    page = await kk.products.page(updated_from=LONG_AGO, updated_to=ready(sandbox), page_number=2)
    assert (len(page), page.total, page.page_number) == (30, 120, 2)


async def test_all_updated_products_come_once_and_certified(kk, sandbox):
    pull = kk.products.updated(LONG_AGO, ready(sandbox))
    found = [product.spu async for product in pull]
    assert sorted(found) == sorted(sandbox.catalog.spus())
    assert pull.certificate.complete


async def test_all_updated_stock_comes_once_and_certified(kk, sandbox):
    pull = kk.stocks.updated(LONG_AGO, ready(sandbox))
    found = {level.sku: level async for level in pull}
    assert pull.certificate.complete
    rows = {(sku, w.warehouse_code, w.qty) for sku, level in found.items() for w in level.warehouses}
    assert rows == set(sandbox.catalog.stock_rows())


async def test_the_products_of_a_category_come_once(kk, sandbox):
    truth = list(sandbox.catalog.products())
    category = truth[0]["categoryId"]
    found = [product.spu async for product in kk.products.in_category(category)]
    assert sorted(found) == sorted(product["spu"] for product in truth if product["categoryId"] == category)


async def test_stock_is_told_for_one_many_and_one_warehouse(kk, sandbox):
    skus = list(sandbox.catalog.skus())[:35]
    levels = await kk.stocks.get_many([*skus, "NOSUCH"])
    assert [level.sku for level in levels] == skus
    assert [level.qty for level in levels] == [sandbox.catalog.qty(sku) for sku in skus]
    assert (await kk.stocks.get(skus[0])).qty == sandbox.catalog.qty(skus[0])
    code = levels[0].warehouses[0].warehouse_code
    narrowed = await kk.stocks.get(skus[0], warehouse_code=code)
    assert [warehouse.warehouse_code for warehouse in narrowed.warehouses] == [code]


async def test_freight_has_three_channel_types_and_grows_with_speed_and_weight(kk, sandbox):
    sku = on_sale(sandbox)
    one = await kk.freight.quote([Item(sku, 1)], "US")
    ten = await kk.freight.quote([Item(sku, 10)], "us")
    assert {option.channel_type for option in one.options} == set(ChannelType)
    assert one.cheapest.channel_type is ChannelType.STANDARD
    assert one.fastest.channel_type is ChannelType.EXPEDITED
    assert one.fastest.delivery_days < one.cheapest.delivery_days
    assert ten.cheapest.estimated_freight > one.cheapest.estimated_freight


async def test_the_older_shape_of_freight_is_read(kk, sandbox):
    sandbox.old_freight_shape = True
    quote = await kk.freight.quote([Item(on_sale(sandbox), 1)], "US")
    assert all(option.channel_type is None and option.channel_code for option in quote.options)
    assert quote.cheapest.estimated_freight > 0


async def test_equal_carts_cost_one_request_and_results_keep_their_order(kk, sandbox):
    a, b = list(sandbox.catalog.selling())[:2]
    carts = [
        FreightRequest([Item(a, 1), Item(b, 2)], "US"),
        FreightRequest([Item(b, 1), Item(a, 1), Item(b, 1)], "us"),
        FreightRequest([Item(a, 1)], "FR"),
    ]
    told = []
    quotes = await kk.freight.quote_many(carts, progress=lambda done, total: told.append((done, total)))
    assert quotes[0] == quotes[1] != quotes[2]
    assert sandbox.requests["/v2/order/orders/channel/automationSplit"] == 2
    assert told == [(1, 2), (2, 2)]


async def test_a_matrix_holds_an_error_in_its_place(kk, sandbox):
    sku = on_sale(sandbox)
    carts = [[Item(sku, 1)], [Item("NOSUCH", 1)]]
    matrix = await kk.freight.matrix(carts, ["US", "FR"])
    assert len(matrix) == 4
    assert isinstance(matrix[carts[0], "FR"], FreightQuote)
    assert isinstance(matrix[tuple(carts[1]), "US"], Rejected)
    assert [country for _, country in matrix] == ["US", "FR", "US", "FR"]
    assert "2 failed" in repr(matrix)


async def test_an_unknown_sku_or_country_is_declined_in_kakaclos_words(kk, sandbox):
    with pytest.raises(Rejected, match="NOSUCH"):
        await kk.freight.quote([Item("NOSUCH", 1)], "US")
    with pytest.raises(Rejected, match="ZZ"):
        await kk.freight.quote_many([FreightRequest([Item(on_sale(sandbox), 1)], "ZZ")])


async def test_channels_of_a_warehouse_come_fastest_first(kk, sandbox):
    channels = await kk.freight.channels([Item(on_sale(sandbox), 1)], "US", warehouse_code="G004")
    assert len(channels) >= 2
    assert [channel.delivery_days for channel in channels] == sorted(c.delivery_days for c in channels)


async def test_an_order_is_placed_paid_split_and_read_back(kk, sandbox):
    before = (await kk.payment.balance()).amount
    created = await kk.orders.create(order(*over_two_countries(sandbox), channel_type="Express"))
    placed = await kk.orders.get(created.id)
    assert created.custom_order_id == placed.custom_order_id == "KA1"
    assert {item.country_code for item in placed.order_items} == {"CN", "US"}
    assert placed.final_amount == placed.sub_total_amount + placed.freight_amount - placed.coupon_amount
    assert (await kk.payment.balance()).amount == before - placed.final_amount == sandbox.ledger.balance
    assert placed.shipping_address.recipient == ADDRESS.recipient
    assert "Ann" not in repr(placed)


async def test_an_order_without_an_id_of_its_own_gets_one(kk, sandbox):
    created = await kk.orders.create(order(Item(on_sale(sandbox), 1), custom_order_id=None))
    assert len(created.custom_order_id) <= 32
    assert (await kk.orders.get(created.id)).custom_order_id == created.custom_order_id


async def test_a_declined_order_costs_nothing(kk, sandbox):
    with pytest.raises(Rejected):
        await kk.orders.create(order(Item("NOSUCH", 1)))
    assert sandbox.journal == []


@pytest.mark.parametrize(
    "kind", ["reset_after", "server_error", "truncated_json", "empty_body", "bad_gateway"]
)
async def test_an_order_in_doubt_is_placed_at_most_once_and_can_be_found(kk, sandbox, kind):
    sandbox.faults.add(Fault(kind, path="/v2/order/orders", method="POST"))
    start = sandbox.now()
    with pytest.raises(OutcomeUnknown, match="KA1") as caught:
        await kk.orders.create(order(Item(on_sale(sandbox), 1)))
    assert caught.value.custom_order_id == "KA1"
    found = await kk.orders.find("KA1", created_from=start, created_to=sandbox.now())
    assert len(found) == len(sandbox.journal) == (0 if kind == "bad_gateway" else 1)


async def test_orders_are_queried_by_time_and_status(kk, sandbox):
    start = sandbox.now()
    for number in range(12):
        await kk.orders.create(order(Item(on_sale(sandbox), 1), custom_order_id=f"KA{number}"))
    query = kk.orders.query(created_from=start, created_to=sandbox.now(), statuses=["processing"])
    assert {found.custom_order_id async for found in query} == {f"KA{number}" for number in range(12)}
    assert [o async for o in kk.orders.query(created_from=start, statuses=["cancel"])] == []
    assert len([o async for o in kk.orders.query(updated_from=start)]) == 12
    page = await kk.orders.page(page_size=5, page_number=3)
    assert (len(page), page.total) == (2, 12)
    ids = [found.id for found in await kk.orders.page()]
    assert [found.id for found in await kk.orders.get_many(ids)] == ids


async def test_a_part_of_an_order_is_refunded_and_settles(kk, sandbox):
    items = over_two_countries(sandbox)
    created = await kk.orders.create(order(*items))
    before = (await kk.payment.balance()).amount
    number = await kk.refunds.request(created.id, [Item(items[0].sku, 1)], reason="Out Of Stock")
    (pending,) = await kk.refunds.of(created.id)
    assert (pending.refund_no, pending.refund_status) == (number, RefundStatus.PENDING_REVIEW)
    with pytest.raises(DeadlineExceeded, match=f"refund {number} is pending"):
        await kk.refunds.wait(created.id, timeout=5)
    (settled,) = await kk.refunds.wait(created.id)
    assert settled.refund_status is RefundStatus.REFUND_SUCCESSFULLY
    after = await kk.orders.get(created.id)
    assert (await kk.payment.balance()).amount == before + after.refunded_amount
    assert after.refundable_amount == after.final_amount - after.refunded_amount


async def test_a_whole_order_is_refunded(kk, sandbox):
    before = (await kk.payment.balance()).amount
    created = await kk.orders.create(order(Item(on_sale(sandbox), 1)))
    await kk.refunds.request(created.id, remark="changed my mind")
    await kk.refunds.wait(created.id)
    assert (await kk.payment.balance()).amount == before


async def test_a_refund_line_is_sent_as_it_is(kk, sandbox):
    created = await kk.orders.create(order(Item(on_sale(sandbox), 2)))
    (line,) = (await kk.orders.get(created.id)).order_items
    ready_made = RefundItem(
        item_id=line.item_id, sku_code=line.sku_code, quantity=1, country_code=line.country_code
    )
    requests = sandbox.requests.total()
    assert await kk.refunds.request(created.id, [ready_made])
    assert sandbox.requests.total() == requests + 1


async def test_waiting_for_a_refund_that_nobody_asked_for_ends_with_its_timeout(kk, sandbox):
    created = await kk.orders.create(order(Item(on_sale(sandbox), 1)))
    with pytest.raises(DeadlineExceeded, match="no refund is known"):
        await kk.refunds.wait(created.id, timeout=3)


async def test_a_shipped_order_is_not_refunded(kk, sandbox):
    created = await kk.orders.create(order(Item(on_sale(sandbox), 1)))
    sandbox.skip(86_400)
    with pytest.raises(Rejected):
        await kk.refunds.request(created.id)
    shipped = await kk.orders.get(created.id)
    assert shipped.fulfillments[0].tracking_code


async def test_models_are_searched_and_detailed(kk, sandbox):
    names = await kk.custom.category_names()
    models = [model async for model in kk.custom.models()]
    assert len({model.id for model in models}) == len(models) == sandbox.custom_models
    assert {model.category_name for model in models} <= set(names)
    some = [model async for model in kk.custom.models(category_names=[names[0]])]
    assert {model.category_name for model in some} <= {names[0]}
    detail = await kk.custom.model(models[0].id)
    assert detail.model_code == models[0].model_code
    assert detail.en_size_content.sheets
    assert detail.variants
    newest = max(model.modify_date for model in models)
    assert [m async for m in kk.custom.models(updated_from=newest + timedelta(seconds=1))] == []


@pytest.mark.parametrize("older", [True, False])
async def test_a_design_is_added_found_and_can_be_ordered(kk, sandbox, older):
    sandbox.old_custom_shape = older
    began = sandbox.now()
    models = [model async for model in kk.custom.models()]
    details = [await kk.custom.model(model.id) for model in models]
    model = next(detail for detail in details if detail.status is ModelStatus.ON_SHELF)
    image = "https://img.example/a.png"
    added = await kk.custom.add_design(
        NewDesign(
            model_id=model.id,
            en_name="Dinosaur",
            image_url=image,
            back_image_url=image,
            material_images=[MaterialImage("a", image)],
            color_value="#A72525",
        )
    )
    (design,) = [found async for found in kk.custom.designs(search_content="Dinosaur")]
    assert design == added
    assert design.en_name == "Dinosaur"
    assert isinstance(design.custom_designed_id, str)
    assert began - timedelta(seconds=1) <= design.create_date <= sandbox.now()
    product = await kk.products.get(design.spu)
    assert product.sku_details[0].sku
    assert [found async for found in kk.custom.designs(spus=["NOSUCH"])] == []


@pytest.mark.parametrize("form", ["number", "text", "object"])
async def test_the_balance_is_read_in_whatever_form_it_comes(kk, sandbox, form):
    sandbox.balance_form = form
    balance = await kk.payment.balance()
    assert balance.amount == Decimal("10000.00")
    assert balance.raw is not None


async def test_the_outdated_area_works_and_warns(kk, sandbox):
    with pytest.warns(DeprecationWarning, match="outdated"):
        v1 = kk.v1
    item = Item(on_sale(sandbox, pieces=3), 1)
    assert await v1.freight.channels([item], "US")
    created = await v1.orders.create(order(item))
    placed = await v1.orders.get(created.id)
    assert placed.total_amount == placed.skus_amount + placed.freight_amount
    assert (await v1.orders.create(order(item, custom_order_id=None))).custom_order_id
    assert (await v1.orders.page(statuses=["waiting_to_ship"])).total == 2
    with pytest.raises(NotFound):
        await v1.orders.get("1000")
    assert placed.final_amount == placed.total_amount
    spent = sandbox.requests.total()
    for remark in ("", " ", None, 5):
        with pytest.raises(InvalidRequest, match=f"no refund of order {created.id} was asked for: .* remark"):
            await v1.refunds.request(created.id, remark)
    assert sandbox.requests.total() == spent
    number = await v1.refunds.request(created.id, "no longer wanted")
    assert [refund.refund_no for refund in await v1.refunds.of(created.id)] == [number]
    assert next(json.loads(served.body) for served in sandbox.log if served.path.endswith("/refund")) == {
        "Remark": "no longer wanted"
    }


async def test_a_package_of_the_outdated_area_can_be_followed(kk, sandbox):
    with pytest.warns(DeprecationWarning, match="outdated"):
        v1 = kk.v1
    item = Item(on_sale(sandbox), 1)
    created = await v1.orders.create(order(item))
    sandbox.skip(86_400)
    [package] = (await v1.orders.get(created.id)).fulfillments
    assert [line.sku_code for line in package.items] == [item.sku]
    assert [info.tracking_code for info in package.tracking_infos] == [package.tracking_code]
    assert package.carrier_type is CarrierType.LAST
    assert package.extra == {}


@pytest.mark.parametrize("outdated", [True, False])
@pytest.mark.filterwarnings("ignore:KakaClo's V1")
async def test_orders_are_queried_by_one_end_of_a_range_alone(kk, sandbox, outdated):
    orders = kk.v1.orders if outdated else kk.orders
    sku = on_sale(sandbox, pieces=2)
    early = await kk.orders.create(order(Item(sku, 1)))
    sandbox.skip(60)
    between = sandbox.now()
    sandbox.skip(60)
    late = await kk.orders.create(order(Item(sku, 1), custom_order_id="KA2"))
    for name in ("created", "updated"):
        assert [found.id for found in await orders.page(**{f"{name}_to": between})] == [early.id]
        assert [found.id for found in await orders.page(**{f"{name}_from": between})] == [late.id]
    assert [found.id async for found in kk.orders.query(created_to=between)] == [early.id]
    assert [found.id async for found in kk.orders.query(updated_to=between)] == [early.id]
