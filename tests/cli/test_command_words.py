"""What people read at a command line holds none of the words of programmers: no class, no type, no `None`, no dump."""

from __future__ import annotations

import importlib
import json
import logging
import re
from pathlib import Path

import pytest
from support.source import modules

import kakaclo_async
from kakaclo_async import errors, public
from kakaclo_async.cli import output
from kakaclo_async.cli.command import fault, sentence
from kakaclo_async.cli.output import in_plain_words
from kakaclo_async.sandbox import Fault, FaultKind

CLASSES = sorted(
    {name for name in public.NAMES if re.fullmatch(r"[A-Z]\w*[a-z]\w*", name)} - {"KakaClo"}, key=len
)
PYTHON = re.compile(
    r"Traceback|<class|\bNone\b|NoneType|\bTrue\b|\bFalse\b|KakaCloError|object at 0x|\{'|\[Errno|\bkk\.|\bmax_wait\b"
    r"|must be an? (?:str|int|float|dict)\b|\b[A-Z]\w*(?:Error|Exception)\b|\b(?:token|allow_http|items|again)="
    rf"|\b(?:{'|'.join(CLASSES)})\.[a-z]|\brefunds\.of\b"
)
ADDRESS = {"country": "US", "recipient": "A. Doe", "phone": "555 0100", "province": "Florida"}
TO = [part for name, value in ADDRESS.items() for part in (f"--{name}", value)]

REFUSED = [
    ("product", "A,B"), ("stock", " "), ("stock", "A", "--warehouse", ""), ("freight", "X:0", "--to", "US"),
    ("freight", "X", "--to", ""), ("freight", "X", "--to", "Germany"), ("freight", "NOPE:1", "--to", "US"),
    ("orders", "create", "--sku", "X:0", *TO), ("orders", "create", "--sku", "X", *TO, "--zip", "9" * 40),
    ("orders", "create", "--sku", "X", *TO, "--custom-id", "a,b"), ("orders", "create", *TO), ("orders", "create"),
    ("orders", "create", "--sku", "X", *TO, "--channel", "x" * 40), ("orders", "show", "a,b"), ("orders", "show"),
    ("orders", "show", "--custom-id", "x", "--since", "soon"), ("orders", "list", "--status", ""),
    ("orders", "refund", "17", "--sku", "X"), ("orders", "refund", ""), ("orders", "refund", "17", "--wait", "-1"),
    ("orders", "pending"), ("orders", "pending", "--journal", "no/folder.db"), ("orders", "pending", "--quiet-time", "x"),
    ("orders", "pending", "--journal", "postgresql://u:p@127.0.0.1:1/x"), ("orders", "pending", "--journal", "odd://x"),
    ("orders", "submit", "nope.csv"), ("orders", "submit", "empty.csv"), ("orders", "submit", "odd.jsonl"),
    ("orders", "submit", "long.csv"), ("orders", "check", "odd.csv"), ("orders", "map", "odd.csv"),
    ("orders", "tracking", "--for", "x"), ("mirror", "--db", ""), ("mirror", "--every", "0"), ("status",), ("export",),
    ("mirror", "--db", "postgresql://u:p@127.0.0.1:1/x"), ("changes", "--listed", "nope"), ("changes", "--after", "x"),
    ("export", "--format", "xls"), ("export", "--for", "moon"), ("export", "--for", "shopify", "--price", "?"),
    ("balance", "--proxy", "nonsense"), ("balance", "--ca-file", "nope"), ("balance", "--rate", "0"),
    ("balance", "--timeout", "nan"), ("balance", "--base-url", "x"), ("balance", "--token-from", "x"),
    ("balance", "--environment", "moon"), ("balance", "--base-url", "http://kakaclo.example"), ("drift", "nope.json"),
    ("drift", "odd.json"), ("drift",), ("sandbox", "--set", "page_sizes=5"), ("sandbox", "--set", "damaged_rows=[1]"),
    ("sandbox", "--port", "x"), ("sandbox", "--faults", "x=y"), ("demo", "--db", "."), ("board", "--port", "x"),
]  # fmt: skip

DOCUMENTS = [
    5, None, [], {"address": None, "items": None}, {"address": ADDRESS, "items": [None]},
    {"address": ADDRESS | {"phone": 5}, "items": {}}, {"address": ADDRESS | {"phone": None}, "items": []},
    *({"address": ADDRESS, "items": [{"sku": "X", "quantity": wrong}]} for wrong in (None, 1.5, True, "1", [], -1)),
    *({"address": ADDRESS, "items": [{"sku": "X", "quantity": 1}], name: wrong}
      for name in ("custom_order_id", "remark", "channel_type") for wrong in (7, {"x": 1}, ["x"], True)),
]  # fmt: skip


def errors_of_the_package():
    for module in modules():
        if module.startswith("kakaclo_async") and ".cli" not in module:
            importlib.import_module(module)
    waiting, found = [errors.KakaCloError], set()
    while waiting:
        kind = waiting.pop()
        if kind.__module__.startswith("kakaclo_"):
            found.add(kind)
            waiting += kind.__subclasses__()
    return found


