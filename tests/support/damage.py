"""What may happen to the bytes of an answer: on the way, in a proxy, in a program that cuts texts in half."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

Damage = Callable[[Random, bytes], bytes]

ODD_PIECES: Final = [
    b"\xff", b"\xf0\x9f\x98", b"\xed\xa0\x80", b"\x00", b"\x01", b"\x1f", b"\x7f", b"\t", b"\n", b"\r", b"\xef\xbb\xbf",
    b"\\ud83d", b"\\ude00", b"\\u12", b"\\u", b"\\", b"\\x41", b"\\'", b"\xe2\x80\xa8", b"\xef\xbf\xbd", b"\\u0000",
]  # fmt: skip
"""Inside a text or a number none of these ends it, but for a backslash before the end."""

TOKENS: Final = [
    *ODD_PIECES, b'"', b"{", b"}", b"[", b"]", b",", b":", b"null", b"true", b"NaN", b"-Infinity", b"undefined", b"-",
    b"0", b"1e999999999", b"-1e-400", b"9" * 400, b"0." + b"1" * 400, b"1e5", b'"code":1,', b'"data":{},', b"//", b"/*",
    b"<html>", b"\\\\", b'\\"', b'"spu":"A",', b'""', b"[[[[[[[[", b'{"a":' * 20, b"\x85", b"\xa0", b"'",
]  # fmt: skip


def flip(random: Random, body: bytes) -> bytes:
    """Turn one bit."""
    at = random.randrange(len(body))
    return body[:at] + bytes([body[at] ^ (1 << random.randrange(8))]) + body[at + 1 :]


def cut(random: Random, body: bytes) -> bytes:
    """Keep the beginning."""
    return body[: random.randrange(len(body))]


def cut_head(random: Random, body: bytes) -> bytes:
    """Keep the end."""
    return body[random.randrange(len(body)) :]


def insert(random: Random, body: bytes) -> bytes:
    """Put something between."""
    at = random.randrange(len(body) + 1)
    return body[:at] + random.choice(TOKENS) + body[at:]


def overwrite(random: Random, body: bytes) -> bytes:
    """Put something over what was there."""
    at, piece = random.randrange(len(body)), random.choice(TOKENS)
    return body[:at] + piece + body[at + len(piece) :]


def leave_out(random: Random, body: bytes) -> bytes:
    """Lose some bytes in the middle."""
    at = random.randrange(len(body))
    return body[:at] + body[at + random.randrange(1, 9) :]


def repeat(random: Random, body: bytes) -> bytes:
    """Send some bytes twice."""
    at = random.randrange(len(body))
    end = at + random.randrange(1, 40)
    return body[:end] + body[at:end] + body[end:]


def swap(random: Random, body: bytes) -> bytes:
    """Exchange two bytes."""
    one, two = random.randrange(len(body)), random.randrange(len(body))
    changed = bytearray(body)
    changed[one], changed[two] = changed[two], changed[one]
    return bytes(changed)


def rewrap(random: Random, body: bytes) -> bytes:
    """Send it in another encoding, or with something around it."""
    text = body.decode(errors="replace")
    encoding = random.choice(
        ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig", "latin-1", "utf-7", "gbk"]
    )
    return random.choice([
        text.encode(encoding, "replace"),
        b"\xef\xbb\xbf" + body,
        body + b"\0",
        b")]}',\n" + body,
        body + body,
        b"[" + body + b"]",
        body.replace(b'"', b"'"),
        b"callback(" + body + b");",
        body.replace(b'"', b'\\"'),
    ])  # fmt: skip


def nest(random: Random, body: bytes) -> bytes:
    """Put what is nested deeply in the place of a value."""
    depth = random.choice([10, 100, 1100, 5000])
    opened, closed = random.choice([(b"[", b"]"), (b'{"child":[', b"]}"), (b'{"a":', b"}")])
    deep = opened * depth + (b"1" if opened != b"[" else b"") + closed * random.choice([depth, depth, 0])
    at = body.find(b":", random.randrange(len(body))) + 1
    return body[:at] + deep + b"," + body[at:] if random.random() < 0.3 else body[:at] + deep + b"}" * 3


DAMAGES: Final[list[Damage]] = [
    flip, flip, flip, cut, cut_head, insert, insert, overwrite, leave_out, repeat, swap, rewrap, nest,
]  # fmt: skip


def damaged(random: Random, body: bytes) -> bytes:
    """Damage a document one to three times."""
    for _ in range(random.choice([1, 1, 2, 3])):
        body = random.choice(DAMAGES)(random, body) or b"{"
    return body


def inside_a_value(random: Random, value: bytes) -> bytes:
    """Damage a text, in its quotes, or a number: it stays one token of the document."""
    is_text = value.startswith(b'"')
    first, last = (1, len(value) - 1) if is_text else (0, len(value))
    at = random.randint(first, last)
    while is_text and at > first and value[at - 1 : at] == b"\\":
        at -= 1  # not between a backslash and what it escapes
    piece = random.choice(
        ODD_PIECES if is_text else [b"\xff", b"\x00", b"x", b"e", b".", b"-", b"9" * 400, b"\x01"]
    )
    end = at if random.random() < 0.5 or (is_text and b"\\" in value) else min(last, at + 1)
    if piece == b"\\" and (end == last or b"\\" in value):
        piece = b"\\n"  # it would escape the quote, or free what another escapes
    return value[:at] + piece + value[end:]


HEADERS: Final = {
    "content-type": ["application/json", "text/html; charset=gbk", "", ";", "\xff", "a" * 5000, "application/json;"],
    "retry-after": ["0", "5", "-1", "1e9", "1e999", "nan", "inf", "", " 7 ", "soon", "1" * 400, "²", "٣", "0x10",
                    "Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 21 Oct 99999 07:28:00 GMT", "Wed, 99 Oct 2015 07:28:00 -0000",
                    "Wed, 21 Oct 2015 07:28:00 +9999", "1_0", "-0", "+5", "5, 6", "\x00"],
    "date": ["Wed, 21 Oct 2015 07:28:00 GMT", "yesterday", "Wed, 21 Oct 0001 07:28:00 +2359", "", "0"],
}  # fmt: skip
STATUSES: Final = [200, 200, 201, 204, 206, 301, 302, 304, 400, 401, 403, 404, 405, 408, 409, 413, 418, 422, 425, 429, 451,
                   499, 500, 502, 503, 504, 521, 599, 600, 999, 0, -1, 100]  # fmt: skip


def headers(random: Random) -> dict[str, str]:
    """Make the headers of an answer."""
    return {name: random.choice(values) for name, values in HEADERS.items() if random.random() < 0.5}
