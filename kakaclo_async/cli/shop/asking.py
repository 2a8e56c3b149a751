"""What is asked before an order is paid for, or money comes back: what it is, the sum, and what the balance will be."""

import signal
import sys
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Annotated

import typer

from kakaclo_async import InvalidRequest, KakaClo, KakaCloError
from kakaclo_async.cli.command import FAILED, sentence
from kakaclo_async.cli.output import Table, one_line, print_table

Yes = Annotated[
    bool,
    typer.Option("--yes", "-y", help="Do it without asking."),
]

_MOST_NAMED = 20


def can_ask() -> bool:
    """Tell whether somebody can answer; a timetable that submits files has said yes by running the command."""
    return sys.stdin.isatty()


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
    """Ask on stderr, read stdin; anything but "y" or "yes" means no.

    It blocks the event loop, on purpose: nothing else may happen before the answer.
    """
    # asyncio.run turns Ctrl-C into a cancellation, which a blocked loop would never see.
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        sys.stderr.write(f"{question}? [y/N] ")
        sys.stderr.flush()
        answer = sys.stdin.readline()
    finally:
        signal.signal(signal.SIGINT, previous)
    return answer.strip().lower() in {"y", "yes"}


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
