"""uvloop for the private loop (`pip install kakaclo[fast]`)."""

from __future__ import annotations

import socket
from functools import partial
from typing import Any

import uvloop

__all__ = ["Loop"]


class Loop(uvloop.Loop):
    """uvloop's loop, without libuv's thread pool.

    Looking up names and connecting would start that pool; a forked child that never used it would then crash at
    its exit, where libuv joins threads which only the parent has.
    """

    async def getaddrinfo(
        self,
        host: str | bytes | None,
        port: str | bytes | int | None,
        *,
        family: int = 0,
        type: int = 0,  # noqa: A002 - the name that event loops give it
        proto: int = 0,
        flags: int = 0,
    ) -> list[Any]:  # uvloop and typeshed do not agree on the tuples
        """Look up a name in a thread of the default executor; a numeric address at once."""
        look_up = partial(socket.getaddrinfo, host, port, family, type, proto)
        try:
            return look_up(flags | socket.AI_NUMERICHOST)
        except socket.gaierror:
            return await self.run_in_executor(None, look_up, flags)
