"""Shops' files for blocking callers."""

import ast
import csv
import inspect
import io
import re
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.shop import ADDRESS
from support.shop_files import FILES, L, M

import kakaclo_async.shop
import kakaclo_sync.shop
from kakaclo_sync import InvalidRequest, Item, Journal, Mirror, NewOrder

ASYNC_ONES = [
    name for name in kakaclo_async.shop.__all__
    if inspect.iscoroutinefunction(getattr(kakaclo_async.shop, name))
]  # fmt: skip

LATE = sorted(kakaclo_async.shop._MODULES)


@pytest.fixture
def mirrored(kk, tmp_path):
    """The URL of a mirror of the sandbox."""
    url = f"sqlite:///{tmp_path}/catalog.db"
    Mirror(kk, url).run()
    return url


def test_the_names_are_those_of_the_async_face_and_only_what_waits_is_another():
    assert kakaclo_sync.shop.__all__ == kakaclo_async.shop.__all__
    assert "export_listings" in ASYNC_ONES
    for name in kakaclo_async.shop.__all__:
        ours, theirs = getattr(kakaclo_sync.shop, name), getattr(kakaclo_async.shop, name)
        assert (ours is theirs) == (name not in ASYNC_ONES), name


@pytest.mark.parametrize("name", ASYNC_ONES)
def test_what_waits_takes_the_same_parameters_says_the_same_and_returns_its_result(name):
    ours, theirs = getattr(kakaclo_sync.shop, name), getattr(kakaclo_async.shop, name)
    assert not inspect.iscoroutinefunction(ours)
    assert inspect.signature(ours) == inspect.signature(theirs)
    assert ours.__doc__ == theirs.__doc__
    assert not re.search(r"\bawait|async|aclos|coroutine|contextlib", inspect.getdoc(ours))


def test_type_checkers_know_every_name():
    body = ast.parse(Path(inspect.getsourcefile(kakaclo_sync.shop)).read_text()).body
    blocks = [node for node in body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    nodes = [node for block in blocks for node in block.body]
    names = {alias.asname for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names}
    names |= {node.targets[0].id for node in nodes if isinstance(node, ast.Assign)}
    assert {name for name in names if name} == set(kakaclo_async.shop.__all__)


def test_a_star_import_and_dir_have_every_name():
    namespace = {}
    exec("from kakaclo_sync.shop import *", namespace)  # noqa: S102 - no function may hold a star import
    assert namespace.keys() - {"__builtins__"} == set(kakaclo_async.shop.__all__)
    assert set(kakaclo_async.shop.__all__) <= set(dir(kakaclo_sync.shop))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"'kakaclo_sync.shop' has no attribute 'nonsense'"):
        kakaclo_sync.shop.nonsense  # noqa: B018 - looking is the test


def test_orders_are_read():
    found = kakaclo_sync.shop.read_orders(FILES / "shopify_status.csv", sku_map=FILES / "own_sku.map.csv")
    assert {
        entry.custom_order_id: {item.sku: item.quantity for item in entry.order.items}
        for entry in found.orders
    } == {"#1001": {M: 2, L: 1}, "#1006": {L: 1}}


def test_listings_are_written_and_no_thread_is_left(mirrored, tmp_path):
    before = set(threading.enumerate())
    told = []
    report = kakaclo_sync.shop.export_listings(
        mirrored, tmp_path / "products.csv", price="x2 end .99", explain=told.append
    )
    with (tmp_path / "products.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert report.rows == len(rows) > report.products > 10
    assert all(row["Price"].endswith(".99") for row in rows if row["SKU"])
    assert len(told) == report.skus + sum(report.left_out.values())
    assert {
        thread.name for thread in set(threading.enumerate()) - before if thread.name == "kakaclo-loop"
    } == set()


def test_listings_go_to_an_open_file_which_is_not_read_first(mirrored, tmp_path):
    kakaclo_sync.shop.export_listings(mirrored, tmp_path / "products.csv")
    file = io.BytesIO()
    kakaclo_sync.shop.export_listings(mirrored, file)
    assert file.getvalue() == (tmp_path / "products.csv").read_bytes()


def test_codes_of_a_lazy_list_are_read_on_the_callers_thread(mirrored, tmp_path):
    threads = []

    def codes():
        threads.append(threading.current_thread())
        yield "NO-SUCH"

    report = kakaclo_sync.shop.export_listings(mirrored, tmp_path / "products.csv", only=codes())
    assert threads == [threading.current_thread()]
    assert report.unknown == ("NO-SUCH",)


def test_tracking_numbers_are_told_once(kk, sandbox, tmp_path):
    journal = Journal(f"sqlite:///{tmp_path}/orders.db")
    sku = next(sandbox.catalog.selling(pieces=5))
    order = NewOrder(address=ADDRESS, items=[Item(sku, 1)], custom_order_id="A-1")
    kk.orders.submit(order, journal=journal)
    sandbox.skip(86_400)
    found = kakaclo_sync.shop.tracking(since=datetime.now(UTC) - timedelta(days=1), kk=kk)
    assert [order.custom_order_id for order in found.orders] == ["A-1"]
    reports = [
        kakaclo_sync.shop.tell_tracking(kk, journal, tmp_path / "Orders.csv", target="matrixify")
        for _ in range(2)
    ]
    assert [[row["Name"] for row in report.rows] for report in reports] == [["A-1"], []]
    file = io.BytesIO()
    rows = kakaclo_sync.shop.shipped(found.orders).rows
    kakaclo_sync.shop.write_tracking(rows, file, target="matrixify")
    assert file.getvalue() == (tmp_path / "Orders.csv").read_bytes()
    assert kk.payment.balance().amount < sandbox.balance  # the client goes on


def test_errors_are_those_of_the_async_face(mirrored, tmp_path):
    with pytest.raises(InvalidRequest, match="target must be one of shopify"):
        kakaclo_sync.shop.export_listings(mirrored, tmp_path / "products.csv", target="amazon")


def test_importing_it_loads_no_extra(script):
    assert script("""
        import sys, threading, kakaclo_sync.shop
        print([name for name in ("sqlalchemy", "babel", "typer") if name in sys.modules], threading.active_count())
    """) == ["[]", "1"]


@pytest.mark.parametrize("face", ["kakaclo_async", "kakaclo_sync"])
@pytest.mark.parametrize("name", LATE)
def test_a_name_whose_extra_is_missing_says_what_to_install(script, face, name):
    assert script(f"""
        import sys
        sys.modules["sqlalchemy"] = None
        import kakaclo_sync
        try:
            from {face}.shop import {name}
            {name}("sqlite:///shop.db")
        except ImportError as error:
            print("pip install 'kakaclo[catalog]'" in str(error), isinstance(error, kakaclo_sync.ConfigurationError))
    """) == ["True", "True"]


@pytest.mark.parametrize("face", ["kakaclo_async", "kakaclo_sync"])
def test_a_country_by_its_name_without_its_extra_says_what_to_install(script, face, tmp_path):
    path = tmp_path / "orders.csv"
    common = (FILES / "etsy_sold_order_items.csv").read_text()
    path.write_text(common.replace("United States", "Verenigde Staten"))
    assert script(f"""
        import sys
        sys.modules["babel"] = None
        import kakaclo_sync
        from {face}.shop import read_orders
        try:
            read_orders({str(path)!r}, phone="+1 555 0100")
        except kakaclo_sync.ConfigurationError as error:
            print("pip install 'kakaclo[shop]'" in str(error))
    """) == ["True"]
