"""Texts of listings: harmless HTML, handles, codes that are cut and stay unique; and files of codes."""

from __future__ import annotations

import csv
import hashlib
import html
import re
from html.parser import HTMLParser
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kakaclo_async.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterable

_KEPT: Final = {
    *(
        "b",
        "blockquote",
        "br",
        "dd",
        "div",
        "dl",
        "dt",
        "em",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "i",
        "img",
    ),
    *("li", "ol", "p", "small", "span", "strong", "sub", "sup", "u", "ul"),
    *("table", "tbody", "td", "tfoot", "th", "thead", "tr"),
}
_EMPTY: Final = frozenset({"br", "hr", "img"})
_DROPPED_WHOLE: Final = {
    *("script", "style", "head", "iframe", "object", "embed", "noscript", "svg", "math", "template", "title"),
    *("textarea", "select"),
}
_TAG: Final = re.compile(r"</?[a-zA-Z!]")
_WEB: Final = re.compile(r"https?://[^\s\"'<>]+", re.IGNORECASE)
_PLAIN_CODE: Final = re.compile(r"[A-Z0-9]+(?:-[A-Z0-9]+)*")
_DIGEST: Final = 12
_CODE_COLUMNS: Final = ("sku", "spu", "code", "variant sku", "listed")


class _Sifter(HTMLParser):
    """Writes the tags that do no harm, without attributes, and of everything else the text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.open: list[str] = []
        self.dropping = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _DROPPED_WHOLE:
            self.dropping += 1
        elif tag in _KEPT and not self.dropping:
            values = dict(attrs)
            if tag != "img":
                self.parts.append(f"<{tag}>")
            elif source := web_address(values.get("src")):
                self.parts.append(picture(source, values.get("alt") or ""))
            if tag not in _EMPTY:
                self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in _DROPPED_WHOLE:
            self.dropping = max(0, self.dropping - 1)
        elif tag in self.open and not self.dropping:
            while (closing := self.open.pop()) != tag:
                self.parts.append(f"</{closing}>")
            self.parts.append(f"</{tag}>")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _DROPPED_WHOLE:  # `<script/>` drops nothing: it opens nothing here
            self.handle_starttag(tag, attrs)
            self.handle_endtag(tag)

    def handle_data(self, data: str) -> None:
        if not self.dropping:
            self.parts.append(html.escape(data, quote=False))

    def finish(self) -> str:
        """Return what was kept, with every tag closed."""
        self.close()
        return "".join((*self.parts, *(f"</{tag}>" for tag in reversed(self.open))))


def safe_html(text: str | None, size_chart: str | None = None) -> str:
    """Return a description as HTML that runs nothing: plain text in paragraphs, HTML without what is not mere layout.

    Args:
        text: as KakaClo sends it.
        size_chart: the address of its picture, which is put at the end.
    """
    text = (text or "").strip()
    if _TAG.search(text):
        sifter = _Sifter()
        sifter.feed(text)
        made = sifter.finish()
    else:
        lines = html.unescape(text).replace("\r\n", "\n")
        paragraphs = [html.escape(part.strip(), quote=False) for part in re.split(r"\n\s*\n", lines)]
        made = "".join("<p>{}</p>".format(part.replace("\n", "<br>")) for part in paragraphs if part)
    if chart := web_address(size_chart):
        made += f"<p>{picture(chart, 'Size chart')}</p>"
    return made


def plain_text(text: str | None) -> str:
    """Return a description in one line without any HTML."""
    made = re.sub(r"<(?:/p|br|/li|/div|/h\d|/tr|/td)\b", r" \g<0>", safe_html(text))
    return " ".join(html.unescape(re.sub(r"<[^>]*>", "", made)).split())


def picture(address: str, alt: str) -> str:
    """Return the tag of a picture."""
    return f'<img src="{html.escape(address)}" alt="{html.escape(alt)}">'


def web_address(text: object) -> str | None:
    """Return an address of the web; None for anything else, such as `javascript:`."""
    found = text.strip() if isinstance(text, str) else ""
    return found if _WEB.fullmatch(found) else None


def handle_of(spu: str) -> str:
    """Return the part of a shop's addresses that stands for a product: always the same, and no other product's.

    Codes of capitals, digits and dashes become small letters; others also get a part that is made of the whole code.
    """
    if _PLAIN_CODE.fullmatch(spu):
        return spu.lower()
    words = re.sub(r"[^a-z0-9]+", "-", spu.lower()).strip("-")
    return f"{words}-{_digest(spu)}".strip("-")


def short_code(code: str, most: int) -> str:
    """Return a code, or where it is too long its start and what is made of the whole: always the same, and unique."""
    return code if len(code) <= most else f"{code[: most - _DIGEST - 1]}-{_digest(code)}"


def cut(text: str, most: int) -> str:
    """Return a text of at most so many characters, cut between two words if that costs little."""
    if len(text) <= most:
        return text
    start = text[: most + 1].rsplit(" ", 1)[0]
    return (start if len(start) > most // 2 else text)[:most].rstrip()


def read_codes(only: Iterable[str] | Path) -> frozenset[str]:
    """Return codes as they are, or those of a file: the first cell of each line, or the column named sku or spu.

    Raises:
        InvalidRequest: the file cannot be read, or holds none.
    """
    if not isinstance(only, Path):
        if isinstance(only, str):
            raise InvalidRequest(f"only must be codes, or the Path of a file of codes, not the text {only!r}")
        return frozenset(only)
    try:
        with only.open(newline="", encoding="utf-8-sig") as file:
            first = file.readline()
            apart = next((sign for sign in ",;\t" if sign in first), ",")
            lines = [
                [cell.strip() for cell in line] for line in csv.reader(chain([first], file), delimiter=apart)
            ]
    except (OSError, UnicodeError, csv.Error) as error:
        raise InvalidRequest(f"the codes in {only} cannot be read: {error}") from None
    lines = [line for line in lines if any(line)]
    heading = [cell.lower() for cell in lines[0]] if lines else []
    column = next((heading.index(name) for name in _CODE_COLUMNS if name in heading), None)
    of = lines if column is None else lines[1:]
    codes = frozenset(line[column or 0] for line in of if len(line) > (column or 0) and line[column or 0])
    if not codes:
        raise InvalidRequest(f"there is no code in {only}: write one SKU or SPU a line")
    return codes


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST]
