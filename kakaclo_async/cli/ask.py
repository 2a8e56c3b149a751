"""Questions to the person at the terminal."""

from __future__ import annotations

import signal
import sys


def confirm(question: str) -> bool:
    """Ask on stderr, read stdin; anything but "y" or "yes" means no.

    It blocks the event loop, on purpose: nothing else may happen before the answer.

    Raises:
        KeyboardInterrupt: Ctrl-C at the question.
    """
    # asyncio.run turns Ctrl-C into a cancellation, which a blocked loop would never see.
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        sys.stderr.write(f"{question} [y/N] ")
        sys.stderr.flush()
        answer = sys.stdin.readline()
    finally:
        signal.signal(signal.SIGINT, previous)
    return answer.strip().lower() in {"y", "yes"}
