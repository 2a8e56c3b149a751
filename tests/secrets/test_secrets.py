"""No error shows a token, an address or a phone number, wherever a server, a hook or a library repeats them."""

from __future__ import annotations

import asyncio
import json
import pickle
import time
import traceback
from contextlib import asynccontextmanager
from urllib.parse import quote

import aiohttp
import attrs
import pytest
from hypothesis import given, settings, strategies as st
from sqlalchemy.exc import IntegrityError, StatementError
from support.shop import UNLIMITED

from kakaclo_async import Address, Item, KakaClo, NewOrder
from kakaclo_async.codec import encode
from kakaclo_async.database.url import DatabaseUrl
from kakaclo_async.errors import (
    APIError,
    ConfigurationError,
    ConnectionFailed,
    DecodeError,
    InvalidRequest,
    KakaCloError,
    OutcomeUnknown,
    scrub_error,
)
from kakaclo_async.protocol import MAX_MESSAGE_CHARS, Answer, Request, path, read_answer
from kakaclo_async.resources.orders.placing import place_request
from kakaclo_async.token import Token

TOKEN = "eyJhbGciOi.JkdXDE5/XyZ+9_0QeW=="
ADDRESS = Address(
    country="US",
    phone="+1 (555) 0100-777",
    recipient="Zoë O'Marker [x]",
    province="Mårkerland",
    street1='7 Marker "St." #4',
    street2="c/o Hidden+Co",
    city="Marker City",
    zip="MK-4711",
)
ORDER = NewOrder(address=ADDRESS, items=[Item("A", 1)], custom_order_id="KA1")
ADDRESS_PARTS = [value for field, value in attrs.asdict(ADDRESS).items() if value and field != "country"]
HEAD = 8


async def token_function():
    return TOKEN


SOURCES = [TOKEN, lambda: TOKEN, token_function]


def chain(error):
    """Return an error and all behind it, suppressed contexts too."""
    found, todo = [], [error]
    while todo:
        error = todo.pop()
        if error is not None and error not in found:
            found.append(error)
            todo += [error.__cause__, error.__context__]
    return found


def shown(error):
    """Return all that a log, a debugger, an error tracker or a queue of errors may show of an error."""
    texts = ["".join(traceback.format_exception(error)), repr(pickle.dumps(error))]
    for one in chain(error):
        texts += [str(one), repr(one), repr(one.args), repr(vars(one)), repr(getattr(one, "__notes__", []))]
        for text in (one.args, *vars(one).values()):
            texts.append(json.dumps(text, default=str))
    return "\n".join(texts)


def assert_hidden(error, *secrets):
    text = shown(error)
    for secret in secrets:
        for form in (
            secret,
            repr(secret)[1:-1],
            ascii(secret)[1:-1],
            json.dumps(secret)[1:-1],
            quote(secret),
        ):
            assert form.casefold() not in text.casefold()


