"""No value shows the token or a person: not in a repr, an error, a traceback with locals, or a server's own words."""

from __future__ import annotations

import inspect
import json
import pickle
from types import SimpleNamespace

import attrs
import pytest
from hypothesis import Phase, example, given, settings, strategies as st
from rich.pretty import pretty_repr
from support.leaks import (
    PERSON,
    REMARK,
    TOKEN,
    Search,
    people,
    public_classes,
    shown,
    spellings,
    texts,
    tokens,
)

import kakaclo_sync
from kakaclo_async import (
    Address,
    Certificate,
    Event,
    Family,
    InvalidRequest,
    Item,
    KakaClo,
    KakaCloError,
    NewOrder,
    NewRefund,
    Order,
    OrderV1,
    Page,
    ShippingAddress,
    token_from,
)
from kakaclo_async.codec import encode
from kakaclo_async.codec.outgoing import Secret, SecretBytes
from kakaclo_async.errors import APIError, scrub_error
from kakaclo_async.protocol import Answer, read_answer
from kakaclo_async.resources.orders.placing import place_request, without_address
from kakaclo_async.token import Token

PERSONAL = {field.name for field in attrs.fields(Address)} - {"country"} | {"remark"}
RECORDS = [one for one in public_classes() if attrs.has(one) and not issubclass(one, Event)]


def filled(kind, person, remark):
    """Make a record whose every personal field, and all that it does not know, holds the person."""
    made = object.__new__(kind)
    personal = 0
    for field in attrs.fields(kind):
        value = () if "tuple" in str(field.type) else None
        if field.name in {"address", "shipping_address"}:
            value, personal = person, personal + 1
        elif field.name in PERSONAL:
            value, personal = getattr(person, field.name, remark), personal + 1
        elif field.name == "extra":
            value = {remark: person.recipient}
        object.__setattr__(made, field.name, value)
    return made, personal


@given(person=people(), remark=texts)
@settings(max_examples=25, deadline=None)
@example(PERSON, REMARK)
def test_no_repr_of_a_record_shows_a_person(person, remark):
    search, holders, tables = Search(), set(), set()
    for kind in RECORDS:
        made, personal = filled(kind, person, remark)
        if not (personal or "extra" in attrs.fields_dict(kind) or hasattr(kind, "_repr_html_")):
            continue
        if personal:
            holders.add(kind)
        for value in (made, [made], {"a": made}, SimpleNamespace(it=made)):
            search(kind.__name__, repr(value), f"{value}", pretty_repr(value, max_string=80))
        if hasattr(kind, "_repr_html_"):
            search(f"the table of {kind.__name__}", made._repr_html_())
            tables.add(kind)
    assert {Address, ShippingAddress, NewOrder, NewRefund} <= holders
    assert {Order, OrderV1, Page, Family} <= tables


@given(st.one_of(texts, tokens))
def test_a_secret_is_a_text_that_shows_no_part_of_itself(text):
    secret, body = Secret(text), SecretBytes(text.encode())
    assert secret == text
    assert str(secret) == text
    assert pickle.loads(pickle.dumps(secret)) == text  # noqa: S301 - made here
    Search()(
        "a secret",
        *(
            repr(one)
            for one in (secret, secret[:], secret[1:], body, body[:], [secret], {"a": body}, secret[:1])
        ),
        *(pretty_repr(one, max_string=3) for one in (secret, body)),
    )


def arguments(kind, secret):
    """Give each parameter of an error's a value, a text wherever one is taken."""
    given = {}
    own = inspect.signature(kind.__init__).parameters.values()
    for name in [
        one.name
        for one in own
        if one.name != "self" and one.kind not in {one.VAR_POSITIONAL, one.VAR_KEYWORD}
    ]:
        known = {"status": 400, "certificate": Certificate, "sent": True, "settles_at": None, "retry_in": None, "retry_after": None}  # fmt: skip
        given[name] = known.get(name, secret)
    return given


NAMES_WHAT_IT_IS_ABOUT = {"method", "path", "custom_order_id", "order_id"}