@pytest.mark.parametrize("words", REFUSED, ids=lambda words: " ".join(words)[:50])
def test_a_refusal_is_in_plain_words(kakaclo, tmp_path, words):
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "odd.csv").write_text("a,b\n1,2\n")
    (tmp_path / "odd.json").write_text("5")
    (tmp_path / "odd.jsonl").write_text('5\n[]\n{"x": 1}\nnull\n{"address": {"phone": 5}, "items": [1]}\n')
    row = (
        {"custom_order_id": "A", "sku": "X", "quantity": "1"}
        | ADDRESS
        | {"province": "x" * 40, "zip": "9" * 40}
    )
    (tmp_path / "long.csv").write_text(f"{','.join(row)}\n{','.join(row.values())}\n")
    outcome = kakaclo(*words)
    assert outcome.code not in {0, 130, 143}
    assert outcome.err.startswith("error: ")
    assert PYTHON.findall(outcome.err + outcome.out) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: json.dumps(document)[-40:])
def test_an_order_that_is_none_is_refused_in_plain_words(kakaclo, tmp_path, document):
    (tmp_path / "order.json").write_text(json.dumps(document))
    outcome = kakaclo("orders", "create", "--file", "order.json")
    assert outcome.code == 2
    assert PYTHON.findall(outcome.err) == []


@pytest.mark.parametrize("kind", FaultKind)
def test_trouble_on_the_way_is_told_in_plain_words(kakaclo, sandbox, kind):
    sandbox.faults.add(Fault(kind, times=None))
    outcome = kakaclo("balance", "--timeout", "0.3")
    assert PYTHON.findall(outcome.err) == []


def test_every_error_has_plain_words_with_a_text_and_without_one():
    kinds = errors_of_the_package()
    assert len(kinds) > 15
    for kind in kinds:
        for text in ((), ("",), ("body: it broke",)):
            try:
                error = kind(*text)
            except TypeError:  # it needs its text
                continue
            told = sentence(error)
            assert told
            assert PYTHON.findall(told) == [], kind


def test_a_fault_of_this_package_is_told_without_a_class_and_its_place_is_named():
    try:
        {}["missing"]
    except KeyError as error:
        told = fault(error)
    assert told.startswith("a fault of kakaclo: key error: 'missing' at ")
    assert f"{Path(__file__).name}:" in told
    assert PYTHON.findall(told) == []


def test_the_log_has_all_of_a_fault_of_this_package(caplog):
    try:
        {}["missing"]
    except KeyError as error:
        with caplog.at_level(logging.DEBUG, "kakaclo.cli"):
            fault(error)
    assert "KeyError: 'missing'" in caplog.text


def test_the_texts_that_are_put_into_other_words_are_still_said():
    """Each stands in the package, or in the library that reads the command line: else a new wording goes unnoticed."""
    own = "".join(
        path.read_text() for module, path in modules().items() if module != "kakaclo_async.cli.output"
    )
    joined = re.sub(r'"\s*\n\s*f?"', "", own)
    missing = [
        said for said in output._SAID if said not in joined and said.removesuffix(" must") not in joined
    ]
    assert missing == []


def test_every_model_that_checks_itself_loses_its_name():
    """They are derived from the public names: one that is new is among them."""
    fields = {name: getattr(getattr(kakaclo_async, name), "__attrs_attrs__", ()) for name in public.NAMES}
    checked = {name: found[0].name for name, found in fields.items() if any(one.validator for one in found)}
    assert {"Item", "NewOrder", "Address", "RefundItem"} <= checked.keys()
    for name, field in checked.items():
        assert in_plain_words(f"{name}.{field} must not be empty") == f"{field} must not be empty"
    assert in_plain_words("Item.csv cannot be read") == "Item.csv cannot be read"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("Item.sku must be a str, not int", "sku must be a text, not a number"),
        (
            "order 'A': NewOrder.items must hold at least one Item",
            "order 'A': items must hold at least one item",
        ),
        ("it must be a list, not a value of type dict", "it must be a list, not an object"),
        ("the connection failed (ClientOSError)", "the connection failed (client os error)"),
        ("[Errno 2] No such file or directory: 'x'", "No such file or directory"),
        ("[Errno 111] Connect call failed ('127.0.0.1', 1)", "nobody listens at 127.0.0.1:1"),
        ("the SKU 'Item' is not known, nor is Address", "the SKU 'Item' is not known, nor is Address"),
    ],
)
def test_other_words(said, told):
    assert in_plain_words(said) == told


@pytest.mark.parametrize(
    "part", ["A", "Aa", "[Errno 2] ", "'", "Item.", "must be a ", "Connect call failed ('"]
)
def test_a_long_text_from_elsewhere_is_read_in_no_time(part):
    """It may be KakaClo's, or a file's: one that is tried in every way would never end."""
    assert len(in_plain_words(part * 5_000)) > 4_000
