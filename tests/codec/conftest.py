from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from kakaclo_async import codec
from kakaclo_async.models.common import Page
from kakaclo_async.models.custom import Design, DesignModel, DesignModelDetail
from kakaclo_async.models.freight import FreightOption, LogisticsChannel
from kakaclo_async.models.order import Order
from kakaclo_async.models.order_v1 import OrderV1
from kakaclo_async.models.product import Product, StockLevel
from kakaclo_async.models.reference import Category, Warehouse
from kakaclo_async.models.refund import Refund

SAMPLES = Path(__file__).parent.parent / "samples"
KINDS = {
    "v1_custom_customDesigned_addProduct": str,
    "v1_custom_customDesigned_search": Page[Design],
    "v1_custom_designModel_detail": DesignModelDetail,
    "v1_custom_designModel_search": Page[DesignModel],
    "v1_custom_modelCategoryName_search": tuple[str, ...],
    "v1_order_channel": tuple[LogisticsChannel, ...],
    "v1_order_create": str,
    "v1_order_orders_query": Page[OrderV1],
    "v1_order_orders_status_a": Page[OrderV1],
    "v1_order_orders_status_b": Page[OrderV1],
    "v1_order_orders_status_c": Page[OrderV1],
    "v1_order_refund_create": str,
    "v1_order_refund_query": Page[Refund],
    "v1_product_category": Page[Category],
    "v1_product_countryAndWarehouse": Page[Warehouse],
    "v1_product_products": Page[Product],
    "v1_product_stocks_one": Page[StockLevel],
    "v1_product_stocks_two": Page[StockLevel],
    "v2_order_channel": tuple[LogisticsChannel, ...],
    "v2_order_channel_automationSplit": tuple[FreightOption, ...],
    "v2_order_channel_automationSplit_old_shape": tuple[FreightOption, ...],
    "v2_order_channel_without_type": tuple[LogisticsChannel, ...],
    "v2_order_create": str,
    "v2_order_orders_fully_shipped": Page[Order],
    "v2_order_orders_partially_shipped": Page[Order],
    "v2_order_orders_query_old_shape": Page[Order],
    "v2_order_orders_waiting_to_ship": Page[Order],
    "v2_order_refund_create": str,
    "v2_order_refund_create_numeric": str,
    "v2_order_refund_query": Page[Refund],
}
NO_MODELS = {"error_400_invalid_request"}
ANSWERS = {path.stem for path in SAMPLES.glob("*.json") if not path.stem.endswith(".request")}


def pytest_generate_tests(metafunc):
    """Run a test with `published` for every published answer: its name, and the type that it is read as."""
    if "published" in metafunc.fixturenames:
        assert KINDS.keys() | NO_MODELS == ANSWERS
        metafunc.parametrize("published", KINDS.items(), ids=KINDS)


@pytest.fixture(scope="session")
def sample():
    """Give the bytes of a published document."""
    return lambda name: (SAMPLES / f"{name}.json").read_bytes()


@pytest.fixture(scope="session")
def read(sample):
    """Read a published answer as a type, in each of the two ways, which must agree."""

    def read_sample(name: str, kind):
        body = sample(name)
        envelope = codec.read_envelope(body)
        found = codec.decode(envelope.data, kind)
        assert found == codec.converter.structure(codec.decode(envelope.data, object), kind)
        in_one_pass = codec.decode_body(body, kind, success=10000)
        assert in_one_pass in (None, found)
        return found

    return read_sample


@pytest.fixture(scope="session")
def decode():
    """Read plain JSON data as a type."""

    def decode_value(value: object, kind, **more):
        return codec.decode(msgspec.json.Encoder(decimal_format="number").encode(value), kind, **more)

    return decode_value
