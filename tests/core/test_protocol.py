from __future__ import annotations

import contextlib
import json
import pickle
from datetime import UTC, datetime
from pathlib import Path

import attrs
import pytest
from hypothesis import given, strategies as st

from kakaclo_async.errors import (
    APIError,
    DecodeError,
    KakaCloError,
    NotFound,
    RateLimited,
    Rejected,
    ServerError,
    Unauthorized,
)
from kakaclo_async.protocol import (
    LONGEST_RETRY_AFTER,
    Answer,
    Request,
    ServerClock,
    path,
    read_answer,
    retry_after,
)
from kakaclo_async.retry import surely_not_executed

SAMPLES = Path(__file__).parents[1] / "samples"
REQUEST = Request(method="POST", path="/v2/order/orders", result=str, body=b'{"phone":"555"}')
NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)


def read(status, body, **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return read_answer(REQUEST, Answer(status, named, body), now=NOW)


@pytest.mark.parametrize("message", ["success", "Success!", "Success！", "ok", "kk.api.200", ""])
def test_code_10000_is_a_success_whatever_the_message_says(message):
    assert read(200, f'{{"code": 10000, "message": "{message}", "data": "7"}}'.encode()) == "7"


def test_an_order_number_may_be_a_number_or_a_string():
    for name in ("v2_order_create", "v2_order_refund_create", "v2_order_refund_create_numeric"):
        assert read(200, (SAMPLES / f"{name}.json").read_bytes()).isdigit()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Rejected),
        (401, Unauthorized),
        (403, Unauthorized),
        (404, NotFound),
        (405, Rejected),
        (408, ServerError),
        (425, ServerError),
        (499, ServerError),
        (429, RateLimited),
        (500, ServerError),
        (502, ServerError),
        (301, APIError),
        (204, APIError),
    ],
)
def test_each_status_has_its_error(status, kind):
    with pytest.raises(APIError) as caught:
        read(status, b'{"code": 12345, "message": "no such thing"}')
    error = caught.value
    assert type(error) is kind
    assert (error.status, error.code, error.message) == (status, 12345, "no such thing")
    assert (error.method, error.path) == ("POST", "/v2/order/orders")
    assert f"POST /v2/order/orders was refused (HTTP {status}, code 12345): no such thing" in str(error)


ENVELOPES = [b'{"code": 12345, "message": "no"}', b'{"error": "Invalid request"}', b'{"code": "E7"}']
FOREIGN = [
    b"",
    b"<html>408 Request Time-out</html>",
    b"{}",
    b"[]",
    b"null",
    b"Permission denied",
    b'{"message": "Endpoint request timed out"}',
    b'{"code": null, "error": null}',
    b'{"error": false}',
    b'{"error": ""}',
    b'{"code": 10000, "message": "success", "data": "7"}',
    b'{"code": 123',
]


def refusal(status, body, **headers):
    with pytest.raises(APIError) as caught:
        read(status, body, **headers)
    return pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - our own bytes


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 410, 413, 422, 451, 498])
def test_a_4xx_is_kakaclos_own_refusal_only_with_its_envelope(status):
    assert all(refusal(status, body).declined for body in ENVELOPES)
    assert not any(refusal(status, body).declined for body in FOREIGN)


def test_a_404_that_is_not_kakaclos_own_says_what_is_wrong_if_all_are_so():
    hint = "; if every call ends so, base_url is wrong: KakaClo's ends with /openapi"
    assert not any(str(refusal(404, body)).endswith(hint) for body in ENVELOPES)
    assert all(str(refusal(404, body)).endswith(hint) for body in FOREIGN if b"10000" not in body)


@pytest.mark.parametrize("status", [204, 301, 302, 408, 425, 499, 500, 502, 503, 504])
def test_no_envelope_makes_a_refusal_of_what_may_come_after_the_effect(status):
    assert not any(refusal(status, body).declined for body in ENVELOPES + FOREIGN)


def test_a_limiter_refuses_before_it_passes_on_whatever_its_page():
    assert all(refusal(429, body).declined for body in ENVELOPES + FOREIGN)


def test_under_200_only_another_code_or_an_error_is_a_refusal():
    assert all(refusal(200, body).declined for body in ENVELOPES)
    for body in (b'{"error": false}', b'{"error": ""}', b'{"error": null, "data": 1}'):
        with pytest.raises(DecodeError, match="neither code nor error"):
            read(200, body)


@pytest.mark.parametrize(
    "document", [{"code": 400, "message": "Permission denied"}, {"error": "permission denied."}]
)
def test_the_words_of_a_bad_token_are_known_under_400_too(document):
    error = refusal(400, json.dumps(document).encode())
    assert type(error) is Unauthorized
    assert error.declined
    assert "https://kakaclo.com/personal-center/api-setting" in str(error)
    assert type(refusal(400, b'{"code": 400, "message": "Permission denied for this warehouse"}')) is Rejected


def test_the_documented_error_document_is_read():
    with pytest.raises(Rejected) as caught:
        read(400, (SAMPLES / "error_400_invalid_request.json").read_bytes())
    assert (caught.value.message, caught.value.code) == ("Invalid request", None)


def test_another_code_is_a_refusal_also_under_200():
    with pytest.raises(Rejected, match="HTTP 200, code 12345") as caught:
        read(200, b'{"code": 12345, "message": "insufficient balance", "data": null}')
    assert caught.value.code == 12345
    with pytest.raises(Rejected, match="Invalid request"):
        read(200, b'{"error": "Invalid request"}')


