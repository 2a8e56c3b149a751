"""How values show themselves: one line in a shell, a table with pictures in a notebook. No person is in either."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import Enum
from html import escape
from typing import ClassVar, Final, cast
from urllib.parse import urlsplit

import attrs

from kakaclo_async.travel import Travels, write_time

_LINE: Final = 199  # characters of a line
_PART: Final = 60  # of a model inside of it
_TEXT: Final = 40  # of a text inside of it
_FEW: Final = 3  # texts of a list
_CELL: Final = 80  # of a text in a table
_TABLES: Final = 36_000  # of all tables of one value: a notebook keeps them
_ADDRESS: Final = 600  # of a picture's address
_SIDE: Final = 48  # pixels of a picture, shown; twice as many are asked for, because screens are dense

_IMAGE_PROCESS: Final = "x-oss-process="


class Shown(Travels):
    """What shows itself in one line: its fields that are worth it, without the empty ones, long texts cut.

    Attributes:
        _shown: the names of these fields; none: all that are not kept out of `repr`.
        _brief: the field that stands for the whole inside of another model's line.
    """

    __slots__ = ()

    _shown: ClassVar[tuple[str, ...]] = ()
    _brief: ClassVar[str] = ""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        # attrs would compile another one for each class: it leaves alone what a class has of its own.
        cls.__repr__ = cls.__repr__  # type: ignore[method-assign]

    def __repr__(self) -> str:
        line = f"{type(self).__name__}("
        for name in shown_fields(type(self)):
            part = _part(name, getattr(self, name))
            if part and len(line) + len(part) + len(", , …)") > _LINE:
                return f"{line}, …)"
            line += f"{', ' if part and not line.endswith('(') else ''}{part}"
        return f"{line})"

    @property
    def _picture(self) -> str | None:
        """The address of the picture that a table shows."""
        named = (getattr(self, name, None) for name in ("main_img", "image_url", "img_url"))
        return next((url for url in named if isinstance(url, str) and url), None)


class Tabled(Shown):
    """What a notebook shows as tables: itself, if it names what of it is worth a line, and the rows that it holds.

    Attributes:
        _rows: the field of the rows.
    """

    __slots__ = ()

    _rows: ClassVar[str] = ""

    def _repr_html_(self) -> str:
        rows = cast("tuple[object, ...]", getattr(self, self._rows, ()))
        top = models_table([self]) if self._shown else f"<p>{escape(repr(self), quote=False)}</p>"
        return top + models_table(rows, _TABLES - len(top))


def shown_fields(kind: type[Shown]) -> tuple[str, ...]:
    """Return the names of the fields that a class shows."""
    if kind._shown:  # noqa: SLF001 - of this module
        return kind._shown  # noqa: SLF001 - see above
    fields = attrs.fields(cast("type[attrs.AttrsInstance]", kind))
    return tuple(field.name for field in fields if field.repr)


def cut(text: str, most: int) -> str:
    """Return a text of at most so many characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def count(many: int, kind: str) -> str:
    """Return "1 sku", "30 skus", "2 categories" of the name of a class."""
    words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in kind).lstrip()
    if many == 1:
        return f"1 {words}"
    return f"{many:,} {words[:-1]}ies" if words.endswith("y") else f"{many:,} {words}s"


def _is_empty(value: object) -> bool:
    return value is None or (isinstance(value, (str, Sequence, Mapping)) and not value)


def _part(name: str, value: object) -> str:
    """Return what a line says of a field; nothing of an empty one."""
    value = _meant(value)
    if _is_empty(value):
        return ""
    counted = _counted(name, value)
    return counted if counted and counted[0].isdigit() else f"{name}={counted or _said(value)}"


def _meant(value: object) -> object:
    brief = value._brief if isinstance(value, Shown) else ""  # noqa: SLF001 - of this module
    return cast("object", getattr(value, brief)) if brief else value


def _counted(name: str, value: object) -> str:
    """Return how many there are of what is no single value; the first of some texts."""
    if isinstance(value, Mapping):
        return f"{len(cast('Mapping[str, object]', value)):,} {name.replace('_', ' ')}"
    if not isinstance(value, (tuple, list)):
        return ""
    held = cast("Sequence[object]", value)
    kinds = {type(one) for one in held}
    if all(issubclass(kind, Shown) for kind in kinds):
        return count(len(held), kinds.pop().__name__ if len(kinds) == 1 else "Row")
    more = f", +{len(held) - _FEW}" if len(held) > _FEW else ""
    return cut(f"[{', '.join(_said(one) for one in held[:_FEW])}{more}]", _PART)


