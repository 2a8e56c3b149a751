"""docs/howto/telemetry.md: every block runs, and its tables have what is there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest
import yaml
from support.console import environment_of, plain
from support.ports import free_port
from support.source import modules

from kakaclo_async import Event, public
from kakaclo_sync import Sandbox

PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "telemetry.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
KAKACLO = Path(sys.executable).with_name("kakaclo")


def blocks(kind):
    return [block for found, block in BLOCKS if found == kind]


def column(heading, number):
    """The texts in code of one column of the table that begins with this heading."""
    table = PAGE.split(f"| {heading} |", 1)[1].split("\n\n", 1)[0]
    return [re.findall(r"`([^`]+)`", row.split("|")[number + 1]) for row in table.splitlines()[2:]]


@pytest.fixture
def environment(tmp_path):
    with Sandbox(products=10, index_lag=0) as sandbox:
        own = {"KAKACLO_TOKEN": sandbox.token, "KAKACLO_BASE_URL": sandbox.url}
        yield {**environment_of(tmp_path), **own, "PATH": f"{KAKACLO.parent}:{os.environ['PATH']}"}


def test_there_is_a_block_of_each_kind_that_runs():
    assert {kind for kind, _ in BLOCKS} == {"console", "python", "promql", "text", "yaml"}


@pytest.mark.process
def test_the_commands_print_what_the_page_shows(environment):
    for block in blocks("console"):
        command, shown = block.removeprefix("$ ").split("\n", 1)
        done = subprocess.run(command.split(), env=environment, check=True, capture_output=True, text=True)
        assert plain(done.stderr + done.stdout) == plain(shown)


@pytest.mark.process
def test_the_programs_run_from_top_to_bottom_and_prometheus_finds_every_metric(environment):
    """The page as one program: what it watches then is what its last tables and rules are about."""
    port = free_port()
    program = "\n".join([*blocks("python"), "print('served', flush=True)", "input()"])
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", program],
        env=environment | {"OTEL_EXPORTER_PROMETHEUS_PORT": str(port)},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        printed = "".join(iter(process.stdout.readline, "served\n"))
        with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            scraped = answer.read().decode()
    finally:
        process.communicate("\n", timeout=30)
    assert process.returncode == 0
    assert "1 requests, 0 answers 429" in printed
    assert (
        printed.count('"name": "GET /v1/payment/balance"') == 6
    )  # of three programs, the call and its request
    named = set(re.findall(r"^# TYPE (\S+) ", scraped, re.MULTILINE))
    seen = {name for [name] in column("metric", 1)}
    silent = {"kakaclo_throttled_total", "kakaclo_retries_total", "kakaclo_rows_total"}  # there was no reason
    assert seen - silent == {name for name in named if name.startswith(("kakaclo", "http_client"))}
    assert re.search(r'^kakaclo_cache_hits_total{.*shop="eu".*} 1', scraped, re.MULTILINE)
    for rule in blocks("promql"):
        names = set(re.findall(r"\b(?:kakaclo|http_client)_\w+", re.sub(r"\{.*?\}|by \(.*?\)|#.*", "", rule)))
        assert {name.removesuffix("_bucket").removesuffix("_count") for name in names} <= seen
        labels = set(re.findall(r"(\w+)(?:=|!=)\"", rule)) - {"error_type"}
        assert all(f"{label}=" in scraped for label in labels)


def test_the_scrape_settings_are_yaml_and_ask_the_programs_port():
    [settings] = map(yaml.safe_load, blocks("yaml"))
    [job] = settings["scrape_configs"]
    assert job["static_configs"][0]["targets"][0].rpartition(":")[2] in blocks("python")[-1]


def test_the_table_of_metrics_has_every_metric_and_the_name_that_prometheus_gives_it():
    source = "".join(
        path.read_text() for name, path in modules().items() if name.endswith("telemetry.instruments")
    )
    made = set(re.findall(r'"((?:kakaclo|http)\.[a-z.]+)",', source)) - {"kakaclo.lane"}
    assert {name for [name] in column("metric", 0)} == made


def test_the_table_of_events_has_every_event():
    kinds = {getattr(public, name) for name in public.NAMES}
    kinds = {kind.__name__ for kind in kinds if isinstance(kind, type) and issubclass(kind, Event)}
    assert {name for [name] in column("event", 0)} == kinds - {"Event"}


def test_the_table_of_loggers_has_every_logger():
    named = {
        name
        for path in modules().values()
        for name in re.findall(r'getLogger\("([^"]+)"\)', path.read_text())
    }
    assert {name for [name] in column("logger", 0)} == named
