"""What is asked before an order is paid for, or money comes back: what it is, the sum, and what the balance will be."""

import selectors
import socket
import sys
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Annotated, TextIO

import typer

from kakaclo_async import InvalidRequest, KakaClo, KakaCloError
from kakaclo_async.cli.command import FAILED, sentence
from kakaclo_async.cli.output import Table, one_line, print_table
from kakaclo_async.cli.values import ended_by_signals

Yes = Annotated[
    bool,
    typer.Option("--yes", "-y", help="Do it without asking."),
]

_MOST_NAMED = 20


def can_ask() -> bool:
    """Tell whether somebody can answer; a timetable that submits files has said yes by running the command."""
    with _keyboard() as keyboard:
        return keyboard is not None


@contextmanager
def _keyboard() -> Generator[TextIO | None]:
    """Yield what somebody types: stdin, or where that is a file the terminal that shows stderr; None if nobody can."""
    if sys.stdin is not None and sys.stdin.isatty():
        yield sys.stdin
        return
    terminal: TextIO | None = None
    if sys.stderr is not None and sys.stderr.isatty():
        with suppress(OSError):  # a program without a terminal of its own: a timetable's, or no Unix
            terminal = Path("/dev/tty").open(encoding="utf-8", errors="replace")  # noqa: SIM115 - closed below
    try:
        yield terminal
    finally:
        if terminal is not None:
            terminal.close()


def must_be_able_to_ask(*, sure: bool) -> None:
    """Refuse a command that has to ask where nobody can answer.

    Raises:
        InvalidRequest: it was not told `--yes`, and there is no terminal.
    """
    if not sure and not can_ask():
        raise InvalidRequest("cannot ask for confirmation without a terminal: pass --yes; nothing was sent")


def ask(question: str, tables: Iterable[Table], notes: Iterable[str] = ()) -> None:
    """Show on stderr what is about to happen, and ask.

    Args:
        question: without its sign.
        tables: what it is about, the money last.
        notes: what to look at before the answer; the first of many.

    Raises:
        typer.Exit: the answer is no.
        KeyboardInterrupt: Ctrl-C at the question.
        asyncio.CancelledError: SIGTERM at the question.
    """
    for table in tables:
        print_table(table, sys.stderr)
        sys.stderr.write("\n")
    told = list(notes)
    sys.stderr.writelines(f"look at it: {one_line(note)}\n" for note in told[:_MOST_NAMED])
    if len(told) > _MOST_NAMED:
        sys.stderr.write(f"and at {len(told) - _MOST_NAMED} more\n")
    if not _confirm(question):
        sys.stderr.write("nothing was sent\n")
        raise typer.Exit(FAILED)


def _confirm(question: str) -> bool:
    """Ask on stderr, read the keyboard; anything but "y" or "yes" means no.

    It blocks the event loop, on purpose: nothing else may happen before the answer.
    """
    with _keyboard() as keyboard, ended_by_signals() as signals:
        if keyboard is None:
            return False
        _forget_typed(keyboard)
        sys.stderr.write(f"{question}? [y/N] ")
        sys.stderr.flush()
        _wait_for_line(keyboard, signals)
        answer = keyboard.readline()
    return answer.strip().lower() in {"y", "yes"}


def _forget_typed(keyboard: TextIO) -> None:
    """Throw away what was typed before the question was there: it answers another one."""
    with suppress(ImportError, OSError):  # no Unix, or no terminal after all
        import termios

        with suppress(termios.error):
            termios.tcflush(keyboard.fileno(), termios.TCIFLUSH)


def _wait_for_line(keyboard: TextIO, signals: socket.socket) -> None:
    """Wait for a line or a signal; one that comes just before a read would wait for the next line to be heard."""
    with suppress(OSError):  # no keyboard that a system can wait for: Windows, whose reads hear of Ctrl-C
        line = keyboard.fileno()
        with selectors.DefaultSelector() as either:
            either.register(line, selectors.EVENT_READ)
            either.register(signals, selectors.EVENT_READ)
            while line not in [key.fd for key, _ in either.select()]:
                signals.recv(4096)


def costs(parts: Mapping[str, Decimal | None], balance: Decimal | None) -> Table:
    """Return the table of what is paid.

    Args:
        parts: what it is made of, the whole last; None is not known.
        balance: what it is paid from.
    """
    *_, total = parts.values()
    left = None if balance is None or total is None else balance - total
    return Table(("Money", "USD"), [*parts.items(), ("Balance", balance), ("Left", left)])


def returns(amount: Decimal | None, balance: Decimal | None) -> Table:
    """Return the table of what comes back; None is not known."""
    then = None if balance is None or amount is None else balance + amount
    return Table(("Money", "USD"), [("Comes back", amount), ("Balance", balance), ("Then", then)])


def too_little(total: Decimal | None, balance: Decimal | None) -> tuple[str, ...]:
    """Return a note if the balance does not pay for it."""
    if total is None or balance is None or balance >= total:
        return ()
    return (f"the balance of {balance} USD does not pay {total}: KakaClo will decline what it does not pay",)


async def balance_of(kk: KakaClo) -> Decimal | None:
    """Return the balance; None, and why on stderr, where it cannot be read: that must stop no refund."""
    try:
        return (await kk.payment.balance()).amount
    except KakaCloError as error:
        sys.stderr.write(f"the balance is not known: {sentence(error)}\n")
        return None


def counted(number: int, what: str) -> str:
    """Return how a question names a number of things."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def for_sum(amount: Decimal | None) -> str:
    """Return how a question names a sum."""
    return "for a sum that is not known" if amount is None else f"for {amount} USD"
