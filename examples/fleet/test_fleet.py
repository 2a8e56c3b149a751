"""The example runs as it stands."""

from __future__ import annotations

import runpy
from pathlib import Path


def test_both_shops_have_their_orders_paid(capsys):
    runpy.run_path(str(Path(__file__).with_name("fleet.py")), run_name="__main__")
    shown = capsys.readouterr().out
    for name in ("acme", "bolt"):
        assert shown.count(f"{name}: {name}-1: OrderPaid") >= 1
        assert f"{name}: 0 wait, 0 in doubt, error: None" in shown
