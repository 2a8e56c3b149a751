"""Pictures for a catalog whose own ones lead nowhere: a server on loopback that draws one for each address."""

from __future__ import annotations

import hashlib
import ssl
from contextlib import asynccontextmanager

import trustme
from aiohttp import web

HOST = "img.kakaclo.example"
_SHAPES = (
    "M70 60 L100 45 L140 45 L170 60 L190 95 L165 105 L165 200 L75 200 L75 105 L50 95 Z",
    "M80 40 L160 40 L172 205 L128 205 L120 100 L112 205 L68 205 Z",
    "M90 40 L150 40 L160 95 L190 205 L50 205 L80 95 Z",
)


async def _draw(request: web.Request) -> web.Response:
    seed = hashlib.sha256(request.path.encode()).digest()
    hue, turn = seed[0] * 360 // 256, seed[1] % len(_SHAPES)
    text = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 240 240" width="240" height="240">'
        f'<rect width="240" height="240" fill="hsl({hue} 30% 90%)"/>'
        f'<path d="{_SHAPES[turn]}" fill="hsl({hue} 45% {35 + seed[2] % 30}%)" stroke="hsl({hue} 50% 20%)" stroke-width="3"/></svg>'
    )
    return web.Response(text=text, content_type="image/svg+xml")


@asynccontextmanager
async def drawn_pictures():
    """Give the rules by which a browser finds the pictures here."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert(HOST).configure_cert(context)
    app = web.Application()
    app.router.add_get("/{path:.*}", _draw)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    try:
        yield f"MAP {HOST} 127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
