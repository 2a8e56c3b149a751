"""The transport against servers that misbehave on the socket."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import ssl
import time
import warnings
from contextlib import asynccontextmanager

import aiohttp
import attrs
import pytest
from aioresponses import aioresponses
from support.shop import ADDRESS

from kakaclo_async import Item, KakaClo, NewOrder
from kakaclo_async.errors import (
    ClientClosed,
    ConfigurationError,
    ConnectionFailed,
    DecodeError,
    InvalidRequest,
    RateLimited,
)
from kakaclo_async.protocol import Request
from kakaclo_async.transport import Transport

READ = Request(method="GET", path="/v1/x", query=(("skus", "A,B & C"),), result=object)
WRITE = Request(method="POST", path="/v2/order", body=b'{"a":1}', result=object, writes=True)
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


@asynccontextmanager
async def serving(respond):
    """Serve raw bytes: `respond(request_bytes, writer)` for each request that arrived whole."""
    seen = []

    async def handle(reader, writer):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
            body = await reader.readexactly(int(length[0].split(b":")[1])) if length else b""
            seen.append(head + body)
            await respond(head + body, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    transport = Transport(f"http://127.0.0.1:{port}/openapi")
    try:
        yield transport, seen
    finally:
        await transport.aclose()
        server.close()


def answering(data):
    async def respond(_request, writer):
        writer.write(data)
        await writer.drain()

    return respond


async def silence(_request, _writer):
    await asyncio.Event().wait()


async def test_a_request_carries_the_token_the_query_and_the_body():
    async with serving(answering(OK)) as (transport, seen):
        answer = await transport.send(READ, "tok", timeout=5)
        await transport.send(WRITE, "tok", timeout=5)
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, b"{}", "application/json")
    first, second = seen
    assert first.startswith(b"GET /openapi/v1/x?skus=A,B+%26+C HTTP/1.1\r\n")
    assert b"\r\nAuthorization: Bearer tok\r\n" in first
    assert b"\r\nUser-Agent: kakaclo-python/" in first
    assert second.endswith(b'\r\n\r\n{"a":1}')
    assert b"\r\nContent-Type: application/json\r\n" in second


async def test_a_write_never_rides_on_a_kept_connection_that_may_be_closing():
    async with serving(answering(OK)) as (transport, seen):  # closes after each answer, without a word
        await transport.send(READ, "tok", timeout=5)
        await transport.send(WRITE, "tok", timeout=5)
        await transport.send(WRITE, "tok", timeout=5)
    assert len(seen) == 3


@pytest.mark.parametrize("clock", ["loop", "wall"])
async def test_a_write_that_stood_still_until_its_time_was_over_does_not_leave_any_more(clock, monkeypatch):
    """The process was stopped once it was connected, or its machine slept, and another may have sent it since."""

    async def stand_still(*_):
        owner = asyncio.get_running_loop() if clock == "loop" else time
        now = owner.time
        monkeypatch.setattr(owner, "time", lambda: now() + 3600)

    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(stand_still)
    async with (
        serving(answering(OK)) as (transport, seen),
        aiohttp.ClientSession(trace_configs=[trace]) as session,
    ):
        stopped = Transport(transport._base_url, session)
        with pytest.raises(ConnectionFailed) as failure:
            await stopped.send(WRITE, "tok", timeout=30)
        await transport.send(READ, "tok", timeout=7200)  # what left before has come by then
    assert failure.value.sent is False
    assert len(seen) == 1


async def test_quoted_path_parameters_stay_quoted():
    async with serving(answering(OK)) as (transport, seen):
        await transport.send(Request(method="GET", path="/v2/a%2Fb%20c", result=object), "tok", timeout=5)
    assert seen[0].startswith(b"GET /openapi/v2/a%2Fb%20c HTTP/1.1")


async def test_redirects_are_brought_back_and_not_followed():
    moved = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/steal\r\nContent-Length: 0\r\n\r\n"
    async with serving(answering(moved)) as (transport, seen):
        assert (await transport.send(READ, "tok", timeout=5)).status == 302
    assert len(seen) == 1


@pytest.mark.parametrize("request_", [READ, WRITE], ids=["read", "write"])
async def test_a_refused_connection_means_the_request_never_left(request_):
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    transport = Transport(f"http://127.0.0.1:{port}")
    with pytest.raises(ConnectionFailed, match=f"cannot connect to 127.0.0.1:{port}") as caught:
        await transport.send(request_, "tok", timeout=5)
    assert caught.value.sent is False
    await transport.aclose()


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Len",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"not HTTP at all\r\n\r\n",
    ],
    ids=["closed", "cut in the head", "cut in the body", "no HTTP"],
)
async def test_a_broken_answer_means_the_request_may_have_arrived(reply):
    async with serving(answering(reply)) as (transport, _seen):
        with pytest.raises(ConnectionFailed) as caught:
            await transport.send(WRITE, "tok", timeout=5)
    assert caught.value.sent is True
    assert "tok" not in str(caught.value)


@pytest.mark.stepped
@pytest.mark.parametrize("request_", [READ, WRITE], ids=["read", "write"])
async def test_silence_ends_with_the_timeout(request_):
    async with serving(silence) as (transport, _seen):
        with pytest.raises(ConnectionFailed, match="no answer in 30 s") as caught:
            await transport.send(request_, "tok", timeout=30)
    assert caught.value.sent is True


async def until(condition):
    while not condition():
        await asyncio.sleep(0.001)


async def test_a_write_cancelled_after_it_left_says_so():
    async with serving(silence) as (transport, seen):
        call = asyncio.create_task(transport.send(WRITE, "tok", timeout=30))
        await until(lambda: seen)
        call.cancel()
        with pytest.raises(ConnectionFailed, match="cancelled after it was sent") as caught:
            await call
    assert caught.value.sent is True


async def test_a_read_or_a_write_that_has_not_left_is_just_cancelled():
    async with serving(silence) as (transport, seen):
        read = asyncio.create_task(transport.send(READ, "tok", timeout=30))
        await until(lambda: seen)
        write = asyncio.create_task(transport.send(WRITE, "tok", timeout=30))
        await asyncio.sleep(0)
        for call in (read, write):
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
    assert len(seen) == 1


async def test_an_answer_above_the_cap_is_refused_even_when_compressed():
    packed = gzip.compress(bytes(1_000_000))
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n".encode()
    async with serving(answering(head + packed)) as (transport, _seen):
        transport._max_body = 100_000
        with pytest.raises(DecodeError, match="more than 100000 bytes") as caught:
            await transport.send(READ, "tok", timeout=5)
    assert caught.value.where == "body size"


async def test_a_session_of_the_caller_is_used_and_left_open():
    async with serving(answering(OK)) as (transport, _seen), aiohttp.ClientSession() as session:
        borrowing = Transport(transport._base_url, session)
        await borrowing.send(READ, "tok", timeout=5)
        await borrowing.aclose()
        assert not session.closed


def no_certificate():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def any_host():
    context = ssl.create_default_context()
    context.check_hostname = False
    return context


@pytest.mark.parametrize("trust", [lambda: False, no_certificate, any_host])
async def test_a_session_that_does_not_verify_the_server_is_refused(trust):
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust())) as session:
        with pytest.raises(ConfigurationError, match="TLS verification turned off"):
            Transport("https://example.com", session)


@pytest.mark.parametrize(
    "trust", [lambda: True, ssl.create_default_context, lambda: aiohttp.Fingerprint(bytes(32))]
)
async def test_a_session_with_its_own_certificates_is_taken(trust):
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust())) as session:
        Transport("https://example.com", session)


async def test_a_closed_session_is_told_in_a_sentence():
    session = aiohttp.ClientSession()
    await session.close()
    with pytest.raises(ConfigurationError, match="is closed, and nothing was sent"):
        await Transport("https://example.com", session).send(READ, "tok", timeout=5)


@asynccontextmanager
async def kept_alive(respond):
    """Serve as many requests as a connection brings; yields the URL and what each connection brought."""
    connections = []

    async def handle(reader, writer):
        brought = []
        connections.append(brought)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
                body = await reader.readexactly(int(length[0].split(b":")[1])) if length else b""
                brought.append(head.split(b" ")[0].decode())
                if not await respond(brought, head + body, writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/openapi", connections
    finally:
        server.close()


async def answer(_brought, _request, writer):
    writer.write(OK)
    await writer.drain()
    return True


async def hang_up_on_the_second(brought, request, writer):
    return len(brought) == 1 and await answer(brought, request, writer)


async def hang_up(_brought, _request, _writer):
    return False


async def unavailable(_brought, _request, writer):
    writer.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
    await writer.drain()
    return True


async def test_a_borrowed_session_keeps_connections_for_reads_and_opens_one_for_each_write():
    async with kept_alive(answer) as (url, connections), aiohttp.ClientSession() as session:
        for request in (READ, READ, WRITE, READ, WRITE):
            await Transport(url, session).send(request, "tok", timeout=5)
        assert connections == [["GET", "GET"], ["POST", "GET"], ["POST"]]
        await session.get(url)  # the session itself is as it was
        assert session._retry_connection
        assert type(session.connector) is aiohttp.TCPConnector


async def test_a_write_over_a_borrowed_session_meets_no_connection_that_is_just_closing():
    async with kept_alive(hang_up_on_the_second) as (url, _), aiohttp.ClientSession() as session:
        transport = Transport(url, session)
        for _ in range(3):
            assert (await transport.send(WRITE, "tok", timeout=5)).status == 200


async def test_a_full_connector_is_waited_for_and_still_gives_a_write_a_new_connection():
    one_at_a_time = aiohttp.TCPConnector(limit=1)
    async with (
        kept_alive(answer) as (url, connections),
        aiohttp.ClientSession(connector=one_at_a_time) as session,
    ):
        transport = Transport(url, session)
        await asyncio.gather(*(transport.send(request, "tok", timeout=5) for request in (READ, WRITE, WRITE)))
        assert connections == [["GET"], ["POST"], ["POST"]]


async def test_a_borrowed_session_does_not_send_a_read_again_by_itself():
    async with kept_alive(hang_up_on_the_second) as (url, connections), aiohttp.ClientSession() as session:
        transport = Transport(url, session)
        await transport.send(READ, "tok", timeout=5)
        with pytest.raises(ConnectionFailed, match="without an answer"):
            await transport.send(READ, "tok", timeout=5)
        assert connections == [["GET", "GET"]]


AGAIN = attrs.evolve(READ, repeated=True)


@pytest.mark.parametrize("borrowed", [False, True])
async def test_a_repeated_read_meets_no_kept_connection_for_all_may_be_dead(borrowed):
    async with kept_alive(answer) as (url, connections), aiohttp.ClientSession() as session:
        transport = Transport(url, session if borrowed else None)
        await asyncio.gather(*(transport.send(READ, "tok", timeout=5) for _ in range(3)))
        for request in (AGAIN, READ):
            await transport.send(request, "tok", timeout=5)
        await transport.aclose()
    assert connections == [["GET"], ["GET"], ["GET"], ["GET", "GET"]]


@pytest.mark.stepped
async def test_a_read_outlasts_all_kept_connections_being_half_open():
    async def forget(brought, request, writer):
        if len(brought) > 1:
            await asyncio.Event().wait()
        return await answer(brought, request, writer)

    async with kept_alive(forget) as (url, connections), KakaClo("tok", base_url=url) as kk:
        with contextlib.suppress(DecodeError):
            await asyncio.gather(*(kk.with_options(max_attempts=1).payment.balance() for _ in range(5)))
        with pytest.raises(DecodeError):  # which an answer brings
            await kk.with_options(max_attempts=2).payment.balance()
    assert len(connections) == 6


async def try_three_times(request, handler):
    for _ in range(2):
        try:
            response = await handler(request)
        except aiohttp.ClientError:
            continue
        if response.status < 500:
            return response
    return await handler(request)


with warnings.catch_warnings(action="ignore", category=DeprecationWarning):

    class Stubborn(aiohttp.ClientSession):
        """As some packages do: a session that repeats whatever failed."""

        async def _request(self, *arguments, **options):
            for _ in range(2):
                with contextlib.suppress(aiohttp.ClientError):
                    return await super()._request(*arguments, **options)
            return await super()._request(*arguments, **options)


class NoSession:
    """Something that only looks like a session, and repeats whatever failed."""

    connector = None

    def __init__(self, session):
        self.session = session

    @asynccontextmanager
    async def request(self, *arguments, **options):
        for last in (False, False, True):
            response = await self.session.request(*arguments, **options)
            if response.status < 500 or last:
                yield response
                return


@pytest.mark.parametrize("respond", [hang_up, unavailable])
@pytest.mark.parametrize("request_", [READ, WRITE], ids=["read", "write"])
@pytest.mark.parametrize("make", [lambda: aiohttp.ClientSession(middlewares=[try_three_times]), Stubborn])
async def test_a_session_that_repeats_requests_by_itself_is_stopped(make, request_, respond):
    async with kept_alive(respond) as (url, connections), make() as session:
        transport = Transport(url, session)
        with contextlib.suppress(ConnectionFailed):
            assert (await transport.send(request_, "tok", timeout=5)).status == 503
        assert sum(map(len, connections)) == 1


async def test_not_even_a_stand_in_for_a_session_sends_a_write_twice():
    async with kept_alive(unavailable) as (url, connections), aiohttp.ClientSession() as session:
        with pytest.raises(ConnectionFailed) as caught:
            await Transport(url, NoSession(session)).send(WRITE, "tok", timeout=5)
    assert caught.value.sent
    assert sum(map(len, connections)) == 1


async def test_a_write_that_left_is_not_forgotten_because_a_repetition_could_not_connect():
    def refuse(*_):
        raise aiohttp.ClientConnectorError(Key, OSError("refused"))

    async def then_refuse(request, handler):
        await handler(request)
        refuse()

    async with kept_alive(answer) as (url, _), aiohttp.ClientSession(middlewares=[then_refuse]) as session:
        with pytest.raises(ConnectionFailed) as caught:
            await Transport(url, session).send(WRITE, "tok", timeout=5)
    assert caught.value.sent


def hooked(name, error):
    async def hook(*_):
        raise error

    trace = aiohttp.TraceConfig()
    getattr(trace, name).append(hook)
    return aiohttp.ClientSession(trace_configs=[trace])


def after_the_answer(error):
    async def middleware(request, handler):
        await handler(request)
        raise error

    return aiohttp.ClientSession(middlewares=[middleware])


FOREIGN = [ValueError("a bug"), KeyError("x"), InvalidRequest("from another client"), RateLimited("likewise")]


@pytest.mark.parametrize("error", FOREIGN, ids=repr)
@pytest.mark.parametrize("where", ["on_request_start", "on_connection_create_start"])
async def test_what_a_hook_raises_before_a_write_left_is_raised_as_it_is(where, error):
    async with kept_alive(answer) as (url, connections), hooked(where, error) as session:
        with pytest.raises(type(error)) as caught:
            await Transport(url, session).send(WRITE, "tok", timeout=5)
    assert caught.value is error
    assert sum(map(len, connections)) == 0


@pytest.mark.parametrize("error", FOREIGN, ids=repr)
@pytest.mark.parametrize(
    "make", [lambda error: hooked("on_request_end", error), after_the_answer], ids=["hook", "middleware"]
)
async def test_what_is_raised_after_a_write_left_leaves_it_in_doubt(make, error):
    async with kept_alive(answer) as (url, connections), make(error) as session:
        with pytest.raises(
            ConnectionFailed, match=f"{type(error).__name__} was raised after it was sent"
        ) as caught:
            await Transport(url, session).send(WRITE, "tok", timeout=5)
        assert (caught.value.sent, caught.value.__cause__) == (True, error)
        with pytest.raises(type(error)):
            await Transport(url, session).send(READ, "tok", timeout=5)
    assert sum(map(len, connections)) == 2


async def test_what_reading_the_answer_raises_leaves_a_write_in_doubt(monkeypatch):
    def broken(self):
        raise ZeroDivisionError

    monkeypatch.setattr(aiohttp.StreamReader, "iter_any", broken)
    async with serving(answering(OK)) as (transport, _seen):
        with pytest.raises(ConnectionFailed, match="ZeroDivisionError was raised after it was sent"):
            await transport.send(WRITE, "tok", timeout=5)


async def test_a_closed_transport_sends_nothing_and_opens_nothing():
    async with serving(answering(OK)) as (transport, seen), aiohttp.ClientSession() as session:
        for closed in (transport, Transport(transport._base_url, session)):
            await closed.aclose()
            await closed.aclose()
            for request in (READ, WRITE):
                with pytest.raises(ClientClosed, match="nothing was sent"):
                    await closed.send(request, "tok", timeout=5)
            assert (closed._kept, closed._fresh) == (None, None)
    assert seen == []


@pytest.mark.stepped
async def test_no_order_leaves_a_client_that_was_closed_while_its_token_was_fetched():
    async def token():
        await asyncio.sleep(0.5)
        return "tok"

    order = NewOrder(address=ADDRESS, items=[Item("A", 1)], custom_order_id="KA1")
    async with serving(answering(OK)) as (own, seen):
        kk = KakaClo(token, base_url=own._base_url)
        call = asyncio.create_task(kk.orders.create(order))
        await asyncio.sleep(0.1)
        await kk.aclose()
        with pytest.raises(ClientClosed, match="order 'KA1' was not placed"):
            await call
    assert seen == []


@pytest.mark.parametrize("borrowed", [False, True])
@pytest.mark.parametrize("request_", [READ, WRITE], ids=["read", "write"])
async def test_closing_ends_a_request_under_way_and_says_whether_it_left(request_, borrowed):
    async with serving(silence) as (own, seen), aiohttp.ClientSession() as session:
        transport = Transport(own._base_url, session) if borrowed else own
        call = asyncio.create_task(transport.send(request_, "tok", timeout=30))
        await until(lambda: seen)
        await transport.aclose()
        with pytest.raises(ConnectionFailed, match="the client was closed") as caught:
            await call
    assert caught.value.sent


async def test_closing_ends_a_write_that_has_not_left():
    async def never(*_):
        await asyncio.Event().wait()

    trace = aiohttp.TraceConfig()
    trace.on_connection_create_start.append(never)
    async with serving(answering(OK)) as (own, seen), aiohttp.ClientSession(trace_configs=[trace]) as session:
        transport = Transport(own._base_url, session)
        call = asyncio.create_task(transport.send(WRITE, "tok", timeout=30))
        await asyncio.sleep(0)
        await transport.aclose()
        with pytest.raises(ConnectionFailed, match="the client was closed") as caught:
            await call
    assert (caught.value.sent, seen) == (False, [])


async def test_errors_of_the_connection_bring_no_foreign_error_along():
    async with serving(answering(b"not HTTP at all\r\n\r\n")) as (transport, _seen):
        with pytest.raises(ConnectionFailed) as caught:
            await transport.send(READ, "tok", timeout=5)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


class Key:
    host, port, ssl, is_ssl = "api.example", 443, True, True


@pytest.mark.parametrize(
    ("failure", "sent", "text"),
    [
        (
            aiohttp.ClientConnectorDNSError(Key, OSError("no such host")),
            False,
            "api.example cannot be resolved",
        ),
        (
            aiohttp.ClientConnectorCertificateError(Key, ssl.SSLCertVerificationError("bad")),
            False,
            "certificate of api.example",
        ),
        (aiohttp.ConnectionTimeoutError("secret in text"), False, "no answer"),
        (aiohttp.ServerDisconnectedError("secret in text"), True, "without an answer"),
        (aiohttp.ClientOSError(104, "secret in text"), True, "ClientOSError"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
async def test_each_failure_has_its_sentence_and_repeats_no_foreign_text(failure, sent, text):
    transport = Transport("https://api.example")
    with aioresponses() as server:
        server.get("https://api.example/v1/x?skus=A%2CB+%26+C", exception=failure)
        with pytest.raises(ConnectionFailed, match=text) as caught:
            await transport.send(READ, "tok", timeout=5)
    await transport.aclose()
    assert caught.value.sent is sent
    assert "secret" not in str(caught.value)
