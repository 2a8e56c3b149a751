"""The balance that orders are paid from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kakaclo_async.models import Balance
from kakaclo_async.protocol import Request

if TYPE_CHECKING:
    from kakaclo_async.caller import Caller

__all__ = ["Payment"]

_BALANCE: Final = Request(method="GET", path="/v1/payment/balance", result=Balance)


class Payment:
    """`kk.payment`."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def balance(self) -> Balance:
        """Return the shop's balance in US dollars; `raw` keeps what the API said, for it is undocumented.

        `GET /v1/payment/balance`
        """
        return await self._caller.send(_BALANCE)
