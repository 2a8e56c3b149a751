"""The files of a fleet: read again when they change; those of shops are written and deleted."""

from __future__ import annotations

import json
import os
import re
import time
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import attrs

from kakaclo_async.errors import ConfigurationError, InvalidRequest
from kakaclo_async.fleet.config.checks import Problem
from kakaclo_async.fleet.config.settings import read_settings
from kakaclo_async.fleet.engine import log
from kakaclo_async.fleet.values import why_no_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kakaclo_async.fleet.config.settings import FleetSettings


_GRAIN: Final = 2_000_000_000
"""Nanoseconds that the times of a file system may be coarse by."""


_AT_START: Final = ("engine", "home", "bucket", "at_once", "tick", "beat", "dead")
"""What a process goes on with as it began: two that believe in different homes would place an order twice, or not."""


class SettingsFiles:
    """Reads the settings of a fleet again whenever one of their files has changed.

    Args:
        path: of `fleet.toml`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()
        self._seen: dict[Path, tuple[tuple[int, int, int], dict[str, Any] | None, list[Problem]]] = {}
        self._listings: dict[str, tuple[int, tuple[Path, ...]]] = {}
        self._folders: set[str] = set()
        self._stamp: object = None
        self._looked: object = None
        self._later: dict[str, object] = {}
        self._peeking: SettingsFiles | None = None
        self._peeked: FleetSettings | None = None
        self.problems: tuple[Problem, ...] = ()

    @property
    def are_taken_up(self) -> bool:
        """Whether the files are as `read` knows them."""
        documents, _ = self._documents()
        return self._stamps(documents) == self._stamp

    def read(self, *, settled: bool = False) -> FleetSettings | None:
        """Return the settings, if a file has changed since the last time and all is well; else None.

        Its `problems` are those of the last change.

        Args:
            settled: whether a change counts only once the files are as they were at the last look: somebody may
                be writing one now.
        """
        documents, problems = self._documents()
        stamp = self._stamps(documents)
        before, self._looked = self._looked, stamp
        if stamp == self._stamp or (settled and stamp != before):
            return None
        self._stamp = stamp
        settings = read_settings(self.path, documents, problems)
        self.problems = tuple(problems)
        return None if problems else settings

    def _stamps(self, documents: list[tuple[Path, dict[str, Any]]]) -> list[object]:
        return [(path, self._seen[path][0]) for path, _ in documents]

    def peek(self) -> FleetSettings | None:
        """Return the settings as the files are now, somebody may be writing them; None if there are problems."""
        if self._peeking is None:
            self._peeking = SettingsFiles(self.path)
        self._peeked = self._peeking.read() or self._peeked
        return None if self._peeking.problems else self._peeked

    def file_of(self, shop: str) -> str:
        """Return the name of the file where a shop stands; that of the fleet's file for one that stands nowhere."""
        documents, _ = self._documents()
        found = [path.name for path, document in documents if shop in (document.get("shop") or {})]
        return found[0] if found else self.path.name

    def news(self, used: FleetSettings) -> FleetSettings | None:
        """Return the settings to go on with, if they have changed and the look before saw the same.

        The log tells problems, and what takes a restart.

        Args:
            used: those until now.
        """
        before = self.problems
        settings = self.read(settled=True)
        if self.problems and self.problems != before:
            told = "; ".join(map(str, self.problems))
            log.error("the fleet's settings have problems, and stay as they were: %s", told)
        if settings is None:
            return None
        later = {
            key: getattr(settings, key) for key in _AT_START if getattr(settings, key) != getattr(used, key)
        }
        if later and later != self._later:
            log.warning(
                "%s in %s changed, which counts from the next start on: restart all workers, and all that submit",
                ", ".join(later),
                self.path.name,
            )
        self._later = later
        return attrs.evolve(settings, **{key: getattr(used, key) for key in later})

    def demand(self) -> FleetSettings:
        """Return the settings.

        Raises:
            ConfigurationError: there are problems; it tells all of them.
        """
        self._stamp = None
        settings = self.read()
        if settings is None:
            count = f"{len(self.problems)} problem{'s' * (len(self.problems) != 1)}"
            told = "; ".join(map(str, self.problems))
            raise ConfigurationError(f"the fleet's settings have {count}: {told}")
        return settings

    def included(self) -> tuple[str, ...]:
        """Return the patterns of the files that the fleet's file includes."""
        _, problems = list[object](), list[Problem]()
        return _patterns(self.path, self._document(self.path, problems) or {}, problems)

    def has_alone(self, path: Path, shop: str) -> bool:
        """Whether a file holds one shop and nothing else."""
        document = self._document(path, []) or {}
        shops: object = document.get("shop")
        return set(document) == {"shop"} and isinstance(shops, dict) and set(cast("Any", shops)) == {shop}

    def _documents(self) -> tuple[list[tuple[Path, dict[str, Any]]], list[Problem]]:
        problems: list[Problem] = []
        root = self._document(self.path, problems)
        paths = {self.path: None}
        for pattern in _patterns(self.path, root or {}, problems):
            try:
                paths |= dict.fromkeys(self._listed(pattern))
            except (OSError, ValueError, NotImplementedError) as error:
                why = error.strerror if isinstance(error, OSError) else "it is no pattern of files"
                problems.append(Problem(self.path.name, "include", f"cannot be looked for: {why}"))
        others = [path for path in paths if path != self.path]
        documents = [(path, self._document(path, problems) or {}) for path in others]
        return [(self.path, root or {}), *documents], problems

    def _listed(self, pattern: str) -> tuple[Path, ...]:
        """Return the files of a pattern; its folder is read again only if it has changed.

        Raises:
            OSError: the folder cannot be read, or was there, and is not any more: its shops were not removed by that.
        """
        folder = self.path.parent / Path(pattern).parent
        changed = 0
        try:
            changed = folder.stat().st_mtime_ns
            os.scandir(folder).close()
        except FileNotFoundError:
            if pattern in self._folders:
                raise
        else:
            self._folders.add(pattern)
        if (known := self._listings.get(pattern)) is not None and known[0] == changed:
            return known[1]
        found = self.path.parent.glob(pattern)
        # What an editor keeps beside a file begins with a dot.
        listed = tuple(sorted(path for path in found if path.suffix == ".toml" and path.name[0] != "."))
        # A folder that changes now may change once more within the grain of its clock.
        if "*" not in str(Path(pattern).parent) and time.time_ns() - changed > _GRAIN:
            self._listings[pattern] = (changed, listed)
        return listed

    def _document(self, path: Path, problems: list[Problem]) -> dict[str, Any] | None:
        """Return what a file holds, read again only if it has changed."""
        try:
            found = path.stat()
            stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
        except OSError as error:
            self._seen[path] = ((0, 0, 0), None, [])
            problems.append(Problem(path.name, "", f"cannot be read: {error.strerror}"))
            return None
        if path not in self._seen or self._seen[path][0] != stamp:
            own: list[Problem] = []
            document: dict[str, Any] | None = None
            try:
                document = tomllib.loads(path.read_text("utf-8-sig"))
                own += self._lacks(path, document)
            except (OSError, UnicodeDecodeError):
                own.append(Problem(path.name, "", "cannot be read as text"))
            except (ValueError, RecursionError) as error:
                # Only the place: what stands there may be a token.
                where = re.search(r"\(at [^)]*\)", str(error))
                own.append(Problem(path.name, "", f"is no TOML {where[0] if where else ''}".strip()))
            self._seen[path] = (stamp, document, own)
        _, document, own = self._seen[path]
        problems += own
        return document

    def _lacks(self, path: Path, document: Mapping[str, object]) -> list[Problem]:
        """Return what a file lacks that was cut off, which is TOML still."""
        if path == self.path and "fleet" not in document:
            return [
                Problem(
                    path.name, "fleet", "is missing: write [fleet], with nothing below it if all is as usual"
                )
            ]
        if path != self.path and not document.get("shop"):
            return [Problem(path.name, "", "has no shop: write one, or delete the file")]
        return []


