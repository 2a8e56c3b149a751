"""Listings: every live SKU once, no dead one, and no piece promised that is not there."""

from __future__ import annotations

import csv
import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from kakaclo_async import InvalidRequest
from kakaclo_async.shop.outgoing.listings import listing_rows
from kakaclo_async.shop.outgoing.listings_goods import listed
from kakaclo_async.shop.outgoing.listings_text import handle_of, plain_text, safe_html, short_code
from kakaclo_async.shop.outgoing.prices import PriceRule
from kakaclo_async.shop.outgoing.targets import TARGETS
from kakaclo_async.shop.outgoing.targets_google import age_of, gender_of

FILES = Path(__file__).parent / "files_out"
RULE = PriceRule.parse("x2.5 +3 end .99")


def catalog():
    document = json.loads((FILES / "catalog_in.json").read_text())
    return document["product"], document["skus"]


def sku(code, *options, **fields):
    """A SKU that is on sale, with options as `color=Black`."""
    pairs = [option.split("=") for option in options]
    return {
        "sku": code, "price": "5.98", "stock": 5, "sku_status": 1, "gone_since": None, "package_weight": 256,
        **{f"option{n}": {"name": name, "value": value} for n, (name, value) in enumerate(pairs, start=1)},
        **fields,
    }  # fmt: skip


def rows_of(skus, target="shopify", product=None, **settings):
    product = {"spu": "AMN1", "product_name": "Thing"} | (product or {})
    found = listed(product, skus, rule=RULE, most_options=TARGETS[target].most_options, **settings)
    return listing_rows([] if found.goods is None else [found.goods], target)


def test_shopifys_products_are_the_expected_file_cell_for_cell():
    found = listed(*catalog(), rule=RULE, buffer=2)
    with (FILES / "shopify_products.expected.csv").open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        expected = list(reader)

    rows = listing_rows([found.goods])

    assert list(rows[0]) == reader.fieldnames
    assert rows == expected


def test_each_price_is_explained_and_each_sku_left_out_says_why():
    found = listed(*catalog(), rule=RULE, buffer=2)

    assert found.told == (
        "AMN09001_GR_M: 5.98 x 2.5 + 3 = 17.95 -> 17.99",
        "AMN09001_GR_L: 6.48 x 2.5 + 3 = 19.2 -> 19.99",
        "AMN09001_B_M: left out: discontinued",
        "AMN09001_B_L: left out: gone",
    )
    assert found.left_out == {"discontinued": 1, "gone": 1}


def test_an_inventory_keeps_dead_skus_with_0():
    found = listed(*catalog(), rule=RULE, buffer=2, with_dead=True)

    rows = listing_rows([found.goods], "shopify-inventory")

    assert [(row["SKU"], row["On hand (new)"]) for row in rows] == [
        ("AMN09001_GR_M", "18"),
        ("AMN09001_GR_L", "0"),
        ("AMN09001_B_M", "0"),
        ("AMN09001_B_L", "0"),
    ]
    assert {row["Handle"] for row in rows} == {"amn09001"}


STATUSES = st.none() | st.integers(0, 9)
OPTIONS = st.lists(
    st.tuples(
        st.sampled_from(["color", "Color", "size", "print", "fit"]), st.sampled_from(["", "M", "m", "L"])
    ),
    max_size=4,
)
SKUS = st.lists(
    st.builds(
        lambda options, status, stock, gone: sku(
            "",
            *(f"{name}={value}" for name, value in options),
            sku_status=status,
            stock=stock,
            gone_since=gone,
        ),
        OPTIONS,
        STATUSES,
        st.none() | st.integers(-5, 50),
        st.sampled_from([None, None, "2026-11-01T00:00:00Z"]),
    ),
    max_size=8,
).map(lambda skus: [{**each, "sku": f"A_{n}"} for n, each in enumerate(skus)])


@pytest.mark.parametrize(("target", "column"), [("shopify", "SKU"), ("woocommerce", "SKU"), ("google", "id")])
@given(skus=SKUS, buffer=st.integers(0, 9))
def test_every_live_sku_is_listed_once_and_no_dead_one(target, column, skus, buffer):
    rows = rows_of(skus, target, buffer=buffer)

    alive = [each["sku"] for each in skus if each["sku_status"] not in {2, 3} and not each["gone_since"]]
    assert [row[column] for row in rows if row[column].startswith("A_")] == alive


@pytest.mark.parametrize("country_stock", [True, False])
@given(skus=SKUS, buffer=st.integers(0, 9))
def test_no_more_is_promised_than_lies_there_less_what_is_kept_back(country_stock, skus, buffer):
    rows = rows_of(skus, "shopify-inventory", buffer=buffer, with_dead=True)

    assert [row["SKU"] for row in rows] == [each["sku"] for each in skus]
    for each, row in zip(skus, rows, strict=True):
        sold = not each["gone_since"] and each["sku_status"] in {None, 1, 4, 5}
        assert int(row["On hand (new)"]) == max(0, (each["stock"] or 0) - buffer if sold else 0)


