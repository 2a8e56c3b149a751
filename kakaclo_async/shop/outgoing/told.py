"""What shops were told of packages: kept in the journal, so that nothing is told twice, and nothing is forgotten.

A run claims what it is about to tell, writes a part file, notes that it is whole, gives it its name, and then notes
that all of it was told. Wherever it dies, the part file says which: as soon as the file is out, it is gone, or has a
second name. A run that comes later looks at it once the claim is over.
"""

from __future__ import annotations

import os
import secrets
import socket
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import attrs
from sqlalchemy import and_, delete, func, insert, select, text, update

from kakaclo_async.database import in_thread
from kakaclo_async.database.migrations import among
from kakaclo_async.errors import ConfigurationError, KakaCloError
from kakaclo_async.ordering.database import told
from kakaclo_async.ordering.journal import wall_clock

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from sqlalchemy import ColumnElement
    from sqlalchemy.engine import Connection

    from kakaclo_async.ordering import Journal

T = TypeVar("T")
U = TypeVar("U")

CLAIM: Final = 60.0
"""Seconds that a claim outlives its run, where it cannot be seen that the run has ended."""


class ClaimLost(KakaCloError):
    """Another run took over what this one was about to tell: this one lasted too long."""


@attrs.frozen
class Known:
    """What was told, or may be told right now, of some orders.

    Attributes:
        told: keys of what was told.
        held: keys that another run is about to tell.
        stranded: those among them whose run died on another machine, which alone knows what became of it.
        recovered: part files of runs that died after their files were out: these count as told.
    """

    told: frozenset[str] = frozenset()
    held: frozenset[str] = frozenset()
    stranded: frozenset[str] = frozenset()
    recovered: tuple[str, ...] = ()


class Memory:
    """What one kind of file has told, as a journal keeps it.

    Args:
        journal: where it is kept.
        target: the kind of file.
        now: tells the time, aware.
    """

    def __init__(self, journal: Journal, target: str, now: Callable[[], datetime] = wall_clock) -> None:
        self._database = journal._database  # noqa: SLF001 - packages share privates
        self._now = now
        self._of_target = told.c.target == target
        self._target = target

    async def last(self) -> datetime | None:
        """Return when something was told for the last time."""
        latest = select(func.max(told.c.told_at)).where(self._of_target)
        seconds = await self._read(lambda on: on.scalar(latest), None)
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)

    async def known(self, order_ids: Collection[str]) -> Known:
        """Return what is known of some orders, once it is settled what became of runs that died."""
        recovered, stranded = await self._recover()
        columns = select(told.c.key, told.c.told_at, told.c.holder)
        wanted = columns.where(self._of_target, among(told.c.order_id, list(order_ids)))
        rows = await self._read(lambda on: on.execute(wanted).all(), ())
        return Known(
            frozenset(row.key for row in rows if row.told_at is not None),
            frozenset(row.key for row in rows if row.told_at is None),
            frozenset(row.key for row in rows if row.told_at is None and row.holder in stranded),
            tuple(recovered),
        )

    async def claim(self, keys: Mapping[str, str], seen: Collection[str], *, part: Path | None) -> str | None:
        """Claim what is about to be told.

        Args:
            keys: each with the number of its order.
            seen: what was told or held when it was found out what is to be told.
            part: the file that will be written.

        Returns:
            The claim; None if something of these orders was told or claimed since: then it is to be found out anew.
        """
        holder = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(8)}"
        values = {
            "target": self._target,
            "holder": holder,
            "held_until": self._seconds() + CLAIM,
            "part": None if part is None else str(part),
        }
        orders = list(set(keys.values()))

        def work(connection: Connection) -> str | None:
            if connection.dialect.name == "postgresql":  # SQLite lets writers in one by one
                connection.execute(text("LOCK TABLE kakaclo_told IN SHARE ROW EXCLUSIVE MODE"))
            of_these = and_(self._of_target, among(told.c.order_id, orders))
            if not set(connection.scalars(select(told.c.key).where(of_these))) <= set(seen):
                return None
            connection.execute(delete(told).where(self._of_target, among(told.c.key, list(keys))))
            rows = [{**values, "key": key, "order_id": order_id} for key, order_id in keys.items()]
            connection.execute(insert(told), rows)
            return holder

        return await self._database.run(work)

    async def written(self, claim: str, count: int) -> None:
        """Note that the part file is whole, and prolong the claim: from now on it may get its name.

        Raises:
            ClaimLost: the claim is over, or a part of it.
        """
        now = self._seconds()
        mine = update(told).where(told.c.holder == claim)
        changed = mine.values(written_at=now, held_until=now + CLAIM)
        if await self._database.run(lambda on: on.execute(changed).rowcount) != count:
            raise ClaimLost("another run took over what this one was about to tell: run it again")

    async def done(self, claim: str) -> None:
        """Note that all of a claim was told."""
        values = {"told_at": self._seconds(), "holder": None, "held_until": None, "part": None}
        change = update(told).where(told.c.holder == claim).values(values)
        await self._database.run(lambda on: on.execute(change))

    async def release(self, claim: str) -> None:
        """Give a claim up: nothing of it was told."""
        await self._drop(claim, told.c.told_at.is_(None))

    async def _drop(self, claim: str, condition: ColumnElement[bool]) -> bool:
        those = delete(told).where(told.c.holder == claim, condition)
        return await self._database.run(lambda on: on.execute(those).rowcount) > 0

    async def _recover(self) -> tuple[list[str], set[str]]:
        """Settle what became of runs whose claims are over.

        Returns:
            The part files of those whose files were out; and the claims of which another machine alone knows.
        """
        columns = (told.c.holder, told.c.held_until, told.c.part, told.c.written_at)
        open_ones = select(*columns).distinct().where(self._of_target, told.c.holder.is_not(None))
        claims = await self._read(lambda on: on.execute(open_ones).all(), ())
        recovered: list[str] = []
        stranded: set[str] = set()
        for holder, until, name, written_at in claims:
            part = None if name is None else Path(name)
            is_here = holder.split(":")[0] == socket.gethostname()
            if until > self._seconds() and not (is_here and _has_ended(int(holder.split(":")[1]))):
                continue
            if part is None or written_at is None:
                if not await self._drop(holder, told.c.written_at.is_(None)):
                    continue  # it lives, and goes on
            elif not is_here or not part.parent.is_dir():
                stranded.add(holder)
                continue
            elif await in_thread(was_named, part):
                await self.done(holder)
                recovered.append(part.name)
            else:
                await self.release(holder)
            for left in () if part is None or not is_here else (part, _aside(part)):
                await in_thread(remove, left)
        return recovered, stranded

    def _seconds(self) -> float:
        return self._now().timestamp()

    async def _read(self, work: Callable[[Connection], T], otherwise: U) -> T | U:
        try:
            return await self._database.run(work, make=False)
        except ConfigurationError as error:
            if not str(error).startswith("there is no journal"):
                raise
            return otherwise  # it is made when there is something to keep


