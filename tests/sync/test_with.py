"""Who enters something by the `with` of the other face is told in one sentence what to write."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

from kakaclo_async.errors import ConfigurationError


def entered(face, keyword):
    """Every public class of a face that its `with` enters, as the faces list their names."""
    found = importlib.import_module(face)
    names = [face, *(f"{face}.{module.name}" for module in pkgutil.iter_modules(found.__path__))]
    modules = [importlib.import_module(name) for name in names if not name.rpartition(".")[2].startswith("_")]
    public = {getattr(module, name) for module in modules for name in getattr(module, "__all__", ())}
    return sorted(
        (kind for kind in public if isinstance(kind, type) and hasattr(kind, keyword)),
        key=lambda kind: (kind.__module__, kind.__name__),
    )


def named(kind):
    return f"{kind.__module__}.{kind.__name__}"


ASYNC = [kind for kind in entered("kakaclo_async", "__aenter__") if kind.__module__.startswith("kakaclo_a")]
BLOCKING = [kind for kind in entered("kakaclo_sync", "__enter__") if kind.__module__.startswith("kakaclo_s")]


def test_all_that_is_entered_is_here():
    names = {kind.__name__ for kind in ASYNC}
    assert {"KakaClo", "Mirror", "Fleet", "Sandbox", "Board", "Team"} <= names
    assert {kind.__name__ for kind in BLOCKING} == names - {"Board", "Team"}


@pytest.mark.parametrize("kind", ASYNC, ids=named)
def test_a_plain_with_on_what_is_async_names_the_other_face(kind):
    with pytest.raises(TypeError) as caught, object.__new__(kind):
        pass
    told = str(caught.value)
    assert told.startswith(f"`with {kind.__name__}(...)` cannot work: write `async with`")
    assert ("kakaclo_sync" in told) == (kind.__name__ in {other.__name__ for other in BLOCKING})


@pytest.mark.parametrize("kind", BLOCKING, ids=named)
async def test_an_async_with_on_what_blocks_names_the_other_face(kind):
    with pytest.raises(TypeError) as caught:
        async with object.__new__(kind):
            pass
    told = str(caught.value)
    assert told.startswith(f"`async with {kind.__name__}(...)` cannot work: write `with`, or take")
    assert "kakaclo_async" in told


@pytest.mark.parametrize("kind", [*ASYNC, *BLOCKING], ids=named)
def test_where_it_is_said_to_be_it_is(kind):
    keyword = "__enter__" if kind in ASYNC else "__aenter__"
    with pytest.raises(TypeError) as caught:
        getattr(object.__new__(kind), keyword)()
    _, there, rest = str(caught.value).partition(" from ")
    if there:
        room = importlib.import_module(rest.split(",")[0])
        assert getattr(room, kind.__name__) in [*ASYNC, *BLOCKING]
        assert getattr(room, kind.__name__) is not kind


@pytest.mark.parametrize("kind", [ASYNC[0], BLOCKING[0]], ids=named)
def test_it_is_an_error_of_this_package(kind):
    keyword = "__enter__" if kind in ASYNC else "__aenter__"
    with pytest.raises(ConfigurationError):
        getattr(object.__new__(kind), keyword)()
