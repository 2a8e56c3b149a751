"""Models as rows of a table: flat, exact, and all with the same columns."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import attrs
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from support.travelling import VALUES, public_models, values_of
from support.whole import an_order

import kakaclo_sync
from kakaclo_async import (
    InvalidRequest,
    Item,
    Option,
    Page,
    Product,
    ProductStatus,
    ShippingAddress,
    Sku,
    table,
)
from kakaclo_async.codec import decode, read_envelope

SAMPLES = Path(__file__).parent.parent / "samples"
NOW = datetime(2024, 1, 7, 3, 29, 18, tzinfo=UTC)
SCALARS = (str, int, float, bool, Decimal, datetime, type(None))


@pytest.mark.parametrize(
    "kind", [kind for kind in public_models() if kind not in VALUES], ids=lambda kind: kind.__name__
)
@given(data=st.data())
@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_model_becomes_a_row_of_scalars_and_all_rows_have_the_same_columns(kind, data):
    rows = table(data.draw(st.lists(values_of(kind), max_size=2)))
    assert all(type(value) in SCALARS for row in rows for value in row.values())
    assert len({tuple(row) for row in rows}) <= 1


def test_models_inside_become_columns_and_lists_become_json():
    skus = (Sku(sku="B", price=Decimal("6.1600"), option1=Option("color", "Red", "{}")), Sku(sku="C"))
    red, plain = table(skus)
    assert (red["option1_name"], red["option1_value"], plain["option1_value"]) == ("color", "Red", None)
    assert red["price"] == Decimal("6.1600")
    assert "option1_raw" not in red
    [product] = table(
        [Product(spu="A", spu_status=ProductStatus.ON_SHELF, update_time=NOW, sku_details=skus)]
    )
    assert (product["spu_status"], product["update_time"]) == (1, NOW)
    assert [sku["sku"] for sku in json.loads(product["sku_details"])] == ["B", "C"]
    placed, bare = table([an_order(shipping_address=ShippingAddress(country="US")), an_order(id="2")])
    assert (placed["shipping_address_country"], bare["shipping_address_country"]) == ("US", None)


def test_a_page_of_kakaclo_goes_through_arrow_and_pandas_and_loses_no_digit():
    import pandas as pd

    page = decode(read_envelope((SAMPLES / "v1_product_products.json").read_bytes()).data, Page[Product])
    skus = [sku for product in page for sku in product.sku_details]
    rows = table(skus)
    assert pa.Table.from_pylist(rows).column("price").to_pylist() == [sku.price for sku in skus]
    frame = pd.DataFrame(rows)
    assert list(frame["price"]) == [sku.price for sku in skus]
    assert list(frame["sku"]) == [sku.sku for sku in skus]
    assert pa.Table.from_pylist(table(page)).num_rows == len(page)


def test_a_table_of_something_else_is_refused():
    with pytest.raises(InvalidRequest, match="made of models, not of dict"):
        table([{"a": 1}])
    assert table([]) == []
    assert kakaclo_sync.table is table
    assert table([Item("A", 1)]) == [attrs.asdict(Item("A", 1))]


@pytest.mark.parametrize("one", [Item("A", 1), "A", 5, None], ids=repr)
def test_one_model_alone_is_no_table(one):
    with pytest.raises(InvalidRequest, match=f"^pass a list of models, not one {type(one).__name__}$"):
        table(one)
