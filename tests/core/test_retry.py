from __future__ import annotations

from itertools import islice

import pytest
from hypothesis import given, strategies as st

from kakaclo_async.errors import (
    APIError,
    ClientClosed,
    ConnectionFailed,
    DeadlineExceeded,
    DecodeError,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    ServerError,
    Unauthorized,
)
from kakaclo_async.retry import BACKOFF, Pauses, may_repeat, surely_not_executed

NEVER_LEFT = ConnectionFailed("refused", sent=False)
MAY_HAVE_ARRIVED = ConnectionFailed("reset", sent=True)
CUT = DecodeError("not JSON", where="body")


def by_a_gateway(error):
    error.declined = False
    return error


@pytest.mark.parametrize(
    ("error", "read", "write"),
    [
        (NEVER_LEFT, True, True),
        (MAY_HAVE_ARRIVED, True, False),
        (RateLimited("full"), True, True),
        (ServerError("down", status=503), True, False),
        (ServerError("no such method", status=501), False, False),
        (ServerError("the gateway gave up waiting", status=408), True, False),
        (ServerError("too early", status=425), True, False),
        (CUT, True, False),
        (DecodeError("not a number", where="data.price"), False, False),
        (DecodeError("too large", where="body size"), False, False),
        (Rejected("no", status=200, code=1), False, False),
        (Unauthorized("who", status=401), False, False),
        (NotFound("nothing", status=404), False, False),
        (DeadlineExceeded("late"), False, False),
        (ClientClosed("closed"), False, False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_reads_repeat_what_may_pass_and_writes_only_what_never_took_effect(error, read, write):
    assert may_repeat(error, writes=False) is read
    assert may_repeat(error, writes=True) is write


@pytest.mark.parametrize(
    ("error", "sure"),
    [
        (NEVER_LEFT, True),
        (RateLimited("full"), True),
        (Rejected("no", status=200, code=1), True),
        (Unauthorized("who", status=401), True),
        (NotFound("nothing", status=404), True),
        (MAY_HAVE_ARRIVED, False),
        (APIError("moved", status=302), False),
        (by_a_gateway(Rejected("<html>", status=400)), False),
        (by_a_gateway(Unauthorized("<html>", status=401)), False),
        (by_a_gateway(NotFound("<html>", status=404)), False),
        (OutcomeUnknown("in doubt"), False),
        (ServerError("after the commit", status=500), False),
        (CUT, False),
        (DecodeError("an order number that is a list", where="data"), False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_only_a_refusal_or_a_request_that_never_left_surely_changed_nothing(error, sure):
    assert surely_not_executed(error) is sure


def test_nothing_that_may_have_been_executed_is_ever_repeated_as_a_write():
    for error in (MAY_HAVE_ARRIVED, ServerError("", status=500), CUT, DecodeError("", where="data")):
        assert not surely_not_executed(error)
        assert not may_repeat(error, writes=True)


@given(st.integers(1, 10_000))
def test_a_pause_is_never_above_the_longest(attempt):
    assert BACKOFF.first <= BACKOFF.after(attempt) <= BACKOFF.longest


def test_pauses_grow_until_the_longest():
    pauses = Pauses(first=0.5, growth=2.0, longest=3.0)
    assert [pauses.after(attempt) for attempt in range(1, 6)] == [0.5, 1.0, 2.0, 3.0, 3.0]
    assert list(islice(pauses, 5)) == [0.5, 1.0, 2.0, 3.0, 3.0]
