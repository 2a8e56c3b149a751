"""Orders for a journal: place one, and read back many whose outcome is unknown."""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import attrs

from kakaclo_async.codec import encode, to_wire_time
from kakaclo_async.errors import IncompletePull, KakaCloError, OutcomeUnknown
from kakaclo_async.models.family import Likeness, likeness, match_family, pieces
from kakaclo_async.models.freight import Item
from kakaclo_async.models.new_order import Address, NewOrder
from kakaclo_async.ordering.intents import order_conflict
from kakaclo_async.ordering.leases import Writes
from kakaclo_async.ordering.writes import (
    Entry,
    Reconciliation,
    Resembling,
)
from kakaclo_async.resources.orders.placing import drop_quotes, place
from kakaclo_async.resources.orders.reads import by_number, list_orders
from kakaclo_async.sharing import Pace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from kakaclo_async.errors import Conflict
    from kakaclo_async.models.order import Order
    from kakaclo_async.ordering.leases import Attempt
    from kakaclo_async.sending import Sender


_MARGIN: Final = timedelta(minutes=10)
"""How far KakaClo's clock may be behind ours for a quick look to find an order."""

_THOROUGH_MARGIN: Final = timedelta(days=1)
"""The same for the look that decides: times in a wrong zone must not make an order absent."""

_OLDER: Final = timedelta(minutes=2)
"""How much before our first attempt an order must be made to be another's: clocks differ a little."""


class OrderWrites(Writes):
    """Places orders; a key is a custom order id, a payload the body of `POST /v2/order/orders`.

    Args:
        sender: sends, and looks.
        order: the one to place; None: as the journal has it.
    """

    kind = "order"

    def __init__(self, sender: Sender, order: NewOrder | None = None) -> None:
        super().__init__(sender)
        self._order = order

    async def send(self, attempt: Attempt) -> str:
        """Place the order and return its number."""
        order = self._order or read_order(attempt.payload)  # an earlier version may have written "us"
        try:
            return await place(self.sender, order, encode(order), check_lease=attempt.check)
        finally:
            drop_quotes(self.sender, order.items)

    async def reconcile(self, unknown: Sequence[Entry], *, thorough: bool) -> Reconciliation:
        """Read the orders made since the oldest unknown one, and match custom order ids, items, address and age.

        `GET /v2/order/orders?createStartTime=`, 250 rows per request, in the bulk lane
        """
        margin = _THOROUGH_MARGIN if thorough else _MARGIN
        start = min(entry.sent_from or entry.created_at for entry in unknown) - margin
        began = asyncio.get_running_loop().time()
        namesakes = _Namesakes(unknown)
        complete, failure = True, None
        try:
            # Without an end: a server whose clock is ahead of ours makes orders in our future.
            listed = list_orders(self.sender.bulk(urgent=True), created_from=start)
            async with aclosing(listed.rows()) as orders:
                async for order in orders:
                    namesakes.add(order)
        except KakaCloError as error:
            # What was read until then may hold what was looked for.
            complete, failure = False, None if isinstance(error, IncompletePull) else error
        server_time = self.sender.state.server_clock.at(began)
        found: dict[str, str] = {}
        unclear: dict[str, str] = {}
        resembling: dict[str, Sequence[Resembling]] = {}
        pace = Pace()
        for entry in unknown:
            await pace()
            ours = _Ours.of(entry, server_time)
            outcome = ours.choose(sorted(namesakes.exact[entry.key], key=by_number))
            if outcome.number is not None:
                found[entry.key] = outcome.number
            elif outcome.why is not None:
                unclear[entry.key] = outcome.why
            elif alike := [order for order in namesakes.which_may_be(entry) if ours.may_be(order)]:
                resembling[entry.key] = [Resembling(order.id, order.custom_order_id) for order in alike]
        if failure is not None and not found:
            raise failure
        return Reconciliation(found=found, unclear=unclear, complete=complete, resembling=resembling)

    def redact(self, payload: bytes) -> bytes:
        """Return the items alone."""
        return json.dumps({"orderItemsList": json.loads(payload.decode())["orderItemsList"]}).encode()

    def unknown(self, key: str, why: str, settles_at: datetime) -> OutcomeUnknown:
        """Make the error for an order that may have been placed."""
        return OutcomeUnknown(
            f"order {key!r} may or may not have been placed: {why}; submit it again with the same journal,"
            f" never without: it can be settled at {to_wire_time(settles_at)}",
            custom_order_id=key,
            settles_at=settles_at,
        )

    def conflict(self, key: str, entry: Entry, payload: bytes) -> Conflict:
        """Make the error for a custom order id that came with another order: how that stands, and what differs."""
        return order_conflict(key, entry, payload)


def read_order(payload: bytes) -> NewOrder:
    """Return the order of a payload that holds all of it."""
    body = json.loads(payload)
    return NewOrder(
        address=Address(**body["orderAddresses"]),
        items=[Item(**line) for line in body["orderItemsList"]],
        channel_type=body["channelType"],
        custom_order_id=body["customOrderId"],
        remark=body.get("remark"),
        sale_platform=body.get("salePlatform"),
    )


_NO_NAME: Final = "null"
"""What KakaClo writes for what it does not have, in any letters."""

