"""What derived methods look like to those who read, trace and inspect them."""

import inspect
import pydoc
import traceback

import pytest
from support.toys import AsyncShop, Shop


def test_a_derived_method_keeps_signature_docstring_and_name(shop):
    assert shop.echo.__name__ == "echo"
    assert shop.echo.__doc__ == AsyncShop.echo.__doc__
    assert str(inspect.signature(shop.echo)) == "(value, *, turns=1)"
    assert not inspect.iscoroutinefunction(shop.echo)


def test_help_reads_as_if_the_method_had_been_written_for_blocking_callers(shop):
    text = pydoc.render_doc(shop.echo, renderer=pydoc.plaintext)
    assert "echo(value, *, turns=1) method of support.toys.Shop instance" in text
    assert "Return the value" in text
    assert "async" not in text


def test_an_iterating_method_says_that_it_returns_a_plain_iterator(shop):
    async def rows(self, start: int) -> "AsyncIterator[int]":  # noqa: F821 - as modules with postponed annotations have it
        yield start

    from kakaclo_sync._proxy import iterating

    async def generated(self) -> "AsyncGenerator[Option[int], None]":  # noqa: F821 - see above
        yield 1

    assert str(inspect.signature(iterating(rows))) == "(self, start: int) -> 'Stream[int]'"
    assert str(inspect.signature(iterating(generated))) == "(self) -> 'Stream[Option[int]]'"


def test_a_plain_method_runs_right_here_and_starts_nothing(shop):
    assert shop.name() == "shop"
    assert repr(shop._bridge) == "<Bridge idle>"


def test_unbound_methods_take_their_instance(shop):
    assert Shop.echo(shop, 3) == 3


@pytest.mark.parametrize("method", ["fail", "count"])
def test_the_name_of_a_derived_method_shows_in_tracebacks(shop, method):
    with pytest.raises(ValueError) as caught:
        if method == "fail":
            shop.fail(ValueError())
        else:
            list(shop.count(1, error=ValueError()))
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert frames[-1].name == method
    assert sum("kakaclo_sync" in frame.filename for frame in frames) <= 3
