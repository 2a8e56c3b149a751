"""Both packages have the same names, methods and parameters; only waiting differs."""

import inspect
import re
import typing

import pytest

import kakaclo_async
import kakaclo_async.catalog
import kakaclo_async.ordering
import kakaclo_async.sandbox
import kakaclo_sync
from kakaclo_async.lazy import lazy_property

RENAMED = {"aclose": "close", "__aenter__": "__enter__", "__aexit__": "__exit__"}
# `kk.orders.submit` and its like await them on the client's loop.
STAYS_ASYNC = {(kakaclo_sync.Journal, "once"), (kakaclo_sync.Journal, "recall")}
RESOURCES = [
    *["Categories", "Custom", "Freight", "Orders", "Payment", "Products", "Refunds", "Stocks", "Warehouses"],
    *["V1", "OrdersV1", "FreightV1", "RefundsV1"],
]


def resource(package, name):
    return getattr(package.resources.v1 if name.endswith("V1") else package.resources, name)


PAIRS = [
    (kakaclo_async.KakaClo, kakaclo_sync.KakaClo),
    (kakaclo_async.sandbox.Sandbox, kakaclo_sync.Sandbox),
    (kakaclo_async.catalog.Mirror, kakaclo_sync.Mirror),
    (kakaclo_async.ordering.Journal, kakaclo_sync.Journal),
    *[(resource(kakaclo_async, name), resource(kakaclo_sync, name)) for name in RESOURCES],
]


def members(cls):
    """Return the public members of a class, and what its instances get in `__init__`."""
    names = {name: member for kind in reversed(cls.__mro__[:-1]) for name, member in vars(kind).items()}
    names |= dict.fromkeys(getattr(cls, "__annotations__", {}))
    if cls is kakaclo_async.resources.v1.V1:
        names |= dict.fromkeys(vars(cls(None)))
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
        copy_error = twins[name]
        if inspect.isfunction(member):
            assert parameters(copy_error) == parameters(member), name
            assert not inspect.iscoroutinefunction(copy_error) or (blocking, name) in STAYS_ASYNC, name
            if hasattr(copy_error, "__wrapped__"):
                assert copy_error.__doc__ == member.__doc__, name


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


def test_the_constructors_differ_only_in_the_session_which_belongs_to_a_loop_of_the_users():
    expected = [entry for entry in parameters(kakaclo_async.KakaClo.__init__) if entry[0] != "session"]
    assert parameters(kakaclo_sync.KakaClo.__init__) == expected


def test_the_sandboxes_take_the_same_settings():
    assert parameters(kakaclo_sync.Sandbox.__init__) == parameters(kakaclo_async.sandbox.Sandbox.__init__)


def attribute_type(member):
    function = member.fget if isinstance(member, property) else member.make
    return typing.get_type_hints(function)["return"]


def test_every_attribute_of_a_client_leads_to_the_twin_of_what_the_async_one_has():
    for name, member in members(kakaclo_async.KakaClo).items():
        if isinstance(member, (property, lazy_property)):
            assert (
                attribute_type(vars(kakaclo_sync.KakaClo)[name]).__name__ == attribute_type(member).__name__
            )


def test_both_packages_export_the_same_names_besides_the_blocking_iterators_and_what_is_lazy():
    more = {"Pull", "Stream", "Sandbox", "Mirror", "Journal"}
    assert set(kakaclo_sync.__all__) == set(kakaclo_async.__all__) | more
    for name in set(kakaclo_async.__all__) - more - {"KakaClo"}:
        assert getattr(kakaclo_sync, name) is getattr(kakaclo_async, name)
