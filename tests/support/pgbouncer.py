"""A real PgBouncer in front of the tests' PostgreSQL, as many hosters have one: each transaction gets another connection."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from support.ports import free_port
from support.postgresql import USER

BINARY = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")


def needs_pgbouncer():
    return pytest.mark.skipif(BINARY is None, reason="no pgbouncer")


@contextmanager
def running_pooler(server, *, pool_size=2):
    """Start a pooler in transaction mode; yield its URL, without a database's name."""
    behind = urlsplit(server)
    with tempfile.TemporaryDirectory(prefix="kakaclo-pgbouncer-") as folder:
        port = free_port()
        settings = Path(folder, "pgbouncer.ini")
        Path(folder, "users.txt").write_text(f'"{USER}" ""\n')
        settings.write_text(
            f"[databases]\n* = host={behind.hostname} port={behind.port} user={USER}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            f"auth_type = trust\nauth_file = {folder}/users.txt\nadmin_users = {USER}\n"
            f"pool_mode = transaction\ndefault_pool_size = {pool_size}\nmax_client_conn = 200\n"
            f"logfile = {folder}/log\npidfile = {folder}/pid\n"
        )
        prefix = []
        if os.geteuid() == 0:  # it refuses to run as root
            for path in (folder, settings, Path(folder, "users.txt")):
                shutil.chown(path, USER)
            prefix = ["runuser", "-u", USER, "--"]
        with subprocess.Popen([*prefix, BINARY, str(settings)], stderr=subprocess.DEVNULL) as pooler:
            try:
                _wait_for(port)
                yield f"postgresql://{USER}@127.0.0.1:{port}"
            finally:
                pooler.terminate()


def _wait_for(port):
    import socket

    end = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.05)
        else:
            return
