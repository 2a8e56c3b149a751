"""A real PostgreSQL server of its own for the tests: Debian's binaries, a free port, a throw-away folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.ports import free_port

BINARIES = max(
    Path("/usr/lib/postgresql").glob("*/bin"), default=None, key=lambda path: int(path.parent.name)
)
USER = "postgres"
GUARDED = "guarded"  # the one role whose password is asked for


class Server(str):
    """A server's URL, without a database's name."""

    __slots__ = ("restart",)

    def __new__(cls, url, restart):
        self = super().__new__(cls, url)
        self.restart = restart
        return self


def needs_postgresql():
    missing = BINARIES is None or not (BINARIES / "initdb").exists()
    return pytest.mark.skipif(missing, reason="no PostgreSQL server below /usr/lib/postgresql")


@contextmanager
def running_server():
    """Start a server; yield its URL, without a database's name."""
    with tempfile.TemporaryDirectory(prefix="kakaclo-postgresql-") as folder:
        port = free_port()
        as_root = os.geteuid() == 0  # PostgreSQL refuses to run as root
        if as_root:
            shutil.chown(folder, USER)

        def run(program, *arguments):
            command = [BINARIES / program, "-D", f"{folder}/data", *arguments]
            prefix = ["runuser", "-u", USER, "--"] if as_root else []
            done = subprocess.run(
                [*prefix, *map(str, command)], check=False, capture_output=True, text=True, cwd=folder
            )
            assert done.returncode == 0, done.stdout + done.stderr

        run("initdb", "-U", USER, "-A", "trust")
        rules = Path(folder, "data", "pg_hba.conf")
        rules.write_text(f"host all {GUARDED} 127.0.0.1/32 scram-sha-256\n{rules.read_text()}")
        settings = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"

        def restart():
            run("pg_ctl", "-m", "immediate", "-l", f"{folder}/log", "-w", "restart")

        run("pg_ctl", "-o", settings, "-l", f"{folder}/log", "-w", "start")
        try:
            yield Server(f"postgresql://{USER}@127.0.0.1:{port}", restart)
        finally:
            run("pg_ctl", "-m", "immediate", "-w", "stop")
