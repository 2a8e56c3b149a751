"""Look-ups that share requests: codes wait together for one of up to 30, and equal questions are one.

Only the caller of a code hears that it is refused, or that its row cannot be read.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Hashable
from functools import partial
from math import inf
from string import ascii_letters, digits
from typing import TYPE_CHECKING, Final, Generic, TypeVar, cast

import attrs

from kakaclo_async.codec import Undecodable, to_wire_time
from kakaclo_async.errors import DecodeError, InvalidRequest, KakaCloError, NotFound, Rejected
from kakaclo_async.events import CacheHit
from kakaclo_async.models._checks import check_code, check_codes, each_of
from kakaclo_async.protocol import tolerant
from kakaclo_async.ratelimit.gate import MOMENT
from kakaclo_async.sharing import Pace, collect_in_order, gather_in_order
from kakaclo_async.sharing.batching import Batcher, ask_apart
from kakaclo_async.sharing.single_flight import NO_DEADLINES, Deadlines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime

    from kakaclo_async.models.common import Page
    from kakaclo_async.protocol import Request
    from kakaclo_async.sending import Sender
    from kakaclo_async.sharing.batching import Batch
    from kakaclo_async.sharing.single_flight import Cache, SharedResult


K = TypeVar("K", bound=Hashable)
T = TypeVar("T")
V = TypeVar("V")

CODES_PER_REQUEST = 30
"""The most SPU or SKU codes that one product or stock request takes."""

CODES_BYTES: Final = 6000
"""The most bytes that codes may take in a URL: servers refuse a request line above 8,190, and some above less."""

_SAFE: Final = f"{ascii_letters}{digits}-._~".encode()  # what a URL needs no %XX for

CAUSED_BY_ONE_CODE: Final[tuple[type[KakaCloError], ...]] = (Rejected, NotFound, DecodeError)
"""What a whole request may fail with because of one of its codes, or of one row of its answer."""

_MOST_NAMED: Final = 5


def weight(code: str) -> int:
    """Return the room that a code takes in a request, of `CODES_BYTES`; 30 codes fill it, however short."""
    return max(CODES_BYTES // CODES_PER_REQUEST, _bytes_of(code))


def _bytes_of(codes: str) -> int:
    written = codes.encode()
    return len(written) + len("XX") * len(written.translate(None, _SAFE)) + len("%2C")


def chunks(codes: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Cut codes into groups that fit one request each."""
    group: list[str] = []
    load = 0
    for code in codes:
        load += weight(code)
        if group and load > CODES_BYTES:
            yield tuple(group)
            group, load = [], weight(code)
        group.append(code)
    if group:
        yield tuple(group)


def joined(codes: Iterable[str], what: str, *, at_most: int = CODES_PER_REQUEST) -> str:
    """Return codes as one parameter of a URL; refuse a bad one, none at all, or more than fit."""
    found = check_codes(codes, what, at_most=at_most)
    text = ",".join(found)
    if (size := _bytes_of(text)) > CODES_BYTES:
        raise InvalidRequest(
            f"these {len(found)} {what} codes take {size} bytes in a URL, and one request has room for"
            f" {CODES_BYTES}: ask for fewer at once"
        )
    return text


async def check_many(codes: Iterable[str], what: str) -> tuple[str, ...]:
    """Return any number of codes once each, in their order; refuse a bad one."""
    pace = Pace()
    found: dict[str, None] = {}
    for code in each_of(f"{what} codes", codes):
        found[check_code(code, what)] = None
        await pace()
    return tuple(found)


def check_number(value: object, what: str, *, at_least: int = 1, at_most: int | None = None) -> int:
    """Return a whole number within its limits, or refuse it."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidRequest(f"{what} must be an int, not {type(value).__name__}")
    if value < at_least or (at_most is not None and value > at_most):
        limits = f"at least {at_least}" if at_most is None else f"{at_least} to {at_most}"
        raise InvalidRequest(f"{what} must be {limits}, not {value}")
    return value


def time_range(start: datetime | None, end: datetime | None, what: str) -> tuple[str, str] | None:
    """Return both ends in the API's notation, None when neither is given; refuse half or reversed ranges."""
    if start is None and end is None:
        return None
    if start is None or end is None:
        raise InvalidRequest(f"{what}_from and {what}_to go together")
    wire = to_wire_time(start), to_wire_time(end)
    if start > end:
        raise InvalidRequest(f"{what}_from {wire[0]} is after {what}_to {wire[1]}")
    return wire


