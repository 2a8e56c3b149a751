"""Run `kakaclo` in processes of its own, as users and their cron jobs do, and kill it where it hurts."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from support.campaign import stock_up
from support.children import import_path
from support.shop_files import SHOPIFY, SHOPIFY_ORDER, table
from support.terminal import TOKEN, Hosted


def results_of(file):
    """Return the files of results beside a file."""
    return list(file.parent.glob("orders.results*.csv"))


QUIET = ("--quiet-time", "1", "--timeout", "1")
"""A journal settles sooner than the search of this shop lags, and later than its requests travel."""


class Shop:
    """A sandbox whose search lags, and the users who submit its orders."""

    def __init__(self, folder, **settings):
        settings = {"products": 300, "capacity": 1e9, "per_second": 1e9, "index_lag": 0.3} | settings
        self.hosted = Hosted(**settings)
        self.sandbox = self.hosted.sandbox
        self.folder = folder
        self.hosted.call(stock_up, self.sandbox)
        self.hosted.call(setattr, self.sandbox.ledger, "_balance", self.sandbox.ledger.balance * 10**6)
        self._running = []

    def export(self, folder, *names, **cells):
        """Write an export of Shopify with these orders into a folder."""
        path = self.folder / folder / "orders.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_text(table(SHOPIFY, *({**SHOPIFY_ORDER, "Name": name, **cells} for name in names)))
        return path

    def start(self, *arguments, user="one", folder=".", die_at="", **variables):
        """Start a command as a user, in a folder; it may kill itself where `shop_once_worker` says."""
        home = self.folder / user
        for path in (home, self.folder / folder):
            path.mkdir(exist_ok=True)
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("KAKACLO_", "XDG_"))
        }
        environment = {
            **kept,
            "HOME": str(home),
            "KAKACLO_TOKEN": TOKEN,
            "KAKACLO_BASE_URL": self.sandbox.url,
            "PYTHONPATH": import_path(),
            **variables,
        }
        worker = str(Path(__file__).with_name("shop_once_worker.py"))
        process = subprocess.Popen(
            [sys.executable, worker, die_at, *map(str, arguments)],
            env={name: value for name, value in environment.items() if value is not None},
            cwd=self.folder / folder,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._running.append(process)
        return process

    def run(self, *arguments, **options):
        """Run a command; return its exit code and what it said on stderr."""
        process = self.start(*arguments, **options)
        _, said = process.communicate(timeout=100)
        assert TOKEN not in said
        assert "Traceback" not in said
        return process.returncode, said

    def submit(self, file, *more, **options):
        return self.run("orders", "submit", file, *QUIET, *more, **options)

    def submit_and_be_killed(self, file, chance, **options):
        """Submit, and be killed after the results were begun, some requests and a little more.

        Returns whether it was still running.
        """
        results = len(results_of(file))
        process = self.start("orders", "submit", file, *QUIET, **options)
        while process.poll() is None and len(results_of(file)) == results:
            time.sleep(0.001)
        enough = self.sandbox.requests.total() + chance.randint(0, 6)
        patience = time.monotonic() + 2 * chance.random()  # it may be waiting for what another has sent
        while (
            process.poll() is None and self.sandbox.requests.total() < enough and time.monotonic() < patience
        ):
            time.sleep(0.001)
        time.sleep(chance.random() * 0.05)
        process.kill()
        process.communicate()
        return process.returncode == -signal.SIGKILL

    def counts(self):
        """Return how often each order was placed."""
        return Counter(placed.custom_order_id for placed in self._placed())

    def check(self, file, names, also=()):
        """Each order is placed once, and the newest results beside the file say so with its numbers."""
        assert self.counts() == dict.fromkeys([*names, *also], 1)
        numbers = {placed.custom_order_id: " ".join(placed.orders) for placed in self._placed()}
        newest = max(results_of(file), key=lambda path: path.stat().st_mtime_ns)
        with newest.open(newline="", encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines))
        assert [row["Name"] for row in rows] == list(names)
        assert {row["result"] for row in rows} == {"placed"}
        assert {row["custom_order_id"]: row["order_id"] for row in rows} == {
            name: numbers[name] for name in names
        }

    def journals(self, user="one"):
        """Return a user's journals, in the place that is theirs by default."""
        return sorted((self.folder / user / ".local" / "share" / "kakaclo" / "journals").glob("*.db"))

    def close(self):
        for process in self._running:
            if process.poll() is None:
                process.kill()
            process.communicate()
        self.hosted.close()

    def _placed(self):
        return self.hosted.call(lambda: list(self.sandbox.journal))
