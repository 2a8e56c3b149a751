"""Look-ups by code: codes that are waiting when a permit is granted share one request of up to 30."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

import attrs

from kakaclo_async.errors import NotFound
from kakaclo_async.resources._checks import CODES_PER_REQUEST, chunks
from kakaclo_async.sharing.batching import Batcher
from kakaclo_async.sharing.fan_out import collect_in_order, gather_in_order

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

    from kakaclo_async.errors import KakaCloError
    from kakaclo_async.models.common import Page
    from kakaclo_async.protocol import Request
    from kakaclo_async.sending import Sender


T = TypeVar("T")


@attrs.frozen
class BatchedLookup(Generic[T]):
    """Look-ups in one group: products by SPU, stock of one warehouse by SKU.

    Attributes:
        sender: sends the requests.
        group: look-ups of equal groups share requests.
        request: builds the request for at most 30 codes.
        codes_of: the codes that a row answers for.
        missing: the error for a code without a row.
    """

    sender: Sender
    group: Hashable
    request: Callable[[tuple[str, ...]], Request[Page[T]]]
    codes_of: Callable[[T], Iterable[str]]
    missing: Callable[[str], KakaCloError]

    async def get(self, code: str) -> T:
        """Return the row of one code.

        Raises:
            KakaCloError: what `missing` made.
        """
        return await self._batcher(self.sender).get(code, max_wait=self.sender.options.max_wait)

    async def get_many(self, codes: tuple[str, ...]) -> dict[str, T]:
        """Return the rows of any number of codes, in their order; a code without a row is left out."""
        if len(codes) <= CODES_PER_REQUEST:
            sender = self.sender.for_streams()
            batcher, max_wait = self._batcher(sender), sender.options.max_wait
            calls = [partial(batcher.get, code, max_wait=max_wait) for code in codes]
            found = zip(codes, await collect_in_order(calls, kind=NotFound), strict=True)
            return {code: row for code, row in found if not isinstance(row, NotFound)}
        batches = list(chunks(codes))
        sender = self.sender.for_fan_out(len(batches))
        pages = await gather_in_order(partial(sender.send, self.request(batch)) for batch in batches)
        by_code = {code: row for page in pages for row in page.list for code in self.codes_of(row)}
        return {code: by_code[code] for code in codes if code in by_code}

    def _batcher(self, sender: Sender) -> Batcher[str, T]:
        options = sender.options
        key = (self.group, options.lane, options.timeout, options.max_attempts)
        return sender.state.part(key, lambda: self._new_batcher(sender.without_max_wait()))

    def _new_batcher(self, sender: Sender) -> Batcher[str, T]:
        # A batch has no max_wait of its own; the batcher enforces that of each caller.
        async def fetch(take: Callable[[], tuple[str, ...]]) -> dict[str, T]:
            page = await sender.send(lambda: self.request(take()))
            return {code: row for row in page.list for code in self.codes_of(row)}

        gate, lane = sender.state.gate, sender.options.lane
        return Batcher(fetch, missing=self.missing, size=CODES_PER_REQUEST, eta=lambda: gate.eta(lane))
