"""The client's calls: one table, and every test that walks through calls derives its own list from it.

A new method of the API is a row here. `tests/resources/test_calls.py` compares the table with the client's public methods,
its docstrings, the sandbox's routes and the published documents; what else a row needs, the tests say that use it.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import attrs

from kakaclo_async import KakaClo
from kakaclo_async.catalog import Mirror
from kakaclo_async.codec import encode
from kakaclo_async.models.custom import NewDesign
from kakaclo_async.models.freight import ChannelsRequest, FreightRequest
from kakaclo_async.models.new_order import NewOrder
from kakaclo_async.models.refund import NewRefund
from kakaclo_async.ordering import Journal
from kakaclo_async.resources import V1
from kakaclo_async.resources.custom import design_key

if TYPE_CHECKING:
    from support.shop import Shop

Send = Callable[[Any, Any], Any]
KINDS: Final = (
    "read",
    "look-up",
    "stream",
    "fan-out",
    "wait",
    "write",
    "journal",
    "settle",
    "mirror",
    "follow",
)


@attrs.frozen(eq=False)
class Call:
    """A public call; with all that is needed to make it anywhere, and to know what came of it.

    Attributes:
        name: "orders.create", and what is special about the call, if anything is.
        kind: what its errors and its number of requests are like; one of `KINDS`.
        send: `send(kk, shop)` is awaited, iterated over, or blocks, as the client has it; `shop` is a `support.shop.Shop`.
        endpoint: "POST /v2/order/orders", in one call for each endpoint: the one that sends little else.
        samples: how the names of the published answers to it begin, as a regular expression.
        answer: what answers it where nothing is published.
        body: the model that it sends; `dict` for one that is made without a model.
        more: further calls; they and `send` together send every parameter and field of the endpoint.
        reads_first: whether a write is preceded by reads.
        bulk: whether it takes as long as it takes, unless the view is told a `max_wait`.
        has_timeout: whether it ends within a `timeout` of its own, which `shop.own` is.
        done: of a write: `done(kk, shop)` returns what it has written.
        key: what a journal knows the write by.
    """

    name: str
    kind: str = attrs.field(validator=attrs.validators.in_(KINDS))
    send: Send
    endpoint: str = ""
    samples: str = ""
    answer: bytes = b""
    body: Any = None
    more: tuple[Send, ...] = ()
    reads_first: bool = False
    bulk: bool = attrs.field()
    has_timeout: bool = attrs.field()
    done: Send | None = None
    key: Callable[[Any], str] | None = None

    @bulk.default
    def _is_bulk(self) -> bool:
        return self.kind in {"stream", "fan-out", "settle"}

    @has_timeout.default
    def _waits(self) -> bool:
        return self.kind in {"wait", "journal"}


def v1(kk: Any) -> Any:
    """Return the outdated area without its warning."""
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        return kk.v1


def view(kk: Any, call: Call, max_wait: float) -> Any:
    """Return the view that a call is made of so that it waits for permits no longer than this."""
    return kk.with_options(max_wait=max_wait) if call.bulk else kk


async def made(sent: Any) -> Any:
    """Await what an async call has returned, or read all its rows."""
    return [row async for row in sent] if hasattr(sent, "__aiter__") else await sent


async def _orders(_kk: Any, shop: Shop) -> list[Any]:
    return [one for one in shop.sandbox.journal if one.custom_order_id == shop.order.custom_order_id]


async def _refunds(_kk: Any, shop: Shop) -> list[Any]:
    return [refund for refund in shop.sandbox.ledger.refunds.values() if refund.order == shop.paid]


async def _designs(kk: Any, shop: Shop) -> list[Any]:
    return [design async for design in kk.custom.designs() if design.en_name == shop.design.en_name]


ORDERED: Final[dict[str, Any]] = {"done": _orders}
REFUNDED: Final[dict[str, Any]] = {"done": _refunds}
DESIGNED: Final[dict[str, Any]] = {"done": _designs, "reads_first": True}

_ROWS: Final = (
    Call("categories.tree", "read", lambda kk, shop: kk.categories.tree(),
         "GET /v1/product/category", "v1_product_category"),
    Call("warehouses.all", "read", lambda kk, shop: kk.warehouses.all(),
         "GET /v1/product/countryAndWarehouse", "v1_product_countryAndWarehouse"),
    Call("products.get", "look-up", lambda kk, shop: kk.products.get(shop.spus[0])),
    Call("products.get_many", "look-up", lambda kk, shop: kk.products.get_many(skus=shop.some)),
    Call("products.page", "read", lambda kk, shop: kk.products.page(spus=shop.spus[:2]),
         "GET /v1/product/products", "v1_product_products", more=(
        lambda kk, shop: kk.products.page(skus=shop.skus[:2]),
        lambda kk, shop: kk.products.page(category_id=shop.category),
        lambda kk, shop: kk.products.page(
            updated_from=shop.start, updated_to=shop.end, sort_type="price", sort_by="asc", page_number=1),
    )),
    Call("products.updated", "stream", lambda kk, shop: kk.products.updated(shop.start, shop.end)),
    Call("products.in_category", "stream", lambda kk, shop: kk.products.in_category(shop.category)),
    Call("stocks.get", "look-up", lambda kk, shop: kk.stocks.get(shop.skus[0])),
    Call("stocks.get_many", "look-up", lambda kk, shop: kk.stocks.get_many(shop.some)),
    Call("stocks.get_many of more than one request", "look-up", lambda kk, shop: kk.stocks.get_many(shop.skus[:40]), bulk=True),
    Call("stocks.page", "read", lambda kk, shop: kk.stocks.page(skus=shop.skus[:2]),
         "GET /v1/product/stocks", "v1_product_stocks",
         more=(lambda kk, shop: kk.stocks.page(updated_from=shop.start, updated_to=shop.end, warehouse_code="G007"),)),
    Call("stocks.updated", "stream", lambda kk, shop: kk.stocks.updated(shop.start, shop.end)),
    Call("freight.quote", "read", lambda kk, shop: kk.freight.quote(shop.items, "US"),
         "POST /v2/order/orders/channel/automationSplit", "v2_order_channel_automationSplit", body=FreightRequest),
    Call("freight.quote_many", "fan-out",
         lambda kk, shop: kk.freight.quote_many([(parcel, to) for parcel in shop.parcels for to in ("US", "FR")])),
    Call("freight.quote_many that collects errors", "fan-out",
         lambda kk, shop: kk.freight.quote_many([(shop.items, "US"), (shop.items, "FR")], "collect")),
    Call("freight.matrix", "fan-out", lambda kk, shop: kk.freight.matrix(shop.parcels, ["US", "FR"])),
    Call("freight.channels", "read", lambda kk, shop: kk.freight.channels(shop.items, "US"),
         "POST /v2/order/orders/channel", "v2_order_channel(_without_type)?$", body=ChannelsRequest,
         more=(lambda kk, shop: kk.freight.channels(shop.items, "US", "G007"),)),
    Call("orders.create", "write", lambda kk, shop: kk.orders.create(shop.order),
         "POST /v2/order/orders", "v2_order_create", body=NewOrder, **ORDERED),
    Call("orders.submit", "journal", lambda kk, shop: kk.orders.submit(shop.order, journal=shop.journal, timeout=shop.own),
         key=lambda shop: shop.order.custom_order_id, **ORDERED),
    Call("orders.get", "look-up", lambda kk, shop: kk.orders.get(shop.shipped)),
    Call("orders.get_many", "look-up", lambda kk, shop: kk.orders.get_many([shop.shipped, shop.paid])),
    Call("orders.page", "read", lambda kk, shop: kk.orders.page(),
         "GET /v2/order/orders", "v2_order_orders", more=(
        lambda kk, shop: kk.orders.page(ids=[shop.shipped, shop.paid]),
        lambda kk, shop: kk.orders.page(**shop.times, page_number=1, page_size=50),
    )),
    Call("orders.query", "stream", lambda kk, shop: kk.orders.query()),
    Call("orders.find", "read", lambda kk, shop: kk.orders.find(shop.paid_as, shop.start)),
    Call("orders.family", "read", lambda kk, shop: kk.orders.family(shop.paid_as)),
    Call("orders.check", "read", lambda kk, shop: kk.orders.check(shop.order)),
    Call("orders.wait", "wait", lambda kk, shop: kk.orders.wait(shop.awaited, timeout=shop.own)),
    Call("refunds.plan", "read", lambda kk, shop: kk.refunds.plan(shop.paid)),
    Call("refunds.request", "write", lambda kk, shop: kk.refunds.request(shop.paid), reads_first=True, **REFUNDED),
    Call("refunds.request of lines", "write",
         lambda kk, shop: kk.refunds.request(shop.paid, shop.lines, reason="Out Of Stock", remark=shop.remark),
         "POST /v2/order/orders/{id}/refund", "v2_order_refund_create", body=NewRefund, **REFUNDED),
    Call("refunds.request with a journal", "journal",
         lambda kk, shop: kk.refunds.request(shop.paid, journal=shop.journal, timeout=shop.own),
         reads_first=True, key=lambda shop: shop.paid, **REFUNDED),
    Call("refunds.of", "read", lambda kk, shop: kk.refunds.of(shop.refunded),
         "GET /v2/order/orders/refund/{id}", "v2_order_refund_query"),
    Call("refunds.wait", "wait", lambda kk, shop: kk.refunds.wait(shop.settling, timeout=shop.own)),
    Call("v1.freight.channels", "read", lambda kk, shop: v1(kk).freight.channels(shop.items, "US"),
         "POST /v1/order/orders/channel", "v1_order_channel", body=ChannelsRequest,
         more=(lambda kk, shop: v1(kk).freight.channels(shop.items, "US", "G007"),)),
    Call("v1.orders.create", "write", lambda kk, shop: v1(kk).orders.create(shop.order),
         "POST /v1/order/orders", "v1_order_create", body=NewOrder, **ORDERED),
    Call("v1.orders.get", "read", lambda kk, shop: v1(kk).orders.get(shop.shipped)),
    Call("v1.orders.page", "read", lambda kk, shop: v1(kk).orders.page(),
         "GET /v1/order/orders", "v1_order_orders", more=(
        lambda kk, shop: v1(kk).orders.page(ids=[shop.shipped, shop.paid]),
        lambda kk, shop: v1(kk).orders.page(**shop.times, statuses=["delivered", "shipped"], page_number=1, page_size=50),
    )),
    Call("v1.refunds.request", "write", lambda kk, shop: v1(kk).refunds.request(shop.paid, shop.remark),
         "POST /v1/order/orders/{id}/refund", "v1_order_refund_create", body=dict, **REFUNDED),
    Call("v1.refunds.of", "read", lambda kk, shop: v1(kk).refunds.of(shop.refunded),
         "GET /v1/order/orders/refund/{id}", "v1_order_refund_query"),
    Call("payment.balance", "read", lambda kk, shop: kk.payment.balance(), "GET /v1/payment/balance",
         answer=b'{"code":10000,"message":"ok","data":{"balance":120.5000,"storeId":77}}'),
    Call("custom.category_names", "read", lambda kk, shop: kk.custom.category_names(),
         "GET /v1/product/custom/modelCategoryName/search", "v1_custom_modelCategoryName_search"),
    Call("custom.models", "stream", lambda kk, shop: kk.custom.models(),
         "POST /v1/product/custom/designModel/search", "v1_custom_designModel_search", body=dict, more=(
        lambda kk, shop: kk.custom.models(category_names=[shop.model_category]),
        lambda kk, shop: kk.custom.models(
            category_names=[shop.model_category], model_codes=[shop.model_code], en_name="t", updated_from=shop.start),
    )),
    Call("custom.model", "read", lambda kk, shop: kk.custom.model(shop.model),
         "GET /v1/product/custom/designModel/detail/{id}", "v1_custom_designModel_detail",
         more=tuple(lambda kk, shop, model=model: kk.custom.model(model) for model in (3, 5, 9, 18))),  # 9, 18: out of stock
    Call("custom.designs", "stream", lambda kk, shop: kk.custom.designs(),
         "POST /v1/product/custom/customDesigned/search", "v1_custom_customDesigned_search", body=dict, more=(
        lambda kk, shop: kk.custom.designs(spus=shop.spus[:1]),
        lambda kk, shop: kk.custom.designs(model_codes=[shop.model_code], search_content="cat", updated_from=shop.start),
    )),
    Call("custom.add_design", "write", lambda kk, shop: kk.custom.add_design(shop.design, timeout=shop.own),
         "POST /v1/product/custom/customDesigned/addProduct", "v1_custom_customDesigned_addProduct",
         body=NewDesign, has_timeout=True, **DESIGNED),
    Call("custom.add_design with a journal", "journal",
         lambda kk, shop: kk.custom.add_design(shop.design, journal=shop.journal, timeout=shop.own),
         key=lambda shop: design_key(encode(shop.design)), **DESIGNED),
    Call("Mirror.run", "mirror", lambda kk, shop: shop.mirror(kk).run()),
    Call("Mirror.verify", "mirror", lambda kk, shop: shop.mirror(kk).verify()),
    Call("Mirror.follow", "follow", lambda kk, shop: shop.follow(kk)),
    Call("Journal.settle", "settle", lambda kk, shop: shop.journal.settle(kk)),
    Call("Journal.finish", "settle", lambda kk, shop: shop.journal.finish(kk)),
)  # fmt: skip

CALLS: Final = {call.name: call for call in _ROWS}
"""All of them, by name."""

OF_CLIENT: Final = {
    name: call for name, call in CALLS.items() if name.partition(".")[0] not in {"Mirror", "Journal"}
}
"""Those of a client's own methods."""

BY_ENDPOINT: Final = {call.endpoint: call for call in CALLS.values() if call.endpoint}
"""The calls that send an endpoint, by its name."""

ASKS_NOTHING: Final = {
    "Mirror.aclose", "Mirror.changes", "Mirror.status", "Mirror.stop",
    "Journal.add", "Journal.find", "Journal.pending", "Journal.recall", "Journal.withdraw",
    "Journal.once",  # `orders.submit` and its like call it
    "Journal.drain",  # returns what failed: its own tests, those of cancellation and the fleet's campaigns have its faults
}  # fmt: skip


def public_calls() -> set[str]:
    """Return the names of all public methods that send something: "orders.create"; read off the classes."""
    kk = KakaClo("token")
    owners = {name: type(area) for name, area in vars(kk).items() if not name.startswith("_")}
    owners |= {f"v1.{name}": type(area) for name, area in vars(V1(kk._sender)).items()}
    owners |= {"Mirror": Mirror, "Journal": Journal}
    return {
        f"{name}.{method}"
        for name, owner in owners.items()
        for method, _ in inspect.getmembers(owner, inspect.isfunction)
        if not method.startswith("_")
    } - ASKS_NOTHING
