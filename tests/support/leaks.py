"""Find secrets wherever a program may show them: every spelling of a text, in all that a debugger sees of an error."""

from __future__ import annotations

import gc
import json
import logging
import pickle
import re
import sys
import traceback
import warnings
from contextlib import contextmanager
from html import escape
from pathlib import Path
from urllib.parse import quote, quote_plus

import attrs
from hypothesis import strategies as st
from rich.pretty import pretty_repr

import kakaclo_async
from kakaclo_async import Address, public

TESTS = str(Path(__file__).parents[1])
CORE = "QZJX"  # in every secret, and nowhere else
DIGITS = "86402975319"

_wild = st.text(
    alphabet=st.one_of(
        st.sampled_from(".*+?^$()[]{}|\\/'\"`<>&%#;:,=@!~- \t_"),
        st.characters(min_codepoint=33, max_codepoint=0x24FF, categories=["L", "N", "P", "S"]),
        st.sampled_from(["\U0001f600", "Ω", "ß", "é", "İ", "京"]),
    ),
    max_size=5,
)
texts = st.builds(lambda before, after: f"{before}{CORE}{after}".strip(), _wild, _wild)
_gap = st.sampled_from(["", " ", "-", ".", " (", ") ", "/"])
phones = st.lists(_gap, min_size=11, max_size=11).map(
    lambda gaps: "+" + "".join(digit + gap for digit, gap in zip(DIGITS, gaps, strict=True)).strip()
)
tokens = st.text(alphabet="abcXYZ019-._~+/=%$*?()[]|\\\"'<>", max_size=60).map(
    lambda text: f"{text}{CORE}{text}00"
)


@st.composite
def people(draw):
    """Draw an address whose every part but the country is a secret."""
    parts = {
        field.name: draw(texts) for field in attrs.fields(Address) if field.name not in {"country", "phone"}
    }
    return Address(country="US", phone=draw(phones), **parts)


class Search:
    """Looks for secrets in texts, and counts them."""

    def __init__(self):
        self.texts = 0
        self.characters = 0

    def __call__(self, where, *found):
        """Fail if a text shows any of the secrets that this module draws."""
        for one in found:
            text = one.decode("latin-1") if isinstance(one, bytes) else str(one)
            self.texts += 1
            self.characters += len(text)
            at = text.upper().find(CORE)
            if at < 0 and (digits := re.search(r"\W{0,2}".join(DIGITS), text)):
                at = digits.start()
            assert at < 0, f"{where} shows …{text[max(0, at - 300) : at + 60]}…"


def spellings(secret):
    """Return a secret as other programs may write it."""
    return {
        secret, repr(secret)[1:-1], ascii(secret)[1:-1], json.dumps(secret)[1:-1], quote(secret, safe=""),
        quote_plus(secret), json.dumps(json.dumps(secret))[1:-1], escape(secret),
    }  # fmt: skip


def leaves(error):
    """Yield an error and all that it brings along: causes, contexts, and the members of groups."""
    todo, done = [error], []
    while todo:
        error = todo.pop()
        if error is None or any(error is other for other in done):
            continue
        done.append(error)
        yield error
        todo += [error.__cause__, error.__context__, *getattr(error, "exceptions", ())]


def shown(error):
    """Yield all that logs, debuggers, error trackers and queues show of an error, the locals of our frames too."""
    group = ExceptionGroup("several", [error]) if isinstance(error, Exception) else error
    yield "".join(traceback.format_exception(group))
    for one in leaves(error):
        yield str(one)
        yield repr(one)
        yield repr(vars(one))
        yield repr(one.args)
        yield from getattr(one, "__notes__", ())
        if isinstance(one, kakaclo_async.KakaCloError):
            yield repr(pickle.dumps(one))
        yield from locals_of(one.__traceback__)


def locals_of(trace):
    """Yield the locals of each frame of a traceback, the tests' own apart."""
    for frame, line in traceback.walk_tb(trace):
        file = frame.f_code.co_filename
        if file.startswith(TESTS):
            continue
        where = f"{file}:{line} in {frame.f_code.co_name}"
        for name, value in frame.f_locals.items():
            try:
                yield f"{where}: {name} = {value!r}"
                yield f"{where}: {name} = {pretty_repr(value, max_string=80, max_length=10)}"
            except Exception as failure:  # noqa: BLE001 - a tracker says so, and goes on
                yield f"{where}: {name} {type(failure).__name__}"


@contextmanager
def everything(loop=None):
    """Collect what is logged, warned of, and told to the hooks of Python and asyncio."""
    found = []

    class Keep(logging.Handler):
        def emit(self, record):
            found.append(self.format(record))
            found.append(repr(vars(record)))
            # The server's frames, in this process only here, hold what it was about to answer.
            if record.exc_info and record.exc_info[1] is not None and record.name != "aiohttp.server":
                found.extend(shown(record.exc_info[1]))

    keep, root = Keep(0), logging.getLogger()
    names = ["", "asyncio", "aiohttp", "aiohttp.client", "aiohttp.access", "sqlalchemy", "sqlalchemy.engine", "sqlalchemy.pool",
             "aiosqlite", "redis", "kakaclo", "kakaclo.orders"]  # fmt: skip
    before = {name: logging.getLogger(name).level for name in names}
    hooks = sys.unraisablehook, sys.excepthook

    def hook(what):
        found.append(repr(what))
        found.extend(shown(what.exc_value))

    root.addHandler(keep)
    for name in names:
        logging.getLogger(name).setLevel(logging.DEBUG)
    sys.unraisablehook = hook
    if loop is not None:
        loop.set_debug(True)
        slow, loop.slow_callback_duration = loop.slow_callback_duration, 0.0  # every handle is shown
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            yield found
            gc.collect()
        found.extend(str(one) for one in told)
    finally:
        if loop is not None:
            loop.slow_callback_duration = slow
        sys.unraisablehook, sys.excepthook = hooks
        root.removeHandler(keep)
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


def public_classes(base=object):
    """Return the public classes of a kind, as the list of public names has them."""
    found = [getattr(public, name) for name in public.NAMES]
    return [one for one in found if isinstance(one, type) and issubclass(one, base)]


TOKEN = f"eyJh.{CORE}/+9_0QeW==" + "x" * 90
"""Longer than what debuggers show of a text: they cut it."""

PERSON = Address(
    country="US",
    phone="+86 (402) 975-319",
    recipient=f"Zoë O'{CORE} [x]",
    province=f"Må{CORE}",
    street1=f'7 {CORE} "St." #4 100%',
    street2=f"c/o {CORE}+Co",
    city=f"{CORE} City",
    zip=f"{CORE}-4711",
    ioss=f"IM{CORE}",
    vat=f"GB999 {CORE}",
)
REMARK = f"ring at {CORE}'s (*)"