@given(token=tokens, person=people())
@settings(max_examples=25, deadline=None)
@example(TOKEN, PERSON)
def test_every_error_is_scrubbed_with_all_behind_it(token, person):
    hidden = Token(token)
    address = {name: value for name, value in attrs.asdict(person).items() if value and name != "country"}
    said = f"{token} and {' ; '.join(address.values())}"
    search, kinds = Search(), public_classes(KakaCloError)
    for kind in kinds:
        given = arguments(kind, said)
        error = kind(
            *([said] if not given else []),
            **{name: "" if name in NAMES_WHAT_IT_IS_ABOUT else value for name, value in given.items()},
        )
        error.__cause__ = LookupError(said)
        error.__context__ = ExceptionGroup(said, [ValueError(said), kind.__new__(kind, said)])
        error.add_note(said)
        scrub_error(error, lambda text: without_address(hidden.scrub(text), address))
        search(kind.__name__, *shown(error))
    assert len(kinds) >= 18


@given(person=people(), remark=texts, token=tokens)
@settings(max_examples=15, deadline=None, phases=[Phase.explicit, Phase.generate])
@example(PERSON, REMARK, TOKEN)
def test_whatever_a_server_repeats_of_an_order_no_error_does(person, remark, token):
    order = NewOrder(address=person, items=[Item("A", 1)], custom_order_id="KA1", remark=remark)
    request = place_request("/v2/order/orders", order, encode(order))
    secrets = [token, remark, *(v for k, v in attrs.asdict(person).items() if v and k != "country")]
    search, scrub = Search(), Token(token).scrub
    for said in (spelling for secret in secrets for spelling in spellings(secret)):
        body = json.dumps({"code": 1, "message": f"where is {said}?"}).encode()
        with pytest.raises(APIError) as caught:
            read_answer(request, Answer(400, {}, body), scrub=scrub)
        search(said, str(caught.value), repr(vars(caught.value)))
    search("the last", *shown(caught.value))


BROKEN = {
    "an address": lambda: Address(**attrs.asdict(PERSON) | {"country": "Nowhere"}),
    "a long street": lambda: Address(**attrs.asdict(PERSON) | {"street1": REMARK * 20}),
    "an order without items": lambda: NewOrder(address=PERSON, items=[], remark=REMARK),
    "an address that is none": lambda: NewOrder(address=attrs.asdict(PERSON), items=[Item("A", 1)]),
    "a refund": lambda: NewRefund(remark=REMARK, refund_reason=5),
    "half a character": lambda: encode(
        NewOrder(address=PERSON, items=[Item("A", 1)], remark=f"{REMARK}\ud83d")
    ),
    "a URL": lambda: KakaClo(TOKEN, base_url="ftp://x"),
    "a URL, blocking": lambda: kakaclo_sync.KakaClo(TOKEN, base_url="ftp://x"),
    "a token": lambda: KakaClo(f"{TOKEN}\n"),
    "a token, blocking": lambda: kakaclo_sync.KakaClo(f"{TOKEN}\n"),
    "an option": lambda: KakaClo(TOKEN, timeout=-1),
    "a place": lambda: token_from(TOKEN),
    "a command": lambda: token_from(f"cmd:'{TOKEN}"),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_what_is_refused_is_in_no_local_of_our_frames(broken):
    with pytest.raises((InvalidRequest, ValueError)) as caught:
        BROKEN[broken]()
    assert isinstance(caught.value, KakaCloError)
    Search()(broken, *shown(caught.value))


async def test_a_token_function_that_gives_no_token_leaves_it_in_no_local():
    for wrong in (f"{TOKEN}\n", [TOKEN]):
        with pytest.raises(ValueError, match="token") as caught:
            await Token(lambda wrong=wrong: wrong).read()
        if isinstance(wrong, str):
            Search()("a token function", *shown(caught.value))


def test_rich_and_python_show_a_client_and_a_source_without_their_secrets(monkeypatch):
    monkeypatch.setenv("KAKACLO_TEST", TOKEN)
    for value in (KakaClo(TOKEN), kakaclo_sync.KakaClo(TOKEN), Token(TOKEN), token_from("env:KAKACLO_TEST"),
                  token_from(f"cmd:echo {TOKEN}")):  # fmt: skip
        Search()(
            type(value).__name__,
            repr(value),
            pretty_repr(value),
            repr(vars(value)) if hasattr(value, "__dict__") else "",
        )