def deadlines(sender: Sender) -> Deadlines:
    """Return how long a call waits for a request that it shares with others."""
    options, gate, end_by = sender.options, sender.state.gate, sender.for_call().deadline
    if end_by == inf:
        return NO_DEADLINES
    now = asyncio.get_running_loop().time()
    again_by = end_by - options.least_time
    max_wait = max(0.0, min(again_by - now, inf if options.wait_limit is None else options.wait_limit))
    return Deadlines(
        # A permit that is free now is waited for, even with max_wait=0: requests leave in a later turn of the loop.
        permit_by=now + (max_wait if gate.eta(options.lane, sender.job) else max(max_wait, MOMENT)),
        again_by=again_by,
        end_by=end_by,
        max_wait=max_wait,
        total=max(0.0, end_by - now),
        eta=lambda: gate.eta(options.lane, sender.job),
    )


async def share(sender: Sender, cache: Cache[K, V], key: K, request: Request[T], read: Callable[[T], V]) -> V:
    """Return what a cache keeps, or send a request that concurrent equal calls share.

    Args:
        sender: sends the request, within the deadlines of its call.
        cache: keeps what was read.
        key: what equal calls have in common.
        request: to send.
        read: makes what is kept of the answer.
    """
    shared = sender.for_sharing()

    async def ask(flight: SharedResult[V]) -> V:
        return read(await shared.send(lambda: flight.start(request), until=flight.until))

    def tell() -> None:
        lane = sender.options.lane
        sender.state.emit(CacheHit(**request.named, lane=lane))

    limits = partial(deadlines, sender)
    return await cache.get(key, ask, variant=shared.options, job=shared.job, deadlines=limits, on_hit=tell)