def _patterns(path: Path, root: Mapping[str, object], problems: list[Problem]) -> tuple[str, ...]:
    include = root.get("include", [])
    patterns = [include] if isinstance(include, str) else include
    given = cast("list[object]", patterns if isinstance(patterns, list) else [patterns])
    found = [entry for entry in given if isinstance(entry, str) and re.search(r"\.toml$|(?<!\*)\*$", entry)]
    if len(found) < len(given):
        problems.append(
            Problem(
                path.name, "include", 'must be a pattern of .toml files, "shops.d/*.toml", or a list of them'
            )
        )
        return ()
    if any(entry.startswith(("/", "~")) or ".." in Path(entry).parts for entry in found):
        problems.append(Problem(path.name, "include", "must stay below the folder of the file"))
        return ()
    return tuple(found)


def add_shop(files: SettingsFiles, shop: str, values: Mapping[str, object]) -> Path:
    """Write a file with one shop; it is taken back if the fleet's settings would have problems by it.

    Raises:
        ConfigurationError: nothing is included, or there would be problems.
        InvalidRequest: no shop can have this name; or there is such a shop, or a file of that name; or a value that no
            file can have.
    """
    if shop in SettingsFiles(files.path).demand().shops:
        raise InvalidRequest(f"the fleet has a shop {shop} already")
    if (why := why_no_name(shop)) is not None:
        raise InvalidRequest(why)
    folder = _folder(files)
    path = folder / f"{shop}.toml"
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"[shop.{shop}]", *(f"{key} = {_toml(key, value)}" for key, value in values.items())]
    draft = path.with_suffix(".new")
    draft.write_text("\n".join([*lines, ""]), "utf-8")
    try:
        os.link(draft, path)  # refused if it is there; and a worker never reads half of it
    except FileExistsError:
        raise InvalidRequest(f"there is a file {path.name} already") from None
    finally:
        draft.unlink()
    try:
        SettingsFiles(files.path).demand()
    except ConfigurationError:
        path.unlink()
        raise
    return path


def _toml(key: str, value: object) -> str:
    """Return a value as TOML has it; a JSON text, number or switch is one."""
    if not isinstance(value, str | int | float | Decimal) or not re.fullmatch(r"[A-Za-z0-9_-]+", key):
        raise InvalidRequest(f"{key} must be a text, a number, or true or false, not {type(value).__name__}")
    return str(value) if isinstance(value, Decimal) else json.dumps(value)


def remove_shop(files: SettingsFiles, shop: str) -> None:
    """Delete the file of a shop.

    Raises:
        ConfigurationError: it has no file of its own.
    """
    path = _folder(files) / f"{shop}.toml"
    if not path.is_file() or not files.has_alone(path, shop):
        raise ConfigurationError(
            f"shop {shop} has no file of its own: take [shop.{shop}] out of the file where it stands"
        )
    path.unlink()


def _folder(files: SettingsFiles) -> Path:
    for pattern in files.included():
        parent = Path(pattern).parent
        if Path(pattern).name == "*.toml" and "*" not in str(parent):
            return files.path.parent / parent
    raise ConfigurationError(
        f'{files.path.name} includes no folder for new shops: give it the line include = "shops.d/*.toml"'
    )