_FIRST_YEAR: Final = 2000
"""No order is older: such times are a zero, or seconds that were taken for milliseconds."""


class _Namesakes:
    """The listed orders that may be unknown ones: by custom order id, exactly, or as lists may show it.

    Lists were seen to cut ids, to write them in capitals, and to leave them out. One that shows no SKU either may be
    any.

    Args:
        unknown: the entries.
    """

    def __init__(self, unknown: Iterable[Entry]) -> None:
        self.exact: defaultdict[str, list[Order]] = defaultdict(list)
        self.inexact: defaultdict[str, list[Order]] = defaultdict(list)
        self.nameless: list[Order] = []
        self._keys = {entry.key for entry in unknown}
        self._by_start: defaultdict[str, list[str]] = defaultdict(list)
        self._by_sku: defaultdict[str, list[str]] = defaultdict(list)
        for entry in unknown:
            folded = entry.key.casefold()
            for end in range(1, len(folded) + 1):
                self._by_start[folded[:end]].append(entry.key)
            for item in entry.items:
                self._by_sku[item.sku.casefold()].append(entry.key)

    def which_may_be(self, entry: Entry) -> Iterator[Order]:
        """Iterate over the orders that do not carry the very custom order id of an entry, and may be it."""
        yield from self.inexact[entry.key]
        yield from self.nameless

    def add(self, order: Order) -> None:
        """Take one row of the list."""
        name = (order.custom_order_id or "").strip()
        if name in self._keys:
            self.exact[name].append(order)
        elif name and name.casefold() != _NO_NAME:
            for key in self._by_start.get(name.casefold(), ()):
                self.inexact[key].append(order)
        elif held := _held(order):
            for key in self._by_sku.get(next(iter(held)), ()):
                self.inexact[key].append(order)
        else:
            self.nameless.append(order)


def _held(order: Order) -> Counter[str]:
    """Return pieces by SKU, as far as an order shows them, in small letters."""
    return _folded(pieces([order]))


def _folded(asked: Counter[str]) -> Counter[str]:
    folded = Counter[str]()
    for sku, number in asked.items():
        if code := sku.strip().casefold():
            folded[code] += number
    return folded


@attrs.frozen
class _Choice:
    """The number of the order that is ours, or why that cannot be told, or neither: none is."""

    number: str | None = None
    why: str | None = None


@attrs.frozen
class _Ours:
    """An unknown order, to compare with listed ones.

    Attributes:
        asked: pieces by SKU.
        address: what was sent, by the fields of `Address`.
        first: when it can have been made at the earliest, on KakaClo's clock.
        last: at the latest.
        now: when the look began: what was made after it is wrongly timed.
        is_timed: whether KakaClo's clock is known.
    """

    asked: Counter[str]
    address: Mapping[str, object] = attrs.field(repr=False)
    first: datetime
    last: datetime
    now: datetime
    is_timed: bool

    @classmethod
    def of(cls, entry: Entry, server_time: float | None) -> _Ours:
        """Read an entry.

        Args:
            entry: as it was when the look began.
            server_time: KakaClo's time at that moment, in seconds since 1970, if known.
        """
        sent_from = entry.sent_from or entry.created_at
        settles_at = entry.settles_at or entry.seen_at
        ahead = timedelta()
        if server_time is not None:
            ahead = datetime.fromtimestamp(server_time, UTC) - entry.seen_at
        return cls(
            asked=Counter({item.sku: item.quantity for item in entry.items}),
            address=json.loads(entry.payload or b"{}").get("orderAddresses") or {},
            # Our own clock may have been set meanwhile: no order is called older unless it is either way.
            first=sent_from + min(ahead, timedelta()) - _OLDER,
            last=settles_at + max(ahead, timedelta()) + _OLDER,
            now=entry.seen_at + max(ahead, timedelta()),
            is_timed=server_time is not None,
        )

    def choose(self, orders: Sequence[Order]) -> _Choice:
        """Choose among the orders that carry the very custom order id."""
        likely: list[Order] = []
        unsure: list[Order] = []
        for order in orders:
            compared = likeness(self.address, order.shipping_address)
            older = order.create_date is not None and order.create_date < self.first
            if compared is Likeness.SAME or (compared is Likeness.UNKNOWN and not older):
                likely.append(order)
            elif not (compared is Likeness.OTHER and older):
                unsure.append(order)
        if matched := match_family(self.asked, likely):
            return _Choice(number=matched[0].id)
        if likely:
            return _Choice(why=f"order {_numbers(likely)} carries this custom order id, with other items")
        if unsure:
            return _Choice(
                why=f"order {_numbers(unsure)} carries this custom order id, with another address or age: look"
                " whether it is this one"
            )
        return _Choice()

    def may_be(self, order: Order) -> bool:
        """Tell whether an order that does not carry the very custom order id may be this one."""
        made = order.create_date
        is_timed = made is not None and made.year >= _FIRST_YEAR and made <= self.now + _OLDER
        return (
            _held(order) <= _folded(self.asked)
            and likeness(self.address, order.shipping_address) is not Likeness.OTHER
            and (made is None or not is_timed or self.first <= made <= self.last)
        )


def _numbers(orders: Iterable[Order]) -> str:
    return ", ".join(order.id for order in orders)