def _has_ended(process: int) -> bool:
    if sys.platform == "win32":  # it cannot be asked without harm
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass
    return False


def _aside(part: Path) -> Path:
    return part.with_name(f"{part.name}.over")


def was_named(part: Path) -> bool:
    """Tell whether a part file got its name; if it did not, it never will."""
    with suppress(FileNotFoundError):
        part.rename(_aside(part))  # should its run live after all, it finds nothing to name
    try:
        return _aside(part).stat().st_nlink > 1
    except FileNotFoundError:
        return True


def remove(path: Path) -> None:
    """Remove a file that may be gone."""
    with suppress(OSError):
        path.unlink()


def write_part(part: Path, data: bytes) -> None:
    """Write a part file, so that no power cut takes it away."""
    with part.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    _sync_folder(part.parent)


def give_name(part: Path, wanted: Path) -> Path:
    """Give a part file the first name that nothing has: `name.csv`, `name.2.csv`; it is never put over another file.

    Raises:
        ClaimLost: another run took the part file for one that was left behind.
    """
    number = 1
    while True:
        path = wanted if number == 1 else wanted.with_name(f"{wanted.stem}.{number}{wanted.suffix}")
        number += 1
        if os.path.lexists(path):
            continue
        try:
            _move(part, path)
        except FileExistsError:
            continue
        except FileNotFoundError:
            raise ClaimLost("another run took over what this one was about to tell: run it again") from None
        _sync_folder(path.parent)
        return path


def _move(part: Path, path: Path) -> None:
    try:
        os.link(part, path)
    except (FileExistsError, FileNotFoundError):
        raise
    except OSError:  # a disk that knows no second names
        part.rename(path)
    else:
        with suppress(OSError):
            part.unlink()


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):  # Windows opens no folders
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
