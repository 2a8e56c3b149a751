"""Servers of Redis and PostgreSQL of a benchmark's own: free ports and throw-away folders; skipped where absent."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from harness.case import Skipped

if TYPE_CHECKING:
    from collections.abc import Iterator

USER = "postgres"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


@contextmanager
def redis_server() -> Iterator[str]:
    """Give the URL of a Redis that keeps nothing."""
    binary = shutil.which("redis-server")
    if binary is None:
        raise Skipped("redis-server is not installed")
    import redis  # noqa: PLC0415 - an extra

    port = free_port()
    command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=folder)
        try:
            with redis.Redis(port=port) as client:
                for _ in range(200):
                    try:
                        client.ping()
                        break
                    except redis.ConnectionError:
                        time.sleep(0.05)
            yield f"redis://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait()


@contextmanager
def postgresql() -> Iterator[str]:
    """Give the URL of a PostgreSQL, without a database's name; it does not sync its disk."""
    folders = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    initdb = max(folders, default=None, key=lambda path: int(path.parts[4]))
    if initdb is None:
        raise Skipped("PostgreSQL is not installed below /usr/lib/postgresql")
    with tempfile.TemporaryDirectory(prefix="kakaclo-bench-") as folder:
        as_root = os.geteuid() == 0  # PostgreSQL refuses to run as root
        if as_root:
            shutil.chown(folder, USER)

        def run(program: str, *arguments: str) -> None:
            command = [str(initdb.parent / program), "-D", f"{folder}/data", *arguments]
            prefix = ["runuser", "-u", USER, "--"] if as_root else []
            subprocess.run([*prefix, *command], check=True, capture_output=True, cwd=folder)

        port = free_port()
        run("initdb", "-U", USER, "-A", "trust")
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
        run("pg_ctl", "-o", options, "-l", f"{folder}/log", "-w", "start")
        try:
            yield f"postgresql://{USER}@127.0.0.1:{port}"
        finally:
            run("pg_ctl", "-m", "immediate", "-w", "stop")
