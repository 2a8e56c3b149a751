"""The access token: where it comes from, when it is asked for again, and what keeps it out of sight."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import shlex
import signal
import stat
import subprocess
from collections import deque
from collections.abc import Awaitable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from kakaclo_async.codec.outgoing import Secret, sealed, spellings
from kakaclo_async.config import API_SETTINGS_URL, MissingToken, UnusableToken
from kakaclo_async.database import THREADS
from kakaclo_async.errors import ConfigurationError, KakaCloError, MissingExtra
from kakaclo_async.sharing.single_flight import Cache

if TYPE_CHECKING:
    from collections.abc import Callable


_log = logging.getLogger("kakaclo")

_KEPT: Final = 300.0  # seconds that what a command or a keyring gave is used
_COMMAND_TIME: Final = 10.0
_LONGEST: Final = 65_536  # bytes of a file; no header is longer

_SHORTEST = 6  # characters; replacing less would garble sentences, and is no secret
_SHORTEST_HEAD = 8  # the same for what is left of a token where a server cut its message
_REMEMBERED = 8  # tokens of a function: the answer to one may arrive when the next is in use


class TokenSource:
    """A token function that reads a place outside of the program; made by `token_from`.

    Args:
        place: what reprs call it.
        read: reads it; it may block.
        kept: seconds for which a client uses what was read.
    """

    def __init__(self, place: str, read: Callable[[], str], kept: float = 0.0) -> None:
        self.place = place
        self._read = read
        self.kept = kept

    async def __call__(self) -> Secret:
        """Read the token, in a thread that keeps nobody waiting."""
        return await asyncio.get_running_loop().run_in_executor(THREADS, self._secret)

    def _secret(self) -> Secret:
        return Secret(self._read())

    def __repr__(self) -> str:
        return f"<token from {self.place}>"


def token_from(source: str) -> Callable[[], Awaitable[str]]:
    """Return a token function for `KakaClo(token=...)` that reads the token from another place.

    It reads the place anew whenever it is called. A client calls it before each request; what a command or a keyring
    gave, it uses for 5 minutes. Once KakaClo refuses the token with a 401, it reads the place at once.

    Args:
        source: "env:NAME", an environment variable; "file:/path", whose only line is the token; "cmd:program and
            arguments", a command that prints the token, without a shell, a terminal and questions, within 10 seconds;
            or "keyring:service/name", a password in the system's keyring.

    Raises:
        ConfigurationError: none of these; or the extra `keyring` is not installed. The function raises it when the
            place cannot be read.
    """
    source = Secret(source)  # perhaps a token by mistake; and a command may hold another secret
    place, _, where = map(Secret, source.partition(":"))
    match place:
        case _ if not where.strip():
            pass
        case "env":
            return TokenSource("an environment variable", lambda: _read_variable(where))
        case "file":
            return TokenSource("a file", _File(Path(where).expanduser()))
        case "cmd":
            return TokenSource("a command", _Command(where), _KEPT)
        case "keyring":
            service, _, name = where.rpartition("/")
            if service and name:
                return TokenSource("the keyring", _Keyring(service, name), _KEPT)
        case _:
            pass
    raise ConfigurationError(
        "a token is read from env:NAME, file:/path, cmd:program or keyring:service/name, and none of them was given"
    )


def _read_variable(name: str) -> str:
    token = os.environ.get(name)
    if not token:
        raise UnusableToken(f"the environment variable {name} should hold the token, and is not set")
    return token


class _File:
    """Reads a file, and warns once if others can read it as well."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._warned = os.name == "nt"  # whose modes tell nothing about others

    def __call__(self) -> str:
        try:
            with self._path.open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                text = file.read(_LONGEST).decode("utf-8-sig", "replace")
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise UnusableToken(f"the token file {self._path} cannot be read: {why}") from None
        if not self._warned and mode & (stat.S_IRGRP | stat.S_IROTH):
            self._warned = True
            _log.warning("others can read the token file %s: change its permissions to 600", self._path)
        return text.rstrip("\r\n")


class _Command:
    """Runs a command, and returns what it prints."""

    def __init__(self, line: str) -> None:
        try:
            self._words = [Secret(word) for word in shlex.split(line)]
        except ValueError:
            self._words = []
        if not self._words:
            raise ConfigurationError("the token command has quotes that do not end, or no words")
        self._name = Path(self._words[0]).name

    def __call__(self) -> str:
        try:
            process = subprocess.Popen(  # noqa: S603 - the user's own command, without a shell
                self._words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # so that it cannot ask anything, and ends with all that it started
            )
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise UnusableToken(f"the token command {self._name} cannot be run: {why}") from None
        with process:
            try:
                out = Secret(process.communicate(timeout=_COMMAND_TIME)[0].decode("utf-8", "replace"))
            except subprocess.TimeoutExpired:
                _kill(process)
                out = None
        if out is None:
            raise UnusableToken(f"the token command {self._name} did not end in {_COMMAND_TIME:g} s")
        if process.returncode:
            raise UnusableToken(f"the token command {self._name} failed: exit code {process.returncode}")
        return out.rstrip("\r\n")


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        if hasattr(os, "killpg"):
            os.killpg(
                process.pid, signal.SIGKILL
            )  # with what it started: a pipe that stays open would be waited for
        else:
            process.kill()


