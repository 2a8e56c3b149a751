"""The transport against servers that misbehave on the socket."""

from __future__ import annotations

import asyncio
import gzip
import ssl
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aioresponses import aioresponses

from kakaclo_async.errors import ConfigurationError, ConnectionFailed, DecodeError
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


async def test_a_session_that_verifies_no_certificates_is_refused():
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as session:
        with pytest.raises(ConfigurationError, match="TLS"):
            Transport("https://example.com", session)


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
