"""A receiver of webhooks: it checks signatures, fails when it is told to, and keeps what it took, each event once."""

from __future__ import annotations

import asyncio

from aiohttp import web

from kakaclo_async.feed import SIGNATURE_HEADER, Webhook, read_event, verify_signature

SECRET = "a-secret-of-the-receiver"


class Receiver:
    """Listens on a free port of this machine.

    Attributes:
        events: what it took, in the order of arrival, each once.
        posts: everything that came: the event, and the status that was answered.
        fails: returns the status to answer in place of 200, or None; it is given the event. 0 hangs up.
    """

    def __init__(self, now, *, tolerance=300.0):
        self.now, self.tolerance = now, tolerance
        self.events, self.posts = [], []
        self.fails = lambda _event: None
        self.forged = 0
        self._news = asyncio.Event()

    async def took(self, count):
        """Wait until it has taken so many events."""
        while len(self.events) < count:
            self._news.clear()
            await self._news.wait()

    async def __aenter__(self):
        app = web.Application()
        app.router.add_post("/hook", self._take)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/hook?key=hidden-in-the-url"
        return self

    async def __aexit__(self, *_):
        await self._runner.cleanup()

    def webhook(self, **options):
        return Webhook(self.url, SECRET, **options)

    async def _take(self, request):
        body = await request.read()
        header = request.headers.get(SIGNATURE_HEADER, "")
        if not verify_signature(body, header, SECRET, self.tolerance, now=self.now().timestamp()):
            self.forged += 1
            return web.Response(status=401)
        event = read_event(body)
        status = self.fails(event)
        self.posts.append((event, status or 200))
        if status == 0:
            request.transport.abort()
        if status is not None:
            return web.Response(status=status or 500, headers={"Location": "/hook"})
        if event.id not in {known.id for known in self.events}:
            self.events.append(event)
        self._news.set()
        return web.Response()
