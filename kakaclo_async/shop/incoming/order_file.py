"""What a file of orders holds: orders to place, rows left out, problems and notes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from kakaclo_async.codec.scalars import write_json

if TYPE_CHECKING:
    from kakaclo_async.models.new_order import NewOrder


@attrs.frozen(kw_only=True)
class FileOrder:
    """An order to place.

    Attributes:
        line: the line of the file where it begins, from 1.
        item_lines: the line of each of its items.
        lines: the lines of all its rows.
        order: what is sent.
    """

    line: int
    item_lines: tuple[int, ...]
    lines: tuple[int, ...]
    order: NewOrder

    @property
    def custom_order_id(self) -> str:
        """The shop's number, after the prefix."""
        return self.order.custom_order_id or ""


HELD: Final = "so a person decides"
"""How the reasons of rows end that wait for a person."""


@attrs.frozen
class LeftOut:
    """A row that is not sent, because it is not due or not KakaClo's."""

    order: str
    line: int
    sku: str
    reason: str

    @property
    def is_held(self) -> bool:
        """Whether it waits for a person: the file does not tell what is due, and nothing else keeps it back."""
        return all(reason.endswith(HELD) for reason in self.reason.split("; "))

    def __str__(self) -> str:
        return f"line {self.line}, order {self.order!r}: {self.reason}"


@attrs.frozen
class FileProblem:
    """Why an order is held: nothing of it is sent. It never repeats a part of an address."""

    order: str
    line: int
    field: str
    problem: str

    def __str__(self) -> str:
        return f"line {self.line}, order {self.order!r}: {self.field}: {self.problem}"


@attrs.frozen
class FileNote:
    """What was changed, or is worth a look. It never repeats a part of an address."""

    order: str
    line: int
    field: str
    note: str


@attrs.frozen
class FileRow:
    """A row of the file.

    Attributes:
        line: where it begins.
        order: whose it is; empty where it has no number.
        cells: as they are.
        is_order: False for a footer, and for a row that describes the columns.
    """

    line: int
    order: str
    cells: tuple[str, ...] = attrs.field(repr=False)
    is_order: bool = True


@attrs.frozen
class Goods:
    """One of the shop's goods, as it calls it, and in how many rows."""

    sku: str
    title: str
    variant: str
    count: int = 1


@attrs.frozen
class Sold:
    """An item of an order, whether it is due or not.

    Attributes:
        order: the shop's number of the order, after the prefix.
        sku: as the shop calls it.
        title: its name.
        variant: its size and colour.
        quantity: how many pieces were sold, less those that came back.
        item_id: the shop's own number for it; empty where there is none.
        is_due: whether the file says that it is to be sent.
    """

    order: str
    sku: str
    title: str
    variant: str
    quantity: int
    item_id: str
    is_due: bool


@attrs.frozen(kw_only=True)
class OrderFile:
    """What a file of orders holds.

    Attributes:
        dialect: the kind of file.
        orders: what is to be placed.
        left_out: the rows that are not due, and why.
        problems: why other orders are held.
        notes: what was changed.
        header: the names of the columns, as they are; empty for JSON lines.
        rows: every row that is not blank, in the order of the file.
        goods: the shop's goods, each once.
        sold: the items of all orders that have a number.
    """

    dialect: str
    orders: tuple[FileOrder, ...]
    left_out: tuple[LeftOut, ...]
    problems: tuple[FileProblem, ...]
    notes: tuple[FileNote, ...]
    header: tuple[str, ...] = ()
    rows: tuple[FileRow, ...] = attrs.field(default=(), repr=False)
    goods: tuple[Goods, ...] = ()
    sold: tuple[Sold, ...] = attrs.field(default=(), repr=False)

    def unaccounted(self) -> list[int]:
        """Return the lines of rows that are in no order, are not left out, and have no problem: there are none."""
        told: list[LeftOut | FileProblem] = [*self.left_out, *self.problems]
        lines = {line for entry in self.orders for line in entry.lines} | {entry.line for entry in told}
        held = {entry.order for entry in told if entry.order}
        return [
            row.line for row in self.rows if row.is_order and row.line not in lines and row.order not in held
        ]

    def to_dict(self) -> dict[str, object]:
        """Return it as plain data for JSON."""
        return {
            "dialect": self.dialect,
            "orders": [_plain(entry) for entry in self.orders],
            "left_out": [attrs.asdict(entry) for entry in self.left_out],
            "problems": [attrs.asdict(entry) for entry in self.problems],
            "notes": [attrs.asdict(entry) for entry in self.notes],
        }

    def to_json(self) -> str:
        """Return `to_dict` as JSON text."""
        return write_json(self.to_dict()).decode()


def _plain(entry: FileOrder) -> dict[str, object]:
    return {
        "custom_order_id": entry.custom_order_id,
        "channel_type": str(entry.order.channel_type),
        "items": [{"sku": item.sku, "quantity": item.quantity} for item in entry.order.items],
        "address": attrs.asdict(entry.order.address),
        "line": entry.line,
    }
