"""A recording counts what answers look like, and holds nothing personal."""

from __future__ import annotations

import logging
import re

import attrs
import msgspec
import pytest
from hypothesis import given, strategies as st
from support.contract import ENDPOINTS, document
from support.contract_walk import walked
from support.shop import ADDRESS

from kakaclo_async import Item, KakaClo, NewOrder, Recording, contract
from kakaclo_async.protocol import Answer, Request

QUERY = Request(method="GET", path="/v2/order/orders", result=object)


def observed(body, request=QUERY, status=200):
    recording = Recording()
    recording.observe(
        request, Answer(status, {}, body if isinstance(body, bytes) else msgspec.json.encode(body))
    )
    return recording


def answer(**data):
    return {"code": 10000, "message": "success", "data": data}


def fields(recording):
    return {key.split(" | ")[1]: key.split(" | ")[2] for key in recording._counts}


def test_a_server_that_invents_fields_does_not_fill_the_memory(monkeypatch, caplog):
    monkeypatch.setattr(contract, "_MOST", 50)
    recording = Recording()
    words = sorted(word for word in contract._contract()._words if word.isascii())[:200]
    for place in range(0, 200, 20):
        body = msgspec.json.encode(answer(**dict.fromkeys(words[place : place + 20], 1)))
        recording.observe(QUERY, Answer(200, {}, body))
    assert len(recording._counts) < 100
    assert [record.levelname for record in caplog.records if "not recorded" in record.message] == ["WARNING"]


def test_names_that_are_not_known_to_be_harmless_are_reduced():
    row = {
        "id": "1",
        "warrantyMonths": 1,
        "olena": 2,
        "Nobody Shall-See": 3,
        "1000000462144": 4,
        "status": "processing",
    }
    assert fields(observed(answer(list=[row]))) == {
        "": "object",
        "code": "integer",
        "message": "string",
        "data": "object",
        "data.list": "array",
        "data.list[]": "object",
        "data.list[].id": "numeric string",
        "data.list[].warrantyMonths": "integer",
        "data.list[].*": "integer",
        "data.list[].status": "=processing",
    }


@pytest.mark.parametrize(
    ("status", "kept"),
    [
        ("partially_returned", "partially_returned"),
        ("olena", "*"),
        ("07 82 20 10 93", "*"),
        ("x" * 60, "*"),
        ("NULL", "NULL"),
    ],
)
def test_an_unknown_status_is_kept_if_it_is_a_code_of_harmless_words(status, kept):
    recording = observed(answer(list=[{"id": "1", "financialStatus": status}]))
    assert fields(recording)["data.list[].financialStatus"] == f"={kept}"


def test_values_of_other_fields_are_never_kept():
    recording = observed(answer(list=[{"id": "1", "remark": "processing", "customOrderId": "paid"}]))
    assert not any("=" in key for key in recording._counts)


def test_refusals_and_errors_are_counted_apart():
    said = {"code": 40001, "message": "no phone 555 0100 999", "555 0100 999": "1 Secret St"}
    assert {key.split(" | ")[0] for key in observed(said)._counts} == {"GET /v2/order/orders 200 refused"}
    assert {key.split(" | ")[0] for key in observed(said, status=429)._counts} == {"GET /v2/order/orders 429"}
    assert "*" in fields(observed(said))


def test_paths_are_kept_without_their_parameters():
    request = attrs.evolve(QUERY, path="/v2/order/orders/refund/1000000462144")
    elsewhere = attrs.evolve(QUERY, path="/Nobody%20Shall-See")
    assert {key.split(" | ")[0] for key in observed(answer(), request)._counts} == {
        "GET /v2/order/orders/refund/{id} 200"
    }
    assert {key.split(" | ")[0] for key in observed(answer(), elsewhere)._counts} == {"GET * 200"}


def test_everything_that_the_sandbox_answers_is_no_drift():
    recording = Recording()
    for exchange in [held for part in walked() for held in part]:
        recording.observe(exchange.request, Answer(exchange.status, {}, exchange.body))
    assert [difference for difference in recording.drift() if difference.kind != "never seen"] == []
    assert {key.split(" 200")[0] for key in recording._counts} == {
        " ".join(endpoint) for endpoint in ENDPOINTS
    }


# Whatever a server sends: personal data as keys, as values, as statuses, in the place of anything.

