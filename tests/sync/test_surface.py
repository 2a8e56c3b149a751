"""Both packages have the same names, methods and parameters; only waiting differs."""

import inspect
import typing
from functools import cached_property

import pytest

import kakaclo_async
import kakaclo_async.catalog
import kakaclo_async.client
import kakaclo_async.ordering
import kakaclo_async.resources.v1
import kakaclo_async.sandbox
import kakaclo_sync
import kakaclo_sync.resources

RENAMED = {"aclose": "close", "__aenter__": "__enter__", "__aexit__": "__exit__"}
# `kk.orders.submit` and its like await them on the client's loop.
STAYS_ASYNC = {(kakaclo_sync.Journal, "once"), (kakaclo_sync.Journal, "recall")}
RESOURCES = [
    *["Categories", "Custom", "Freight", "Orders", "Payment", "Products", "Refunds", "Stocks", "Warehouses"],
    *["V1", "OrdersV1", "FreightV1", "RefundsV1"],
]


def async_resource(name):
    holder = kakaclo_async.resources.v1 if name.endswith("V1") else kakaclo_async.client
    return getattr(holder, name)


PAIRS = [
    (kakaclo_async.KakaClo, kakaclo_sync.KakaClo),
    (kakaclo_async.sandbox.Sandbox, kakaclo_sync.Sandbox),
    (kakaclo_async.catalog.Mirror, kakaclo_sync.Mirror),
    (kakaclo_async.ordering.Journal, kakaclo_sync.Journal),
    *[(async_resource(name), getattr(kakaclo_sync.resources, name)) for name in RESOURCES],
]


def members(cls):
    """Return the public members of a class, and what its instances get in `__init__`."""
    names = {name: member for kind in reversed(cls.__mro__[:-1]) for name, member in vars(kind).items()}
    names |= dict.fromkeys(getattr(cls, "__annotations__", {}))
    if cls is kakaclo_async.resources.v1.V1:
        names |= {name: cached_property(None) for name in vars(cls(None))}
    return {
        RENAMED.get(name, name): member
        for name, member in names.items()
        if not name.startswith("_") or name in RENAMED or name in RENAMED.values()
    }


def parameters(method):
    """Return everything about the parameters but how the package spells the type of `self`."""
    return [
        (parameter.name, parameter.kind, parameter.default, str(parameter.annotation))
        for parameter in inspect.signature(method).parameters.values()
    ]


@pytest.mark.parametrize(("asynchronous", "blocking"), PAIRS, ids=lambda cls: cls.__name__)
def test_every_public_member_has_its_blocking_twin_and_nothing_else_is_there(asynchronous, blocking):
    assert members(blocking).keys() == members(asynchronous).keys()


@pytest.mark.parametrize(("asynchronous", "blocking"), PAIRS, ids=lambda cls: cls.__name__)
def test_twins_take_the_same_parameters_and_say_the_same(asynchronous, blocking):
    twins = members(blocking)
    for name, member in members(asynchronous).items():
        twin = twins[name]
        if inspect.isfunction(member):
            assert parameters(twin) == parameters(member), name
            assert not inspect.iscoroutinefunction(twin) or (blocking, name) in STAYS_ASYNC, name
            if hasattr(twin, "__wrapped__"):
                assert twin.__doc__ == member.__doc__, name


@pytest.mark.parametrize("cls", [blocking for _, blocking in PAIRS], ids=lambda cls: cls.__name__)
def test_no_blocking_method_returns_an_awaitable(cls):
    for name, member in members(cls).items():
        if inspect.isfunction(member):
            returned = str(inspect.signature(member).return_annotation)
            assert "Async" not in returned, name
            assert "Await" not in returned.replace("Callable[[], str | Awaitable[str]]", ""), name


def test_the_constructors_differ_only_in_the_session_which_belongs_to_a_loop_of_the_users():
    expected = [entry for entry in parameters(kakaclo_async.KakaClo.__init__) if entry[0] != "session"]
    assert parameters(kakaclo_sync.KakaClo.__init__) == expected


def test_the_sandboxes_take_the_same_settings():
    assert parameters(kakaclo_sync.Sandbox.__init__) == parameters(kakaclo_async.sandbox.Sandbox.__init__)


def test_every_attribute_of_a_client_leads_to_the_twin_of_what_the_async_one_has():
    for name, member in members(kakaclo_async.KakaClo).items():
        if isinstance(member, (property, cached_property)):
            function = member.fget if isinstance(member, property) else member.func
            found = typing.get_type_hints(function)["return"]
            twin = vars(kakaclo_sync.KakaClo)[name]
            twin_function = twin.fget if isinstance(twin, property) else twin.func
            assert typing.get_type_hints(twin_function)["return"].__name__ == found.__name__


def test_both_packages_export_the_same_names_besides_the_blocking_iterators_and_what_is_lazy():
    more = {"Pull", "Stream", "Sandbox", "Mirror", "Journal"}
    assert set(kakaclo_sync.__all__) == set(kakaclo_async.__all__) | more
    for name in set(kakaclo_async.__all__) - more - {"KakaClo"}:
        assert getattr(kakaclo_sync, name) is getattr(kakaclo_async, name)


def test_all_is_sorted_exact_and_importable():
    assert sorted(kakaclo_sync.__all__) == sorted(set(kakaclo_sync.__all__))
    public = {
        name
        for name, value in vars(kakaclo_sync).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    accidental = {"annotations", "import_module", "TYPE_CHECKING"}
    assert public - accidental <= set(kakaclo_sync.__all__)
    for name in kakaclo_sync.__all__:
        assert getattr(kakaclo_sync, name) is not None
        assert name in dir(kakaclo_sync)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        kakaclo_sync.Nonsense  # noqa: B018 - looking is the test


def test_importing_the_package_loads_no_extra_and_starts_no_thread(script):
    assert script("""
        import sys, threading
        import kakaclo_sync
        extras = {"sqlalchemy", "aiosqlite", "asyncpg", "redis", "typer", "rich", "pyarrow", "uvloop"}
        print(sorted(extras & sys.modules.keys()), "kakaclo_async.sandbox" in sys.modules, threading.active_count())
    """) == ["[]", "False", "1"]