@given(skus=SKUS)
def test_no_two_variants_of_a_product_have_the_same_options(skus):
    rows = rows_of(skus)

    names = [name for name in rows[0] if name.startswith("Option")] if rows else []
    shown = [tuple(row[name].casefold() for name in names) for row in rows]
    assert len(set(shown)) == len(shown)
    assert all(bool(row[f"Option{n} name"]) == bool(row[f"Option{n} value"]) for row in rows for n in range(1, len(names) // 2 + 1))  # fmt: skip
    assert len(names) <= 6


def values(rows, *names):
    return [tuple(row[name] for name in names) for row in rows]


def test_options_go_by_their_names_wherever_they_stand():
    rows = rows_of(
        [sku("A", "color=Black", "size=M"), sku("B", "Size=L", "Color=Red"), sku("C", "color=Blue", "size=")]
    )

    assert values(rows, "Option1 name", "Option1 value", "Option2 name", "Option2 value") == [
        ("color", "Black", "size", "M"),
        ("color", "Red", "size", "L"),
        ("color", "Blue", "size", "-"),
    ]


def test_more_options_than_a_shop_takes_are_joined_into_its_last():
    rows = rows_of([sku("A", "color=Black", "size=M", "print=Dots", "fit=Slim")])

    assert values(rows, "Option3 name", "Option3 value") == [("print / fit", "Dots / Slim")]


def test_skus_that_differ_in_nothing_are_told_apart_by_their_codes():
    assert values(rows_of([sku("A", "size=M"), sku("B", "size=m")]), "Option1 value") == [("M",), ("m (B)",)]
    assert values(rows_of([sku("A"), sku("B")]), "Option1 name", "Option1 value") == [
        ("SKU", "A"),
        ("SKU", "B"),
    ]


def test_a_single_sku_without_options_is_a_simple_product():
    assert values(rows_of([sku("A")]), "Option1 name", "Option1 value") == [("Title", "Default Title")]
    [row] = rows_of([sku("A")], "woocommerce")
    assert (row["Type"], row["SKU"], row["Parent"], row["Name"]) == ("simple", "A", "", "Thing")


def test_woocommerce_has_a_parent_with_all_values_and_a_row_for_each_variation():
    skus = [
        sku("A", "color=Black, faded", "size=M", stock=0),
        sku("B", "color=Red", "size=M", package_weight="7.5"),
    ]
    parent, first, second = rows_of(skus, "woocommerce", {"full_category_name": "Women/Tops, Tees"})

    assert (parent["Type"], parent["SKU"], parent["Stock"], parent["In stock?"]) == (
        "variable",
        "AMN1",
        "",
        "1",
    )
    assert parent["Categories"] == "Women > Tops\\, Tees"
    assert (parent["Attribute 1 value(s)"], parent["Attribute 2 value(s)"]) == ("Black\\, faded, Red", "M")
    assert (first["Type"], first["Parent"], first["In stock?"], first["Stock"]) == (
        "variation",
        "AMN1",
        "0",
        "0",
    )
    assert (first["Weight (kg)"], second["Weight (kg)"]) == ("0.256", "0.0075")
    assert second["Regular price"] == "17.99"


def test_a_woocommerce_parent_never_shares_its_code_with_a_variation():
    rows = rows_of([sku("AMN1", "size=M"), sku("AMN1_L", "size=L")], "woocommerce")

    assert values(rows, "SKU", "Parent") == [
        ("AMN1-parent", ""),
        ("AMN1", "AMN1-parent"),
        ("AMN1_L", "AMN1-parent"),
    ]


def test_pictures_beyond_the_variants_get_rows_of_their_own():
    images = [
        {"skus": ["A"], "imgUrl": ["https://i.example/1", "javascript:alert(1)", "https://i.example/2"]}
    ]
    rows = rows_of([sku("A")], product={"sku_img_url": json.dumps(images)})

    assert values(rows, "URL handle", "SKU", "Product image URL", "Image position") == [
        ("amn1", "A", "https://i.example/1", "1"),
        ("amn1", "", "https://i.example/2", "2"),
    ]
    assert rows[1]["Price"] == rows[1]["Inventory quantity"] == rows[1]["Gift card"] == ""


@pytest.mark.parametrize("price", [None, "", "0", "0.00"])
def test_a_sku_without_a_price_is_left_out_and_told_but_stays_in_an_inventory(price):
    skus = [sku("A", price=price)]
    found = listed({"spu": "AMN1"}, skus, rule=RULE)

    assert found.goods is None
    assert sum(found.left_out.values()) == 1
    assert found.told[0].startswith("A: left out: ")
    assert len(rows_of(skus, "shopify-inventory", with_dead=True)) == 1


def test_google_gets_its_limits_kept():
    code = "AMN00003_" + "X" * 50 + "_M"
    product = {
        "product_name": "word " * 60,
        "description": "text " * 2000,
        "full_category_name": "Kids/Girls/Tops",
    }
    [row] = rows_of([sku(code, "color=Red", "size=M")], "google", product)

    assert len(row["id"]) <= 50
    assert row["id"] == short_code(code, 50) != short_code(code + "L", 50)
    assert len(row["title"]) <= 150
    assert row["title"].endswith("word - Red, M")
    assert len(row["description"]) <= 5000
    assert (row["price"], row["availability"], row["shipping_weight"]) == ("17.99 USD", "in_stock", "256 g")
    assert (row["gender"], row["age_group"], row["color"], row["size"]) == ("female", "kids", "Red", "M")


@pytest.mark.parametrize(
    ("category", "gender", "age"),
    [
        ("Women/Bottoms", "female", "adult"),
        ("Men's Clothing/Shirts", "male", "adult"),
        ("Girls/Dresses", "female", "kids"),
        ("Boys/Tops", "male", "kids"),
        ("Kids/Boys/Tops", "male", "kids"),
        ("Baby/Rompers", "unisex", "infant"),
        ("Baby Boys/Rompers", "male", "infant"),
        ("Women/Boyfriend Jeans", "female", "adult"),
        ("Home/Mugs", "", ""),
    ],
)
def test_gender_and_age_group_come_from_the_category(category, gender, age):
    assert (gender_of(category.split("/")), age_of(category.split("/"))) == (gender, age)


@given(st.lists(st.text(min_size=1, max_size=12), unique=True, max_size=30))
def test_no_two_products_share_a_handle_and_no_two_skus_a_shortened_code(codes):
    assert len({handle_of(code) for code in codes}) == len(codes)
    assert len({short_code("x" * 60 + code, 50) for code in codes}) == len(codes)
    assert all(set(handle_of(code)) <= set("abcdefghijklmnopqrstuvwxyz0123456789-") for code in codes)


def test_handles_of_codes_that_differ_in_case_or_signs_alone_differ():
    assert handle_of("AMN09001") == "amn09001"
    assert len({handle_of(code) for code in ("AMN1", "amn1", "AMN-1", "AMN_1", "AMN 1", "__")}) == 6


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("a < b & c", "<p>a &lt; b &amp; c</p>"),
        ("one\ntwo\r\n\r\nthree", "<p>one<br>two</p><p>three</p>"),
        ("<p onclick='x()'>hi</p>", "<p>hi</p>"),
        ("<script>alert(1)</script>hi<b>!", "hi<b>!</b>"),
        ("<img src=x onerror=alert(1)>", ""),
        ("<img src='https://i.example/\"1.jpg' alt='\"'>", ""),
        ("<img src='https://i.example/1.jpg' onerror=x>", '<img src="https://i.example/1.jpg" alt="">'),
        ("<a href='javascript:x'>link</a>", "link"),
        ("&lt;script&gt;alert(1)&lt;/script&gt;", "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>"),
        ("<b>&lt;script&gt;</b>", "<b>&lt;script&gt;</b>"),
        ("<ul><li>one<li>two</ul></p>", "<ul><li>one<li>two</li></li></ul>"),
        ("", ""),
        (None, ""),
    ],
)
def test_a_description_becomes_html_that_runs_nothing(text, made):
    assert safe_html(text) == made


@given(st.text(alphabet="<>/ a\"'=&;!-", max_size=60) | st.text())
def test_no_attribute_but_those_of_pictures_survives(text):
    made = safe_html(f"<b>{text}")

    assert "<script" not in made.lower()
    for tag in made.split("<")[1:]:
        name = tag.split(">")[0]
        assert " " not in name or name.startswith("img src=")


def test_plain_text_keeps_words_apart():
    assert plain_text("<p>one</p><p>two &amp; three</p>") == "one two & three"


def test_codes_and_targets_that_make_no_sense_are_refused():
    with pytest.raises(InvalidRequest, match="target must be one of shopify, shopify-inventory, woocommerce"):
        listing_rows([], "ebay")
    assert Decimal(rows_of([sku("A")])[0]["Cost per item"]) == Decimal("5.98")


def test_a_title_is_one_line_that_shopify_takes():
    for target in ("shopify", "shopify-inventory"):
        row = rows_of([sku("A1")], target, {"product_name": " A  long\nname " + "x" * 300})[0]
        assert row["Title"] == "A long name " + "x" * 243
    assert rows_of([sku("A1")], product={"product_name": " \n "})[0]["Title"] == "AMN1"
