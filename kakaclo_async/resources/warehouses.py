"""Warehouses and the countries that they stand in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kakaclo_async.models import Page, Warehouse
from kakaclo_async.protocol import Request

if TYPE_CHECKING:
    from kakaclo_async.caller import Caller

__all__ = ["Warehouses"]

_ALL: Final = Request(method="GET", path="/v1/product/countryAndWarehouse", result=Page[Warehouse])


class Warehouses:
    """`kk.warehouses`."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def all(self) -> tuple[Warehouse, ...]:
        """Return every warehouse, the disabled ones too; kept for a day.

        `GET /v1/product/countryAndWarehouse`
        """
        return (await self._caller.look_up(_ALL)).list
