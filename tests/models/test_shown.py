"""How models show themselves: one short line each, and tables in a notebook, in which nothing is code or a person."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from html.parser import HTMLParser
from importlib import import_module
from pkgutil import iter_modules
from typing import get_args

import attrs
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from support.travelling import public_models, values_of
from support.whole import a_line, an_offer, an_order

import kakaclo_async
import kakaclo_sync
from kakaclo_async import (
    Address,
    Attributes,
    Category,
    Certificate,
    Design,
    FreightMatrix,
    FreightOption,
    FreightQuote,
    Item,
    Lane,
    NewOrder,
    Option,
    Page,
    Product,
    ProductStatus,
    Rejected,
    Sent,
    Sku,
    SkuImages,
    Window,
)
from kakaclo_async.models.order import OrderStatus
from kakaclo_async.travel import Travels
from kakaclo_async.travel.shown import Shown, Tabled, shown_fields

PICTURE = "https://img.kakaclo.com/image%2FAMN00769%2Fc7f22ba7.jpg"
NAME = "Women's Long Sleeve Lace Patchwork Casual Blouse With Buttons"
LONG = "l<'\"&\n\u2028\U000e0001" * 300
MODELS = public_models()


def product(number=1, **fields):
    named = {"spu": f"AMN{number:05}", "product_name": NAME, "price": Decimal("6.1600"), "stock": 1_200}
    skus = tuple(Sku(sku=f"AMN{number:05}_{size}", main_img=PICTURE, stock=3) for size in "SML")
    return Product(**named | {"spu_status": ProductStatus.ON_SHELF, "sku_details": skus} | fields)


ORDER = an_order(
    id="KA1",
    custom_order_id="A-1",
    status=OrderStatus.PROCESSING,
    final_amount=Decimal("12.50"),
    order_items=(a_line(item_id="7", sku_code="A", image_url=PICTURE), a_line(item_id="8")),
)


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (
            product(),
            (
                "Product(spu='AMN00001', product_name=\"Women's Long Sleeve Lace Patchwork Casu…\", price=6.1600,"
                " stock=1200, spu_status=ON_SHELF, 3 skus)"
            ),
        ),
        (
            ORDER,
            "Order(id='KA1', custom_order_id='A-1', status='processing', final_amount=12.50, 2 order items)",
        ),
        (
            Sku(sku="A", option1=Option("color", "Black", raw="{}"), stock=0),
            "Sku(sku='A', option1='Black', stock=0)",
        ),
        (Product(spu="A", spu_status=ProductStatus(77)), "Product(spu='A', spu_status=77)"),
        (FreightQuote((an_offer(),)), "FreightQuote(1 freight option)"),
        (Category(category_id=1, child=(Category(), Category())), "Category(category_id=1, 2 categories)"),
        (SkuImages(skus=("A", "B", "C", "D", "E")), "SkuImages(skus=['A', 'B', 'C', +2])"),
        (
            NewOrder(
                address=Address(country="US", phone="5", recipient="J", province="P"), items=[Item("A", 1)]
            ),
            "NewOrder(channel_type='Standard', address=Address(country='US'), 1 item)",
        ),
        (
            Window(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 2, tzinfo=UTC)),
            "Window(start=2024-01-01T00:00:00Z, end=2024-01-02T00:00:00Z)",
        ),
        (
            Certificate(windows=3),
            "Certificate(windows=3, requests=0, rereads=0, bounded=False, finished=False)",
        ),
        (an_order(id=""), "Order(status='processing', final_amount=0)"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_model_shows_what_is_worth_it_in_one_line(value, line):
    assert repr(value) == line


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@pytest.mark.parametrize("kind", MODELS, ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_every_public_model_is_one_line_under_200_characters(kind, data):
    line = repr(data.draw(values_of(kind)))
    assert len(line) < 200
    assert len(line.splitlines()) == 1


def rooms():
    """The classes of values that the rooms of both faces list, and events among them."""
    found = {
        getattr(module, name)
        for face in (kakaclo_async, kakaclo_sync)
        for one in iter_modules(face.__path__)
        if one.name[0] != "_"
        for module in [import_module(f"{face.__name__}.{one.name}")]
        for name in getattr(module, "__all__", ())
    }
    values = [kind for kind in [*found, *MODELS] if isinstance(kind, type) and issubclass(kind, Travels)]
    return sorted({kind for kind in values if attrs.has(kind)}, key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", rooms(), ids=lambda kind: kind.__name__)
def test_every_value_in_every_room_shows_itself_in_the_one_way(kind):
    """Python's own would be as long as its numbers, and shows `<Lane.BULK: 'bulk'>`."""
    assert issubclass(kind, Shown)


def test_an_event_is_read_at_a_glance():
    sent = Sent(
        method="POST", path="/v2/order/orders/1000000371651/refund", route="/v2/order/orders/{}/refund", lane=Lane.BULK,
        attempt=3, status=200, seconds=1.123456789, size=1000,
    )  # fmt: skip
    assert repr(sent) == (
        "Sent(method='POST', path='/v2/order/orders/1000000371651/refund', lane='bulk', attempt=3, status=200,"
        " seconds=1.123456789, size=1000, waited=0.0)"
    )


SHOWN = [kind for kind in MODELS if issubclass(kind, Shown) and attrs.has(kind)]


def stuffed(kind, depth=2):
    """Make a model of the longest texts, past all checks."""
    made = object.__new__(kind)
    for field in attrs.fields(attrs.resolve_types(kind)):
        value = None if kind is Page else LONG
        if "tuple" in str(field.type):
            inner = Sku if kind is Page else next(iter(get_args(field.type)))
            inner = next(iter(get_args(inner)), inner)
            rows = stuffed(inner, depth - 1) if attrs.has(inner) and depth else LONG
            value = () if attrs.has(inner) and not depth else (rows,) * 50
        object.__setattr__(made, field.name, value)
    return made


