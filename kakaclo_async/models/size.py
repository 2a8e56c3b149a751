"""Size charts, which travel as JSON inside a string."""

from collections.abc import Iterator
from decimal import Decimal

import attrs


@attrs.frozen
class SizeValue:
    """One cell of a size chart: a size's name, and its measure (a Decimal if it is a number)."""

    name: str | None = None
    value: Decimal | str | None = None


@attrs.frozen
class SizeRow:
    """One row of a size chart: "Sleeve Length" of every size."""

    name: str | None = None
    size_value: tuple[SizeValue, ...] = ()


@attrs.frozen
class SizeSheet:
    """One size chart."""

    sheet_name: str | None = None
    size: tuple[SizeRow, ...] = ()


@attrs.frozen
class SizeContent:
    """The size charts of a model; iterable, with a length, indexable.

    Attributes:
        sheets: empty when the text could not be read.
        raw: the JSON text as it came.
    """

    sheets: tuple[SizeSheet, ...]
    raw: str = attrs.field(eq=False, repr=False)

    def __iter__(self) -> Iterator[SizeSheet]:
        return iter(self.sheets)

    def __len__(self) -> int:
        return len(self.sheets)

    def __getitem__(self, index: int) -> SizeSheet:
        return self.sheets[index]
