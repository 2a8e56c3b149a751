"""How a function becomes a command: options, a client, an event loop, the result printed."""

import asyncio
import inspect
import logging
import sys
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Final, Literal, TypeVar, cast

import typer

from kakaclo_async import Event, KakaClo, RateLimit, Recording, Sent, token_from as find_token
from kakaclo_async.cli.output import Result, drop_stdout, in_plain_words, one_line, show, words_of
from kakaclo_async.cli.values import run_async
from kakaclo_async.codec.outgoing import sealed
from kakaclo_async.config import UnusableToken
from kakaclo_async.errors import (
    ConfigurationError,
    Conflict,
    ConnectionFailed,
    DatabaseAway,
    DeadlineExceeded,
    InvalidRequest,
    KakaCloError,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    ServerError,
    Unauthorized,
)

T = TypeVar("T")

_log = logging.getLogger("kakaclo.cli")

FAILED: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130
TERMINATED: Final = 143

EXIT_CODES: Final = {
    0: "done",
    FAILED: "done in part, not confirmed, or failed for any other reason",
    USAGE: "wrong usage, settings, input or reused id; nothing was sent",
    3: "not found: KakaClo has no such code or number",
    4: "the token is missing, wrong or expired",
    5: "KakaClo rejected the request",
    6: "no answer in time, too many requests, database away: try again later",
    7: "the outcome of a write is unknown: look it up before sending it again",
    INTERRUPTED: "stopped by Ctrl-C",
    TERMINATED: "stopped by SIGTERM",
}
"""Every exit code and its meaning, as `kakaclo --help` shows them."""

_BEFORE_WRITES: Final = (ConfigurationError, Conflict, InvalidRequest)
"""Errors that say: nothing was sent. After another write of the same command that is not the whole truth."""

_CODES: Final[tuple[tuple[type[Exception] | tuple[type[Exception], ...], int], ...]] = (
    (UnusableToken, 4),
    (DatabaseAway, 6),
    (_BEFORE_WRITES, USAGE),
    (NotFound, 3),
    (Unauthorized, 4),
    (Rejected, 5),
    (ConnectionFailed, 6),
    (DeadlineExceeded, 6),
    (RateLimited, 6),
    (ServerError, 6),
    (OutcomeUnknown, 7),
)


def exit_code(error: BaseException) -> int:
    """Return the exit code for an error."""
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    if isinstance(error, asyncio.CancelledError):  # Ctrl-C arrives as KeyboardInterrupt: this was a SIGTERM
        return TERMINATED
    return next((code for kind, code in _CODES if isinstance(error, kind)), FAILED)


def sentence(error: BaseException) -> str:
    """Return one line that says what happened, with the notes that were added on the way."""
    notes: list[str] = getattr(error, "__notes__", [])
    return in_plain_words(one_line("; ".join([str(error), *notes]))) or words_of(type(error).__name__)


def fault(error: Exception) -> str:
    """Return one line for an unexpected error, with the place where it was raised.

    The log, which `-vv` shows, has all of it.
    """
    _log.debug("a fault of this package", exc_info=error)
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    told = f"{words_of(type(error).__name__)}: {sentence(error)}"
    return f"a fault of kakaclo: {told}{place}; please report it, with what -vv tells"


def say(text: str) -> None:
    """Write an error line to stderr."""
    sys.stderr.write(f"error: {text}\n")
    sys.stderr.flush()


def ended(error: BaseException) -> int:
    """Tell what ended a command in one line on stderr; return its exit code."""
    if isinstance(error, typer.TyperException):
        where = cast("typer.Context | None", getattr(error, "ctx", None))
        command = "kakaclo" if where is None else where.command_path
        say(f"{in_plain_words(one_line(error.format_message())).rstrip('.')}. See {command} --help.")
        return USAGE
    if isinstance(error, (KakaCloError, KeyboardInterrupt, asyncio.CancelledError)):
        if isinstance(error, KakaCloError):
            say(sentence(error))
        return exit_code(error)
    if isinstance(error, BrokenPipeError):
        drop_stdout()  # the reader has what it wanted
        return FAILED
    if isinstance(error, OSError):
        verb = "used"
        if error.filename == "stdout":
            drop_stdout()
            verb = "written"
        say(f"{error.filename or 'a file'} cannot be {verb}: {error.strerror or error}")
        return FAILED
    if isinstance(error, Exception):
        say(fault(error))  # the user sees where it happened, never a traceback
        return FAILED
    raise error


Command = Callable[..., Awaitable[Result]]
"""A function that takes a client, and then the command's own parameters."""

MakeClient = Callable[..., KakaClo]
"""Makes the client that the common options describe; it may be given a `record`."""

_COMMON = "Common options"


