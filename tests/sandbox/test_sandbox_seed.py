from __future__ import annotations

import json
from collections import Counter
from itertools import islice
from random import Random

import pytest
from hypothesis import given, strategies as st

from kakaclo_async.sandbox import Sandbox
from kakaclo_async.sandbox.http.products import category_tree
from kakaclo_async.sandbox.world.goods import Shelf
from kakaclo_async.sandbox.world.places import CATEGORIES, WAREHOUSES
from kakaclo_async.sandbox.world.seed import Assortment, uneven_times


@pytest.fixture(scope="module")
def many():
    made = Assortment(7)
    return [made.product(row, 1_700_000_000) for row in range(1500)]


def test_equal_seeds_make_equal_products_and_others_make_others():
    def some(seed):
        return [Assortment(seed).product(row, 0) for row in range(20)]

    assert some(3) == some(3)
    assert some(3) != some(4)


@given(st.integers(0, 200_000), st.integers(0, 50))
def test_a_code_leads_back_to_its_row(row, seed):
    made = Assortment(seed)
    assert made.row(made.spu(row)) == row


@pytest.mark.parametrize("code", ["", "AMN", "AMN00000", "AMN-0001", "XXX00001", "AMN٣", "00001"])
def test_a_code_that_no_row_has_leads_nowhere(code):
    assert Assortment(1).row(code) is None


def test_products_are_what_a_clothes_shop_has(many):
    assert {len(product.skus) for product in many} == set(range(1, 13))
    assert len({sku.code for product in many for sku in product.skus}) == sum(len(p.skus) for p in many)
    for product in many:
        assert len(CATEGORIES[product.category].path) == 3
        assert set(product.warehouses) <= {code for code, place in WAREHOUSES.items() if place.enabled}
        assert json.loads(product.attributes)
        for sku in product.skus:
            assert sku.code.startswith(product.spu + "_")
            assert 0 < sku.cost < sku.price
            assert sku.price.as_tuple().exponent == -2
            assert 50 < sku.weight < 1500
            assert len(sku.stock) == len(product.warehouses)
            assert min(sku.stock) >= 0
            assert json.loads(sku.options["option1"])["name"] == "color"


def test_most_are_on_the_shelf_and_every_status_occurs(many):
    statuses = Counter(product.status for product in many)
    assert set(statuses) == set(Shelf)
    assert statuses[Shelf.ON] > 0.7 * len(many)
    for product in many:
        found = {sku.status for sku in product.skus}
        if Shelf.ON in found:
            assert product.status == Shelf.ON
        elif product.status in (Shelf.OFF, Shelf.DELETED, Shelf.DISCONTINUED):
            assert found == {product.status}


def test_supplier_levels_tell_how_much_there_is(many):
    floor = {"A": 101, "B": 51, "C": 10, "": 0}
    for product in many:
        for sku in product.skus:
            assert sku.status == Shelf.OUT_OF_STOCK or sum(sku.stock) >= floor[product.supplier_level]


def test_update_times_come_in_bursts_and_leave_quiet_months():
    start, end = 1_600_000_000, 1_726_000_000
    times = uneven_times(Random(1), 20_000, start, end)
    assert len(times) == 20_000
    assert start <= min(times)
    assert max(times) <= end
    assert max(Counter(times).values()) > 100  # a second that holds several pages
    months = Counter((moment - start) // 2_600_000 for moment in times)
    assert max(months.values()) > 20 * min(months.values())


@pytest.mark.parametrize("count", [0, 1, 2, 3, 10])
def test_small_catalogs_have_times_too(count):
    assert len(uneven_times(Random(1), count, 0, 864)) == count


def test_the_category_tree_has_three_levels_and_leads_back_to_its_parents():
    def walk(nodes, parent, level, path):
        for node in nodes:
            assert (node["parentId"], node["level"]) == (parent, level)
            assert node["fullCategoryId"] == "/".join(map(str, [*path, node["categoryId"]]))
            yield node["level"]
            yield from walk(node["child"], node["categoryId"], level + 1, [*path, node["categoryId"]])

    assert set(walk(category_tree(), 0, 1, [])) == {1, 2, 3}


async def test_equal_seeds_make_equal_sandboxes(opened):
    one, same, other = [await opened(seed=seed) for seed in (5, 5, 6)]
    assert list(one.sandbox.catalog.products()) == list(same.sandbox.catalog.products())
    assert list(one.sandbox.catalog.stock_rows()) == list(same.sandbox.catalog.stock_rows())
    assert list(one.sandbox.catalog.products()) != list(other.sandbox.catalog.products())


async def test_a_large_catalog_costs_little_before_it_is_read(opened):
    http = await opened(products=20_000)
    assert sum(1 for _ in http.sandbox.catalog.spus()) == 20_000
    assert len(list(islice(http.sandbox.catalog.products(), 5))) == 5


@pytest.mark.parametrize(
    "wrong",
    [
        {"products": -1},
        {"speed": 0},
        {"page_size": 0},
        {"years": 0},
        {"capacity": 0},
        {"index_lag": -1},
        {"page_sizes": (30, 0)},
        {"page_size_every": 0},
        {"deep_pages": "first"},
        {"bulk_stock_share": 1.5},
        {"drop_row_rate": 2},
        {"repeat_row_mode": "twice"},
        {"tie_shuffle_by": "day"},
        {"lookup_limit": -1},
        {"refuses_codes_status": 99},
        {"damaged_rows": {"AMN00001": "fire"}},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Sandbox(**wrong)


async def test_a_bulk_job_gives_a_share_of_products_and_of_stock_one_second_each(opened, ever):
    http = await opened(products=200, bulk_product_share=0.6, bulk_stock_share=0.4)
    plain = await opened(products=200)
    catalog = http.sandbox.catalog
    assert list(catalog.skus()) == list(plain.sandbox.catalog.skus())
    [(second, most)] = Counter(row["updateTime"] for row in catalog.products()).most_common(1)
    assert 120 <= most < 130
    window = {"dateStartTime": second, "dateEndTime": second}
    assert (await http.get("/v1/product/products", **window))["total"] == most
    times = catalog._truth.stock._times
    [(_, most)] = Counter(times).most_common(1)
    assert most >= round(0.4 * len(times))
    assert (await http.get("/v1/product/stocks", **ever))["total"] == len(times)


@pytest.mark.parametrize("share", [0.001, 1.0])
@pytest.mark.parametrize("products", [0, 1, 2])
async def test_a_bulk_second_holds_few_rows_or_all(opened, products, share):
    http = await opened(products=products, bulk_product_share=share, bulk_stock_share=share)
    assert len(list(http.sandbox.catalog.spus())) == products
