"""A country is one code however it is written, for every call and command; a name is refused before anything is sent."""

from __future__ import annotations

import inspect

import attrs
import pytest
import typer
from support.shop import ADDRESS

import kakaclo_async
from kakaclo_async import (
    Address,
    ChannelsRequest,
    FreightRequest,
    InvalidRequest,
    Item,
    NewOrder,
    catalog,
    shop,
)
from kakaclo_async.cli.app import app, run
from kakaclo_async.models.common import Record
from kakaclo_async.resources import custom, freight, orders, products, reference, refunds, stocks, v1
from kakaclo_async.shop import export_listings

pytestmark = [pytest.mark.stepped, pytest.mark.filterwarnings("ignore:KakaClo's V1")]

CART = [Item("A", 1)]
CALLS = {
    "Freight.quote": lambda kk, country: kk.freight.quote(CART, country),
    "Freight.matrix": lambda kk, country: kk.freight.matrix([CART], [country]),
    "Freight.channels": lambda kk, country: kk.freight.channels(CART, country),
    "FreightV1.channels": lambda kk, country: kk.v1.freight.channels(CART, country),
}
MODELS = {
    "Address": lambda country: attrs.evolve(ADDRESS, country=country),
    "FreightRequest": lambda country: FreightRequest(CART, country),
    "ChannelsRequest": lambda country: ChannelsRequest(CART, country),
}
COMMANDS = {
    "freight --to": ("freight", "A:1", "--to"),
    "orders create --country": (
        *("orders", "create", "--sku", "A:1", "--recipient", "A", "--phone", "1", "--province", "B", "--yes"),
        "--country",
    ),
    "changes --country": ("changes", "--country"),
    "export --country": ("export", "--for", "shopify", "--country"),
}
OF_MIRRORS = {"Mirror.changes", "export_listings"}


def takes_a_country(function):
    return any("countr" in name for name in inspect.signature(function).parameters)


def test_the_tables_have_every_call_model_and_command_that_takes_a_country():
    kinds = {
        kind
        for module in (custom, freight, orders, products, reference, refunds, stocks, v1)
        for name, kind in vars(module).items()
        if inspect.isclass(kind) and kind.__module__ == module.__name__ and not name.startswith("_")
    }
    calls = {
        f"{kind.__name__}.{name}"
        for kind in kinds
        for name, method in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_") and takes_a_country(method)
    }
    assert calls == CALLS.keys()

    public = [getattr(kakaclo_async, name) for name in kakaclo_async.__all__]
    models = {
        kind.__name__
        for kind in public
        if attrs.has(kind) and not issubclass(kind, Record) and "country" in attrs.fields_dict(kind)
    }
    assert models == MODELS.keys()

    of_mirrors = {
        f"{kind.__name__}.{name}" if inspect.isclass(kind) else kind.__name__
        for package in (catalog, shop)
        for kind in (getattr(package, name) for name in package.__all__)
        for name, method in (
            inspect.getmembers(kind, inspect.isfunction) if inspect.isclass(kind) else [("", kind)]
        )
        if inspect.isfunction(method) and not name.startswith("_") and takes_a_country(method)
    }
    assert of_mirrors == OF_MIRRORS


def test_the_table_has_every_option_of_a_command_that_takes_a_country():
    options = {
        f"{path} {option}"
        for path, command in commands(typer.main.get_command(app))
        for parameter in command.params
        for option in parameter.opts
        if parameter.name in {"country", "to", "countries"} and parameter.param_type_name == "option"
    }
    assert options == COMMANDS.keys()


def commands(group, path=()):
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


@pytest.mark.parametrize("written", ["us", " US ", "Us"])
@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_a_model_has_the_code(make, written):
    assert make(written).country == "US"


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_a_call_refuses_a_name_before_it_is_sent_and_says_what_to_write(kk, sandbox, call):
    with pytest.raises(InvalidRequest, match="two-letter code.*: write 'US'"):
        await call(kk, "United States")
    assert sandbox.requests.total() == 0


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_a_call_sends_one_code_however_it_is_written(kk, sandbox, call):
    sku = next(sandbox.catalog.selling(pieces=5))
    CART[:] = [Item(sku, 1)]
    with_capitals = await call(kk, "US")
    asked = sandbox.requests.total()
    assert await call(kk, " us") == with_capitals
    assert asked <= sandbox.requests.total() <= 2 * asked


def test_mirrors_refuse_a_name(tmp_path):
    mirror = catalog.Mirror(kakaclo_async.KakaClo("token"), f"sqlite:///{tmp_path}/catalog.db")
    with pytest.raises(InvalidRequest, match="write 'US'"):
        mirror.changes(country="United States")


async def test_listings_refuse_a_name(tmp_path):
    with pytest.raises(InvalidRequest, match="write 'US'"):
        await export_listings(f"sqlite:///{tmp_path}/catalog.db", tmp_path / "a.csv", country="United States")


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_command_refuses_a_name_in_one_sentence(command, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KAKACLO_TOKEN", "token")
    monkeypatch.setenv("KAKACLO_BASE_URL", "http://127.0.0.1:1/openapi")  # nobody answers there

    assert run([*command, "United States"]) == 2

    told = capsys.readouterr().err
    assert "two-letter code" in told
    assert told.count("write 'US'") == 1


def test_the_journal_keeps_the_code():
    [one, other] = [
        NewOrder(address=attrs.evolve(ADDRESS, country=country), items=CART) for country in ("us", "US")
    ]
    assert one == other
    assert isinstance(one.address, Address)
