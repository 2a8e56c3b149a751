"""The keys of the rows that a pull gave out: exact, as a set is, in a quarter of its memory."""

from __future__ import annotations

from typing import Final

_SHARDS: Final = 1 << 13  # of a million keys, each holds 120, 2 kB: a search through them takes 2 us
_END: Final = b"\xff"  # which no key contains, for UTF-8 has no such byte


class Given:
    """A set of keys that only grows.

    A catalog has a million SKUs, and a set of a million texts takes 120 MB. Here the keys lie end to end in shards of
    bytes: the hash of a key tells its shard, which is searched through.
    """

    def __init__(self) -> None:
        self._shards: dict[int, bytearray] = {}
        self._count = 0

    def __contains__(self, key: str) -> bool:
        shard = self._shards.get(hash(key) % _SHARDS)
        return shard is not None and _END + _bytes(key) + _END in shard

    def add(self, key: str) -> bool:
        """Add a key; return whether it is new."""
        shard = self._shards.setdefault(hash(key) % _SHARDS, bytearray(_END))
        entry = _bytes(key) + _END
        if _END + entry in shard:
            return False
        shard += entry
        self._count += 1
        return True

    def __len__(self) -> int:
        return self._count


def _bytes(key: str) -> bytes:
    return key.encode("utf-8", "surrogatepass")  # an answer may hold half of a pair
