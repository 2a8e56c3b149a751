"""The `kakaclo` command."""

from __future__ import annotations

import errno
import os
import sys
from io import BufferedWriter, FileIO, TextIOWrapper
from typing import TYPE_CHECKING, BinaryIO, NoReturn, TextIO, cast

if TYPE_CHECKING:
    from collections.abc import Sequence

    from _typeshed import ReadableBuffer

_EXTRA = frozenset({"typer", "rich", "platformdirs", "yaml"})
"""What the extra `cli` installs; anything else that is missing is a broken installation."""


class _Stdout(FileIO):
    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            reason = "it is closed" if error.errno == errno.EBADF else error.strerror
            raise OSError(error.errno, reason, "stdout") from None


class _Stderr(FileIO):
    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError:  # what nobody can read must not end what is under way
            return memoryview(data).nbytes


def _open_closed() -> None:
    """Open those of stdin, stdout and stderr that are closed, lest a file of ours takes their place."""
    for number, mode in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):  # stdout: so that it fails
        try:
            os.fstat(number)
        except OSError:
            if (nowhere := os.open(os.devnull, mode)) != number:
                os.dup2(nowhere, number)
                os.close(nowhere)


def _text(stream: TextIO | None, number: int, kind: type[FileIO]) -> TextIO:
    given = stream
    old = cast("TextIOWrapper[BinaryIO]", stream) if isinstance(stream, TextIOWrapper) else None
    buffer: object = None if old is None else old.buffer
    if given is not None and type(getattr(buffer, "raw", buffer)) is not FileIO:
        if old is not None:
            old.reconfigure(errors="backslashreplace")
        return given  # a console of Windows, or somebody's own
    text = TextIOWrapper(
        BufferedWriter(kind(number, "w", closefd=False)),
        encoding="utf-8" if old is None else old.encoding,
        errors="backslashreplace",  # a name in Chinese must not fail in an ASCII locale
        line_buffering=kind is _Stderr or (old is not None and (old.line_buffering or old.write_through)),
    )
    return cast("TextIO", text)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command and exit with its code.

    Args:
        arguments: the words after `kakaclo`; None: those that the process was started with.
    """
    _open_closed()
    sys.stdout, sys.stderr = _text(sys.stdout, 1, _Stdout), _text(sys.stderr, 2, _Stderr)
    if sys.stdin is None:  # pyright: ignore[reportUnnecessaryComparison] - it was closed
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - for as long as the process lives
    for name in ("COLUMNS", "LINES"):
        if (
            not os.environ.get(name, "1").strip("0").isdecimal()
        ):  # no width of a terminal: nothing would be shown
            del os.environ[name]
    words = sys.argv[1:] if arguments is None else arguments
    from kakaclo_async.cli.fleet import worker_asked_for

    try:
        if (worker := worker_asked_for(words)) is not None:
            sys.exit(worker())
        from kakaclo_async.cli.app import run
    except ModuleNotFoundError as error:
        if error.name not in _EXTRA:
            raise
        sys.stderr.write("error: the kakaclo command needs its extra: pip install 'kakaclo[cli]'\n")
        sys.exit(2)
    sys.exit(run(words))
