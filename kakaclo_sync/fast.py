"""uvloop for the private loop (`pip install kakaclo[fast]`)."""

from __future__ import annotations

import socket

import uvloop

__all__ = ["Loop"]


class Loop(uvloop.Loop):
    """uvloop's loop, without libuv's thread pool.

    Looking up names and connecting would start that pool; a forked child that never used it would then crash at
    its exit, where libuv joins threads which only the parent has.
    """

    async def getaddrinfo(  # type: ignore[override] # as asyncio's own
        self,
        host: str | bytes | None,
        port: str | bytes | int | None,
        *,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ):
        """Look up a name in a thread of the default executor; a numeric address at once."""
        try:
            return socket.getaddrinfo(host, port, family, type, proto, flags | socket.AI_NUMERICHOST)
        except socket.gaierror:
            return await self.run_in_executor(None, socket.getaddrinfo, host, port, family, type, proto, flags)