async def look_up(sender: Sender, request: Request[T]) -> T:
    """Return the answer to a request about what seldom changes; kept for a day unless set otherwise."""
    return cast("T", await share(sender, sender.state.reference, request, request, lambda answer: answer))


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
            DecodeError: its row cannot be read.
        """
        return await self._batcher().get(code, deadlines(self.sender))

    async def get_many(self, codes: tuple[str, ...]) -> dict[str, T]:
        """Return the rows of any number of codes, in their order; a code without a row is left out.

        What fits in one request is one call, with the deadlines of one.

        Raises:
            DecodeError: a row cannot be read. It names the code, without which the others can.
            Rejected: KakaClo refuses a code; likewise.
            NotFound: an HTTP 404, which does not say that there are no such rows.
        """
        found = await self.get_each(codes)
        wrong = {code: row for code, row in found.items() if isinstance(row, KakaCloError)}
        failures = [code for code, error in wrong.items() if not is_unlisted(error)]
        if failures:
            error = wrong[failures[0]]
            if len(failures) > 1:
                _add(error, f"and so is it with {', '.join(map(repr, failures[1:_MOST_NAMED]))}")
            raise error
        return {code: row for code, row in found.items() if not isinstance(row, KakaCloError)}

    async def get_each(self, codes: tuple[str, ...]) -> dict[str, T | KakaCloError]:
        """Return the row of each code, in their order, or the error that is about that code."""
        if len(codes) <= CODES_PER_REQUEST:
            batcher, limits = self._batcher(), deadlines(self.sender)
            calls = [partial(batcher.get, code, limits) for code in codes]
            each: list[T | KakaCloError] = []
            each += await collect_in_order(calls, kind=CAUSED_BY_ONE_CODE)
            return dict(zip(codes, each, strict=True))
        batches = list(chunks(codes))
        sender = self.sender.for_fan_out(len(batches)).for_call()
        found = await gather_in_order(partial(self._ask_for, sender, batch) for batch in batches)
        by_code: dict[str, T | KakaCloError] = {}
        pace = Pace()
        for rows in found:
            by_code.update(rows)
            await pace()
        return by_code

    def _batcher(self) -> Batcher[str, T]:
        sender = self.sender.for_sharing()
        return sender.state.part((self.group, sender.options, sender.job), lambda: self._new_batcher(sender))

    def _new_batcher(self, sender: Sender) -> Batcher[str, T]:
        async def fetch(batch: Batch[str, T]) -> dict[str, T | KakaCloError]:
            async def ask_again(codes: tuple[str, ...]) -> dict[str, T | KakaCloError]:
                if not batch.still_wanted(codes):
                    return {}
                found = await self._ask(sender, lambda: batch.still_wanted(codes) or codes, batch.until)
                batch.settle(found)  # those that are found out about do not wait for the others
                return found

            try:
                return await self._ask(sender, batch.take, batch.until)
            except CAUSED_BY_ONE_CODE as error:
                return await ask_apart(ask_again, batch.take(), error, blames=CAUSED_BY_ONE_CODE)

        return Batcher(fetch, missing=self.missing, size=CODES_BYTES, weight=weight)

    async def _ask_for(self, sender: Sender, codes: tuple[str, ...]) -> dict[str, T | KakaCloError]:
        async def ask(codes: tuple[str, ...]) -> dict[str, T | KakaCloError]:
            return await self._ask(sender, lambda: codes)

        try:
            return await ask(codes)
        except CAUSED_BY_ONE_CODE as error:
            return await ask_apart(ask, codes, error, blames=CAUSED_BY_ONE_CODE)

    async def _ask(
        self, sender: Sender, take: Callable[[], tuple[str, ...]], until: Callable[[], float] | None = None
    ) -> dict[str, T | KakaCloError]:
        """Send one request for the codes that `take` returns once it may leave."""
        codes: tuple[str, ...] = ()

        def build() -> Request[Page[T | Undecodable]]:
            nonlocal codes
            codes = take()
            return tolerant(self.request(codes))

        try:
            page = await sender.send(build, until=until)
            return self._answers(codes, page.list)
        except CAUSED_BY_ONE_CODE as error:
            if len(codes) == 1:
                _add(error, f"asked for {codes[0]!r} alone")
            raise

    def _answers(
        self, codes: tuple[str, ...], rows: Sequence[T | Undecodable]
    ) -> dict[str, T | KakaCloError]:
        """Tell which row answers which code.

        KakaClo's database may ignore letter case and blanks: then a row that nobody else asked for is the answer.

        Raises:
            DecodeError: a row cannot be read, nor which of several codes it is about.
        """
        by_code = {
            code: row for row in rows if not isinstance(row, Undecodable) for code in self.codes_of(row)
        }
        found: dict[str, T | KakaCloError] = {code: by_code[code] for code in codes if code in by_code}
        spellings = defaultdict[str, list[str]](list)
        for code in by_code.keys() - found.keys():
            spellings[_plain(code)].append(code)
        for code in codes:
            if code not in found and len(alike := spellings[_plain(code)]) == 1:
                found[code] = by_code[alike[0]]
        unanswered = [code for code in codes if code not in found]
        for row in rows if unanswered else ():
            if isinstance(row, Undecodable) and row.document:  # null stands for what is not found
                named = set(map(_plain, row.texts()))
                concerned = [code for code in unanswered if _plain(code) in named] or unanswered
                where, _, reason = row.problem.partition(" ")
                if len(concerned) > 1 and concerned is unanswered:
                    raise DecodeError(f"{reason}: whose row it is cannot be told", where=where)
                found |= {
                    code: DecodeError(f"{reason}: the row of {code!r}", where=where) for code in concerned
                }
        return {code: found[code] if code in found else self.missing(code) for code in codes}


def is_unlisted(error: Exception) -> bool:
    """Tell whether KakaClo answered, and has no such row: an HTTP 404 may be about the whole path, or a gateway's."""
    return isinstance(error, NotFound) and error.status == 200


def _plain(code: str) -> str:
    return code.strip().casefold()


def _add(error: KakaCloError, note: str) -> None:
    error.args = (f"{error} ({note})",)
