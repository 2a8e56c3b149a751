"""The event feed for blocking callers: the names of `kakaclo_async.feed`; what is awaited there blocks here."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING

from kakaclo_async import feed
from kakaclo_async.feed import (
    SIGNATURE_HEADER as SIGNATURE_HEADER,
    BalanceLow as BalanceLow,
    Delivery as Delivery,
    FeedEvent as FeedEvent,
    OrderCancelled as OrderCancelled,
    OrderCompleted as OrderCompleted,
    OrderPaid as OrderPaid,
    OrderShipped as OrderShipped,
    OrderSplit as OrderSplit,
    RefundSettled as RefundSettled,
    Turn as Turn,
    Webhook as Webhook,
    read_event as read_event,
    verify_signature as verify_signature,
)
from kakaclo_async.feed.feed import Feed as AsyncFeed
from kakaclo_async.ordering.journal import wall_clock
from kakaclo_sync._proxy import BlockingProxy, blocking, iterating
from kakaclo_sync.catalog import stopped_by_signals

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from decimal import Decimal

    from kakaclo_sync.client import KakaClo
    from kakaclo_sync.ordering import Journal


__all__ = feed.__all__  # pyright: ignore[reportUnsupportedDunderAll] - the one list


class Feed(BlockingProxy[AsyncFeed]):
    """The orders of a journal as a feed of events: paid, split, shipped, refund settled, completed, cancelled.

    State and events lie in the journal's database and are written together: whatever kills the process, each event is
    there once. Several feeds of one journal may run at once. Nothing is kept open between two calls.

    Args:
        journal: the `Journal` that the orders were placed with.
        shop: a name that each event bears, where several shops have the same reader.
        since: aware; orders that were placed before are left alone. None: all are watched, also those of long ago.
        balance_below: US dollars; tells when the balance falls below. It costs a request each five minutes.
        now: tells the time, aware.

    Raises:
        InvalidRequest: a naive time, or a limit that is no amount.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        shop: str | None = None,
        since: datetime | None = None,
        balance_below: Decimal | int | None = None,
        now: Callable[[], datetime] = wall_clock,
    ) -> None:
        make = partial(AsyncFeed, shop=shop, since=since, balance_below=balance_below, now=now)
        super().__init__(journal._bridge, journal._path_to(make))  # noqa: SLF001 - the package's own
        self._target()  # what cannot work is refused here, not by the first call
        self._stopping: Callable[[], object] | None = None

    read = blocking(AsyncFeed.read)
    events = iterating(AsyncFeed.events)
    cursor = blocking(AsyncFeed.cursor)
    acknowledge = blocking(AsyncFeed.acknowledge)
    forget = blocking(AsyncFeed.forget)
    prune = blocking(AsyncFeed.prune)
    deliver = blocking(AsyncFeed.deliver)

    def turn(self, kk: KakaClo, seconds: float = 5.0) -> Turn:
        """Look at the orders that are due, and append what happened to them.

        An order is due again after a sixtieth of the time since it last changed, at least half a minute and at most a
        day; one that is completed, or cancelled and paid back, never again.

        `GET /v2/order/orders?ids=`, 250 orders per request, in the bulk lane; `?createStartTime=` where a part of an
        order is missing, because KakaClo made several of it; `GET /v1/payment/balance`

        Args:
            kk: a client of the journal's shop.
            seconds: after these no further orders are asked for; what is left is due still.

        Returns:
            What it did. It may be called again at once: while nothing is due it sends nothing.

        Raises:
            KakaCloError: KakaClo could not be asked; what was learned before is kept.
        """
        # On the client's loop: an async client knows no other, and a feed any.
        return kk._bridge.thread().run(lambda: self._target().turn(kk._target(), seconds))  # noqa: SLF001 - the package's own

    def follow(
        self,
        kk: KakaClo,
        every: float = 15.0,
        *,
        webhooks: Sequence[Webhook] = (),
        keep_days: float | None = None,
        stop_on_signals: bool = False,
    ) -> None:
        """Take turns and deliver, again and again, until Ctrl-C or `stop`.

        A network that fails, or a server in trouble, is waited for, however long it takes.

        Args:
            kk: a client of the journal's shop.
            every: seconds from the start of one turn to the start of the next.
            webhooks: where events are posted to.
            keep_days: events that everybody has are dropped once they are so old; None: they are kept.
            stop_on_signals: SIGTERM and SIGINT call `stop`; only in the main thread.

        Raises:
            InvalidRequest: `every` is less than a second.
            KakaCloError: what waiting does not mend: a token that is refused, a database that cannot be used.
        """
        thread, target = kk._bridge.thread(), self._target()  # noqa: SLF001 - see `turn`
        self._stopping = partial(thread.post, target.stop)
        with stopped_by_signals(self.stop) if stop_on_signals else nullcontext():
            thread.run(
                lambda: target.follow(
                    kk._target(),  # noqa: SLF001 - see `turn`
                    every,
                    webhooks=webhooks,
                    keep_days=keep_days,
                )
            )

    def stop(self) -> None:
        """Let `follow` return; what is being written is written as a whole or not at all."""
        if self._stopping is not None:
            self._stopping()

    def __repr__(self) -> str:
        return repr(self._target())
