"""Public names load their modules when they are first asked for; nobody else notices."""

import ast
import inspect
import typing
from importlib import import_module
from pathlib import Path

import pytest

import kakaclo_async
import kakaclo_sync
from kakaclo_async.lazy import lazy_property

PACKAGES = [
    "kakaclo_async",
    "kakaclo_async.models",
    "kakaclo_async.resources",
    "kakaclo_sync",
    "kakaclo_sync.resources",
]


def static_imports(package):
    """Return what type checkers read: the module of each name."""
    body = ast.parse(Path(inspect.getsourcefile(package)).read_text()).body
    (block,) = [
        node for node in body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    return {name.name: node.module for node in block.body for name in node.names}


@pytest.mark.parametrize("name", PACKAGES)
def test_type_checkers_and_the_interpreter_find_the_same_names_in_the_same_modules(name):
    package = import_module(name)
    found = static_imports(package)
    assert sorted(found) == sorted(package.__all__) == sorted(set(package.__all__))
    for public, module in found.items():
        assert getattr(package, public) is getattr(import_module(module), public)
        assert public in dir(package)


@pytest.mark.parametrize("name", PACKAGES)
def test_a_star_import_brings_every_public_name(name):
    namespace = {}
    exec(f"from {name} import *", namespace)  # noqa: S102 - no function may hold a star import
    assert namespace.keys() >= set(import_module(name).__all__)


@pytest.mark.parametrize("package", ["kakaclo_async", "kakaclo_sync"])
def test_importing_a_package_loads_neither_its_core_nor_an_extra_and_starts_no_thread(script, package):
    heavy = [
        "aiohttp",
        "attrs",
        "cattrs",
        "msgspec",
        "sqlalchemy",
        "redis",
        "typer",
        "pyarrow",
        "uvloop",
        "pytest",
    ]
    assert script(f"""
        import sys, threading, {package}
        print([name for name in {heavy} if name in sys.modules], threading.active_count())
    """) == ["[]", "1"]


def test_a_client_and_an_area_of_it_load_no_other_area_and_no_extra(script):
    assert script("""
        import sys
        from kakaclo_sync import KakaClo
        with KakaClo("t") as kk:
            kk.payment
        print(*[name for name in sys.modules if name.startswith("kakaclo_async.resources.")])
        print({"sqlalchemy", "aiosqlite", "redis", "uvloop", "kakaclo_async.sandbox"} & sys.modules.keys())
    """) == ["kakaclo_async.resources.reference", "set()"]


def test_modules_are_attributes_of_their_package_as_they_would_be_after_importing_them(script):
    assert script("""
        import kakaclo_async, kakaclo_sync
        print(kakaclo_async.errors.NotFound.__name__, kakaclo_async.models.order.Order.__name__)
        print(kakaclo_async.NotFound is kakaclo_async.errors.NotFound, kakaclo_sync.client.__name__)
    """) == ["NotFound", "Order", "True", "kakaclo_sync.client"]


@pytest.mark.parametrize("package", [kakaclo_async, kakaclo_sync], ids=lambda package: package.__name__)
def test_an_unknown_name_is_an_attribute_error(package):
    with pytest.raises(AttributeError, match=rf"{package.__name__}.* has no attribute 'Nonsense'"):
        package.Nonsense  # noqa: B018 - looking is the test
    with pytest.raises(ImportError, match="Nonsense"):
        exec(f"from {package.__name__} import Nonsense")  # noqa: S102 - as an import statement says it


def test_a_name_whose_extra_is_missing_says_what_to_install(script):
    assert script("""
        import sys
        sys.modules["sqlalchemy"] = None
        import kakaclo_sync
        try:
            kakaclo_sync.Mirror
        except Exception as error:
            print("kakaclo[catalog]" in str(error))
    """) == ["True"]


def test_a_module_that_is_there_and_lacks_another_names_the_other(tmp_path, monkeypatch):
    package = tmp_path / "lazy_shop"
    package.mkdir()
    (package / "shelf.py").write_text("import nowhere_to_be_found")
    (package / "__init__.py").write_text(
        "from kakaclo_async.lazy import lazy_names\n__getattr__, __dir__ = lazy_names(__name__, {'Box': 'lazy_shop.shelf'})"
    )
    monkeypatch.syspath_prepend(tmp_path)
    shop = import_module("lazy_shop")
    for name in ("shelf", "Box"):
        with pytest.raises(ModuleNotFoundError, match="nowhere_to_be_found"):
            getattr(shop, name)


def test_threads_that_ask_first_together_get_the_same_objects(script):
    assert script("""
        import sys, threading
        from concurrent.futures import ThreadPoolExecutor
        sys.setswitchinterval(1e-5)
        import kakaclo_sync
        barrier = threading.Barrier(16)
        areas = "categories warehouses products stocks freight orders refunds custom payment".split()

        def look(turn):
            barrier.wait()
            client = kakaclo_sync.KakaClo
            barrier.wait()
            name = kakaclo_sync.__all__[turn]
            parts = [getattr(kk, areas[(turn + step) % len(areas)]) for step in range(len(areas))]
            return client, sorted(map(id, parts)), getattr(kakaclo_sync, name) is getattr(kakaclo_sync, name)

        kk = kakaclo_sync.KakaClo("t")
        with ThreadPoolExecutor(16) as pool:
            clients, parts, same = zip(*pool.map(look, range(16)))
        print(len(set(clients)), len(set(map(tuple, parts))), all(same))
    """) == ["1", "1", "True"]


def test_a_lazy_property_is_made_once_for_each_object_and_documents_itself():
    class Shop:
        @lazy_property
        def shelf(self) -> list:
            """The shelf."""
            return []

    one, other = Shop(), Shop()
    assert one.shelf is one.shelf is not other.shelf
    assert inspect.getdoc(Shop.shelf) == "The shelf."
    assert typing.get_type_hints(Shop.shelf.make)["return"] is list
