"""Orders and money over time: placing, shipping, refunding."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from functools import partial
from itertools import chain, count
from typing import TYPE_CHECKING

from attrs import evolve

from kakaclo_async.sandbox.trade.delivery import allocate, price, weigh
from kakaclo_async.sandbox.trade.orders import Item, Order, Parcel, Placed, Refund
from kakaclo_async.sandbox.wire import Code, Refusal, money
from kakaclo_async.sandbox.world.index import Trail
from kakaclo_async.sandbox.world.places import WAREHOUSES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kakaclo_async.sandbox.settings import Settings
    from kakaclo_async.sandbox.trade.delivery import Line
    from kakaclo_async.sandbox.world.catalog import Catalog
    from kakaclo_async.sandbox.world.clock import Timeline


_CARRIERS = {"CN": "YunExpress", "US": "USPS"}


class Ledger:
    """All orders, all refunds and the balance: the database, which tests compare with.

    Attributes:
        orders: By number.
        refunds: By number.
        balance: US dollars.
        placed: One entry per accepted POST, in order.
        ordered: Pieces ordered and not refunded, by SPU.
    """

    def __init__(self, settings: Settings, catalog: Catalog, timeline: Timeline) -> None:
        self._settings = settings
        self._catalog = catalog
        self._timeline = timeline
        self._trail = Trail[Order]()
        self._searched: dict[str, Order] = {}
        self._order_numbers = count(1_000_000_371_651)
        self._item_numbers = count(1_094_001)
        self._refund_numbers = count(1_560_897_343_230_267_394)
        self._orders: dict[str, Order] = {}
        self._refunds: dict[str, Refund] = {}
        self._balance = settings.balance
        self.placed: list[Placed] = []
        self.ordered: Counter[str] = Counter()

    @property
    def orders(self) -> dict[str, Order]:
        """All orders as they are now."""
        self._timeline.now()
        return self._orders

    @property
    def refunds(self) -> dict[str, Refund]:
        """All refunds as they are now."""
        self._timeline.now()
        return self._refunds

    @property
    def balance(self) -> Decimal:
        """US dollars on the account now; can be set."""
        self._timeline.now()
        return self._balance

    @balance.setter
    def balance(self, amount: Decimal) -> None:
        self._timeline.now()
        self._balance = amount

    def searched(self) -> list[Order]:
        """Return the orders as the search index knows them now, newest first."""
        self.catch_up()
        return sorted(
            self._searched.values(), key=lambda order: (int(order.created), int(order.number)), reverse=True
        )

    def catch_up(self) -> None:
        """Let the search index see what it knows by now."""
        for order in self._trail.until(self._timeline.now() - self._settings.index_lag):
            self._searched[order.number] = order

    def place(
        self,
        lines: Sequence[Line],
        address: Mapping[str, str | None],
        channel_type: str,
        custom_order_id: str | None,
        remark: str | None,
    ) -> str:
        """Make an order and pay for it; return its number, or the first of several.

        Equal custom order ids make orders of their own: KakaClo does not say otherwise, and clients must expect it.

        Raises:
            Refusal: A SKU is not available, or the balance is too low; nothing was changed.
        """
        by_country = allocate(self._catalog, lines, self._item_numbers)
        groups = list(by_country.values())
        if not self._settings.split_orders:
            groups = [list(chain.from_iterable(groups))]
        now, country = self._timeline.now(), address["country"] or ""
        drafts = [
            Order(
                number=str(next(self._order_numbers)),
                custom_order_id=custom_order_id,
                remark=remark,
                address=address,
                warehouse_id=WAREHOUSES[next(iter(items[0].taken))].number,
                items=tuple(items),
                freight=price(weigh(self._catalog, items), country, channel_type),
                created=now,
                modified=now,
            )
            for items in groups
        ]
        paid = sum((order.final for order in drafts), Decimal(0))
        if paid > self._balance:
            raise Refusal(
                Code.BALANCE_TOO_LOW, f"the balance is too low: the order costs {money(paid, 2)} USD"
            )
        self._balance -= paid
        for order in drafts:
            self._accept(order)
        self.placed.append(Placed(custom_order_id, tuple(order.number for order in drafts), paid, now))
        return drafts[0].number

    def _accept(self, order: Order) -> None:
        for item in order.items:
            self._shift_stock(item, -1, 0, item.quantity)
        self._save(order)
        for turn, country in enumerate(dict.fromkeys(item.country for item in order.items), 1):
            self._timeline.after(self._settings.ship_after * turn, partial(self._ship, order.number, country))

    def _shift_stock(self, item: Item, sign: int, first: int, pieces: int) -> None:
        self.ordered[item.sku.partition("_")[0]] -= sign * pieces
        for warehouse, qty in item.origins(first, pieces).items():
            self._catalog.shift_stock(item.sku, warehouse, sign * qty)

    def _save(self, order: Order) -> None:
        self._orders[order.number] = order
        self._trail.put(self._timeline.now(), order)

    def ship(self, number: str) -> None:
        """Let all that waits of an order leave now instead of later; nothing happens where nothing waits.

        Args:
            number: The order.
        """
        for country in dict.fromkeys(item.country for item in self.orders[number].items):
            self._ship(number, country)

    def _ship(self, number: str, country: str) -> None:
        order, now = self._orders[number], self._timeline.now()
        leaving = [item for item in order.items if item.country == country and item.open and not item.shipped]
        if not leaving:
            return
        parcel = Parcel(
            number=f"KA{number}_{len(order.parcels) + 1}",
            carrier=_CARRIERS[country],
            tracking=f"KK{number}{len(order.parcels) + 1}{country}",
            left=now,
            items=tuple(item.number for item in leaving),
        )
        order = order.with_items((evolve(item, shipped=True) for item in leaving), now)
        order = evolve(order, parcels=(*order.parcels, parcel))
        self._save(order)
        self._complete_later(order)

    def _complete_later(self, order: Order) -> None:
        self._timeline.after(
            self._settings.complete_after, partial(self._complete, order.number, len(order.parcels))
        )

    def _complete(self, number: str, parcels: int) -> None:
        order, now = self._orders[number], self._timeline.now()
        undecided = any(item.refunding or (item.open and not item.shipped) for item in order.items)
        # A parcel that left in the meantime arrives later, and completes the order then.
        if len(order.parcels) == parcels and order.completed is None and not undecided:
            self._save(evolve(order, completed=now, modified=now))

    # Refunds

    def refund(self, number: str, pieces: Mapping[str, int] | None, reason: str, remark: str | None) -> str:
        """Ask for a refund; return its number.

        Args:
            number: The order.
            pieces: Pieces by item number; None takes all that is left.
            reason: Why.
            remark: More about it.

        Raises:
            Refusal: The order or item does not exist, was shipped, or has fewer pieces left.
        """
        order = self.orders.get(number)
        if order is None:
            raise Refusal(Code.UNKNOWN_ORDER, f"there is no order {number}")
        if order.parcels:
            raise Refusal(Code.NOT_REFUNDABLE, f"order {number} was shipped already")
        if pieces is None:
            pieces = {item.number: item.open for item in order.items if item.open}
        if not pieces:
            raise Refusal(Code.NOT_REFUNDABLE, f"nothing is left to refund of order {number}")
        items: list[Item] = []
        for item_number, asked in pieces.items():
            item = order.item(item_number)
            if item is None:
                raise Refusal(Code.NOT_REFUNDABLE, f"order {number} has no item {item_number}")
            if asked > item.open:
                raise Refusal(
                    Code.NOT_REFUNDABLE, f"item {item_number} has {item.open} pieces left, not {asked}"
                )
            items.append(evolve(item, refunding=item.refunding + asked))
        now = self._timeline.now()
        changed = order.with_items(items, now)
        amount = sum((item.price * pieces[item.number] for item in items), Decimal(0))
        if not any(item.open for item in changed.items):
            amount += order.freight
        refund = Refund(str(next(self._refund_numbers)), number, remark, reason, dict(pieces), amount, now)
        self._save(changed)
        self._refunds[refund.number] = refund
        self._timeline.after(self._settings.refund_settle, partial(self.settle, refund.number))
        return refund.number

    def settle(self, number: str, *, granted: bool = True) -> None:
        """Settle a refund now instead of later; do nothing if it was settled.

        Args:
            number: The refund.
            granted: Whether the money comes back.
        """
        refund = self.refunds[number]
        if refund.status != "pending_review":
            return
        order, now = self._orders[refund.order], self._timeline.now()
        items = [item for item in order.items if item.number in refund.pieces]
        settled = [
            evolve(
                item,
                refunding=item.refunding - refund.pieces[item.number],
                refunded=item.refunded + refund.pieces[item.number] * granted,
            )
            for item in items
        ]
        order = order.with_items(settled, now)
        if granted:
            for item in items:
                self._shift_stock(item, 1, item.refunded, refund.pieces[item.number])
            self._balance += refund.amount
            order = evolve(order, refunded=order.refunded + refund.amount, refunded_at=now)
        else:
            for country in dict.fromkeys(item.country for item in items):
                self._timeline.after(self._settings.ship_after, partial(self._ship, order.number, country))
        if order.parcels:
            self._complete_later(order)
        self._refunds[number] = evolve(refund, status="refund_successfully" if granted else "refund_failed")
        self._save(order)
