"""Each public name is listed once; both packages take it from there, and load what needs an extra when it is used."""

import ast
import inspect
import pkgutil
import pydoc
import re
from importlib import import_module
from pathlib import Path

import pytest

import kakaclo_async
import kakaclo_sync
from kakaclo_async import public

PACKAGES = pytest.mark.parametrize(
    "package", [kakaclo_async, kakaclo_sync], ids=lambda package: package.__name__
)


def imports(module, *, type_checking=False):
    """Return the names that the source of a module imports, with the module that each comes from."""
    body = ast.parse(Path(inspect.getsourcefile(module)).read_text()).body
    if type_checking:
        (block,) = [
            node for node in body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        ]
        body = block.body
    nodes = [node for node in body if isinstance(node, ast.ImportFrom)]
    return [(name.name, name.asname, node.module) for node in nodes for name in node.names]


def test_the_list_holds_each_name_once_and_says_to_type_checkers_that_it_is_public():
    listed = imports(public)
    assert [alias for _, alias, _ in listed] == [name for name, _, _ in listed]
    assert len({name for name, _, _ in listed}) == len(listed)
    assert sorted(name for name, _, _ in listed) == public.NAMES
    for name, _, module in listed:
        assert getattr(kakaclo_async, name) is getattr(import_module(module), name)


def test_type_checkers_and_the_interpreter_find_what_is_loaded_late_in_the_same_modules():
    late = imports(kakaclo_sync, type_checking=True)
    assert {name: module for name, _, module in late} == {
        name: f"kakaclo_sync.{module}" for name, module in kakaclo_sync._MODULES.items()
    }
    for name, alias, module in late:
        assert name == alias
        assert getattr(kakaclo_sync, name) is getattr(import_module(module), name)


@PACKAGES
def test_a_star_import_and_dir_and_help_have_every_public_name_and_no_other(package):
    namespace = {}
    exec(f"from {package.__name__} import *", namespace)  # noqa: S102 - no function may hold a star import
    assert namespace.keys() - {"__builtins__"} == set(package.__all__)
    assert set(package.__all__) <= set(dir(package))
    text = pydoc.render_doc(package, renderer=pydoc.plaintext)
    for name in package.__all__:
        assert re.search(rf"^    (class )?{name}\b", text, re.MULTILINE) or name == "__version__", name


@pytest.mark.parametrize("package", ["kakaclo_async", "kakaclo_sync"])
def test_importing_a_package_loads_nothing_that_needs_an_extra_and_starts_no_thread(script, package):
    late = ["catalog", "ordering", "sandbox", "shop", "cli", "testing"]
    assert script(f"""
        import sys, threading, {package}
        extras = ["sqlalchemy", "aiosqlite", "asyncpg", "redis", "typer", "pyarrow", "uvloop", "pytest"]
        parts = [f"{{package}}.{{part}}" for package in ("kakaclo_async", "kakaclo_sync") for part in {late}]
        print([name for name in extras + parts if name in sys.modules], threading.active_count())
    """) == ["[]", "1"]


def test_a_client_loads_nothing_that_needs_an_extra(script):
    assert script("""
        import sys
        from kakaclo_sync import KakaClo
        with KakaClo("t") as kk:
            kk.payment
        print({"sqlalchemy", "aiosqlite", "redis", "uvloop", "kakaclo_async.sandbox"} & sys.modules.keys())
    """) == ["set()"]


def test_modules_are_attributes_of_their_package(script):
    assert script("""
        import kakaclo_async, kakaclo_sync
        print(kakaclo_async.errors.NotFound.__name__, kakaclo_async.models.order.Order.__name__)
        print(kakaclo_async.NotFound is kakaclo_async.errors.NotFound, kakaclo_sync.client.__name__)
    """) == ["NotFound", "Order", "True", "kakaclo_sync.client"]


@PACKAGES
def test_an_unknown_name_is_an_attribute_error(package):
    assert not hasattr(package, "nonsense")
    with pytest.raises(AttributeError, match=rf"{package.__name__}.* has no attribute 'Nonsense'"):
        package.Nonsense  # noqa: B018 - looking is the test
    with pytest.raises(ImportError, match="Nonsense"):
        exec(f"from {package.__name__} import Nonsense")  # noqa: S102 - as an import statement says it


