"""Commands for a fleet: many shops, one worker or several.

A worker lives for months, and there are many: `fleet serve` alone needs not what reads and shows all other commands.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kakaclo_async.cli.values import run_async

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kakaclo_async.catalog import Change
    from kakaclo_async.feed import FeedEvent
    from kakaclo_async.ordering import Entry

DEFAULT_FILE: Final = Path("fleet.toml")
FILE_VARIABLE: Final = "KAKACLO_FLEET"


def worker_asked_for(words: Sequence[str]) -> Callable[[], int] | None:
    """Return what runs a worker, if the words of a command ask for that in the usual way, and for nothing else.

    Args:
        words: those after `kakaclo`.
    """
    if tuple(words[:2]) != ("fleet", "serve"):
        return None
    path, as_json, rest = os.environ.get(FILE_VARIABLE) or DEFAULT_FILE, False, list(words[2:])
    while rest:
        name, equals, value = rest.pop(0).partition("=")
        if name == "--fleet" and (equals or rest):
            path = value if equals else rest.pop(0)
        elif name == "--json" and not equals:
            as_json = True
        else:
            return None

    def run() -> int:
        try:
            run_async(work_for(Path(path), as_json=as_json))
            sys.stdout.flush()
        except BaseException as error:  # noqa: BLE001 - it is told, or raised again
            from kakaclo_async.cli.command import ended

            return ended(error)
        return 0

    return run


async def work_for(path: Path, *, as_json: bool) -> None:
    """Be a worker of a fleet, until SIGTERM or Ctrl-C.

    Args:
        path: of its settings.
        as_json: whether to print each change and each event.
    """
    from kakaclo_async.fleet import Fleet

    async with Fleet.open(path) as fleet:
        sys.stderr.write(f"serving {fleet!r}; stop it with SIGTERM or Ctrl-C\n")
        if as_json:
            await fleet.serve(
                on_change=_print_change,
                on_order=_print_event,
                on_refund=_print_event,
                on_declined=_print_declined,
            )
        else:
            await fleet.serve()


def _print_change(shop: str, change: Change) -> None:
    _print({"shop": shop, "type": "Change", **change.to_dict()})


def _print_declined(shop: str, entry: Entry) -> None:
    _print({"shop": shop, "type": "OrderDeclined", "custom_order_id": entry.key, "why": entry.why})


def _print_event(event: FeedEvent) -> None:
    _print(event.document)


def _print(document: Mapping[str, object]) -> None:
    sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")
    sys.stdout.flush()  # the reader may act on this one now
