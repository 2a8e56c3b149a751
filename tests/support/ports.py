"""Ports for servers of the tests' own."""

from __future__ import annotations

import socket


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
