"""Every endpoint, from its documents to what its call returns: made answers, sound and odd, of whatever its models hold."""

from __future__ import annotations

import asyncio
from random import Random
from typing import get_args

import pytest
from hypothesis import given, settings, strategies as st
from support.calls import BY_ENDPOINT
from support.damage import STATUSES, damaged, headers
from support.documents import MAKERS, Maker, is_required, read_meaning
from support.endpoints import Answers, call, published
from support.fuzzing import Case, check, request_of

from kakaclo_async import DecodeError, KakaCloError
from kakaclo_async.codec import converter as cattrs_converter, decode, encode
from kakaclo_async.codec.converter import SCALARS, row_type, type_of, wire_fields
from kakaclo_async.codec.scalars import write_json
from kakaclo_async.models.common import Page, Record
from kakaclo_async.protocol import Answer, read_answer
from kakaclo_async.testing import SteppedLoop

# Hypothesis makes the choices, and so it can shrink them.
CHOICES = st.randoms(use_true_random=False)
ENDPOINTS = st.sampled_from(sorted(BY_ENDPOINT))
ODDNESS = st.sampled_from([0.02, 0.2, 0.7])


def records(kind: type = Record):
    for below in kind.__subclasses__():
        yield below
        yield from records(below)


def test_every_type_that_the_readers_know_has_its_maker():
    assert SCALARS.keys() <= MAKERS.keys()
    made = {record for record in records() if record.__module__.startswith("kakaclo_async.models")} - {Page}
    assert len(made) > 15
    for record in made:
        for field in wire_fields(record):
            assert any(issubclass(type_of(field.kind), base) for base in MAKERS if base is not object), field


def read(name, body, *, tolerant=False):
    return read_answer(request_of(name, tolerant), Answer(200, {}, body))


def read_or_error(name, body):
    try:
        return read(name, body)
    except KakaCloError as error:
        return error


@given(ENDPOINTS, CHOICES)
def test_a_sound_answer_is_read_as_what_it_means(name, choices):
    body, meaning = Maker(choices).answer(request_of(name, False).result)
    assert read_meaning(read(name, body), meaning) == meaning


@given(ENDPOINTS, CHOICES, ODDNESS)
def test_an_odd_answer_is_read_or_refused(name, choices, oddness):
    body, _ = Maker(choices, oddness=oddness).answer(request_of(name, False).result)
    for tolerant in (False, True):
        check(Case(name, tolerant, body))


def sent(value):
    """Write a record as KakaClo would: the forms of the contract, by the wire names of its fields."""
    if isinstance(value, Record):
        names = {field.name: field.wire_names[0] for field in wire_fields(type(value))}
        return {wire: sent(getattr(value, name)) for name, wire in names.items()}
    if isinstance(value, tuple):
        return [sent(element) for element in value]
    return getattr(value, "raw", None) or cattrs_converter.unstructure(value)


@given(ENDPOINTS, CHOICES)
def test_what_was_read_is_read_again_when_it_is_written(name, choices):
    kind = request_of(name, False).result
    if issubclass(type_of(kind), Page):
        kind = next(field.kind for field in wire_fields(kind) if field.name == "list")
    found = decode(write_json(Maker(choices).value(kind)[0]), kind)
    assert decode(encode(sent(found)), kind) == found


def called(name, answers):
    """Make the call of an endpoint with these answers; its pauses take no time."""
    with asyncio.Runner(loop_factory=SteppedLoop) as runner:
        try:
            return runner.run(call(name, answers))
        except KakaCloError as error:
            return error


@settings(max_examples=60)
@given(ENDPOINTS, CHOICES, ODDNESS)
def test_a_call_that_gets_an_odd_answer_returns_or_raises_an_error_of_this_package(name, choices, oddness):
    body, _ = Maker(choices, oddness=oddness).answer(request_of(name, False).result)
    called(name, Answers(special={name: Answer(200, {}, body)}))


@settings(max_examples=60)
@given(ENDPOINTS, st.integers(0, 2**40))
def test_a_call_that_gets_a_damaged_answer_returns_or_raises_an_error_of_this_package(name, number):
    random = Random(number)
    body = damaged(random, next(iter(published(name).values())))
    called(name, Answers(special={name: Answer(random.choice(STATUSES), headers(random), body)}))


@pytest.mark.parametrize("name", BY_ENDPOINT)
def test_an_answer_without_data_is_an_answer_or_a_decode_error(name):
    for body in (
        b'{"code":10000}',
        b'{"code":10000,"data":null}',
        b'{"code":10000,"data":""}',
        b'{"code":10000,"data":[]}',
    ):
        outcome = read_or_error(name, body)
        assert not isinstance(outcome, DecodeError) or outcome.where.startswith("data")


def row_of(name):
    """The type of a page's rows; of any other answer its own."""
    kind = request_of(name, False).result
    if not issubclass(type_of(kind), Page):
        return kind
    rows = next(field.kind for field in wire_fields(kind) if field.name == "list")
    return row_type(get_args(rows)[0])


def has_code(kind):
    return issubclass(type_of(kind), Record) and any(map(is_required, wire_fields(kind)))


WITH_CODES = [name for name in BY_ENDPOINT if has_code(row_of(name))]


@given(st.sampled_from(WITH_CODES), CHOICES)
def test_a_record_without_what_it_must_have_is_refused_by_the_path_of_it(name, choices):
    kind = request_of(name, False).result
    row = (
        next((field.kind for field in wire_fields(kind) if field.name == "list"), None)
        if issubclass(type_of(kind), Page)
        else None
    )
    if row is None or not (
        required := [field for field in wire_fields(row.__args__[0]) if is_required(field)]
    ):
        return
    for field in required:
        sent, _ = Maker(choices).value(row.__args__[0])
        for wire_name in field.wire_names:
            sent.pop(wire_name, None)
        with pytest.raises(DecodeError) as caught:
            read(name, write_json({"code": 10000, "data": {"list": [sent]}}))
        assert caught.value.where == f"data.list[0].{field.wire_names[0]}"
