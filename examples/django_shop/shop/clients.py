"""One client of each kind for each process: its requests share permits, connections and a cache."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import cache
from threading import Lock

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

import kakaclo_async
import kakaclo_sync
from kakaclo_async import RateLimit, RedisBucket
from kakaclo_sync import Journal

_PATIENCE = {"timeout": 10.0, "max_wait": 5.0}  # seconds: a customer does not wait for longer
_making = Lock()  # `cache` alone lets threads that come first at the same time make a client each
_open: list[kakaclo_async.KakaClo] = []


def _bucket() -> RedisBucket | None:
    return RedisBucket(settings.SHOP_REDIS, key="shop") if settings.SHOP_REDIS else None


def _rate() -> RateLimit | None:
    # Two clients with one token and nothing that they share: half of the rate for each.
    return None if settings.SHOP_REDIS else RateLimit(60, 1.0)


def blocking() -> kakaclo_sync.KakaClo:
    """Return the client of sync views and commands; any number of threads use it, and a fork does it no harm."""
    with _making:
        return _blocking()


@cache
def _blocking() -> kakaclo_sync.KakaClo:
    return kakaclo_sync.KakaClo(
        **_PATIENCE, bucket=_bucket(), rate_limit=_rate(), allow_http=settings.SHOP_ALLOW_HTTP
    )


@cache
def journal() -> Journal:
    """Return the journal; all processes share its database."""
    return Journal(settings.SHOP_JOURNAL)


def close() -> None:
    """Close the client of sync views; the next view opens another. For tests: a server just ends."""
    with _making:
        if _blocking.cache_info().currsize:
            _blocking().close()
        _blocking.cache_clear()
        journal.cache_clear()


@asynccontextmanager
async def opened() -> AsyncGenerator[None, None]:
    """Keep the client of async views open: it belongs to the event loop that it is opened in."""
    async with kakaclo_async.KakaClo(
        **_PATIENCE, bucket=_bucket(), rate_limit=_rate(), allow_http=settings.SHOP_ALLOW_HTTP
    ) as kk:
        _open.append(kk)
        try:
            yield
        finally:
            _open.remove(kk)


def asynchronous() -> kakaclo_async.KakaClo:
    """Return the client of async views.

    Raises:
        ImproperlyConfigured: the server has not opened it.
    """
    if not _open:
        raise ImproperlyConfigured("async views need a server with a lifespan: uvicorn shop.asgi:application")
    return _open[-1]