PERSONAL = {
    "Nobody Shall-See", "nobody", "Shall", "olena", "Lollia", "LolliaOlena", "lollia_olena", "Orlasson", "Xiaoming",
    "555 0100 999", "07822010 93", "+15550100999", "5550100999", "1 Secret St", "rabelais", "rueFrancois", "Orleans",
    "1000000462144", "KA10001", "sandbox-token", "eyJhbGciOi", "vsvs00v30", "IM2760000742", "GB123",
}  # fmt: skip
personal = st.sampled_from(sorted(PERSONAL))
DOCUMENTED = {
    name for schema in document()["components"]["schemas"].values() for name in schema.get("properties", ())
}
known = st.sampled_from(sorted(DOCUMENTED))
names = personal | known | st.text(max_size=12)
json_values = st.recursive(
    personal | st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda held: st.lists(held, max_size=3) | st.dictionaries(names, held, max_size=4),
    max_leaves=25,
)
rows = st.dictionaries(known | personal, json_values, max_size=8)
bodies = st.one_of(
    json_values,
    st.builds(
        lambda code, data, more: {**more, "code": code, "data": data},
        st.sampled_from([10000, 1]),
        json_values,
        rows,
    ),
    st.builds(lambda listed: answer(list=listed), st.lists(rows, max_size=3)),
)
WORDS = contract._contract()._words
TYPES = {"object", "array", "boolean", "integer", "number", "null", "no JSON", *contract._TEXTS}


@given(
    body=bodies,
    endpoint=st.sampled_from(sorted(ENDPOINTS)),
    status=st.sampled_from([200, 400, 401, 429, 500]),
)
def test_nothing_personal_lands_in_a_recording_whatever_the_server_sends(body, endpoint, status):
    method, path = endpoint
    request = Request(method=method, path=path.replace("{id}", "1000000462144"), result=object)
    recording = observed(body, request, status)
    assert not recording._is_broken
    assert recording.answers == 1
    recording.drift()
    for key in recording._counts:
        where, field, seen = key.split(" | ")
        assert where.removesuffix(" refused") == f"{method} {path} {status}"
        for name in filter(None, re.split(r"\.|\[\]", field)):
            assert is_harmless(name), key
        assert seen in TYPES or (
            seen[0] == "=" and (is_harmless(seen[1:]) or re.fullmatch(r"=\d?\d?", seen))
        ), key
        assert not any(secret in part for secret in PERSONAL for part in (field, seen)), key


def is_harmless(name):
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)
    is_name = re.fullmatch(r"[A-Za-z][A-Za-z_]*[0-9]?", name) and WORDS.issuperset(map(str.casefold, words))
    return name == "*" or name in DOCUMENTED or bool(is_name)


def test_no_word_that_is_kept_is_one_of_a_person_or_a_place():
    words = {word.casefold() for text in PERSONAL for word in re.findall("[A-Za-z]+", text)}
    common = {"secret", "see", "shall", "st", "token", "sandbox", "gb", "im", "ka", "nobody", "no"}
    assert words & WORDS <= common
    assert {
        "olena",
        "rabelais",
        "orleans",
        "florida",
        "francois",
        "lollia",
        "smith",
        "anna",
        "wang",
    } & WORDS == set()


@given(body=st.binary(max_size=60))
def test_bytes_that_are_no_answer_break_nothing(body):
    recording = observed(body)
    assert not recording._is_broken
    assert recording.answers == 1


async def test_an_order_leaves_nothing_personal_in_its_recording(sandbox, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    path = tmp_path / "shapes.json"
    sku = next(iter(sandbox.catalog.selling(pieces=5)))
    sandbox.index_lag = 0
    async with KakaClo(sandbox.token, base_url=sandbox.url, record=path) as kk:
        order = NewOrder(
            address=ADDRESS, items=[Item(sku, 1)], custom_order_id="KA10001", remark="call 555 0100"
        )
        placed = await kk.orders.create(order)
        assert (await kk.orders.get(placed.id)).shipping_address.phone == ADDRESS.phone
    text = path.read_text()
    for secret in (*attrs.asdict(ADDRESS).values(), placed.id, "KA10001", "0100", sku, sandbox.token):
        assert secret is None or len(secret) < 3 or secret not in text
