"""`record=`: a client counts what answers look like, in its file, and no call is hurt by it."""

from __future__ import annotations

import json
import re
import threading

import pytest

import kakaclo_sync
from kakaclo_async import ConfigurationError, KakaClo, Recording, contract
from kakaclo_async.client import _RecordingTransport
from kakaclo_async.database import Threads
from kakaclo_async.transport import Transport


async def test_a_client_records_what_each_endpoint_answers(sandbox, tmp_path):
    path = tmp_path / "shapes.json"
    async with KakaClo(sandbox.token, base_url=sandbox.url, record=path) as kk:
        await kk.payment.balance()
        await kk.warehouses.all()
        await kk.categories.tree()
    recording = Recording.read(path)
    assert recording.answers == 3
    counted = json.loads(path.read_text())
    assert counted["GET /v1/payment/balance 200 | data | integer"] == 1
    assert counted["GET /v1/product/countryAndWarehouse 200 | data.list[].status | =1"] > 1
    assert {difference.kind for difference in recording.drift()} <= {"never seen"}


@pytest.mark.process
def test_a_blocking_client_records_too(tmp_path):
    path = tmp_path / "shapes.json"
    with kakaclo_sync.Sandbox(products=5) as sandbox:
        for _ in range(2):  # the counts are added up
            with kakaclo_sync.KakaClo(sandbox.token, base_url=sandbox.url, record=str(path)) as kk:
                kk.payment.balance()
    assert Recording.read(path).answers == 2


async def test_views_of_a_client_record_into_one_recording(sandbox):
    recording = Recording()
    async with KakaClo(sandbox.token, base_url=sandbox.url, record=recording) as kk:
        await kk.bulk().payment.balance()
        await kk.payment.balance()
    assert recording.answers == 2


async def test_a_client_without_it_sends_with_the_plain_transport():
    async with KakaClo("token") as kk, KakaClo("token", record=Recording()) as other:
        assert type(kk._sender.state.transport) is Transport
        assert type(other._sender.state.transport) is _RecordingTransport


async def test_it_is_saved_every_100_answers(sandbox, tmp_path, monkeypatch):
    monkeypatch.setattr("kakaclo_async.client._SAVE_EVERY", 2)
    path = tmp_path / "shapes.json"
    async with KakaClo(sandbox.token, base_url=sandbox.url, record=path) as kk:
        await kk.payment.balance()
        assert not path.exists()
        await kk.payment.balance()
        while not path.exists():  # it is saved in a thread
            await kk.payment.balance()
        assert Recording.read(path).answers >= 2


async def test_a_disk_that_takes_nothing_is_told_of_once_and_breaks_no_call(
    sandbox, tmp_path, caplog, monkeypatch
):
    monkeypatch.setattr("kakaclo_async.client._SAVE_EVERY", 1)
    recording = Recording(tmp_path / "nowhere" / "shapes.json")
    async with KakaClo(sandbox.token, base_url=sandbox.url, record=recording) as kk:
        for _ in range(5):
            await kk.payment.balance()
    assert [record.levelname for record in caplog.records if "recording" in record.message] == ["WARNING"]
    assert recording.answers == 5


async def test_a_program_that_can_start_no_thread_saves_all_the_same(sandbox, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError("no thread can be started")

    monkeypatch.setattr("kakaclo_async.client._SAVE_EVERY", 1)
    monkeypatch.setattr(Threads, "submit", refuse)  # the class's: an instance would keep it
    path = tmp_path / "shapes.json"
    async with KakaClo(sandbox.token, base_url=sandbox.url, record=path) as kk:
        await kk.payment.balance()
    assert Recording.read(path).answers == 1


async def test_a_disk_that_hangs_keeps_no_call_waiting(sandbox, tmp_path, monkeypatch):
    released = threading.Event()
    write = Recording._write

    def hang(self, counts):
        released.wait(60)
        write(self, counts)

    monkeypatch.setattr(Recording, "_write", hang)
    monkeypatch.setattr("kakaclo_async.client._SAVE_EVERY", 1)
    monkeypatch.setattr("kakaclo_async.client._LONGEST_SAVE", 0.01)
    async with KakaClo(sandbox.token, base_url=sandbox.url, record=tmp_path / "shapes.json") as kk:
        for _ in range(3):
            await kk.payment.balance()
    saving = kk._sender.state.transport._saving
    assert not saving.done()  # and the client is closed
    released.set()
    await saving
    assert Recording.read(tmp_path / "shapes.json").answers >= 1


async def test_another_file_of_that_name_is_left_alone(sandbox, tmp_path, caplog):
    path = tmp_path / "orders.json"
    path.write_text('{"mine": true}')
    async with KakaClo(sandbox.token, base_url=sandbox.url, record=path) as kk:
        await kk.payment.balance()
    assert path.read_text() == '{"mine": true}'
    assert [record.levelname for record in caplog.records if "cannot be saved" in record.message] == [
        "WARNING"
    ]
    assert [held.name for held in tmp_path.iterdir()] == ["orders.json"]


async def test_a_broken_recorder_is_told_of_once_and_breaks_no_call(sandbox, monkeypatch, caplog):
    def breaks(self, request, answer):
        raise RuntimeError("a bug")

    monkeypatch.setattr(Recording, "_seen", breaks)
    async with KakaClo(sandbox.token, base_url=sandbox.url, record=Recording()) as kk:
        await kk.payment.balance()
        await kk.payment.balance()
    assert [record.levelname for record in caplog.records if "not recorded" in record.message] == ["WARNING"]


def test_without_pyyaml_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "yaml", None)
    contract._contract.cache_clear()
    try:
        with pytest.raises(ConfigurationError, match=re.escape("pip install 'kakaclo[cli]'")):
            KakaClo("token", record="shapes.json")
    finally:
        contract._contract.cache_clear()
