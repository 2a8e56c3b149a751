"""Habits of odd servers: what searches show otherwise than their index holds it."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, TypeVar, cast

import msgspec

from kakaclo_async.sandbox.wire import Code, Refusal, iso
from kakaclo_async.sandbox.world.seed import mix

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kakaclo_async.sandbox.settings import Settings


T = TypeVar("T")

_YEAR_2099 = 4_070_908_800
_YEAR = 365 * 86_400
_WHOLE = 1 << 64

_DAMAGED = {
    "half_emoji": msgspec.Raw(rb'"Summer \ud83d dress"'),
    "cut_utf8": msgspec.Raw(b'"Summer \xf0\x9f\x91 dress"'),
    "raw_tab": msgspec.Raw(b'"Summer\tdress"'),
    "huge_number": msgspec.Raw(b"1e400"),
    "big_integer": msgspec.Raw(b"18446744073709551616"),
}
_NUMBERS = ("huge_number", "big_integer")
_NAMES = ("productName", "skuName", "name")
_CODES = ("spu", "sku", "id", "refundNo")


class Habits:
    """The habits that are switched on, asked step by step on the way to an answer.

    Args:
        settings: Which they are, read at each step.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._rng = Random(f"habits {settings.seed}")
        self._salts = [mix(self._rng.getrandbits(64)) for _ in range(4)]
        self._pages = 0
        self._shuffles = 0

    @property
    def page_size(self) -> int:
        """The size of a page now."""
        sizes = self._settings.page_sizes
        if not sizes:
            return self._settings.page_size
        return sizes[self._pages // self._settings.page_size_every % len(sizes)]

    def refuse(self, codes: Sequence[str]) -> None:
        """Refuse a look-up that names a code which spoils it."""
        if not set(codes).isdisjoint(self._settings.refuses_codes):
            status = self._settings.refuses_codes_status
            raise Refusal(Code.BAD_PARAMETER, "one of the codes is not valid", status)

    def looked_up(self, rows: list[T]) -> list[T]:
        """Return those of the rows found by codes that are answered."""
        return rows[: self._settings.lookup_limit]

    def ties(self, number: int, replica: int) -> int | None:
        """Return what shuffles rows that are equal otherwise; None leaves them in the order of their numbers."""
        if not self._settings.tie_shuffle:
            return None
        self._shuffles += 1
        by = {"request": self._shuffles, "page": number, "replica": replica + 1}
        return mix(by[self._settings.tie_shuffle_by])

    def page(self, number: int, total: int, cut: Callable[[int, int], list[int]]) -> tuple[list[int], int]:
        """Choose the rows of one page.

        Args:
            number: Which page.
            total: How many rows the search finds.
            cut: Returns rows of the search, from an offset on and at most so many.

        Returns:
            The rows, and the size of the page.

        Raises:
            Refusal: The page is too deep.
        """
        size, limit = self.page_size, self._settings.page_limit
        self._pages += 1
        if limit is not None and number * size > limit:
            if self._settings.deep_pages == "refused":
                raise Refusal(
                    Code.TOO_DEEP, f"pageNumber {number} reaches beyond the first {limit} rows of the search"
                )
            if self._settings.deep_pages == "empty":
                return [], size
            number = max(1, limit // size)
        rows = cut((number - 1) * size, size)
        return self._spoilt(rows, followed=number * size < total), size

    def _spoilt(self, rows: list[int], *, followed: bool) -> list[int]:
        settings, rng = self._settings, self._rng
        if followed and self._happens(settings.empty_page_rate):
            return []
        if followed and len(rows) > 1 and self._happens(settings.short_page_rate):
            rows = rows[: rng.randrange(1, len(rows))]
        if rows and self._happens(settings.drop_row_rate):
            gone = rng.randrange(len(rows))
            rows = rows[:gone] + rows[gone + 1 :]
        if rows and self._happens(settings.repeat_row_rate):
            again = rng.randrange(len(rows))
            if settings.repeat_row_mode == "extra":
                rows = [*rows[:again], rows[again], *rows[again:]]
            elif len(rows) > 1:
                place = (again + rng.randrange(1, len(rows))) % len(rows)
                rows = [*rows[:place], rows[again], *rows[place + 1 :]]
        return rows

    def _happens(self, share: float) -> bool:
        return share > 0 and self._rng.random() < share

    def show_time(self, row: int, document: dict[str, object], updated: int, now: float) -> None:
        """Show another update time in the document of a product, if its row is one of those."""
        settings = self._settings
        if self._is_one(row, 0, settings.odd_time_rate):
            document["updateTime"] = iso(_YEAR_2099 + mix(self._salts[3] ^ row) % _YEAR)
        elif self._is_one(row, 1, settings.newer_time_rate):
            newer = updated + 1 + mix(self._salts[3] ^ row) % int(settings.newer_time_by)
            document["updateTime"] = iso(max(updated, min(newer, int(now))))
        elif self._is_one(row, 2, settings.missing_time_rate):
            del document["updateTime"]
            if form := mix(self._salts[3] ^ row) % 3:
                document["updateTime"] = None if form == 1 else ""

    def _is_one(self, row: int, habit: int, share: float) -> bool:
        return share > 0 and mix(self._salts[habit] ^ row) < share * _WHOLE

    def damage(self, data: object) -> object:
        """Return what is answered, with damage to the rows of the codes in `damaged_rows`."""
        return self._damaged(data) if self._settings.damaged_rows else data

    def _damaged(self, data: object) -> object:
        if isinstance(data, list):
            return [self._damaged(entry) for entry in cast("list[object]", data)]
        if not isinstance(data, dict):
            return data
        row = {name: self._damaged(value) for name, value in cast("dict[str, object]", data).items()}
        kinds: Mapping[str, str] = self._settings.damaged_rows
        for code in _CODES:
            kind = kinds.get(str(row.get(code)))
            if kind is not None:
                row[self._field(row, kind)] = _DAMAGED[kind]
                break
        return row

    def _field(self, row: dict[str, object], kind: str) -> str:
        if self._settings.damaged_field is not None:
            return self._settings.damaged_field
        if kind in _NUMBERS:
            return "score"
        return next((name for name in _NAMES if name in row), "remark")
