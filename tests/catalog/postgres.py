"""A real PostgreSQL server of its own for the tests: Debian's binaries, a free port, a throw-away folder."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest

BINARIES = max(
    Path("/usr/lib/postgresql").glob("*/bin"), default=None, key=lambda path: int(path.parent.name)
)
USER = "postgres"


def needs_postgresql():
    missing = BINARIES is None or not (BINARIES / "initdb").exists()
    return pytest.mark.skipif(missing, reason="no PostgreSQL server below /usr/lib/postgresql")


def _as_user(*command):
    # PostgreSQL refuses to run as root.
    prefix = ["runuser", "-u", USER, "--"] if os.geteuid() == 0 else []
    return [*prefix, *map(str, command)]


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running_server(folder):
    """Start a server below `folder`; yield the URL of its maintenance database."""
    if os.geteuid() == 0:
        shutil.chown(folder, USER)
        for parent in folder.parents:  # pytest's folders are closed to other users
            if parent == Path("/tmp"):  # noqa: S108 - where pytest's folders end
                break
            parent.chmod(parent.stat().st_mode | 0o011)
    data, port = folder / "data", _free_port()
    settings = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"

    def run(*command):
        subprocess.run(_as_user(*command), check=True, capture_output=True, cwd=folder)

    run(BINARIES / "initdb", "-D", data, "-U", USER, "-A", "trust")
    log = folder / "log"
    run(BINARIES / "pg_ctl", "-D", data, "-o", settings, "-l", log, "-w", "start")
    try:
        yield f"postgresql://{USER}@127.0.0.1:{port}"
    finally:
        run(BINARIES / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