class _Keyring:
    """Reads a password from the system's keyring."""

    def __init__(self, service: str, name: str) -> None:
        try:
            import keyring  # noqa: PLC0415 - an extra
        except ImportError:
            raise MissingExtra(
                "a token from the keyring needs keyring: pip install 'kakaclo[keyring]'"
            ) from None
        self._ask, self._service, self._name = keyring.get_password, service, name

    def __call__(self) -> str:
        where = f"{self._name!r} of {self._service!r}"
        try:
            password = self._ask(self._service, self._name)
        except Exception as error:  # noqa: BLE001 - each keyring has errors of its own
            why = type(error).__name__
        else:
            why = "there is none"
            if password is not None:
                return password
        raise UnusableToken(f"the keyring gave no password for {where}: {why}")


class Token:
    """An access token, or the function that fetches it.

    Args:
        source: the token, a function that returns one (sync or async; it is asked before each request, so it
            should cache), or None for the environment variable KAKACLO_TOKEN, or else the place that
            KAKACLO_TOKEN_FROM names. An async one is cut off when the attempt's time is up; a sync one that blocks
            holds the event loop, and cannot be.

    Attributes:
        fixed: the token, if it was given as it is.
        renewals: how often the function was asked because a token was refused.
    """

    __slots__ = ("_flights", "_kept", "_latest", "_seen", "_source", "fixed", "renewals")

    def __init__(self, source: str | Callable[[], str | Awaitable[str]] | None) -> None:
        source = sealed(_from_environment() if source is None else source)
        self.fixed = _checked(source) if isinstance(source, Secret) else None
        self._source = source
        self._seen = deque[Secret]([], _REMEMBERED)
        self._flights = Cache[None, Secret](0.0, size=1)
        self._kept: tuple[float, Secret] | None = None  # until when, and what
        self._latest = Secret()
        self.renewals = 0
        if self.fixed is not None:
            self._note(self.fixed)

    async def read(self) -> Secret:
        """Return the token to send now.

        Raises:
            ConfigurationError: the function failed, or returned what is no token.
        """
        if self.fixed is not None:
            return self.fixed
        if not isinstance(self._source, TokenSource):
            return await self._ask()
        if self._kept is not None and asyncio.get_running_loop().time() < self._kept[0]:
            return self._kept[1]
        return await self._flights.get(None, self._ask)

    async def renew(self, refused: str, renewals: int) -> Secret | None:
        """Return another token than the one that KakaClo refused; None when there is none.

        The function is asked once for all calls that met the refusal, whenever each of them learned of it.

        Args:
            refused: the token.
            renewals: how many there had been when the call read it.

        Raises:
            ConfigurationError: see `read`.
        """
        self.forget(refused)
        if self._latest == refused and self.renewals == renewals and self.fixed is None:
            await self._flights.get(None, self._renewed)
        return None if self._latest == refused else self._latest

    def forget(self, refused: str) -> None:
        """Ask for the next token before it is time, for KakaClo refused this one."""
        if self._kept is not None and self._kept[1] == refused:
            self._kept = None

    async def _renewed(self, flight: object) -> Secret:
        token = await self._ask(flight)
        self.renewals += 1
        return token

    async def _ask(self, _: object = None) -> Secret:
        source = cast("Callable[[], object]", self._source)  # a text is not asked
        try:
            found = sealed(source())
            if isinstance(found, Awaitable):
                found = sealed(await cast("Awaitable[object]", found))
        except KakaCloError:
            raise
        except Exception as error:
            raise UnusableToken(f"the token function failed with {type(error).__name__}") from error
        if not isinstance(found, Secret):
            raise UnusableToken(f"the token function must return a str, not {type(found).__name__}")
        token = _checked(found)
        if isinstance(self._source, TokenSource):
            self._kept = (asyncio.get_running_loop().time() + self._source.kept, token)
        self._note(token)
        return token

    def _note(self, token: Secret) -> None:
        self._latest = token
        if token not in self._seen:
            self._seen.append(token)

    def scrub(self, text: str) -> str:
        """Return `text` without the tokens sent of late, should a server have echoed one, or its head at the end."""
        for token in self._seen:
            if len(token) >= _SHORTEST:
                text = re.sub(spellings(token), "***", text, flags=re.IGNORECASE)
            whole = text.rstrip(".\N{HORIZONTAL ELLIPSIS}")
            heads = (token[:size] for size in range(len(token) - 1, _SHORTEST_HEAD - 1, -1))
            if (head := next(filter(whole.endswith, heads), None)) is not None:
                text = whole.removesuffix(head) + "***"
        return text

    def __repr__(self) -> str:
        return "Token(***)"


def _from_environment() -> str | Callable[[], Awaitable[str]]:
    token, place = map(sealed, (os.environ.get("KAKACLO_TOKEN"), os.environ.get("KAKACLO_TOKEN_FROM")))
    if token and place:
        raise ConfigurationError("KAKACLO_TOKEN and KAKACLO_TOKEN_FROM are both set: keep one of them")
    if place:
        return token_from(place)
    if token:
        return token
    raise MissingToken(
        "no access token: pass token=, or set KAKACLO_TOKEN or KAKACLO_TOKEN_FROM"
        f" (tokens are made at {API_SETTINGS_URL})"
    )


def _checked(token: Secret) -> Secret:
    # A line break would start a header of its own; a token has no use for blanks or other alphabets.
    if not token or not token.isascii() or any(c.isspace() or not c.isprintable() for c in token):
        raise UnusableToken("the access token is empty or holds characters that no token has")
    return token
