"""The protocol, pure: a request is a value; status, headers and bytes become data or one typed error."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final, Generic, TypeVar
from urllib.parse import quote

import attrs

from kakaclo_async import codec
from kakaclo_async.errors import (
    APIError,
    DecodeError,
    NotFound,
    RateLimited,
    Rejected,
    ServerError,
    Unauthorized,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
E = TypeVar("E", bound=APIError)

SUCCESS: Final = 10000
"""The `code` of every envelope that is no error, whatever its `message` says."""

MAX_MESSAGE_CHARS = 200
"""Characters of the server's message that an error repeats."""


@attrs.frozen(slots=True, kw_only=True)
class Request(Generic[T_co]):
    """One request, ready to send.

    Attributes:
        method: "GET" or "POST".
        path: below the base URL, its parameters quoted.
        result: the type that `data` is read as.
        query: pairs of the query string.
        body: the JSON body, if any; it may hold an address and is never shown.
        writes: whether KakaClo changes anything; many POSTs only read.
        custom_order_id: the order that a write is about, for its errors.
        order_id: likewise, once KakaClo has numbered it.
    """

    method: str
    path: str
    result: type[T_co]
    query: tuple[tuple[str, str], ...] = ()
    body: bytes | None = attrs.field(default=None, repr=False)
    writes: bool = False
    custom_order_id: str | None = None
    order_id: str | None = None


@attrs.frozen(slots=True)
class Answer:
    """What came back: the status, the headers that matter (names in lower case) and the whole body."""

    status: int
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)


def path(template: str, *parameters: object) -> str:
    """Fill the `{}` of a path with quoted parameters."""
    return template.format(*(quote(str(parameter), safe="") for parameter in parameters))


def read_answer(request: Request[T], answer: Answer, *, now: datetime | None = None) -> T:
    """Return the data of an answer.

    Args:
        request: what was asked; names the endpoint in errors and the type of the result.
        answer: what came back.
        now: the time that a `Retry-After` date is compared with; the present by default.

    Raises:
        Unauthorized: 401 or 403.
        RateLimited: 429.
        NotFound: 404.
        ServerError: 5xx, whatever the body is.
        Rejected: any other refusal: a 4xx, or a code other than 10000 under HTTP 200.
        APIError: a redirect, which is never followed.
        DecodeError: a success whose body cannot be read.
    """
    if answer.status != 200:  # the documents know no other success
        raise _refusal(request, answer, now)
    found = codec.decode_body(answer.body, request.result, success=SUCCESS)
    if found is not None:
        return found
    try:
        envelope = codec.read_envelope(answer.body)
    except DecodeError as error:
        raise DecodeError(f"{error.reason} ({_content_type(answer)})", where=error.where) from None
    if envelope.code != SUCCESS:
        if envelope.code is None and envelope.error is None:
            raise DecodeError("the answer has neither code nor error", where="body")
        raise _error(Rejected, request, answer, envelope.code, envelope.error or envelope.message)
    return codec.decode(envelope.data, request.result)


def _refusal(request: Request[T], answer: Answer, now: datetime | None) -> APIError:
    code, said = _error_message(answer)
    match answer.status:
        case 401 | 403:
            hint = "check the access token, or refresh it on KakaClo's API settings page"
            return _error(Unauthorized, request, answer, code, said, hint)
        case 404:
            return _error(NotFound, request, answer, code, said)
        case 429:
            limited = _error(RateLimited, request, answer, code, said)
            limited.retry_after = retry_after(answer.headers, now or datetime.now(UTC))
            return limited
        case status if status >= 500:
            return _error(ServerError, request, answer, code, said)
        case status if status >= 400:
            return _error(Rejected, request, answer, code, said)
        case _:
            hint = "redirects are not followed, since that would send the token along; check base_url"
            return _error(APIError, request, answer, code, said, hint)


def _error(
    kind: type[E], request: Request[T], answer: Answer, code: int | str | None, said: str, hint: str = ""
) -> E:
    said = said[:MAX_MESSAGE_CHARS]
    facts = f"HTTP {answer.status}" if code is None else f"HTTP {answer.status}, code {code}"
    text = f"{request.method} {request.path} was refused ({facts})"
    if said:
        text += f": {said}"
    if hint:
        text += f"; {hint}"
    return kind(text, status=answer.status, code=code, message=said, method=request.method, path=request.path)


def _error_message(answer: Answer) -> tuple[int | str | None, str]:
    try:
        envelope = codec.read_envelope(answer.body)
    except DecodeError:
        return None, f"the answer is no document of the API ({_content_type(answer)})"
    return envelope.code, envelope.error or envelope.message


def _content_type(answer: Answer) -> str:
    kind = answer.headers.get("content-type", "").partition(";")[0].strip() or "no content type"
    return f"{kind}, {len(answer.body)} bytes"


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds that `Retry-After` asks for: a number or a date; None when absent or nonsense."""
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            date = parsedate_to_datetime(text)
        except ValueError:
            return None
        if date.tzinfo is None:
            date = date.replace(tzinfo=UTC)
        seconds = (date - now).total_seconds()
    return max(0.0, seconds) if seconds < float("inf") else None  # also false for nan


@attrs.define(eq=False)
class ServerClock:
    """KakaClo's clock, to the second, as the `Date` headers of its answers show it.

    It is kept beside two clocks of ours: the event loop's, which stands still while the machine sleeps, and the wall
    clock, which may be set.
    """

    _date: float | None = None
    _loop_time: float = 0.0
    _wall_time: float = 0.0

    def read(self, answer: Answer, *, loop_time: float, wall_time: float) -> None:
        """Take the `Date` of an answer that has just come, if it has one."""
        try:
            date = parsedate_to_datetime(answer.headers.get("date", ""))
        except ValueError:
            return
        self._date = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
        self._loop_time, self._wall_time = loop_time, wall_time

    def now(self, *, loop_time: float, wall_time: float) -> float | None:
        """Return its seconds since 1970, now or a little later; None when no answer had a `Date`.

        Of our two clocks the one that moved more counts.
        """
        if self._date is None:
            return None
        return self._date + max(0.0, loop_time - self._loop_time, wall_time - self._wall_time)

    def at(self, loop_time: float) -> float | None:
        """Return its seconds since 1970 at a past moment of the event loop; None unless an answer has come since."""
        if self._date is None or self._loop_time < loop_time:
            return None
        return self._date - (self._loop_time - loop_time)
