"""A redis-server of our own on a free port, for tests that need a real one, and one that says what a test wants."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import subprocess
import tempfile
import time

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry


@contextlib.contextmanager
def running(port, *options):
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("redis-server is not installed")
    folder = tempfile.TemporaryDirectory()  # where a replica writes
    server = subprocess.Popen(
        [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", *options],
        stdout=subprocess.DEVNULL,
        cwd=folder.name,
    )
    try:
        with redis.Redis(port=port, retry=Retry(NoBackoff(), 0)) as client:
            wait_for(client)
        yield server
    finally:
        server.send_signal(signal.SIGCONT)  # a test may have stopped it
        server.terminate()
        server.wait()
        folder.cleanup()


def wait_for(client, patience=60.0):
    until = time.monotonic() + patience
    while True:
        try:
            client.ping()
        except redis.AuthenticationError:
            return
        except redis.ConnectionError:
            if time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return


GRANTED = b"*11\r\n" + b"".join(b"$1\r\n%d\r\n" % number for number in (1, 0, 0, 1, 2, 0, 0, 0, 0, 1, 0))


class Fake:
    """Speaks the protocol of Redis and grants a permit, unless `refusal` is set, or it `hangs`.

    `asked` has the number of the connection on which each script call came.
    """

    def __init__(self):
        self.refusal = None
        self.hangs = False
        self.asked = []
        self._connections = []

    @contextlib.asynccontextmanager
    async def running(self):
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()
            for connection in self._connections:
                connection.close()

    async def _serve(self, reader, writer):
        self._connections.append(writer)
        number = len(self._connections)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while command := await self._command(reader):
                if command in {b"EVALSHA", b"SCRIPT"}:
                    self.asked.append(number)
                while self.hangs:
                    await asyncio.sleep(0.01)
                if command == b"HELLO":
                    writer.write(b"%1\r\n+proto\r\n:3\r\n")
                elif command in {b"EVALSHA", b"SCRIPT"}:
                    writer.write(GRANTED if self.refusal is None else f"-{self.refusal}\r\n".encode())
                else:
                    writer.write(b"+OK\r\n")
        writer.close()

    @staticmethod
    async def _command(reader):
        words = []
        for _ in range(int((await reader.readline())[1:] or 0)):
            size = int((await reader.readline())[1:])
            words.append((await reader.readexactly(size + 2))[:-2])
        return words[0].upper() if words else None
