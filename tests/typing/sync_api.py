"""Never run: the blocking API as users call it, for mypy and pyright."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import assert_type

from kakaclo_async.catalog import Change, MirrorReport, MirrorStatus
from kakaclo_async.ordering import Drained, Entry
from kakaclo_sync import (
    Address,
    Balance,
    Category,
    Certificate,
    CreatedOrder,
    Design,
    DesignModel,
    DesignModelDetail,
    Event,
    FreightMatrix,
    FreightQuote,
    FreightRequest,
    Item,
    Journal,
    KakaClo,
    KakaCloError,
    LogisticsChannel,
    Mirror,
    NewDesign,
    NewOrder,
    Number,
    Order,
    OrderV1,
    Page,
    Product,
    Pull,
    RateLimit,
    RedisBucket,
    RedisServer,
    Refund,
    Sandbox,
    Stats,
    StockLevel,
    Stream,
    Warehouse,
)
from kakaclo_sync.shop import (
    ListingReport,
    OrderFile,
    TrackingReport,
    export_listings,
    read_orders,
    tell_tracking,
)

END = datetime.now(UTC)
START = END - timedelta(hours=8)


def clients() -> None:
    with KakaClo("token", environment="test", rate_limit=RateLimit(60, 1.0), max_wait=None) as kk:
        assert_type(kk, KakaClo)
    KakaClo(lambda: "token", base_url="https://example.com").close()
    assert_type(kk.bulk(), KakaClo)
    assert_type(kk.with_options(lane="bulk", timeout=5.0, max_wait=None, max_attempts=1), KakaClo)
    assert_type(kk.stats(), Stats)
    assert_type(kk.eta("bulk"), float)

    def listen(event: Event) -> None: ...

    assert_type(kk.on_event(listen), Callable[[], None])


def goods(kk: KakaClo) -> None:
    assert_type(kk.categories.tree(), tuple[Category, ...])
    assert_type(kk.warehouses.all(), tuple[Warehouse, ...])
    assert_type(kk.products.get("AMN00432"), Product)
    assert_type(kk.products.get_many(spus=["AMN00432"]), tuple[Product, ...])
    assert_type(kk.products.page(updated_from=START, updated_to=END, page_number=2), Page[Product])
    assert_type(kk.products.updated(START, END), Pull[Product])
    assert_type(kk.products.updated(START, END).certificate, Certificate)
    for product in kk.products.in_category(7):
        assert_type(product, Product)
    assert_type(kk.stocks.get("AMN00432_B_M"), StockLevel)
    assert_type(kk.stocks.get_many(["AMN00432_B_M"], warehouse_code="G007"), tuple[StockLevel, ...])
    assert_type(kk.stocks.page(skus=["AMN00432_B_M"]), Page[StockLevel])
    for level in kk.stocks.updated(START, END):
        assert_type(level, StockLevel)


def freight(kk: KakaClo) -> None:
    cart = FreightRequest([Item("AMN00432_B_M", 2)], "US")
    assert_type(kk.freight.quote(cart.items, "US"), FreightQuote)
    assert_type(kk.freight.quote([{"sku": "A", "quantity": 2}], "US"), FreightQuote)
    assert_type(kk.freight.quote_many([cart]), tuple[FreightQuote, ...])
    assert_type(kk.freight.quote_many([cart], "raise"), tuple[FreightQuote, ...])
    assert_type(kk.freight.quote_many([cart], on_error="collect"), tuple[FreightQuote | KakaCloError, ...])
    assert_type(kk.freight.matrix([cart.items], ["US", "FR"]), FreightMatrix)
    assert_type(kk.freight.channels(cart.items, "US"), tuple[LogisticsChannel, ...])


def orders(kk: KakaClo) -> None:
    address = Address(country="US", phone="1", recipient="A", province="CA")
    order = NewOrder(address=address, items=[Item("AMN00432_B_M", 1)])
    assert_type(kk.orders.create(order), CreatedOrder)
    assert_type(kk.orders.get("1"), Order)
    assert_type(kk.orders.get_many(["1"]), tuple[Order, ...])
    assert_type(kk.orders.page(page_size=10), Page[Order])
    assert_type(kk.orders.query(created_from=START), Stream[Order])
    assert_type(kk.orders.find("C-1", START), tuple[Order, ...])
    assert_type(kk.refunds.request("1", [Item("AMN00432_B_M", 1)], remark="late"), str)
    assert_type(kk.refunds.of("1"), tuple[Refund, ...])
    assert_type(kk.refunds.wait("1", timeout=60), tuple[Refund, ...])
    assert_type(kk.payment.balance(), Balance)
    assert_type(kk.v1.orders.create(order), CreatedOrder)
    assert_type(kk.v1.orders.get("1"), OrderV1)
    assert_type(kk.v1.freight.channels(order.items, "US"), tuple[LogisticsChannel, ...])
    assert_type(kk.v1.refunds.request("1", "late"), str)


def print_on_demand(kk: KakaClo, design: NewDesign) -> None:
    assert_type(kk.custom.category_names(), tuple[str, ...])
    assert_type(kk.custom.models(en_name="mug"), Stream[DesignModel])
    assert_type(kk.custom.model(7), DesignModelDetail)
    assert_type(kk.custom.designs(), Stream[Design])
    kk.custom.add_design(design)


def streams(kk: KakaClo) -> None:
    rows = kk.orders.query()
    assert_type(next(rows), Order)
    assert_type(list(rows), list[Order])
    assert_type(_first(rows), Order | None)
    rows.close()


def _first(rows: Iterator[Order]) -> Order | None:
    return next(rows, None)


def methods_are_values(kk: KakaClo) -> None:
    assert_type(list(map(kk.products.get, ["AMN00432"])), list[Product])
    _call(kk.products.get)


def _call(get: Callable[[str], Product]) -> Product:
    return get("AMN00432")


def sandboxes() -> None:
    with Sandbox(products=50, speed=60.0) as sandbox:
        assert_type(sandbox, Sandbox)
        assert_type(sandbox.url, str)
        assert_type(sandbox.token, str)
        sandbox.skip(3600)
        sandbox.balance_form = "text"


def databases(kk: KakaClo, order: NewOrder) -> None:
    with Mirror(kk, "sqlite:///catalog.db", concurrency=4) as mirror:
        assert_type(mirror, Mirror)
        assert_type(mirror.run(since=START), MirrorReport)
        assert_type(mirror.verify(), MirrorReport)
        assert_type(mirror.status(), MirrorStatus)
        assert_type(mirror.changes(after=7, country="US", only=["AMN00003"]), Stream[Change])
        mirror.follow(60.0, on_change=print, stop_on_signals=True)
    journal = Journal("sqlite:///orders.db", quiet_time=900.0)
    assert_type(kk.orders.submit(order, journal=journal), CreatedOrder)
    assert_type(journal.pending(), tuple[Entry, ...])
    assert_type(journal.settle(kk), tuple[Entry, ...])
    assert_type(journal.add(order), Entry)
    assert_type(journal.add({"items": [{"sku": "A", "quantity": 1}]}), Entry)
    assert_type(journal.withdraw("SHOP-1"), Entry | None)
    drained = journal.drain(kk, at_once=2, seconds=1.0)
    assert_type(drained, Drained)
    assert_type(drained.placed, Mapping[str, Number])
    assert_type(drained.due, datetime | None)
    shared = KakaClo(bucket=RedisBucket(RedisServer("redis://localhost", connections=4), key="acme"))
    assert_type(shared, KakaClo)


def misuse_is_seen(kk: KakaClo) -> None:
    kk.products.get(7)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    kk.products.get(spu="A", colour="red")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    kk.orders.find("C-1")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    kk.nonsense()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]


def shops() -> None:
    assert_type(read_orders("orders.csv"), OrderFile)
    assert_type(export_listings("sqlite:///catalog.db", "products.csv", buffer=2), ListingReport)
    journal = Journal("sqlite:///orders.db")
    assert_type(tell_tracking(KakaClo("token"), journal, "Orders.csv", target="matrixify"), TrackingReport)
