"""True answers that something has happened to, and answers that nobody could use."""

from __future__ import annotations

import gzip
import json
from functools import cache


def everywhere(change):
    """Return what changes a true document in each of its data's leaves and objects.

    Args:
        change: gets a leaf (`str`, number, truth value, None) or an object whose values are changed already.
    """

    def walk(value):
        if isinstance(value, list):
            return [walk(one) for one in value]
        if isinstance(value, dict):
            return change({name: walk(one) for name, one in value.items()})
        return change(value)

    def changed(body):
        envelope = json.loads(body)
        return json.dumps({**envelope, "data": walk(envelope.get("data"))}, ensure_ascii=False).encode(
            "utf-8", "surrogatepass"
        )

    return changed


def texts(change):
    return everywhere(lambda value: change(value) if isinstance(value, str) else value)


def numbers(put):
    """Return what writes another text in place of each number of a true document's data."""

    def is_number(value):
        return isinstance(value, (int, float)) and not isinstance(value, bool)

    mark = everywhere(lambda value: "@@number@@" if is_number(value) else value)
    return lambda body: mark(body).replace(b'"@@number@@"', put)


def unknown_fields(body):
    strange = {"zzNew": {"deep": [1, None, "x"]}, "zzOther": 1}
    add = everywhere(lambda value: {**strange, **value} if isinstance(value, dict) else value)
    return json.dumps({**strange, **json.loads(add(body))}).encode()


nulls = everywhere(lambda value: value if isinstance(value, dict) else None)
wrong_types = everywhere(
    lambda value: value if isinstance(value, dict) else ["odd"] if isinstance(value, str) else {"odd": value}
)


def null_data(body):
    return json.dumps({**json.loads(body), "data": None}).encode()


class _Digits(str):
    """A number as it is written: its zeros count."""

    __slots__ = ()


def duplicate_keys(body):
    """Write each key twice: first with null, then with its value."""

    def write(value):
        if isinstance(value, _Digits):
            return str(value)
        if isinstance(value, list):
            return f"[{','.join(map(write, value))}]"
        if isinstance(value, dict):
            twice = (
                f"{json.dumps(name)}:null,{json.dumps(name)}:{write(one)}" for name, one in value.items()
            )
            return f"{{{','.join(twice)}}}"
        return json.dumps(value)

    return write(json.loads(body, parse_float=_Digits)).encode()


def deep(body):
    nest = b"[" * 100_000 + b"]" * 100_000
    return body.replace(b'"data":', b'"zzDeep":%s,"data":' % nest, 1)


def deep_data(_body):
    return b'{"code":10000,"message":"success","data":%s}' % (b'{"a":' * 100_000 + b"1" + b"}" * 100_000)


def half(body):
    return body[: len(body) // 2]


@cache
def blanks():
    return b" " * (50 * 1024 * 1024)


@cache
def bomb():
    """A gzip file of 100 KB that unpacks to more than a client should take."""
    return gzip.compress(bytes(100 * 1024 * 1024), compresslevel=6)


def damaged_gzip(body):
    packed = bytearray(gzip.compress(body))
    packed[len(packed) // 2] ^= 0xFF
    packed[-6] ^= 0xFF
    return bytes(packed)
