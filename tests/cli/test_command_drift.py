"""`kakaclo drift`: where real answers differ from the document."""

from __future__ import annotations

import json

import msgspec
import pytest
from support.contract import ENDPOINTS, SAMPLES, template

from kakaclo_async.contract import Recording
from kakaclo_async.protocol import Answer, Request


@pytest.fixture
def record(tmp_path):
    """Write a recording of some answers of the product search."""

    def write(*rows, path="shapes.json", **envelope):
        recording = Recording(tmp_path / path)
        document = json.loads((SAMPLES / "v1_product_products.json").read_text())
        first = document["data"]["list"][0]
        document["data"]["list"] = [{**first, **row} for row in rows]
        request = Request(method="GET", path="/v1/product/products", result=object)
        recording.observe(request, Answer(200, {}, msgspec.json.encode({**document, **envelope})))
        recording.save()
        return tmp_path / path

    return write


def test_answers_as_documented_are_no_drift(kakaclo, record):
    outcome = kakaclo("drift", record({}, {}))
    assert outcome.code == 0
    assert "Differences" in outcome.out


def test_each_kind_of_difference_is_counted_by_endpoint_and_field(kakaclo, record):
    odd = {"warrantyMonths": 12, "spuStatus": 9, "price": "cheap", "skuDetails": {}}
    outcome = kakaclo("drift", record(odd, odd, {}), "--json")
    assert outcome.code == 1
    where = "GET /v1/product/products 200"
    found = {
        (row["field"], row["kind"], row["seen"], row["count"])
        for row in json.loads(outcome.out)["differences"]
    }
    assert {row["endpoint"] for row in json.loads(outcome.out)["differences"]} == {where}
    assert found == {
        ("data.list[].warrantyMonths", "unknown field", "integer", 2),
        ("data.list[].spuStatus", "unknown value", "9", 2),
        ("data.list[].price", "wrong type", "string", 2),
        ("data.list[].skuDetails", "wrong type", "object", 2),
    }


def test_a_table_shows_the_differences_to_people(kakaclo, record):
    outcome = kakaclo("drift", record({"warrantyMonths": 12}))
    assert outcome.code == 1
    [line] = [line for line in outcome.out.splitlines() if "warrantyMonths" in line]
    assert line.split() == [
        "GET", "/v1/product/products", "200", "data.list[].warrantyMonths", "unknown", "field", "integer", "1",
    ]  # fmt: skip


def test_documented_fields_that_no_answer_held_are_listed_and_are_no_drift(kakaclo, record):
    outcome = kakaclo("drift", record({}), "--json")
    assert outcome.code == 0
    unseen = {row["field"] for row in json.loads(outcome.out)["never_seen"]}
    assert unseen == {"data.list[].supplierLevel"}


def test_recordings_are_added_up(kakaclo, record):
    files = record({"brand": "x"}, path="one.json"), record({"brand": "y"}, {}, path="two.json")
    [row] = json.loads(kakaclo("drift", *files, "--json").out)["differences"]
    assert (row["field"], row["count"]) == ("data.list[].brand", 2)


def test_a_status_that_is_not_documented_and_a_body_that_is_no_json_are_drift(kakaclo, tmp_path):
    recording = Recording(tmp_path / "shapes.json")
    request = Request(method="GET", path="/v1/payment/balance", result=object)
    recording.observe(request, Answer(503, {}, b"<html>"))
    recording.observe(request, Answer(200, {}, b"<html>"))
    recording.observe(request, Answer(400, {}, b"<html>"))  # a gateway's page, which the document knows
    recording.save()
    found = json.loads(kakaclo("drift", tmp_path / "shapes.json", "--json").out)["differences"]
    assert [(row["endpoint"], row["kind"], row["seen"]) for row in found] == [
        ("GET /v1/payment/balance 200", "wrong type", "no JSON"),
        ("GET /v1/payment/balance 503", "unknown answer", "no JSON"),
    ]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": 1}', '{"GET / 200 |  | object": "many"}', None])
def test_a_file_that_is_no_recording_ends_with_2(kakaclo, tmp_path, text):
    if text is not None:
        (tmp_path / "shapes.json").write_text(text)
    outcome = kakaclo("drift", tmp_path / "shapes.json")
    assert outcome.code == 2
    assert "shapes.json" in outcome.err
    assert outcome.out == ""


def test_it_needs_files_or_live_and_not_both(kakaclo, record):
    assert kakaclo("drift").code == 2
    assert kakaclo("drift", record({}), "--live").code == 2


def test_files_need_no_token(kakaclo, record, settings):
    settings.delenv("KAKACLO_TOKEN")
    assert kakaclo("drift", record({})).code == 0


def test_live_asks_every_endpoint_that_only_reads(kakaclo, hosted, sku):
    place = ["--sku", sku, "--country", "US", "--recipient", "A", "--phone", "1", "--province", "B", "--yes"]
    assert kakaclo("orders", "create", *place).code == 0
    hosted.skip(3600)
    hosted.call(hosted.sandbox.log.clear)
    outcome = kakaclo("drift", "--live", "--json")
    assert outcome.code == 0, outcome
    assert json.loads(outcome.out)["differences"] == []
    log = hosted.call(lambda: list(hosted.sandbox.log))
    assert json.loads(outcome.out)["answers"] == len(log) <= 20
    writes = {
        endpoint for endpoint, operation in ENDPOINTS.items() if operation["operationId"].startswith("create")
    }
    assert len(writes) == 5
    assert {template(served.method, served.path) for served in log} == ENDPOINTS.keys() - writes


def test_live_goes_on_where_one_request_fails(kakaclo, hosted):
    from kakaclo_async.sandbox import Fault

    hosted.call(hosted.sandbox.faults.add, Fault("rejected", path="/v1/product/category"))
    outcome = kakaclo("drift", "--live", "--json")
    assert outcome.code == 0
    assert "/v1/product/category" in outcome.err
    assert json.loads(outcome.out)["answers"] > 8


def test_live_with_a_bad_token_ends_with_4(kakaclo, settings):
    settings.setenv("KAKACLO_TOKEN", "another-token")
    assert kakaclo("drift", "--live").code == 4
