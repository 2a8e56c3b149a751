"""The `kakaclo` command."""

from __future__ import annotations

import sys
from io import TextIOWrapper
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Sequence

_EXTRA = frozenset({"typer", "rich", "platformdirs"})
"""What the extra `cli` installs; anything else that is missing is a broken installation."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command and exit with its code.

    Args:
        arguments: the words after `kakaclo`; None: those that the process was started with.
    """
    try:
        from kakaclo_async.cli.app import run
    except ModuleNotFoundError as error:
        if error.name not in _EXTRA:
            raise
        sys.stderr.write("error: the kakaclo command needs its extra: pip install 'kakaclo[cli]'\n")
        sys.exit(2)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A name in Chinese must not fail in an ASCII locale.
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))
