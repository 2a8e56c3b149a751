"""Reference data and the balance: `kk.categories`, `kk.warehouses` and `kk.payment`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kakaclo_async.models.common import Page
from kakaclo_async.models.order import Balance
from kakaclo_async.models.product import Category, Warehouse
from kakaclo_async.protocol import Request
from kakaclo_async.resources._lookup import look_up

if TYPE_CHECKING:
    from kakaclo_async.sending import Sender


_TREE: Final = Request(method="GET", path="/v1/product/category", result=Page[Category])


class Categories:
    """`kk.categories`."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    async def tree(self) -> tuple[Category, ...]:
        """Return the categories of the top level, each with its `child` categories; kept for a day.

        `GET /v1/product/category`
        """
        return (await look_up(self._sender, _TREE)).list


_ALL: Final = Request(method="GET", path="/v1/product/countryAndWarehouse", result=Page[Warehouse])


class Warehouses:
    """`kk.warehouses`."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    async def all(self) -> tuple[Warehouse, ...]:
        """Return every warehouse, the disabled ones too; kept for a day.

        `GET /v1/product/countryAndWarehouse`
        """
        return (await look_up(self._sender, _ALL)).list


_BALANCE: Final = Request(method="GET", path="/v1/payment/balance", result=Balance)


class Payment:
    """`kk.payment`."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    async def balance(self) -> Balance:
        """Return the shop's balance in US dollars; `raw` keeps the API's own text, which is undocumented.

        People top it up on the page `PAYMENT_URL`; no endpoint does.

        `GET /v1/payment/balance`
        """
        return await self._sender.send(_BALANCE)