def test_a_gateway_page_is_a_server_error_that_names_its_type():
    with pytest.raises(ServerError, match="text/html, 15 bytes"):
        read(502, b"<html>oops</html>"[:15], content_type="text/html; charset=utf-8")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>welcome</html>",
        b'{"code": 10000, "data": [',
        b"[]",
        b'"text"',
        b"{}",
        b'{"data": 1}',
        b"\xff\xfe",
        b"null",
    ],
)
def test_a_success_that_is_no_document_of_the_api_cannot_be_read(body):
    with pytest.raises(DecodeError) as caught:
        read(200, body, content_type="text/html")
    assert caught.value.where == "body"


@pytest.mark.parametrize(
    "body",
    [
        b'{"code":10000,"message":"ok\xff","data":"12\xff"}',
        b'{"code":10000,"message":"ok","data":"12\xff"}',
        b'{"code":10000,"message":"ok\xff","data":"12"}',
        b'{"code":10000,"message":"ok","data":12\xff}',
        b'{"code":10000,"message":"ok","data":NaN}',
        b'{"code":1000\xff,"message":"ok","data":"12"}',
        b'{"c\xffde":10000,"message":"ok","data":"12"}',
    ],
)
def test_a_write_whose_answer_is_damaged_has_no_number_and_was_not_declined(body):
    write = attrs.evolve(REQUEST, writes=True)
    with pytest.raises(DecodeError) as caught:
        read_answer(write, Answer(200, {}, body), now=NOW)
    assert not surely_not_executed(caught.value)


def test_a_refusal_in_damaged_words_is_a_refusal_with_words_that_can_be_printed():
    body = b'{"code":40005,"message":"no stock of \xf0\x9f\x98 \\ud83d","data":null}'
    with pytest.raises(Rejected, match="code 40005.*: no stock of \ufffd \ufffd") as caught:
        read(200, body)
    assert caught.value.declined
    str(caught.value).encode()


def test_a_wrong_field_is_named_by_its_path():
    with pytest.raises(DecodeError) as caught:
        read(200, b'{"code": 10000, "data": {"list": []}}')
    assert caught.value.where == "data"


def test_a_servers_words_are_shortened():
    with pytest.raises(Rejected) as caught:
        read(400, b'{"code": 1, "message": "' + b"x" * 10_000 + b'"}')
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("3", 3.0),
        ("0.5", 0.5),
        ("-4", 0.0),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("Wed, 01 May 2024 12:00:30 GMT", 30.0),
        ("Wed, 01 May 2024 12:00:30 -0000", 30.0),
        ("Wed, 01 May 2024 11:00:00 GMT", 0.0),
        ("-inf", None),
        ("1e400", None),
        ("9" * 5000, None),
        ("9" * 300, LONGEST_RETRY_AFTER),
        ("2024", 2024.0),
        ("Wed, 01 May 9999 12:00:30 GMT", LONGEST_RETRY_AFTER),
        ("Wed, 01 May 99999 12:00:30 GMT", None),
        (f"Fri, 31 Dec {'9' * 30} 23:59:59 GMT", None),
        (f"Fri, 31 Dec 2024 23:59:59 +{'9' * 30}", None),
        ("Fri, 31 Dec 2024 23:59:59 +9999", None),
        ("Mon", None),
        ("\udce9t\udce9", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(text, seconds):
    assert retry_after({"retry-after": text}, NOW) == seconds
    for status in (301, 307, 400, 404, 408, 425, 429, 500, 502, 503, 504):
        assert refusal(status, b"", retry_after=text).retry_after == retry_after({"retry-after": text}, NOW)


@given(st.one_of(st.text(), st.from_regex(r"[A-Z][a-z]{2}, \d+ [A-Z][a-z]{2} \d+ \d+:\d+:\d+ [+-]?\w+")))
def test_no_retry_after_is_ever_an_error(text):
    assert 0 <= (retry_after({"retry-after": text}, NOW) or 0.0) <= LONGEST_RETRY_AFTER


def test_path_parameters_are_quoted():
    assert path("/orders/{}/refund", "../1?x=ü") == "/orders/..%2F1%3Fx%3D%C3%BC/refund"


def test_a_request_shows_neither_its_body_nor_an_answer_its_own():
    assert "555" not in repr(REQUEST)
    assert "555" not in repr(Answer(200, {"set-cookie": "555"}, b"555"))


@given(st.integers(100, 599), st.binary(max_size=200), st.dictionaries(st.text(), st.text(), max_size=3))
def test_whatever_comes_back_is_a_value_or_one_error_of_ours(status, body, headers):
    with contextlib.suppress(KakaCloError):
        assert isinstance(read_answer(REQUEST, Answer(status, headers, body), now=NOW), str)


def test_every_date_of_an_answer_sets_the_servers_clock_also_one_that_it_has_sent_before():
    clock = ServerClock()
    noon = {"date": "Wed, 01 May 2024 12:00:00 GMT"}
    for headers, loop_time in ((noon, 5.0), (noon, 8.0), ({"date": "soon"}, 9.0), ({}, 10.0), (noon, 12.0)):
        clock.read(Answer(200, headers, b""), loop_time=loop_time, wall_time=loop_time)
        read_at = loop_time if headers is noon else 8.0
        assert clock.now(loop_time=20.0, wall_time=0.0) == NOW.timestamp() + 20.0 - read_at
        assert clock.at(read_at + 0.1) is None
