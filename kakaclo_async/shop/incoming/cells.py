"""Finds the cells of a dialect's fields in the rows of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kakaclo_async.shop.addresses import clean
from kakaclo_async.shop.incoming.table import as_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kakaclo_async.shop.incoming.dialect import Dialect, Rule
    from kakaclo_async.shop.incoming.table import Row


class Cells:
    """Finds the cells of a dialect's fields in the rows of a file."""

    def __init__(self, dialect: Dialect, header: Sequence[str]) -> None:
        self.dialect = dialect
        self.header = header
        self.places = {as_key(name): place for place, name in enumerate(header) if name.strip()}
        self._fields = {field: self._of(names) for field, names in dialect.columns.items()}
        self._fields |= {f"billing {field}": self._of(names) for field, names in dialect.billing.items()}
        self._by_name: dict[str, int] = {}
        self.rules = [rule for rule in dialect.rules if self._applies(rule)]
        # Where a better column is there, its blank cell is not filled from another.
        self._fields["quantity"] = self._fields.get("quantity", ())[:1]

    def _of(self, names: Sequence[str]) -> tuple[int, ...]:
        return tuple(self.places[key] for key in map(as_key, names) if key in self.places)

    def _applies(self, rule: Rule) -> bool:
        return as_key(rule.column) in self.places and as_key(rule.unless) not in self.places

    def any(self, row: Row, fields: tuple[str, ...]) -> bool:
        """Whether a row says anything of some fields."""
        cells = row.cells
        for field in fields:
            for place in self._fields.get(field, ()):
                if place < len(cells) and cells[place] and clean(cells[place])[0]:
                    return True
        return False

    def has(self, field: str) -> bool:
        """Whether the file has a column of a field."""
        return bool(self._fields.get(field))

    def get(self, row: Row, field: str) -> str:
        """Return the first filled cell of a field, or an empty text."""
        return self.told(row, field)[0]

    def told(self, row: Row, field: str) -> tuple[str, str]:
        """Return the first filled cell of a field, and what was done to it."""
        places = self._fields.get(field, ())
        for place in places:
            if place < len(row.cells) and (cell := row.cells[place]):
                value, note = clean(cell)
                # A dash fills no column where another may hold a phone number.
                if value and not (field == "phone" and not any(map(str.isalnum, value)) and "*" not in value):
                    first = place == places[0]
                    return value, note or (
                        "" if first else f"it is taken from the column {self.header[place]!r}"
                    )
        if field == "phone":
            return next((value for place in places[:1] if (value := _cell(row, place))), ""), ""
        return "", ""

    def raw(self, row: Row, field: str) -> str:
        """Return a cell as it is."""
        place = next(iter(self._fields.get(field, ())), len(row.cells))
        return row.cells[place] if place < len(row.cells) else ""

    def column(self, row: Row, name: str) -> str:
        """Return the cell of a column by its name."""
        place = self._by_name.get(name)
        if place is None:
            place = self._by_name[name] = self.places.get(as_key(name), len(self.header))
        return _cell(row, place)


def _cell(row: Row, place: int) -> str:
    return clean(row.cells[place])[0] if place < len(row.cells) else ""
