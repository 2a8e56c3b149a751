"""Categories: the tree that products hang in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kakaclo_async.models import Category, Page
from kakaclo_async.protocol import Request

if TYPE_CHECKING:
    from kakaclo_async.caller import Caller

__all__ = ["Categories"]

_TREE: Final = Request(method="GET", path="/v1/product/category", result=Page[Category])


class Categories:
    """`kk.categories`."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def tree(self) -> tuple[Category, ...]:
        """Return the categories of the top level, each with its `child` categories; kept for a day.

        `GET /v1/product/category`
        """
        return (await self._caller.look_up(_TREE)).list