@pytest.mark.parametrize(
    "package",
    ["kakaclo_async", "kakaclo_sync", "kakaclo_async.feed", "kakaclo_async.shop", "kakaclo_sync.shop"],
)
def test_without_any_extra_everything_can_be_asked_for(script, package):
    assert script(f"""
        import sys
        for extra in ("sqlalchemy", "aiosqlite", "asyncpg", "redis", "typer", "babel", "yaml", "pyarrow", "keyring"):
            sys.modules[extra] = None
        import pydoc, {package} as package
        from {package} import *
        print(all(hasattr(package, name) and name in dir(package) for name in package.__all__))
        print(all(name in globals() for name in package.__all__), len(pydoc.render_doc(package)) > 1000)
    """) == ["True", "True", "True"]


EXTRAS = (
    *("sqlalchemy", "aiosqlite", "filelock", "asyncpg", "redis", "keyring", "babel", "jinja2", "markupsafe"),
    *("typer", "rich", "platformdirs", "yaml", "pyarrow", "opentelemetry", "uvloop"),
)


@pytest.mark.parametrize("missing", [EXTRAS, ("markupsafe",)], ids=["all", "markupsafe"])
@pytest.mark.parametrize("face", [kakaclo_async, kakaclo_sync], ids=lambda face: face.__name__)
def test_a_module_whose_extra_is_missing_is_an_import_error_that_says_what_to_install(script, face, missing):
    names = [f"{face.__name__}.{found.name}" for found in pkgutil.iter_modules(face.__path__)]
    found = script(f"""
        import sys
        for extra in {missing}:
            sys.modules[extra] = None
        from importlib import import_module
        from kakaclo_async import MissingExtra
        for name in {names}:
            try:
                import_module(name)
            except MissingExtra as error:
                print(name.rpartition(".")[2] + str("pip install 'kakaclo[" in str(error)))
            except Exception as error:
                print(name, type(error).__name__)
    """)
    lacking = {"board", "catalog", "fleet", "ordering", "telemetry"} if missing == EXTRAS else {"board"}
    if face is kakaclo_sync and missing == EXTRAS:
        lacking.add("feed")  # its receivers of webhooks import what is in the other package
    lacking &= {name.rpartition(".")[2] for name in names}
    assert set(filter(None, found)) == {f"{name}True" for name in lacking}


@pytest.mark.parametrize("module", ["catalog", "feed", "ordering", "sandbox", "shop"])
def test_both_faces_have_one_layout(module):
    asynchronous, blocking = (import_module(f"{face}.{module}") for face in ("kakaclo_async", "kakaclo_sync"))
    assert blocking.__all__ == asynchronous.__all__
    for name in asynchronous.__all__:
        here, there = getattr(blocking, name), getattr(asynchronous, name)
        # What is awaited there is something else here, and nothing else is.
        assert (here is there) != (
            inspect.iscoroutinefunction(there) or name in {"Feed", "Mirror", "Journal", "Sandbox"}
        ), name


@pytest.mark.parametrize("name", ["Journal", "Mirror"])
def test_a_name_whose_extra_is_missing_says_what_to_install(script, name):
    assert script(f"""
        import sys
        sys.modules["sqlalchemy"] = None
        import kakaclo_sync
        try:
            from kakaclo_sync import {name}
            {name}("sqlite:///shop.db")
        except ImportError as error:
            print("pip install 'kakaclo[catalog]'" in str(error), isinstance(error, kakaclo_sync.ConfigurationError))
    """) == ["True", "True"]


def test_a_module_that_is_there_and_lacks_another_names_the_other(script):
    assert script("""
        import sys
        sys.modules["kakaclo_async.catalog.reading"] = None
        import kakaclo_sync
        try:
            kakaclo_sync.Mirror
        except ModuleNotFoundError as error:
            print(error.name)
    """) == ["kakaclo_async.catalog.reading"]


def test_threads_that_ask_first_together_get_the_same_objects(script):
    assert script("""
        import sys, threading
        from concurrent.futures import ThreadPoolExecutor
        sys.setswitchinterval(1e-5)
        import kakaclo_sync
        barrier = threading.Barrier(16)
        names = ["Mirror", "Journal", "Sandbox"]

        def look(turn):
            barrier.wait()
            return tuple(id(getattr(kakaclo_sync, names[(turn + step) % 3])) for step in range(-turn, 3 - turn))

        with ThreadPoolExecutor(16) as pool:
            print(len(set(pool.map(look, range(16)))))
    """) == ["1"]


def test_areas_of_a_client_and_of_its_views_stay_the_same_objects():
    kk = kakaclo_sync.KakaClo("t")
    view = kk.bulk()
    assert kk.orders is kk.orders
    assert view.orders is view.orders is not kk.orders
    kk.close()
