"""The public API as its users call it: never run, but checked by mypy --strict and pyright."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import assert_type

from kakaclo_async import (
    POD_DESIGNS_URL,
    Address,
    Balance,
    Category,
    ChannelType,
    CreatedOrder,
    Design,
    DesignModel,
    DesignModelDetail,
    Event,
    FreightMatrix,
    FreightOption,
    FreightQuote,
    FreightRequest,
    Item,
    KakaClo,
    KakaCloError,
    LogisticsChannel,
    NewDesign,
    NewOrder,
    Number,
    Order,
    Page,
    Product,
    ProductStatus,
    RateLimit,
    RedisBucket,
    RedisServer,
    Refund,
    RefundStatus,
    Rejected,
    Sku,
    Stats,
    StockLevel,
    Warehouse,
    resized_image,
)
from kakaclo_async.ordering import Drained, Entry, Journal


async def construction() -> None:
    KakaClo()
    KakaClo(
        "token", environment="test", rate_limit=RateLimit(120, 2.0), reserve=20, timeout=30.0, max_wait=None
    )

    async def fetch() -> str:
        return "token"

    async with KakaClo(fetch) as kk:
        assert_type(kk, KakaClo)
        assert_type(kk.bulk(), KakaClo)
        assert_type(kk.with_options(lane="bulk", timeout=5, max_wait=None, max_attempts=1), KakaClo)
        assert_type(kk.stats(), Stats)
        assert_type(kk.eta("bulk"), float)
    KakaClo(lambda: "token")


def listen(event: Event) -> None: ...


async def reading(kk: KakaClo, a: datetime, b: datetime) -> None:
    assert_type(kk.on_event(listen), Callable[[], None])
    assert_type(await kk.categories.tree(), tuple[Category, ...])
    assert_type(await kk.warehouses.all(), tuple[Warehouse, ...])
    product = await kk.products.get("AMN00432")
    assert_type(product, Product)
    assert_type(product.price, Decimal | None)
    assert_type(product.sku_details, tuple[Sku, ...])
    assert_type(product.sku_details[0].sku_status, ProductStatus | None)
    assert_type(await kk.products.get_many(spus=["A"]), tuple[Product, ...])
    page = await kk.products.page(updated_from=a, updated_to=b, sort_type="stock", sort_by="asc")
    assert_type(page, Page[Product])
    assert_type(page[0], Product)
    async for found in kk.products.updated(a, b):
        assert_type(found, Product)
    async for found in kk.products.in_category(3658):
        assert_type(found, Product)
    level = await kk.stocks.get("AMN00432_B_M", warehouse_code="G004")
    assert_type(level, StockLevel)
    assert_type(level.qty, int)
    assert_type(await kk.stocks.get_many(["A"]), tuple[StockLevel, ...])
    async for changed in kk.stocks.updated(a, b):
        assert_type(changed, StockLevel)
    assert_type(await kk.payment.balance(), Balance)


async def freight(kk: KakaClo) -> None:
    quote = await kk.freight.quote([Item("A", 2)], "US")
    assert_type(quote, FreightQuote)
    assert_type(quote.fastest.channel_type, ChannelType | None)
    assert_type(quote.cheapest.estimated_freight, Decimal)
    assert_type(quote.cheapest.delivery_days, tuple[int, int] | None)
    assert_type(quote.by_channel("Express"), FreightOption | None)
    carts = [FreightRequest([Item("A", 2)], "US")]
    assert_type(await kk.freight.quote_many(carts), tuple[FreightQuote, ...])
    collected = await kk.freight.quote_many(carts, on_error="collect")
    assert_type(collected, tuple[FreightQuote | KakaCloError, ...])
    assert_type(await kk.freight.quote_many([([Item("A", 2)], "US")]), tuple[FreightQuote, ...])
    matrix = await kk.freight.matrix([[Item("A", 2)]], ["US", "FR"])
    assert_type(matrix, FreightMatrix)
    assert_type(matrix[[Item("A", 2)], "US"], FreightQuote | KakaCloError)
    assert_type(await kk.freight.channels([Item("A", 2)], "US"), tuple[LogisticsChannel, ...])


async def ordering(kk: KakaClo, start: datetime) -> None:
    address = Address(country="US", phone="1", recipient="A", province="B")
    created = await kk.orders.create(NewOrder(address=address, items=[Item("A", 1)], channel_type="Express"))
    assert_type(created, CreatedOrder)
    assert_type(created.ids, tuple[str, ...])
    assert_type(created.id, str)
    assert_type(await kk.orders.get(created.id), Order)
    assert_type(await kk.orders.get_many([created.id]), tuple[Order, ...])
    assert_type(await kk.orders.find("KA1", created_from=start), tuple[Order, ...])
    async for order in kk.orders.query(created_from=start, statuses=["processing"]):
        assert_type(order, Order)
    plain = [{"sku": "A", "quantity": 2}]
    assert_type(await kk.freight.quote(plain, "US"), FreightQuote)
    assert_type(await kk.freight.quote_many([{"items": plain, "country": "US"}]), tuple[FreightQuote, ...])
    assert_type(await kk.orders.create({"address": address, "items": plain}), CreatedOrder)
    assert_type(await kk.refunds.request(created.id, plain), str)
    assert_type(NewOrder.from_dict(created.to_dict()).to_json(), str)
    number = await kk.refunds.request(created.id, [Item("A", 1)], reason="Other")
    assert_type(number, str)
    assert_type(Number.all_of(number), tuple[str, ...])
    refunds = await kk.refunds.wait(created.id, timeout=60)
    assert_type(refunds, tuple[Refund, ...])
    assert_type(refunds[0].refund_status, RefundStatus | None)


async def waiting(kk: KakaClo, order: NewOrder) -> None:
    journal = Journal("postgresql://localhost/shops?schema=acme")
    assert_type(await journal.add(order), Entry)
    assert_type(await journal.withdraw("SHOP-1"), Entry | None)
    drained = await journal.drain(kk, at_once=2, seconds=1.0)
    assert_type(drained, Drained)
    assert_type(drained.placed, Mapping[str, Number])
    assert_type(drained.declined, Mapping[str, Rejected])
    assert_type(drained.left, int)
    assert_type(drained.due, datetime | None)
    assert_type(drained.failure, KakaCloError | None)
    server = RedisServer("redis://localhost", connections=4)
    assert_type(KakaClo(bucket=RedisBucket(server, key="acme")), KakaClo)


async def custom(kk: KakaClo) -> None:
    assert_type(await kk.custom.category_names(), tuple[str, ...])
    async for model in kk.custom.models(category_names=["T-shirt"]):
        assert_type(model, DesignModel)
        assert_type(await kk.custom.model(model.id or 0), DesignModelDetail)
    async for design in kk.custom.designs():
        assert_type(design, Design)
        assert_type(design.custom_designed_id, str | None)
        assert_type(resized_image(design.image_url or POD_DESIGNS_URL, 504, 672), str)
    await kk.custom.add_design(NewDesign(model_id=1, en_name="A", image_url="https://example.com/a.png"))
