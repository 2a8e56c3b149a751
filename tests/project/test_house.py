"""The house stays easy to find one's way in: few and small files, names listed once, short ways of a call."""

from __future__ import annotations

import ast
import asyncio
import sys
import threading
from collections import Counter
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from support.shop import ADDRESS
from support.source import ROOT, modules, tree

import kakaclo_async
from kakaclo_async import Item, NewOrder
from kakaclo_async.catalog import Mirror
from kakaclo_async.ordering import Journal

SANDBOX = "kakaclo_async.sandbox"
# What is for shops' files has rooms of its own, which the core never enters: see test_import_direction.py.
SHOP = ("kakaclo_async.shop", "kakaclo_async.cli.shop", "kakaclo_sync.shop")
BOARD = ("kakaclo_async.board", "kakaclo_async.cli.board")  # likewise
TELEMETRY = ("kakaclo_async.telemetry", "kakaclo_sync.telemetry")  # likewise
FLEET = ("kakaclo_async.fleet", "kakaclo_async.cli.fleet", "kakaclo_sync.fleet")  # likewise
FEED = ("kakaclo_async.feed", "kakaclo_sync.feed")  # likewise
MOST_FILES = 132
MOST_FILES_IN_A_FOLDER = 14
MOST_LINES_IN_A_FILE = 330
LONGER = {
    "kakaclo_async.fleet.fleet": 380,  # each call of a fleet, with what it promises
    "kakaclo_async.fleet.table": 380,  # every statement on the table of shops
    "kakaclo_async.ratelimit.gate": 460,  # gate, lanes and permits are one subject
    "kakaclo_sync._proxy": 375,  # all that the blocking face is made of
    "kakaclo_async.shop.incoming.dialects": 450,  # a table: a paragraph for each kind of file
}


def test_both_packages_without_the_sandbox_and_the_rooms_of_their_own_have_few_files():
    rooms = (SANDBOX, *SHOP, *BOARD, *TELEMETRY, *FEED, *FLEET)
    files = [module for module in modules() if not module.startswith(rooms)]
    assert len(files) <= MOST_FILES


def test_no_folder_has_many_files():
    folders = Counter(path.parent.relative_to(ROOT) for path in modules().values() if path.parent != ROOT)
    assert {str(folder): count for folder, count in folders.items() if count > MOST_FILES_IN_A_FOLDER} == {}


def test_no_module_is_long():
    lines = {module: len(path.read_text().splitlines()) for module, path in modules().items()}
    assert {
        module: count for module, count in lines.items() if count > LONGER.get(module, MOST_LINES_IN_A_FILE)
    } == {}


def test_a_public_models_name_stands_in_its_class_statement_and_in_the_list_of_public_names():
    """Its uses apart: an import that only passes it on, or a string that lists it, would be a third place."""
    models = {
        name
        for name in kakaclo_async.__all__
        if getattr(getattr(kakaclo_async, name), "__module__", "").startswith("kakaclo_async.models")
    }
    assert len(models) > 40
    places = {name: [] for name in models}
    for module in modules():
        if not module.startswith((SANDBOX, "kakaclo_sync.sandbox")):
            for name, line in listings(module):
                if name in models:
                    places[name].append(f"{module}:{line}")
    assert {name: found for name, found in places.items() if len(found) != 2} == {}


def listings(module):
    """Yield each name that a module defines, passes on or lists, with its line."""
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.ClassDef):
            yield node.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            yield from ((alias.name, node.lineno) for alias in node.names if alias.asname == alias.name)
    for statement in tree(module).body:
        if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
            for node in ast.walk(statement.value):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value, node.lineno


def test_permits_have_no_other_name():
    word = "mar" + "ble"
    files = [path for folder in ("kakaclo_async", "kakaclo_sync", "tests", "benchmarks", "examples", "docs")
             for path in (ROOT / folder).rglob("*") if path.suffix in {".py", ".md", ".lua"}]  # fmt: skip
    files = [path for path in [*files, ROOT / "README.md"] if path.name != "glossary.md"]
    assert [str(path.relative_to(ROOT)) for path in files if word in path.read_text().lower()] == []


class Entered:
    """The files of the package in which a function is called, the sandbox's apart."""

    def __init__(self):
        self.files = set()
        self.watching = False

    def profile(self, frame, event, _argument):
        if self.watching and event == "call":
            self.files.add(frame.f_code.co_filename)

    @contextmanager
    def watched(self):
        loop = asyncio.get_running_loop()
        loop.set_debug(False)  # in debug mode the loop itself asks for the repr of results
        self.files.clear()
        self.watching = True
        yield
        self.watching = False
        loop.set_debug(True)

    def __len__(self):
        return len(self.names())

    def names(self):
        package = Path(kakaclo_async.__file__).parent
        paths = [Path(file) for file in self.files]
        inside = [path.relative_to(package) for path in paths if path.is_relative_to(package)]
        return sorted(str(path) for path in inside if path.parts[0] != "sandbox")


@pytest.fixture
def entered():
    """Watches this thread, and those that start from now on."""
    entered = Entered()
    threading.setprofile(entered.profile)
    sys.setprofile(entered.profile)
    yield entered
    sys.setprofile(None)
    threading.setprofile(None)


@pytest.mark.kakaclo_sandbox(products=30, index_lag=0, capacity=10_000, per_second=10_000)
async def test_a_look_up_enters_few_files(kk, sandbox, entered):
    sku, *_ = sandbox.catalog.skus()
    await kk.stocks.get(sku)
    with entered.watched():
        await kk.stocks.get(sku)
    assert 5 < len(entered) <= 15, entered.names()


@pytest.mark.kakaclo_sandbox(products=30, index_lag=0, capacity=10_000, per_second=10_000)
async def test_an_order_enters_few_files(kk, sandbox, entered, tmp_path):
    sku, *_ = sandbox.catalog.selling(pieces=5)
    journal = Journal(f"sqlite:///{tmp_path}/orders.db", now=sandbox.now)
    await kk.orders.submit(
        NewOrder(address=ADDRESS, items=[Item(sku, 1)], custom_order_id="A"), journal=journal
    )
    order = NewOrder(address=ADDRESS, items=[Item(sku, 1)], custom_order_id="B")
    with entered.watched():
        await kk.orders.submit(order, journal=journal)
    assert 10 < len(entered) <= 25, entered.names()


@pytest.mark.kakaclo_sandbox(products=30, index_lag=0, capacity=10_000, per_second=10_000)
async def test_a_mirror_enters_few_files(kk, sandbox, entered, tmp_path):
    mirror = Mirror(kk, f"sqlite:///{tmp_path}/catalog.db", now=sandbox.now)
    await mirror.run(until=sandbox.now() - timedelta(days=30))
    with entered.watched():
        await mirror.run()
    assert 15 < len(entered) <= 34, entered.names()
