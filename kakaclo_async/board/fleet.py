"""The page of a fleet: its shops, how late they are, their permits, what waits, what is in doubt; and its workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

if TYPE_CHECKING:
    from datetime import datetime

    from aiohttp import web

    from kakaclo_async.board.desk import Desk
    from kakaclo_async.fleet import Fleet, ShopStatus

_MOST_SHOWN: Final = 200
"""Shops on the page: those that somebody should look at come first."""

_LATE: Final = 10.0
"""Seconds from where on a shop is counted as late: two turns of others may be before its own."""


@attrs.define(eq=False)
class FleetPages:
    """The fleet, which only shows itself.

    Args:
        desk: what pages are made with.
        fleet: open; None: there is none.
    """

    desk: Desk
    fleet: Fleet | None

    async def page(self, request: web.Request) -> web.Response:
        """Show how the fleet stands."""
        return self.desk.page(request, "fleet.html", **await self._values())

    async def now(self, request: web.Request) -> web.Response:
        """Show the part of it that moves, alone."""
        return self.desk.page(request, "fleet_now.html", **await self._values())

    async def _values(self) -> dict[str, Any]:
        if self.fleet is None:
            return {"status": None}
        status, permits = await self.fleet.status(), await self.fleet.permits()
        shops = sorted(
            status.shops,
            key=lambda shop: (shop.error is None, -shop.lag, -shop.doubts, -shop.declined, shop.shop),
        )
        return {
            "status": status,
            "shops": shops[:_MOST_SHOWN],
            "permits": permits,
            "state": _state,
            "last": _last,
            "next": _next,
            "totals": [
                ("Shops", sum(any(turn.kind == "orders" for turn in shop.turns) for shop in shops)),
                ("Paused", sum(shop.paused for shop in shops)),
                ("Late", sum(shop.lag > _LATE for shop in shops)),
                ("Failing", sum(shop.error is not None for shop in shops)),
                ("Orders that wait", sum(shop.pending for shop in shops)),
                ("In doubt", sum(shop.doubts for shop in shops)),
                ("Declined", sum(shop.declined for shop in shops)),
                ("Workers", len(status.workers)),
            ],
        }


def _state(shop: ShopStatus) -> str:
    if shop.paused:
        return "paused"
    if shop.error is not None:
        return "failing"
    return "late" if shop.lag > _LATE else "well"


def _last(shop: ShopStatus) -> datetime | None:
    return max((turn.ended for turn in shop.turns if turn.ended is not None), default=None)


def _next(shop: ShopStatus) -> datetime | None:
    return min((turn.due for turn in shop.turns if turn.due is not None), default=None)
