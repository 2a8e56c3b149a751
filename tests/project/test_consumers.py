"""A shop's own code needs no cast and no assert, on either face; and it does what it says."""

from __future__ import annotations

import ast
import asyncio
import importlib.util
import re
import tokenize

import pytest
from support.shop import ADDRESS
from support.source import ROOT

import kakaclo_sync
from kakaclo_async import Item, NewOrder

pytestmark = pytest.mark.kakaclo_sandbox(products=20, index_lag=0, no_freight_to=("BR",))

CONSUMERS = [ROOT / "tests" / "typing" / f"{name}.py" for name in ("consumer", "sync_consumer")]


@pytest.mark.parametrize("path", CONSUMERS, ids=lambda path: path.stem)
def test_a_shops_code_helps_no_type_checker(path):
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    names |= {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    assert not names & {"cast", "Any", "assert_type", "assert_never"}
    assert not any(isinstance(node, ast.Assert) for node in nodes)
    with path.open("rb") as file:
        assert not [token for token in tokenize.tokenize(file.readline) if token.type == tokenize.COMMENT]


def test_a_shops_code_is_the_same_on_both_faces():
    ours, theirs = (ast.unparse(ast.parse(path.read_text())) for path in CONSUMERS)
    face = re.compile("async |await |blocking |kakaclo_async|kakaclo_sync")
    assert face.sub("", ours) == face.sub("", theirs)


def _module(path):
    spec = importlib.util.spec_from_file_location(f"tried_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.filterwarnings("ignore:KakaClo's V1 order area")
async def test_a_shops_code_does_what_it_says(kk, kakaclo_sandbox):
    sku = next(kakaclo_sandbox.catalog.selling(pieces=50))
    order = NewOrder(address=ADDRESS, items=[Item(sku, 2)])
    ours, theirs = map(_module, CONSUMERS)

    told = await ours.whole_day(kk, order)

    def blocking():
        with kakaclo_sync.KakaClo(kakaclo_sandbox.token, base_url=kakaclo_sandbox.url) as client:
            return theirs.whole_day(client, order)

    again = await asyncio.to_thread(blocking)
    assert told[:3] == again[:3]
    assert told[1] == f"we do not ship there: nothing ships SKU {sku!r} to BR"
    assert re.fullmatch(r"\d+: PROCESSING, paid, 2 pieces, \d+\.\d\d USD", told[5])
    for end in (told, again):
        assert end[7] == "True True"
        assert "False" not in end[8]
