"""The protocol, pure: a request is a value; status, headers and bytes become data or one typed error."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import TYPE_CHECKING, Final, Generic, TypeVar, cast, get_args
from urllib.parse import quote

import attrs

from kakaclo_async import codec
from kakaclo_async.codec import Undecodable
from kakaclo_async.config import API_SETTINGS_URL
from kakaclo_async.errors import (
    APIError,
    DecodeError,
    InvalidRequest,
    KakaCloError,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    ServerError,
    Unauthorized,
    without_frames,
)
from kakaclo_async.models.common import Page

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kakaclo_async.events import Named


T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
E = TypeVar("E", bound=APIError)

SUCCESS: Final = 10000
"""The `code` of every envelope that is no error, whatever its `message` says."""

MAX_MESSAGE_CHARS = 200
"""Characters of the server's message that an error repeats."""

_MAX_SCRUBBED_CHARS: Final = 65_536  # many more than are shown: no head of a secret is left at their end

LONGEST_RETRY_AFTER: Final = 366 * 86_400.0
"""Seconds that a `Retry-After` counts at most: no clock or timer chokes on a year."""

_TROUBLE_ON_THE_WAY: Final = frozenset({408, 425, 499})
"""4xx that a gateway sends when it does not know what became of a request that it passed on."""


def _let_it_leave() -> None:
    """Nobody else may have sent it meanwhile."""


def _as_it_is(text: str) -> str:
    return text


def _path_of(request: Request[object]) -> str:
    return request.path


@attrs.frozen(slots=True, kw_only=True)
class Request(Generic[T_co]):
    """One request, ready to send.

    Attributes:
        method: "GET" or "POST".
        path: below the base URL, its parameters quoted.
        route: the path before its parameters were filled in: what is counted together, and names no order.
        result: the type that `data` is read as.
        query: pairs of the query string.
        body: the JSON body, if any; it may hold an address and is never shown.
        writes: whether KakaClo changes anything; many POSTs only read.
        custom_order_id: the order that a write is about, for its errors.
        order_id: likewise, once KakaClo has numbered it.
        again: whether it repeats, in another form, an order that surely was not placed: guards have counted it.
        repeated: whether an attempt at it has failed before.
        check: raises if it must not leave any more: called as it leaves, however long that took.
        scrub: strikes out of the server's words what no error may repeat: the address in an order.
    """

    method: str
    path: str
    result: type[T_co]
    query: tuple[tuple[str, str], ...] = ()
    body: bytes | None = attrs.field(default=None, repr=False)
    writes: bool = False
    custom_order_id: str | None = None
    order_id: str | None = None
    again: bool = attrs.field(default=False, eq=False)
    repeated: bool = attrs.field(default=False, eq=False)
    check: Callable[[], None] = attrs.field(default=_let_it_leave, repr=False, eq=False)
    scrub: Callable[[str], str] = attrs.field(default=_as_it_is, repr=False, eq=False)
    route: str = attrs.field(default=attrs.Factory(_path_of, takes_self=True), repr=False, eq=False)

    @property
    def named(self) -> Named:
        """What events call it."""
        return {"method": self.method, "path": self.path, "route": self.route}

    @property
    def label(self) -> str:
        """What errors call it."""
        return f"{self.method} {self.path}"


def tolerant(request: Request[Page[T]]) -> Request[Page[T | Undecodable]]:
    """Let a request for a page keep rows that cannot be read, in the place of an error."""
    row = cast("type[T]", get_args(request.result)[0])
    result = cast("object", Page[row | Undecodable])  # type: ignore[valid-type] # made at run time
    return cast("Request[Page[T | Undecodable]]", attrs.evolve(request, result=cast("type[Page[T]]", result)))


@attrs.frozen(slots=True)
class Answer:
    """What came back: the status, the headers that matter (names in lower case) and the whole body."""

    status: int
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)