@pytest.mark.parametrize("kind", SHOWN, ids=lambda kind: kind.__name__)
def test_no_text_is_too_long_for_the_line(kind):
    line = repr(stuffed(kind))
    assert line.startswith(f"{kind.__name__}(")
    assert line.endswith(")")
    assert len(line) < 200
    assert line.isprintable()


def test_long_mappings_are_cut_too():
    assert len(repr(Attributes(dict.fromkeys(map(str, range(100)), "x")))) < 200


@pytest.mark.parametrize("kind", SHOWN, ids=lambda kind: kind.__name__)
def test_what_is_shown_is_a_field_that_repr_may_show(kind):
    allowed = {field.name for field in attrs.fields(kind) if field.repr}
    assert set(shown_fields(kind)) <= allowed
    assert {kind._brief, getattr(kind, "_rows", "")} - {""} <= allowed


class Reader(HTMLParser):
    """Collects what a browser would: tags, sources of pictures, texts of cells."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.pictures, self.texts = set(), [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        if tag == "img":
            self.pictures.append(dict(attributes))

    def handle_data(self, data):
        self.texts.append(data)


def test_a_page_of_40_products_is_a_table_with_small_pictures():
    html = Page(list=tuple(map(product, range(40))), total=188_349, page_number=1)._repr_html_()
    seen = Reader(html)
    assert len(html) < 40_000
    assert seen.tags == {"p", "table", "thead", "tbody", "tr", "th", "td", "img"}
    assert len(seen.pictures) == 40
    assert {picture["loading"] for picture in seen.pictures} == {"lazy"}
    assert seen.pictures[0]["src"] == f"{PICTURE}?x-oss-process=image/resize,w_96,h_96,m_fill/format,webp"
    assert seen.texts[0] == "Page(40 of 188,349 products, page 1)"
    assert {"AMN00000", "AMN00039", "6.1600", "3 skus"} <= set(seen.texts)


def test_a_product_and_an_order_show_themselves_and_their_lines():
    seen = Reader(product()._repr_html_())
    assert {"AMN00001", "AMN00001_S", "AMN00001_L"} <= set(seen.texts)
    assert len(seen.pictures) == 4
    seen = Reader(ORDER._repr_html_())
    assert {"KA1", "A-1", "processing", "12.50", "item id", "7", "8"} <= set(seen.texts)
    assert len(seen.pictures) == 1


def test_quotes_show_their_offers():
    option = FreightOption(estimated_freight=Decimal("5.04"), delivery_time="6~9 Business Days")
    assert {"5.04", "6~9 Business Days"} <= set(Reader(FreightQuote((option,))._repr_html_()).texts)
    cart = (Item("<A>", 2),)
    matrix = FreightMatrix(
        {(cart, "US"): FreightQuote((option,)), (cart, "DE"): Rejected("<no>", status=400)}
    )
    assert {"2 x <A>", "US", "5.04", "6~9 Business Days", "DE", "Rejected"} <= set(
        Reader(matrix._repr_html_()).texts
    )


@pytest.mark.parametrize(
    ("url", "source"),
    [
        ("//img.kakaclo.com/a.jpg", "https://img.kakaclo.com/a.jpg?x-oss-process=image/resize,w_96,h_96,m_fill/format,webp"),
        ("https://pictures.example/a.jpg?sign=b&c=d", "https://pictures.example/a.jpg?sign=b&c=d"),
        ("https://notkakaclo.com/a.jpg", "https://notkakaclo.com/a.jpg"),
        ('https://a.example/"onerror="alert(1)', 'https://a.example/"onerror="alert(1)'),
        ("http://img.kakaclo.com/a.jpg", None),
        ("javascript:alert(1)", None),
        ("data:image/png;base64,AAAA", None),
        ("https://[", None),
        ("https:///a.jpg", None),
        ("https://a.example/" + "a" * 1_000, None),
        ("a.jpg", None),
        ("", None),
    ],
)  # fmt: skip
def test_pictures_come_over_https_or_not_at_all(url, source):
    seen = Reader(Page(list=(Design(id=1, image_url=url),))._repr_html_())
    assert [picture["src"] for picture in seen.pictures] == ([] if source is None else [source])
    assert all(set(picture) == {"loading", "src", "width", "height", "alt"} for picture in seen.pictures)


TABLED = [kind for kind in MODELS if issubclass(kind, Tabled)]


@pytest.mark.parametrize("kind", TABLED, ids=lambda kind: kind.__name__)
def test_no_text_becomes_markup_or_makes_a_table_too_large(kind):
    html = stuffed(kind)._repr_html_()
    assert len(html) < 40_000
    assert Reader(html).tags <= {"p", "table", "thead", "tbody", "tr", "th", "td", "img"}
    assert "l<'" not in html


def test_a_table_counts_the_rows_that_have_no_room():
    html = Page(list=tuple(map(product, range(1_000))))._repr_html_()
    assert len(html) < 40_000
    told = html.count("<tr>") - 1
    assert 50 < told < 1_000
    assert html.endswith(f"<p>and {1_000 - told} more</p>")


def test_other_rows_are_shown_by_their_lines():
    assert Reader(Page(list=("<a>", "b"))._repr_html_()).texts[-2:] == ["'<a>'", "'b'"]
    assert Reader(Page(list=(Sku(sku="A"), Category()))._repr_html_()).texts[-2:] == [
        "Sku(sku='A')",
        "Category()",
    ]