@asynccontextmanager
async def echoing(status, headers, body):
    """Serve one answer for everything; yields its URL."""

    async def handle(reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
                await reader.readexactly(int(length[0].split(b":")[1]) if length else 0)
                named = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
                writer.write(
                    f"HTTP/1.1 {status} X\r\n{named}Content-Length: {len(body)}\r\n\r\n".encode() + body
                )
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/openapi"
    finally:
        server.close()


def echoes(secret):
    """Every place of an answer that a server may put a text into, as headers and body."""
    kind = {"Content-Type": "application/json"}
    for document in (
        {"code": 1, "message": secret},
        {"code": 1, "message": {"seen": {"header": f"Bearer {secret}", secret: 1}}},
        {"code": 1, "message": json.dumps({"twice": secret})},
        {"code": secret, "message": "no"},
        {"error": secret},
        {"error": {"why": secret}},
        {"code": 10000, "data": {secret: secret}},
        {"code": 10000, "data": [secret], "message": secret},
    ):
        yield kind, json.dumps(document).encode()
        yield kind, json.dumps(document, ensure_ascii=False).encode()
    yield {"Content-Type": f"text/{quote(secret)}"}, b"<html>"
    yield {"Content-Type": secret.encode("ascii", "ignore").decode(), "Retry-After": "soon"}, secret.encode()


@pytest.mark.parametrize("source", SOURCES, ids=["str", "function", "async function"])
@pytest.mark.parametrize("status", [200, 302, 400, 401, 404, 408, 429, 502])
async def test_a_token_that_the_server_repeats_anywhere_is_struck_out(source, status):
    for headers, body in echoes(TOKEN):
        async with (
            echoing(status, headers, body) as url,
            KakaClo(source, base_url=url, rate_limit=UNLIMITED, max_attempts=1) as kk,
        ):
            with pytest.raises(KakaCloError) as read:
                await kk.orders.get("7")
            with pytest.raises(KakaCloError) as write:
                await kk.orders.create(ORDER)
        for caught in (read, write):
            assert_hidden(caught.value, TOKEN, TOKEN[:HEAD])


@pytest.mark.parametrize("status", [200, 302, 400, 401, 408, 429, 502])
async def test_an_address_that_the_server_repeats_anywhere_is_struck_out(status):
    for secret in ADDRESS_PARTS:
        for headers, body in echoes(f"no such place: {secret}!"):
            async with (
                echoing(status, headers, body) as url,
                KakaClo(TOKEN, base_url=url, rate_limit=UNLIMITED, max_attempts=1) as kk,
            ):
                with pytest.raises(KakaCloError, match="'KA1'") as caught:
                    await kk.orders.create(ORDER)
            assert_hidden(caught.value, secret)


def declined(message, *, token=None, order=None):
    request = Request(method="POST", path="/v2/order/orders", result=str)
    if order is not None:
        request = place_request("/v2/order/orders", order, b"")
    body = json.dumps({"code": 1, "message": message}).encode()
    options = {} if token is None else {"scrub": token.scrub}
    with pytest.raises(APIError) as caught:
        read_answer(request, Answer(400, {}, body), **options)
    return caught.value


@pytest.mark.parametrize("secret", [TOKEN, *ADDRESS_PARTS])
def test_no_cut_of_a_long_message_leaves_the_head_of_a_secret(secret):
    token = Token(TOKEN)
    for before in range(MAX_MESSAGE_CHARS - len(secret) - 2, MAX_MESSAGE_CHARS + 2):
        error = declined("." * before + f" {secret} and more", token=token, order=ORDER)
        assert secret[:5] not in shown(error)
        assert len(error.message) <= MAX_MESSAGE_CHARS


@pytest.mark.parametrize("size", range(HEAD, len(TOKEN)))
@pytest.mark.parametrize("end", ["", "...", "…"])
def test_the_head_of_a_token_in_a_message_that_the_server_cut_is_struck_out(size, end):
    error = declined(f"who is Bearer {TOKEN[:size]}{end}", token=Token(TOKEN))
    assert TOKEN[:size] not in shown(error)


@pytest.mark.parametrize(
    "form", [TOKEN, TOKEN.upper(), TOKEN.lower(), quote(TOKEN, safe=""), f"x{TOKEN}x{TOKEN}"]
)
def test_a_token_is_known_in_every_notation(form):
    assert_hidden(declined(f"who is {form}?", token=Token(TOKEN)), TOKEN, form)


async def test_the_last_tokens_of_a_function_are_remembered_and_not_all():
    numbers = iter(range(1000))
    token = Token(lambda: f"token-of-the-day-{next(numbers):04}-")
    read = [await token.read() for _ in range(1000)]
    assert not any(one in token.scrub(" ".join(read)) for one in read[-4:])
    assert len(token._seen) < 20


async def test_a_token_that_changed_while_the_answer_was_under_way_is_struck_out():
    tokens = iter(["the-first-token", "the-second-token"] * 50)
    body = json.dumps({"code": 1, "message": "not the-first-token, not the-second-token"}).encode()
    async with (
        echoing(400, {}, body) as url,
        KakaClo(lambda: next(tokens), base_url=url, rate_limit=UNLIMITED) as kk,
    ):
        for _ in range(2):
            with pytest.raises(KakaCloError) as caught:
                await kk.payment.balance()
        assert_hidden(caught.value, "the-first-token", "the-second-token")


@pytest.mark.parametrize("source", SOURCES[:2], ids=["str", "function"])
async def test_what_a_middleware_raises_after_an_order_left_is_named_and_its_secrets_are_not(source):
    async def middleware(request, handler):
        response = await handler(request)
        failure = LookupError(f"{request.headers} {ORDER.address.street1} {encode(ORDER)}")
        failure.__context__ = aiohttp.ClientResponseError(response.request_info, (), headers=request.headers)
        raise failure

    async with (
        echoing(200, {}, b'{"code": 10000, "data": "7"}') as url,
        aiohttp.ClientSession(middlewares=[middleware]) as session,
        KakaClo(source, base_url=url, rate_limit=UNLIMITED, session=session) as kk,
    ):
        with pytest.raises(OutcomeUnknown, match="LookupError was raised after it was sent") as caught:
            await kk.orders.create(ORDER)
    assert caught.value.custom_order_id == "KA1"
    assert any("LookupError" in str(error) for error in chain(caught.value)[2:])
    assert_hidden(caught.value, TOKEN, *ADDRESS_PARTS)


SECRET = "my hidden street"


class Unprintable(Exception):
    def __repr__(self):
        raise ValueError

    __str__ = __repr__


def test_everything_behind_an_error_is_scrubbed_and_harmless_errors_stay():
    harmless = LookupError("harmless")
    bottom = UnicodeEncodeError("utf-8", SECRET, 0, 1, "surrogates not allowed")
    middle = DecodeError(SECRET, where=f"data.{SECRET}")
    middle.__context__, middle.__cause__ = bottom, harmless
    group = ExceptionGroup("two", [ValueError(SECRET), Unprintable()])
    group.__context__ = middle
    error = ConnectionFailed(SECRET, sent=True)
    error.add_note(SECRET)
    error.__context__ = error.__cause__ = group
    bottom.__context__ = error  # a circle
    scrub_error(error, lambda text: text.replace(SECRET, "***"))
    assert harmless in chain(error)
    assert len(chain(error)) == 5
    assert_hidden(error, SECRET)


@pytest.mark.parametrize("kind", [IntegrityError, StatementError])
def test_an_error_of_a_database_brings_no_row_along(kind):
    driver = LookupError(f"duplicate key\nDETAIL: {SECRET}")
    arguments = ("INSERT", {"payload": SECRET}, driver)
    with pytest.raises(ConfigurationError, match="duplicate key") as caught:  # noqa: SIM117 - the first sees the second
        with DatabaseUrl.parse("sqlite:///x.db", holds="journal", example="x.db").errors():
            raise (
                kind("duplicate key", *arguments) if kind is StatementError else kind(*arguments)
            ) from driver
    assert_hidden(caught.value, SECRET)


HALF = "1 Marker St \ud83d"


@pytest.mark.parametrize("field", [field.name for field in attrs.fields(Address)])
def test_half_an_emoji_in_an_address_is_refused_by_the_name_of_its_field(field):
    with pytest.raises(InvalidRequest, match=rf"Address\.{field} holds half a character") as caught:
        attrs.evolve(ADDRESS, **{field: HALF})
    assert len(chain(caught.value)) == 1
    assert "Marker" not in shown(caught.value)


@pytest.mark.parametrize("field", ["custom_order_id", "remark", "sale_platform", "channel_type"])
def test_half_an_emoji_in_an_order_is_refused(field):
    with pytest.raises(InvalidRequest) as caught:
        encode(attrs.evolve(ORDER, **{field: HALF}))
    assert "Marker" not in shown(caught.value)


@pytest.mark.parametrize("make", [lambda text: encode({"a": [text]}), lambda text: path("/v2/{}", text)])
def test_what_cannot_be_encoded_is_refused_without_being_shown(make):
    with pytest.raises(InvalidRequest, match="half a character") as caught:
        make(HALF)
    assert len(chain(caught.value)) == 1
    assert "Marker" not in shown(caught.value)


def test_an_answer_that_is_no_unicode_can_still_be_printed():
    answer = Answer(400, {"content-type": "text/\udce9"}, b"<html>")
    with pytest.raises(APIError) as caught:
        read_answer(Request(method="GET", path="/v1/x", result=str), answer)
    assert str(caught.value).encode()


@pytest.mark.parametrize("text", ["\\", "7", "%20", " ", "5 ", "+1 (", TOKEN[:-1]])
def test_a_long_message_takes_no_time_to_scrub(text):
    started = time.process_time()
    declined(text * (1_000_000 // len(text)), token=Token(TOKEN), order=ORDER)
    assert time.process_time() - started < 2


@given(st.text(min_size=1, max_size=40), st.text(max_size=40))
@settings(max_examples=200)
def test_scrubbing_never_fails_and_hides_the_token_in_any_text(before, after):
    assert TOKEN not in Token(TOKEN).scrub(before + TOKEN + after)