def path(template: str, *parameters: object) -> str:
    """Fill the `{}` of a path with quoted parameters."""
    try:
        return template.format(*(quote(str(parameter), safe="") for parameter in parameters))
    except UnicodeEncodeError:
        pass  # it repeats the text
    raise InvalidRequest(f"{template}: a parameter holds half a character (a lone surrogate)")


def in_doubt(request: Request[object], failure: KakaCloError) -> OutcomeUnknown:
    """Return the error of a write that may have been executed."""
    look = "look whether it took effect"
    if request.custom_order_id is not None:
        look = f"look for the custom order id {request.custom_order_id!r}"
    elif request.order_id is not None:
        look = f"look at order {request.order_id}"
    return OutcomeUnknown(
        f"{request.label} was sent and its outcome is not known ({failure}); {look} before sending it again",
        custom_order_id=request.custom_order_id,
        order_id=request.order_id,
    )


def read_answer(
    request: Request[T],
    answer: Answer,
    *,
    now: datetime | None = None,
    scrub: Callable[[str], str] = _as_it_is,
) -> T:
    """Return the data of an answer.

    Args:
        request: what was asked; names the endpoint in errors and the type of the result.
        answer: what came back.
        now: the time that a `Retry-After` date is compared with; the present by default.
        scrub: strikes the token out of the server's words, before they are shortened: a cut would leave its head.

    Raises:
        Unauthorized: 401 or 403, or 400 with the words of a 401.
        RateLimited: 429.
        NotFound: 404.
        ServerError: 5xx, whatever the body is; 408, 425 and 499 likewise.
        Rejected: any other refusal: a 4xx, or a code other than 10000 under HTTP 200.
        APIError: a redirect, which is never followed.
        DecodeError: a success whose body cannot be read.
    """
    try:
        if answer.status == 200:  # the documents know no other success
            found = codec.decode_body(answer.body, request.result, success=SUCCESS)
            if found is not None:
                return found
        return _read(request, answer, _Words(answer, lambda text: scrub(request.scrub(text))), now)
    except KakaCloError as error:
        raise without_frames(error)  # noqa: B904 - it is the same one; the frames hold the answer, so perhaps addresses
    except Exception as error:  # noqa: BLE001 - the request took effect, perhaps: a write is in doubt, whatever this is
        problem = f"cannot be read ({type(error).__name__})"
    raise DecodeError(problem, where="body")  # not in the handler: the foreign error may repeat the answer


@attrs.frozen(slots=True)
class _Words:
    """What an answer says, as errors may repeat it."""

    answer: Answer
    scrub: Callable[[str], str]

    def content_type(self) -> str:
        kind = self.answer.headers.get("content-type", "").partition(";")[0].strip() or "no content type"
        return f"{self.shortened(kind)}, {len(self.answer.body)} bytes"

    def shortened(self, text: str) -> str:
        # What is no Unicode, half an emoji or a header in Latin-1, could not be printed.
        clean = self.scrub(text[:_MAX_SCRUBBED_CHARS]).encode(errors="backslashreplace").decode()
        return clean[:MAX_MESSAGE_CHARS]


def _read(request: Request[T], answer: Answer, words: _Words, now: datetime | None) -> T:
    if answer.status != 200:
        raise _refusal(request, words, now)
    try:
        envelope = codec.read_envelope(answer.body)
    except DecodeError as error:
        raise DecodeError(f"{error.reason} ({words.content_type()})", where=error.where) from None
    if envelope.code != SUCCESS:
        if not envelope.says_no:
            raise DecodeError("the answer has neither code nor error", where="body")
        raise _error(Rejected, request, words, envelope)
    if envelope.is_mended and request.writes:
        raise DecodeError("is damaged", where="body")  # perhaps where it names the order
    return codec.decode(envelope.data, request.result)


