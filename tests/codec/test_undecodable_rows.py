"""`Page[Product | Undecodable]`: one row that cannot be read costs none of the others."""

from __future__ import annotations

from hypothesis import given, strategies as st

from kakaclo_async import codec
from kakaclo_async.codec import Undecodable
from kakaclo_async.errors import DecodeError
from kakaclo_async.models.common import Page
from kakaclo_async.models.product import Product, StockLevel

GOOD = st.fixed_dictionaries(
    {"spu": st.sampled_from(["P", "Q"]), "price": st.sampled_from([1, "2.50", None])}
)
BAD = st.sampled_from([{"spu": "B", "price": "cheap"}, {"price": 1}, {"spu": ""}, ["P"], 5, True, None, ""])


def alone(row):
    try:
        return codec.decode(codec.encode(row), Product)
    except DecodeError:
        return None


@given(st.lists(GOOD | BAD, max_size=4))
def test_each_row_is_read_as_if_it_were_alone_and_the_others_are_kept(rows):
    body = codec.encode({"code": 10000, "data": {"list": rows, "total": 9}})
    kind = Page[Product | Undecodable]

    page = codec.decode(codec.read_envelope(body).data, kind)

    assert page.total == 9
    assert [found if isinstance(found, Product) else None for found in page] == [alone(row) for row in rows]
    assert [found.document for found in page if isinstance(found, Undecodable)] == [
        row for row in rows if alone(row) is None
    ]
    assert codec.decode_body(body, kind, success=10000) in (None, page)


def test_pages_without_surprises_are_read_the_quick_way():
    body = codec.encode(
        {"code": 10000, "data": {"list": [{"sku": "A", "warehouseStockList": [{"qty": 3}]}], "total": 1}}
    )

    page = codec.decode_body(body, Page[StockLevel | Undecodable], success=10000)

    assert page is not None
    assert page.list[0].qty == 3


def test_the_problem_has_its_path_and_not_the_value():
    row = {"spu": "P", "skuDetails": [{"sku": "A", "price": "cheap"}]}

    [undecodable] = codec.decode(codec.encode({"list": [row]}), Page[Product | Undecodable])

    assert undecodable.problem == "Product.skuDetails[0].price must be a number, not a text that is none"
    assert "cheap" not in repr(undecodable)
