"""What a script sees of a failure: one line on stderr and an exit code."""

from __future__ import annotations

import asyncio
import sys
import traceback
from typing import Final

from kakaclo_async.cli.output import one_line
from kakaclo_async.errors import (
    ConfigurationError,
    Conflict,
    ConnectionFailed,
    DeadlineExceeded,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    ServerError,
    Unauthorized,
)

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
    6: "no answer in time, or too many requests: try again later",
    7: "the outcome of a write is unknown: look it up before sending it again",
    INTERRUPTED: "stopped by Ctrl-C",
    TERMINATED: "stopped by SIGTERM",
}
"""Every exit code and its meaning, as `kakaclo --help` shows them."""

_CODES: Final[tuple[tuple[type[Exception], int], ...]] = (
    (ConfigurationError, USAGE),
    (Conflict, USAGE),
    (InvalidRequest, USAGE),
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
    return one_line("; ".join([str(error), *notes])) or type(error).__name__


def fault(error: Exception) -> str:
    """Return one line for an unexpected error, with the place where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}: {sentence(error)}{place}; please report it"


def say(text: str) -> None:
    """Write an error line to stderr."""
    sys.stderr.write(f"error: {text}\n")
    sys.stderr.flush()