def _refusal(request: Request[T], words: _Words, now: datetime | None) -> APIError:
    try:
        envelope = codec.read_envelope(words.answer.body)
    except DecodeError:
        envelope = None
    error: APIError
    match words.answer.status:
        case status if status in {401, 403} or (status == 400 and _denies(envelope)):
            hint = f"check the access token, or refresh it on KakaClo's API settings page, {API_SETTINGS_URL}"
            error = _error(Unauthorized, request, words, envelope, hint)
        case 404:
            hint = "if every call ends so, base_url is wrong: KakaClo's ends with /openapi"
            error = _error(NotFound, request, words, envelope, "" if envelope and envelope.says_no else hint)
        case 429:
            error = _error(RateLimited, request, words, envelope)
        case status if status >= 500 or status in _TROUBLE_ON_THE_WAY:
            error = _error(ServerError, request, words, envelope)
        case status if status >= 400:
            error = _error(Rejected, request, words, envelope)
        case _:
            hint = "redirects are not followed, since that would send the token along; check base_url"
            error = _error(APIError, request, words, envelope, hint)
    # A 4xx proves that a write had no effect only if KakaClo worded it: a gateway may send its own page after it
    # passed the request on, and a refusal that carries the code of success contradicts itself. A 429 needs no
    # envelope: a limiter, KakaClo's or a gateway's, counts requests before it passes them on.
    worded = envelope is not None and envelope.says_no and envelope.code != SUCCESS
    error.declined = error.declined and (worded or isinstance(error, RateLimited))
    error.retry_after = retry_after(words.answer.headers, now or datetime.now(UTC))
    return error


def _denies(envelope: codec.Envelope | None) -> bool:
    """Return whether it says what the documents show for a bad token, on one page under HTTP 400."""
    said = "" if envelope is None else envelope.error or envelope.message
    return said.strip().rstrip(".!").casefold() == "permission denied"


def _error(
    kind: type[E], request: Request[T], words: _Words, envelope: codec.Envelope | None, hint: str = ""
) -> E:
    status, code = words.answer.status, None
    if envelope is None:
        said = f"the answer is no document of the API ({words.content_type()})"
    else:
        said = words.shortened(envelope.error or envelope.message)
        code = words.shortened(envelope.code) if isinstance(envelope.code, str) else envelope.code
    facts = f"HTTP {status}" if code is None else f"HTTP {status}, code {code}"
    text = f"{request.label} was refused ({facts})"
    if said:
        text += f": {said}"
    if hint:
        text += f"; {hint}"
    return kind(text, status=status, code=code, message=said, method=request.method, path=request.path)


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds that `Retry-After` asks for: a number or a date; None when absent or nonsense."""
    text = headers.get("retry-after", "").strip()
    try:
        seconds = float(text)
    except ValueError:
        try:
            date = parsedate_to_datetime(text)
            # Without a zone, as after "-0000", it is UTC.
            seconds = ((date if date.tzinfo else date.replace(tzinfo=UTC)) - now).total_seconds()
        except (ValueError, TypeError, OverflowError):  # a year, or a zone, that no date has
            return None
    return min(max(0.0, seconds), LONGEST_RETRY_AFTER) if isfinite(seconds) else None


@attrs.define(eq=False)
class ServerClock:
    """KakaClo's clock, to the second, as the `Date` headers of its answers show it.

    It is kept beside two clocks of ours: the event loop's, which stands still while the machine sleeps, and the wall
    clock, which may be set.
    """

    _text: str = ""
    _date: float | None = None
    _loop_time: float = 0.0
    _wall_time: float = 0.0

    def read(self, answer: Answer, *, loop_time: float, wall_time: float) -> None:
        """Take the `Date` of an answer that has just come, if it has one."""
        text = answer.headers.get("date", "")
        if text != self._text:  # many answers come in one second
            try:
                date = parsedate_to_datetime(text)
                seconds = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
            except (ValueError, TypeError, OverflowError):
                return
            self._text, self._date = text, seconds
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
