"""Every error survives a queue: pickled as programs do, and as JSON, with its class and all that it knows."""

from __future__ import annotations

import concurrent.futures
import inspect
import json
import multiprocessing
import pickle
from datetime import UTC, datetime

import pytest
from support.travelling import fail, public_errors

import kakaclo_async
from kakaclo_async import (
    Certificate,
    ConnectionFailed,
    DecodeError,
    IncompletePull,
    InvalidRequest,
    KakaCloError,
    OutcomeUnknown,
    Rejected,
    Window,
)

NOW = datetime(2024, 1, 7, 3, 29, 18, tzinfo=UTC)
CERTIFICATE = Certificate(windows=3, gaps=(Window(NOW, NOW),), reasons=("moved",), finished=True)
FACTS = {
    "status": 409,
    "code": 10001,
    "sent": True,
    "retry_in": 1.5,
    "retry_after": 2.5,
    "settles_at": NOW,
    "certificate": CERTIFICATE,
}
ERRORS = public_errors()


def made(kind):
    """Make an error with a value for each parameter, and with a note."""
    _, _, *others = inspect.signature(kind.__init__).parameters if inspect.isfunction(kind.__init__) else "::"
    facts = {name: FACTS.get(name, f"the {name}") for name in others}
    error = kind("what happened", **facts)
    error.add_note("and this, too")
    return error


def facts(error):
    return type(error), str(error), error.args, vars(error)


def test_every_error_is_walked_through():
    assert {KakaCloError, Rejected, IncompletePull, OutcomeUnknown, DecodeError} <= set(ERRORS)
    assert len(ERRORS) >= 18
    assert all(
        len(vars(made(kind))) > 1 for kind in (Rejected, ConnectionFailed, IncompletePull, DecodeError)
    )


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_an_error_survives_pickle(kind, protocol):
    error = made(kind)
    assert facts(pickle.loads(pickle.dumps(error, protocol))) == facts(error)  # noqa: S301 - our own bytes


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_an_error_survives_json_with_its_class_and_all_its_facts(kind):
    error = made(kind)
    document = json.loads(error.to_json())
    assert document["error"] == kind.__name__
    again = KakaCloError.from_dict(document)
    assert facts(again) == facts(error)
    assert facts(kind.from_dict(document)) == facts(error)
    assert json.loads(json.dumps(again, default=kakaclo_async.to_json_value)) == document


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_an_error_without_its_facts_is_made_anew_by_its_text_alone(kind):
    """As task queues do with what their JSON kept of an error: its class and its `args`."""
    error = made(kind)
    again = kind(*json.loads(json.dumps(error.args)))
    assert type(again) is kind
    assert str(again) == str(error)
    assert KakaCloError.from_dict(again.to_dict()).to_dict() == again.to_dict()


@pytest.mark.process
def test_errors_come_out_of_a_process_pool():
    with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        for error in (
            Rejected("no", status=400, code=7),
            OutcomeUnknown("?", settles_at=NOW),
            DecodeError("x", where="data"),
        ):
            with pytest.raises(type(error)) as caught:
                pool.submit(fail, error.to_json()).result()
            assert facts(caught.value)[:3] == facts(error)[:3]


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"error": "Nothing"}, "error: there is no such kind of KakaCloError"),
        ({"error": "DecodeError", "text": "x"}, "reason: it is missing"),
        ({"error": "ConnectionFailed", "sent": "yes", "text": "x"}, "sent: it must be true or false"),
        (
            {"error": "IncompletePull", "certificate": {"windows": "x"}},
            "certificate.windows: it must be a whole",
        ),
        ({"error": "OutcomeUnknown", "notes": 5}, "notes: it must be a list"),
        ({"error": "OutcomeUnknown", "notes": [1]}, "notes[0]: it must be a text"),
        ({"error": "OutcomeUnknown", "text": {}}, "text: it must be a text"),
        ({"error": "Rejected", "declined": "yes"}, "declined: it must be true or false"),
        ({"error": "Rejected", "fact": {"$decimal": "x"}}, "fact.$decimal: it must be a number"),
        ({"error": ["Rejected"]}, "error: there is no such kind"),
        ({}, "error: there is no such kind"),
        ([], "it must be the fields of an error"),
    ],
)
def test_what_is_no_error_is_refused_in_a_sentence(document, told):
    with pytest.raises(InvalidRequest) as caught:
        KakaCloError.from_dict(document)
    assert told in str(caught.value)


def test_an_error_of_another_kind_is_not_taken():
    with pytest.raises(InvalidRequest, match="there is no such kind of OutcomeUnknown"):
        OutcomeUnknown.from_dict(Rejected("no", status=400).to_dict())


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_no_fact_hides_what_an_error_can_do(kind):
    document = made(kind).to_dict()
    methods = {name: "x" for name in dir(kind) if name not in document and name != "declined"}
    again = KakaCloError.from_dict({**document, **methods, "__notes__": 5, "news": "of a later version"})
    assert again.to_dict() == {**document, "news": "of a later version"}
    assert facts(pickle.loads(pickle.dumps(again))) == facts(again)  # noqa: S301 - our own bytes
