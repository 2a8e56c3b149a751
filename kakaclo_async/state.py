"""What all views of a client share, and how all of it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar, cast
from weakref import WeakValueDictionary

import attrs

from kakaclo_async.errors import ClientClosed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable

    from kakaclo_async.config import Token
    from kakaclo_async.events import Event
    from kakaclo_async.guards import Guard
    from kakaclo_async.models.freight import FreightQuote, FreightRequest
    from kakaclo_async.protocol import Request
    from kakaclo_async.ratelimit.gate import Gate
    from kakaclo_async.sharing.single_flight import Cache
    from kakaclo_async.transport import Transport

T = TypeVar("T")


class Steps:
    """Steps of calls that end at once when the client is closed.

    Attributes:
        closed: whether it is.
    """

    def __init__(self) -> None:
        self.closed = False
        self._under_way: set[asyncio.Timeout] = set()

    @asynccontextmanager
    async def step(self, seconds: float | None = None) -> AsyncGenerator[None, None]:
        """Cut a block off when the client is closed, or after some seconds.

        Raises:
            ClientClosed: the client was closed meanwhile.
            TimeoutError: the seconds are over.
        """
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                self._under_way.add(limit)
                yield
        except TimeoutError:
            if self.closed and limit.expired():
                raise ClientClosed("the client was closed during the call") from None
            raise
        finally:
            self._under_way.discard(limit)

    def close(self) -> None:
        """End the steps under way."""
        self.closed = True
        for limit in self._under_way:
            if not limit.expired():
                limit.reschedule(asyncio.get_running_loop().time())


@attrs.define(eq=False)
class ClientState:
    """What all views of a client share.

    Attributes:
        transport: sends one request.
        gate: hands out the permits.
        token: read before each request.
        emit: takes the events.
        rate: requests per second that the shop may send in the long run.
        random: gives [0, 1), for the jitter of pauses.
        guard: refuses what the client must not do.
        freight: the quotes kept.
        reference: the answers kept about what seldom changes.
        steps: what ends when the client is closed, requests apart.
    """

    transport: Transport
    gate: Gate
    token: Token
    emit: Callable[[Event], None]
    rate: float
    random: Callable[[], float]
    guard: Guard
    freight: Cache[FreightRequest, FreightQuote]
    reference: Cache[Request[Any], Any]
    steps: Steps = attrs.field(factory=Steps, init=False)
    # Weak: a part serves the calls that are in it, and views with ever new options must not pile them up.
    _parts: WeakValueDictionary[Hashable, object] = attrs.field(
        factory=WeakValueDictionary[Hashable, object], init=False
    )

    def drop_quotes(self, skus: Iterable[str]) -> None:
        """Drop the freight quotes of carts with these SKUs: their stock, and so the warehouses, changed."""
        changed = frozenset(skus)
        self.freight.drop(lambda cart: any(item.sku in changed for item in cart.items))

    def part(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the one object under this key, made if no call holds one."""
        if (found := self._parts.get(key)) is None:
            found = self._parts[key] = make()
        return cast("T", found)

    async def aclose(self) -> None:
        """Refuse new calls, end those that wait or are under way, and close the connections."""
        self.steps.close()
        # At once: a bucket on another machine may take its time, and requests under way must not wait for it.
        await asyncio.gather(self.gate.aclose(), self.transport.aclose())