def _common(
    *,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON; money and other decimals as exact strings.")
    ] = False,
    token_from: Annotated[
        str | None,
        typer.Option(
            help="Where the access token is, unless KAKACLO_TOKEN holds it: env:NAME, file:/path, keyring:service/name,"
            " or cmd:program that prints it.",
            metavar="PLACE",
            show_default="KAKACLO_TOKEN_FROM",
            rich_help_panel=_COMMON,
        ),
    ] = None,
    token: Annotated[str | None, typer.Option(hidden=True)] = None,
    base_url: Annotated[
        str | None,
        typer.Option(
            help="URL of the API, instead of the environment's.",
            metavar="URL",
            show_default="KAKACLO_BASE_URL",
            rich_help_panel=_COMMON,
        ),
    ] = None,
    allow_http: Annotated[
        bool, typer.Option("--allow-http", help="Plain HTTP to a sandbox elsewhere.", rich_help_panel=_COMMON)
    ] = False,
    environment: Annotated[
        Literal["production", "test"] | None,
        typer.Option(help="KakaClo's environment.", show_default="production", rich_help_panel=_COMMON),
    ] = None,
    proxy: Annotated[
        str | None,
        typer.Option(
            help="Proxy; '' for none.", metavar="URL", show_default="HTTPS_PROXY", rich_help_panel=_COMMON
        ),
    ] = None,
    ca_file: Annotated[
        Path | None,
        typer.Option(
            help="Certificates to trust besides the system's.", metavar="FILE", rich_help_panel=_COMMON
        ),
    ] = None,
    timeout: Annotated[
        float,
        typer.Option(
            help="Seconds for one call, retries included, once it may be sent.", rich_help_panel=_COMMON
        ),
    ] = 30.0,
    rate: Annotated[
        float,
        typer.Option(
            help="Requests per second that the shop may send; a sandbox at speed N allows N times 2.",
            rich_help_panel=_COMMON,
        ),
    ] = 2.0,
) -> tuple[bool, MakeClient]:
    """Read the common options: whether to print JSON, and how to make the client."""
    if token and token_from:
        raise ConfigurationError("--token and --token-from name two tokens: keep one of them")
    if token:
        sys.stderr.write(
            "warning: everybody on this machine can read --token while the command runs: use --token-from, or set"
            " KAKACLO_TOKEN\n"
        )
    source = find_token(token_from) if token_from else sealed(token or None)

    def client(record: Recording | None = None) -> KakaClo:
        return KakaClo(
            source,
            base_url=base_url or None,
            allow_http=allow_http,
            environment=environment,
            timeout=timeout,
            rate_limit=RateLimit(120, rate),
            record=record,
            proxy=proxy,
            ssl=ca_file,
        )

    return as_json, client


class _Writes:
    """Notes whether anything was sent that may have changed something at KakaClo."""

    any = False

    def __call__(self, event: Event) -> None:
        changes = ("/orders", "/refund", "/addProduct")
        self.any = self.any or (
            isinstance(event, Sent) and event.method == "POST" and event.path.endswith(changes)
        )


_OPTIONS = inspect.signature(_common).parameters
_read_common: Callable[..., tuple[bool, MakeClient]] = _common


def with_common_options(
    function: Callable[..., None], like: Callable[..., object], first: int
) -> Callable[..., None]:
    """Give a function the common options.

    Args:
        function: takes whether to print JSON, how to make the client, and the command's own parameters.
        like: has the command's name, help, and own parameters, annotated for typer.
        first: the place of the first of these.
    """
    own = list(inspect.signature(like).parameters.values())[first:]

    def run(**arguments: object) -> None:
        as_json, client = _read_common(**{name: arguments.pop(name) for name in _OPTIONS})
        function(as_json, client, **arguments)

    run.__name__, run.__doc__ = like.__name__, like.__doc__
    run.__signature__ = inspect.Signature([*own, *_OPTIONS.values()])  # type: ignore[attr-defined]
    run.__annotations__ = {}
    return run


def as_command(function: Command) -> Callable[..., None]:
    """Give a function the common options, a client and an event loop, and print its result.

    Args:
        function: its parameters after the client are the command's own, annotated for typer.
    """

    def run(as_json: bool, client: MakeClient, **arguments: object) -> None:
        async def work() -> Result:
            async with client() as kk:
                sent = _Writes()
                kk.on_event(sent)
                try:
                    return await function(kk, **arguments)
                except KakaCloError as error:
                    if not sent.any or not isinstance(error, _BEFORE_WRITES):
                        raise
                    raise KakaCloError(f"{sentence(error)}; other writes were sent before that") from error

        result = run_async(work())
        code = exit_code(result.errors[0]) if result.errors else 0
        try:
            show(result, as_json=as_json)
        except OSError as trouble:
            if not result.done:
                raise
            drop_stdout()
            sys.stderr.writelines(f"{one_line(text)}\n" for text in result.done)
            say(f"stdout took no result: {trouble.strerror}")
            code = code or FAILED
        for error in result.errors:
            say(sentence(error))
        if code:
            raise typer.Exit(code)

    return with_common_options(run, function, 1)
