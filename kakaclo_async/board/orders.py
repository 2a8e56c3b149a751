"""The pages of orders: the list, one order, a family, what is in doubt; and the writes, where they are allowed."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import attrs
from aiohttp import web

from kakaclo_async.board.guard import Refused
from kakaclo_async.errors import InvalidRequest, KakaCloError
from kakaclo_async.models.freight import Item
from kakaclo_async.models.refund import RefundReason
from kakaclo_async.ordering.orders import read_order
from kakaclo_async.resources.orders.check import cost_of
from kakaclo_async.sending import sender_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from kakaclo_async.board.desk import Desk
    from kakaclo_async.client import KakaClo
    from kakaclo_async.models.order import Order
    from kakaclo_async.ordering import Entry, Journal

_PER_PAGE = 50


@attrs.frozen
class _Finish:
    """The form that finishes the journal."""


@attrs.frozen
class _Ask:
    """The form that asks for a refund: of the whole order where it has no items."""

    order_id: str
    items: tuple[Item, ...] | None
    reason: str


@attrs.frozen(eq=False)
class OrderPages:
    """Orders.

    Args:
        desk: what is shown.
    """

    desk: Desk

    async def listing(self, request: web.Request) -> web.Response:
        """Show the orders of the last days, newest first as KakaClo lists them, and what is in doubt."""
        days, number = _whole(request.query, "days", 30, 3650), _whole(request.query, "page", 1, 10_000)
        kk, more = self.desk.kk, False
        orders: tuple[Order, ...] = ()
        if kk is not None:
            since = self.desk.now() - timedelta(days=days)
            page = await kk.orders.page(created_from=since, page_number=number, page_size=_PER_PAGE)
            orders, more = page.list, (page.total or 0) > number * _PER_PAGE
        return self.desk.page(
            request,
            "orders.html",
            orders=orders,
            days=days,
            number=number,
            more=more,
            doubts=await self._doubts(),
        )

    async def order(self, request: web.Request) -> web.Response:
        """Show an order with its packages, and its refunds."""
        kk, number = self._client(), request.match_info["number"]
        order = await kk.orders.get(number)
        refunds = await kk.refunds.of(number)
        return self.desk.page(request, "order.html", order=order, refunds=refunds, reasons=list(RefundReason))

    async def family(self, request: web.Request) -> web.Response:
        """Show all orders that KakaClo made of one."""
        kk, key = self._client(), request.match_info["key"]
        family = await kk.orders.family(key, journal=self.desk.journal)
        entry = None if self.desk.journal is None else await self.desk.journal.recall("order", key)
        return self.desk.page(request, "family.html", family=family, entry=entry)

    async def doubts(self, request: web.Request) -> web.Response:
        """Show what the journal does not know to be done, and why."""
        return self.desk.page(request, "doubts.html", doubts=await self._doubts())

    async def ask_refund(self, request: web.Request) -> web.Response:
        """Show what a refund would send and bring, and ask."""
        self._may_write()
        kk, number, given = self._client(), request.match_info["number"], request.query
        wanted = [
            Item(name.removeprefix("sku:"), _whole(given, name, 0, 1_000_000))
            for name, value in given.items()
            if name.startswith("sku:") and value.strip() not in {"", "0"}
        ]
        items = None if given.get("whole") == "yes" else tuple(wanted)
        if items == ():
            raise InvalidRequest("choose the pieces to refund, or the whole order")
        reason = given.get("reason") or RefundReason.OTHER.value
        plan = await kk.refunds.plan(number, items, reason)
        form = self.desk.forms.offer(_Ask(number, items, reason))
        balance = await _balance(kk)
        then = None if balance is None or plan.amount is None else balance + plan.amount
        return self.desk.page(
            request, "ask_refund.html", plan=plan, form=form, reason=reason, balance=balance, then=then
        )

    async def refund(self, request: web.Request) -> web.Response:
        """Ask KakaClo for the refund that was confirmed: the one that was shown, whatever else is sent."""
        asked = await self._confirmed(request)
        if not isinstance(asked, _Ask) or asked.order_id != request.match_info["number"]:
            raise Refused("This form belongs to another page.")
        kk = self._client()
        await kk.refunds.request(asked.order_id, asked.items, asked.reason, journal=self.desk.journal)
        raise web.HTTPSeeOther(f"/orders/{request.match_info['number']}")

    async def ask_finish(self, request: web.Request) -> web.Response:
        """Show what finishing the journal may send, and ask."""
        self._may_write()
        self._book()
        kk, doubts = self._client(), await self._doubts()
        cost, balance = await _most(kk, doubts), await _balance(kk)
        form = self.desk.forms.offer(_Finish())
        return self.desk.page(
            request, "ask_finish.html", doubts=doubts, form=form, cost=cost, balance=balance
        )

    async def finish(self, request: web.Request) -> web.Response:
        """Finish the journal."""
        if not isinstance(await self._confirmed(request), _Finish):
            raise Refused("This form belongs to another page.")
        await self._book().finish(self._client())
        raise web.HTTPSeeOther("/doubts")

    async def _doubts(self) -> tuple[Entry, ...] | str:
        """Return what is pending; a sentence where there is no journal that can be read."""
        if self.desk.journal is None:
            return "The board was started without a journal: give it one by --journal."
        try:
            return await self.desk.journal.pending()
        except KakaCloError as error:
            return str(error)

    async def _confirmed(self, request: web.Request) -> object:
        self._may_write()
        return self.desk.forms.take((await request.post()).get("form"))

    def _may_write(self) -> None:
        if not self.desk.write:
            raise Refused("The board only reads: start it with --write to change something.")

    def _client(self) -> KakaClo:
        if self.desk.kk is None:
            raise InvalidRequest(
                "the board has no token: set KAKACLO_TOKEN, or give --token-from, and start it again"
            )
        return self.desk.kk

    def _book(self) -> Journal:
        if self.desk.journal is None:
            raise InvalidRequest("the board was started without a journal: give it one by --journal")
        return self.desk.journal


async def _most(kk: KakaClo, doubts: tuple[Entry, ...] | str) -> Decimal | None:
    """Return what the orders in doubt cost, should all be sent again; None where that is not known."""
    if isinstance(doubts, str):
        return None
    try:
        orders = [read_order(entry.payload) for entry in doubts if entry.kind == "order"]
        return await cost_of(sender_of(kk), orders)
    except KakaCloError:
        return None


async def _balance(kk: KakaClo) -> Decimal | None:
    """Return the balance; None where it cannot be read, which keeps nobody from being asked."""
    try:
        return (await kk.payment.balance()).amount
    except KakaCloError:
        return None


def _whole(given: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = given.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and int(text) <= most):
        raise InvalidRequest(f"{name} must be a whole number of at most {most}")
    return max(1, int(text)) if name in {"page", "days"} else int(text)
