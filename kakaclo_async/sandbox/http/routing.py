"""Routes: how a request finds its handler, how its parameters are read, how its answer is written."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote

import msgspec
from aiohttp import web
from attrs import frozen

from kakaclo_async.sandbox.wire import Code, Refusal, encode, error, success, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence


T = TypeVar("T")


@frozen
class Request:
    """One request, with readers that refuse what the contract does not allow.

    Attributes:
        path: Variables of the path.
        query: The query string.
        body: The raw body.
    """

    path: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes

    def text(self, name: str) -> str | None:
        """Read a parameter; None when it is absent or empty."""
        return self.query.get(name) or None

    def codes(self, name: str, at_most: int) -> list[str]:
        """Read a comma-separated list, without repetitions."""
        found = [code for part in self.query.get(name, "").split(",") if (code := part.strip())]
        if len(found) > at_most:
            raise Refusal(
                Code.BAD_PARAMETER, f"{name} holds {len(found)} codes, at most {at_most} are allowed"
            )
        return list(dict.fromkeys(found))

    def number(self, name: str, default: int, at_most: int | None = None) -> int:
        """Read a number from 1 up."""
        text = self.text(name)
        if text is None:
            return default
        number = whole(text) or 0
        if number < 1 or (at_most is not None and number > at_most):
            limit = "" if at_most is None else f" to {at_most}"
            raise Refusal(Code.BAD_PARAMETER, f"{name} must be a number from 1{limit}")
        return number

    def moment(self, name: str) -> float | None:
        """Read an ISO 8601 time with an offset, as seconds since 1970."""
        text = self.text(name)
        if text is None:
            return None
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            raise Refusal(Code.BAD_PARAMETER, f"{name} must be a UTC time such as 2024-05-01T00:00:00Z")
        return moment.timestamp()

    def choice(self, name: str, allowed: Sequence[str], default: str) -> str:
        """Read one of the allowed words."""
        text = self.text(name) or default
        if text not in allowed:
            raise Refusal(Code.BAD_PARAMETER, f"{name} must be one of {', '.join(allowed)}")
        return text

    def read(self, shape: type[T]) -> T:
        """Read the JSON body.

        Raises:
            Refusal: It does not have the shape; the sentence names the place.
            msgspec.DecodeError: It is not JSON.
        """
        try:
            return msgspec.json.decode(self.body, type=shape)
        except msgspec.ValidationError as wrong:
            raise Refusal(Code.BAD_PARAMETER, str(wrong)) from None
        except (UnicodeDecodeError, RecursionError):
            raise msgspec.DecodeError("the body is no text, or nested too deeply") from None

    def page_of(self, found: Iterable[T], write: Callable[[T], object]) -> dict[str, object]:
        """Cut the page that the query asks for: 10 rows by default, 250 at most."""
        rows = list(found)
        number, size = self.number("pageNumber", 1), self.number("pageSize", 10, at_most=250)
        cut = rows[(number - 1) * size : number * size]
        return page([write(row) for row in cut], len(rows), number, size)


def page(rows: Sequence[object], total: int, number: int, size: int) -> dict[str, object]:
    """Build a page of `rows`."""
    return {"list": rows, "total": total, "pageNumber": number, "pageSize": size}


@frozen
class Route:
    """One endpoint.

    Attributes:
        method: The HTTP method.
        path: Below the base URL; `{id}` marks a variable.
        answer: Makes `data`, or raises `Refusal`. It never awaits, so each request takes effect wholly or not at all.
        message: The message of success, which differs between the published documents.
    """

    method: str
    path: str
    answer: Callable[[Request], object]
    message: str = "success"


class Router:
    """All endpoints of the sandbox.

    Args:
        routes: The endpoints.
        finish: Has the last word about what is answered.
    """

    def __init__(self, routes: Iterable[Route], finish: Callable[[object], object]) -> None:
        self._finish = finish
        self._routes = [
            (route, re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", route.path))) for route in routes
        ]

    def answer(self, method: str, path: str, query: Mapping[str, str], body: bytes) -> web.Response:
        """Let a request take effect, and make its answer.

        Args:
            method: The HTTP method.
            path: Below the base URL, as it came: a slash of a variable is quoted there.
            query: The query string.
            body: The raw body.
        """
        for route, pattern in self._routes:
            found = pattern.fullmatch(path)
            if found and route.method == method:
                break
        else:
            return document(error(Code.NO_SUCH_PATH, f"there is no {method} {unquote(path)}"), 404)
        variables = {name: unquote(value) for name, value in found.groupdict().items()}
        try:
            data = route.answer(Request(variables, query, body))
        except Refusal as refusal:
            return document(error(refusal.code, refusal.message), refusal.status)
        except msgspec.DecodeError:
            return document(encode({"error": "Invalid request"}), 400)
        return document(success(self._finish(data), route.message))


def document(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """Build an answer that holds JSON."""
    return web.Response(
        body=body, status=status, content_type="application/json", charset="utf-8", headers=headers
    )
