"""What all pages of the board share: what they show, the templates, and how a page is made of them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import attrs
from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined

from kakaclo_async.board.guard import Forms
from kakaclo_async.config import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kakaclo_async.catalog.database import MirrorDatabase
    from kakaclo_async.client import KakaClo
    from kakaclo_async.ordering import Journal

_KINDS: Final = {
    "board.css": "text/css",
    "board.js": "text/javascript",
    "htmx.min.js": "text/javascript",
    "htmx.LICENSE.txt": "text/plain",
}
"""What `/static/` serves; nothing else is read from a disk because of a request."""


@attrs.define(eq=False, kw_only=True)
class Desk:
    """What the pages show.

    Attributes:
        title: of the whole board.
        links: the pages in its menu, by their address.
        kk: the client that is shown, and that freight, orders and refunds are asked with; None: there is none.
        db: the mirror; None: there is none.
        journal: of the orders; None: there is none.
        write: whether refunds may be asked for, and the journal finished.
        forms: the forms that were shown.
        now: tells the time, aware.
    """

    title: str
    links: Mapping[str, str]
    kk: KakaClo | None = None
    db: MirrorDatabase | None = None
    journal: Journal | None = None
    write: bool = False
    forms: Forms = attrs.field(factory=Forms)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def page(self, request: web.Request, template: str, **values: Any) -> web.Response:
        """Make a page."""
        shared = {"desk": self, "path": request.path, "version": __version__, "now": self.now()}
        text = _templates().get_template(template).render(shared | values)
        return web.Response(text=text, content_type="text/html")

    def explain(self, request: web.Request, title: str, text: str, status: int) -> web.Response:
        """Make a page of an error."""
        page = self.page(request, "error.html", heading=title, text=text)
        page.set_status(status)
        return page


async def static(request: web.Request) -> web.Response:
    """Serve a file of the board's own."""
    name = request.match_info["name"]
    if name not in _KINDS:
        raise web.HTTPNotFound
    return web.Response(body=_file(name), content_type=_KINDS[name], charset="utf-8")


@cache
def _file(name: str) -> bytes:
    return (resources.files("kakaclo_async.board") / "static" / name).read_bytes()


@cache
def _templates() -> Environment:
    made = Environment(
        loader=PackageLoader("kakaclo_async.board"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {"shown": shown, "count": count, "picture": picture, "segment": segment, "at": at}
    return made


def shown(value: object) -> str:
    """Return how a page shows a value: money exact, times in UTC, a dash for none."""
    match value:
        case None | "":
            return "\N{EN DASH}"
        case bool():
            return "yes" if value else "no"
        case Enum():
            known = getattr(value, "is_known", True)
            text = str(value.value) if isinstance(value, str) or not known else value.name.lower()
            return text.replace("_", " ")
        case Decimal():
            return format(value, "f")
        case datetime():
            return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
        case int():
            return count(value)
        case _:
            return str(value)


def whole_number(text: str, most: int) -> int | None:
    """Read a whole number of ASCII digits; None for anything else, and for one above the most."""
    is_one = text.isascii() and text.isdigit() and len(text) <= len(str(most))  # Python reads no 4,301 digits
    return int(text) if is_one and int(text) <= most else None


def segment(key: object) -> str:
    """Return a key as one segment of an address, which a slash would end."""
    return quote(str(key), safe="")


def at(key: object) -> str:
    """Return how an address ends that leads to a key: browsers take a segment of dots for a step, however written."""
    return f"?key={key}" if key in {".", ".."} else segment(key)


def key_of(request: web.Request) -> str:
    """Return the key that an address ends with."""
    return request.match_info.get("key") or request.query.get("key", "")


def count(value: float) -> str:
    """Return a number with its thousands apart."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def picture(url: object) -> str:
    """Return the address of a picture that a page may load: by https; empty for any other."""
    return url if isinstance(url, str) and url.startswith("https://") else ""
