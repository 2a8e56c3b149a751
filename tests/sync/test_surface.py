"""Both packages have the same names, methods and parameters; only waiting differs."""

import inspect
import re
import warnings
from importlib import import_module

import pytest

import kakaclo_async
import kakaclo_async.catalog
import kakaclo_async.feed
import kakaclo_async.fleet
import kakaclo_async.ordering
import kakaclo_async.sandbox
import kakaclo_sync
import kakaclo_sync.feed
import kakaclo_sync.fleet
import kakaclo_sync.resources

RENAMED = {"aclose": "close", "__aenter__": "__enter__", "__aexit__": "__exit__"}
# `kk.orders.submit` and its like await them on the client's loop.
STAYS_ASYNC = {(kakaclo_sync.Journal, "once"), (kakaclo_sync.Journal, "recall")}
RESOURCES = [
    *["Categories", "Custom", "Freight", "Orders", "Payment", "Products", "Refunds", "Stocks", "Warehouses"],
    *["V1", "OrdersV1", "FreightV1", "RefundsV1"],
]


AREAS = {"Categories": "reference", "Payment": "reference", "Warehouses": "reference"}


def area(name):
    """Return the async class of an area and the blocking one."""
    module = "v1" if name.endswith("V1") else AREAS.get(name, name.lower())
    async_module = import_module(f"kakaclo_async.resources.{module}")
    return getattr(async_module, name), getattr(kakaclo_sync.resources, name)


PAIRS = [
    (kakaclo_async.KakaClo, kakaclo_sync.KakaClo),
    (kakaclo_async.sandbox.Sandbox, kakaclo_sync.Sandbox),
    (kakaclo_async.catalog.Mirror, kakaclo_sync.Mirror),
    (kakaclo_async.ordering.Journal, kakaclo_sync.Journal),
    (kakaclo_async.feed.Feed, kakaclo_sync.feed.Feed),
    (kakaclo_async.fleet.Fleet, kakaclo_sync.fleet.Fleet),
    *map(area, RESOURCES),
]


def areas(cls):
    """Return the public attributes of a client or of its outdated area."""
    if cls.__name__ not in {"KakaClo", "V1"}:
        return {}
    owner = cls.__module__.partition(".")[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # V1 is outdated
        kk = import_module(owner).KakaClo("t")
        found = kk if cls.__name__ == "KakaClo" else kk.v1
    return {name: value for name, value in vars(found).items() if not name.startswith("_")}


def members(cls):
    """Return the public members of a class and the public attributes of its instances."""
    names = {name: member for kind in reversed(cls.__mro__[:-1]) for name, member in vars(kind).items()}
    names |= dict.fromkeys(getattr(cls, "__annotations__", {}))
    names |= dict.fromkeys(areas(cls))
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
def test_help_speaks_of_nothing_that_blocking_callers_do_not_have(cls):
    for name, member in members(cls).items():
        if inspect.isfunction(member) and (cls, name) not in STAYS_ASYNC:
            text = inspect.getdoc(member) or ""
            assert not re.search(r"\bawait|async|aclos|coroutine|contextlib", text), (name, text)


@pytest.mark.parametrize("cls", [blocking for _, blocking in PAIRS], ids=lambda cls: cls.__name__)
def test_no_blocking_method_returns_an_awaitable(cls):
    for name, member in members(cls).items():
        if inspect.isfunction(member):
            returned = str(inspect.signature(member).return_annotation)
            assert "Async" not in returned, name
            assert "Await" not in returned.replace("Callable[[], str | Awaitable[str]]", ""), name


def constructor(cls):
    """Return the parameters of a class's constructor but for what is an event loop's own; `now` has a default each."""
    own = {"session"}  # belongs to the loop that made it
    lambdas = "<lambda>"
    # A mirror also takes a team, which is async alone.
    return [
        (
            name,
            kind,
            lambdas if getattr(default, "__name__", "") == lambdas else default,
            "KakaClo" if annotation == "Client" else annotation,
        )
        for name, kind, default, annotation in parameters(cls.__init__)
        if name not in own
    ]


@pytest.mark.parametrize(("asynchronous", "blocking"), PAIRS[:4], ids=lambda cls: cls.__name__)
def test_the_constructors_differ_only_in_the_session_which_belongs_to_a_loop_of_the_users(
    asynchronous, blocking
):
    assert constructor(blocking) == constructor(asynchronous)


@pytest.mark.parametrize(("asynchronous", "blocking"), PAIRS[:4], ids=lambda cls: cls.__name__)
def test_the_parameters_of_a_constructor_are_told_in_the_same_words(asynchronous, blocking):
    told = [re.findall(r"^ +(\w+): ", cls.__doc__, re.MULTILINE) for cls in (asynchronous, blocking)]
    names = [
        {name for name, *_ in constructor(cls)} & {*words}
        for cls, words in zip((asynchronous, blocking), told, strict=True)
    ]
    assert names[0] == names[1]


@pytest.mark.parametrize(("asynchronous", "blocking"), [PAIRS[0], area("V1")], ids=["KakaClo", "V1"])
def test_every_area_of_a_client_is_the_twin_of_the_async_one(asynchronous, blocking):
    expected = {name: type(value).__name__ for name, value in areas(asynchronous).items()}
    assert {name: type(value).__name__ for name, value in areas(blocking).items()} == expected
    assert len(expected) == (9 if blocking is kakaclo_sync.KakaClo else 3)


def test_both_packages_export_the_same_names_besides_the_blocking_iterators_and_what_needs_more():
    more = {"Pull", "Stream", "Sandbox", "Mirror", "Journal"}
    assert set(kakaclo_sync.__all__) == set(kakaclo_async.__all__) | more
    for name in set(kakaclo_async.__all__) - more - {"KakaClo"}:
        assert getattr(kakaclo_sync, name) is getattr(kakaclo_async, name)
