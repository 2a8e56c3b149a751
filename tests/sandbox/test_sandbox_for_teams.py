"""What teams share a sandbox by: checked settings, ways to move and to fail by name, a line for each request."""

from __future__ import annotations

import logging
import math
import re
from collections import Counter
from datetime import datetime
from decimal import Decimal

import aiohttp
import attrs
import pytest

from kakaclo_async.sandbox import Fault, FaultKind, Sandbox, Settings
from kakaclo_async.sandbox.http.faults import FAULTS, read_faults
from kakaclo_async.sandbox.settings import MOVING

ORDERS = "/v2/order/orders"
BALANCE = "/v1/payment/balance"

WRONG = [
    "x",
    -1,
    0.5,
    True,
    None,
    [],
    {"a": 1},
    (0,),
    math.nan,
    math.inf,
    10**400,
    Decimal("NaN"),
    "",
    object(),
]
WRONG += [datetime(2024, 5, 1)]  # noqa: DTZ001 - that is what is wrong


@pytest.mark.parametrize("name", attrs.fields_dict(Settings))
def test_a_wrong_value_of_any_setting_is_refused_in_one_sentence_that_names_it(name):
    sentences = []
    for value in WRONG:
        for settle in (lambda value: Sandbox(**{name: value}), lambda value: setattr(Sandbox(), name, value)):
            try:
                settle(value)
            except ValueError as error:
                [sentence] = error.args
                sentences.append(sentence)
    assert len(sentences) >= 10
    assert all(name in sentence and "\n" not in sentence and len(sentence) < 200 for sentence in sentences)


@pytest.mark.parametrize("name", MOVING)
async def test_each_way_to_move_is_a_set_of_settings(name, opened):
    http = await opened(**MOVING[name])
    before = [*http.sandbox.catalog.stock_rows()]
    http.sandbox.skip(600)
    http.sandbox.now()
    moved = [*http.sandbox.catalog.stock_rows()] != before
    assert moved is (name != "still")


@pytest.mark.parametrize("name", FAULTS)
def test_each_set_of_faults_happens_to_a_share_of_all_requests(name):
    sandbox = Sandbox()
    for fault in read_faults(name):
        sandbox.faults.add(fault)
    taken = Counter(fault.kind for _ in range(2_000) if (fault := sandbox.faults.take("GET", "/")))
    assert {*taken} == {FaultKind(kind) for kind in FAULTS[name]}
    assert 0 < taken.total() < 2_000


@pytest.mark.parametrize("kind", FaultKind)
def test_each_kind_of_fault_is_read_with_its_probability(kind):
    [fault] = read_faults(f"{kind}=0.25")
    assert (fault.kind, fault.probability, fault.times, fault.path) == (kind, 0.25, None, "*")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("moon", "there is no set of faults 'moon': choose flaky, "),
        ("", "there is no set of faults ''"),
        ("moon=1", "there is no fault 'moon': choose reset_before, "),
        ("delay=2", "the probability of delay must be 0 to 1, not '2'"),
        ("delay=nan", "the probability of delay must be 0 to 1"),
        ("delay=", "the probability of delay must be 0 to 1"),
    ],
)
def test_faults_that_do_not_exist_are_refused(text, sentence):
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}"):
        read_faults(text)


async def test_each_request_is_a_line_of_the_log(opened, caplog):
    http = await opened()
    http.sandbox.faults.add(Fault("reset_before", path=BALANCE))
    with caplog.at_level(logging.INFO, logger="kakaclo.sandbox"):
        await http.get(ORDERS, pageSize=1)
        with pytest.raises(aiohttp.ClientError):
            await http.call("POST", BALANCE)  # one that aiohttp does not repeat
        await http.call("GET", BALANCE, token="wrong")
        await http.call("GET", "/a\n" + "b" * 500)
    lines = [record.getMessage() for record in caplog.records]
    assert [re.sub(r"\d+ ms", "0 ms", line) for line in lines[:3]] == [
        f"GET {ORDERS}?pageSize=1 200, 0 ms",
        f"POST {BALANCE} no answer, 0 ms, reset_before",
        f"GET {BALANCE} 401, 0 ms",
    ]
    assert len(lines) == 4
    assert len(lines[3]) < 330
    assert "\n" not in lines[3]
    assert http.sandbox.token not in "".join(lines)


@pytest.mark.parametrize(
    ("host", "place"),
    [("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]"), ("kakaclo", "kakaclo")],  # noqa: S104
)
def test_the_address_can_be_used_from_here(host, place):
    assert Sandbox(host=host, port=8700).url == f"http://{place}:8700/openapi"
