"""What pages hold by the hundred, made cheaply: without `__init__`, shared where it repeats, read when it is asked for.

A frozen class sets its slots through `object.__setattr__`, which alone would cost as much as the parsing. So instances
are filled as those of an unfrozen subclass of the same layout, and then given their class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from kakaclo_async.models.common import FrozenMapping, Option

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def open_class(closed: type[T]) -> type[T]:
    """Return the unfrozen subclass of a frozen class; called without arguments, it makes an empty instance."""
    # Both methods of setting share one slot of the type: with one of them left frozen, it stays as slow as it was.
    opened = {name: getattr(object, name) for name in ("__init__", "__setattr__", "__delattr__")}
    return cast("type[T]", type(closed.__name__, (closed,), {"__slots__": (), **opened}))


OpenMapping: Final = open_class(FrozenMapping)
OpenOption: Final[Any] = open_class(Option)


def read_when_asked(read: Callable[[object], Option | None]) -> Callable[[object], Option | None]:
    """Let options be read when their name or value is asked for: many are stored as they are, or never seen.

    Args:
        read: reads them at once; it must make one of each text that begins as a JSON object.
    """

    def part(option: Option, name: str) -> object:  # Python calls it for what is not set
        if name not in {"name", "value"}:
            raise AttributeError(f"{type(option).__name__!r} object has no attribute {name!r}")
        found = read(option.raw)
        object.__setattr__(option, "name", found and found.name)
        object.__setattr__(option, "value", found and found.value)
        return object.__getattribute__(option, name)

    def read_later(value: object) -> Option | None:
        if type(value) is not str or value[:1] != "{":
            return read(value)
        option = OpenOption()
        option.raw = value
        option.__class__ = Option
        made: Option = option
        return made

    type.__setattr__(Option, "__getattr__", part)
    return read_later


class Shared(dict[str, T]):
    """What equal texts are read as, once: pages repeat their colours and sizes, and most are kept.

    It is bounded. When it is full, or most texts are new, it is of no use: it pauses, and begins anew later.

    Attributes:
        read: reads a text, or anything else.
        known: where a text is looked up, and so this; None in a pause.
        pause: texts until the pause ends; 0: there is none.
        seen: how many texts there were since the last pause, those that are missing included.
    """

    _MOST: Final = 8192
    _TRIAL: Final = 1024
    _LONGEST: Final = 256
    _PAUSE: Final = 65_536

    __slots__ = ("known", "pause", "read", "seen")

    def __init__(self, read: Callable[[object], T]) -> None:
        super().__init__()
        self.read = read
        self.pause = self.seen = 0
        self.rest(0)

    def rest(self, texts: int) -> None:
        """Count so many texts of a pause."""
        self.pause = max(0, self.pause - texts)
        self.known: Shared[T] | None = None if self.pause else self

    def __missing__(self, text: str) -> T:
        made = self.read(text)
        held = len(self)
        if held >= self._MOST or (held % self._TRIAL == 0 and held * 2 > self.seen > 0):
            self.clear()
            self.pause, self.seen = self._PAUSE, 0
            self.rest(0)
        elif len(text) <= self._LONGEST:
            self[text] = made
        return made