def _said(value: object) -> str:
    """Return what a line says of one value."""
    match value:
        case Enum() if not isinstance(value, str) and getattr(value, "is_known", True):
            return value.name
        case Enum():
            return _said(cast("object", value.value))
        case str():
            told = repr(str.__str__(value[: _TEXT + 1]))
            return told if len(told) <= _TEXT + 2 else f"{told[:_TEXT]}…{told[0]}"
        case Decimal():
            return cut(str(value), _TEXT)
        case datetime():
            return write_time(value)
        case _:
            return cut(repr(value), _PART)


def sized(url: str, width: int, height: int, kind: str) -> str:
    """Return the address of a picture in another size; what its query asks for besides the size is kept."""
    address, hash_, fragment = url.strip().partition("#")
    path, _, query = address.partition("?")
    kept = [part for part in query.split("&") if part and not part.startswith(_IMAGE_PROCESS)]
    # Commas and slashes stay as they are: the image server documents them so.
    kept.append(f"{_IMAGE_PROCESS}image/resize,w_{width},h_{height},m_fill/format,{kind}")
    return f"{path}?{'&'.join(kept)}{hash_}{fragment}"


def _thumbnail(url: str | None) -> str:
    """Return the HTML of a small picture; nothing of an address that is not HTTPS."""
    given = (url or "").strip()
    given = f"https:{given}" if given.startswith("//") else given
    try:
        parts = urlsplit(given)
        host = (parts.hostname or "") if parts.scheme == "https" else ""
    except ValueError:
        return ""
    if f".{host}".endswith(".kakaclo.com"):  # other servers might take the size for a broken signature
        given = sized(given, 2 * _SIDE, 2 * _SIDE, "webp")
    source = escape(given)
    if not host or len(source) > _ADDRESS:
        return ""
    return f'<img loading="lazy" src="{source}" width="{_SIDE}" height="{_SIDE}" alt="">'


def _cell(name: str, value: object) -> str:
    """Return what a table says of a field."""
    value = _meant(value)
    if _is_empty(value):
        return ""
    plain = cast("object", value.value) if isinstance(value, Enum) and isinstance(value, str) else value
    told = _counted(name, plain) or (str.__str__(plain) if isinstance(plain, str) else _said(plain))
    return escape(cut(told, _CELL), quote=False)


def models_table(rows: Sequence[object], room: int = _TABLES) -> str:
    """Return an HTML table of models, a picture first where some have one, without columns that are empty.

    Args:
        rows: models of one class; others are shown by their lines.
        room: characters that it may have; the rest of the rows is counted.
    """
    kinds = {type(row) for row in rows}
    models = [row for row in rows if isinstance(row, Shown)]
    if len(kinds) != 1 or not models:
        return grid(["row"], ([escape(cut(repr(row), _LINE), quote=False)] for row in rows), len(rows), room)
    pictures = [_thumbnail(row._picture) for row in models]  # noqa: SLF001 - of this module
    names = shown_fields(type(models[0]))
    columns = {name: [_cell(name, getattr(row, name)) for row in models] for name in names}
    told = ({"": pictures} if any(pictures) else {}) | {
        n: column for n, column in columns.items() if any(column)
    }
    return grid([*told], zip(*told.values(), strict=True), len(rows), room)


def grid(head: Sequence[str], rows: Iterable[Sequence[str]], total: int, room: int = _TABLES) -> str:
    """Return an HTML table of cells that are HTML already, of as many rows as there is room for."""
    names = "".join(f"<th>{escape(name.replace('_', ' '))}</th>" for name in head)
    lines = [f"<table><thead><tr>{names}</tr></thead><tbody>"]
    used, told = len(lines[0]), 0
    for row in rows:
        line = f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>"
        used += len(line)
        if used > room:
            break
        lines.append(line)
        told += 1
    more = f"<p>and {total - told:,} more</p>" if told < total else ""
    return f"{''.join(lines)}</tbody></table>{more}" if told or total else ""
