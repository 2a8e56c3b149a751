"""What a hostile server does with a request, and what a broken token function does."""

from __future__ import annotations

import asyncio
import json


async def reset_before(exchange):
    exchange.reset()


async def reset_after(exchange):
    exchange.effect()
    exchange.reset()


async def close_at_once(exchange):
    exchange.close()


async def silence(exchange):
    exchange.effect()
    await exchange.silence()


async def slow_headers(exchange):
    status, body = exchange.effect()
    await drip(exchange, b"HTTP/1.1 %d OK\r\nContent-Length: %d\r\n\r\n" % (status, len(body)))
    await exchange.silence()


async def slow_body(exchange):
    status, body = exchange.effect()
    exchange.send(b"HTTP/1.1 %d OK\r\nContent-Length: %d\r\n\r\n" % (status, len(body)))
    await drip(exchange, body)


async def drip(exchange, data):
    for place in range(len(data)):
        exchange.send(data[place : place + 1])
        await exchange.writer.drain()
        await asyncio.sleep(1.0)
        if exchange.reader.at_eof():
            raise ConnectionError


async def no_http(exchange):
    exchange.effect()
    exchange.send(b"SSH-2.0-OpenSSH_9.6\r\n")
    exchange.close()


async def cut_head(exchange):
    exchange.effect()
    exchange.send(b"HTTP/1.1 200 OK\r\nContent-Ty")
    exchange.close()


async def cut_body(exchange):
    status, body = exchange.effect()
    exchange.send(
        b"HTTP/1.1 %d OK\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body[: len(body) // 2]
    )
    await exchange.writer.drain()
    exchange.close()


async def cut_chunks(exchange):
    status, body = exchange.effect()
    head = b"HTTP/1.1 %d OK\r\nTransfer-Encoding: chunked\r\n\r\n" % status
    exchange.send(head + b"%x\r\n" % len(body) + body[: len(body) // 2])
    await exchange.writer.drain()
    exchange.close()


async def missing_last_chunk(exchange):
    status, body = exchange.effect()
    head = b"HTTP/1.1 %d OK\r\nTransfer-Encoding: chunked\r\n\r\n" % status
    exchange.send(head + b"%x\r\n" % len(body) + body + b"\r\n")
    await exchange.writer.drain()
    exchange.close()


async def cut_without_length(exchange):
    """An answer that ends with its connection says nothing of its length: half a document looks whole."""
    status, body = exchange.effect()
    exchange.send(b"HTTP/1.1 %d OK\r\nConnection: close\r\n\r\n" % status + body[: len(body) // 2])
    await exchange.writer.drain()
    exchange.close()


async def swallow_on_kept(exchange):
    if exchange.writer in exchange.world.doomed:
        await exchange.silence()
    else:
        await exchange.truly()


async def close_kept(exchange):
    if exchange.writer in exchange.world.doomed:
        exchange.close()
    else:
        await exchange.truly()


async def close_after_answer(exchange):
    await exchange.truly()
    exchange.close()


def body(change, *, headers=(), kind="application/json; charset=utf-8"):
    """Answer truly, with a body that something has happened to; errors that are true stay as they are."""

    async def act(exchange):
        status, true = exchange.effect()
        if status == 200 and true.startswith(b'{"code":10000,'):
            await exchange.answer(200, change(true), headers=headers, kind=kind)
        else:
            await exchange.answer(status, true)

    return act


def instead(status, content=b"", *, headers=(), kind="application/json", effect=False):
    """Answer so, whatever was asked."""

    async def act(exchange):
        if effect:
            exchange.effect()
        await exchange.answer(status, content() if callable(content) else content, headers=headers, kind=kind)

    return act


def envelope(code):
    return json.dumps({"code": code, "message": "the system is busy"}).encode()


async def hang():
    await asyncio.get_running_loop().create_future()


async def fail():
    raise LookupError("the vault is sealed")


async def five():
    return 5


async def torn():
    return "half\r\nX-Evil: 1"


async def foreign():
    return "a-token-of-somebody-else"
