"""What a command writes never takes the place of what it, or another command, reads."""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from kakaclo_async.catalog import export
from kakaclo_async.errors import InvalidRequest

HEADER = "custom_order_id,sku,quantity,country,recipient,phone,province,city,street1,zip\n"


@pytest.fixture
def orders(kakaclo, sku):
    """Write a file of orders."""

    def write(name, *ids, quantity=1):
        Path(name).write_text(
            HEADER
            + "".join(f"{each},{sku},{quantity},US,A,555 0100,CA,Oakland,1 Main St,94607\n" for each in ids)
        )
        return name

    return write


def json_lines(path, key, sku, quantity):
    item = f'{{"sku": "{sku}", "quantity": {quantity}}}'
    address = '{"country": "US", "recipient": "A", "phone": "555 0100", "province": "CA", "city": "Oakland", "street1": "1 Main St", "zip": "94607"}'
    Path(path).write_text(f'{{"custom_order_id": "{key}", "items": [{item}], "address": {address}}}\n')


def count_placed(hosted):
    return hosted.call(lambda: len(list(hosted.sandbox.journal)))


def symlink(path):
    Path("other").symlink_to(path)


def hardlink(path):
    Path("other").hardlink_to(path)


SPELLINGS = {
    "itself": lambda path: path,
    "relative": lambda path: f"./../{Path.cwd().name}/{path}",
    "absolute": lambda path: str(Path.cwd() / path),
    "symlink": lambda path: symlink(path) or "other",
    "hard link": lambda path: hardlink(path) or "other",
}


@pytest.fixture(params=SPELLINGS)
def spelled(request):
    return SPELLINGS[request.param]


def test_results_are_not_written_onto_the_orders(kakaclo, hosted, orders, spelled):
    before = Path(orders("orders.csv", "A")).read_text()
    outcome = kakaclo("orders", "submit", "orders.csv", "--results", spelled("orders.csv"))
    assert (outcome.code, outcome.out) == (2, "")
    assert "name another file" in outcome.err
    assert Path("orders.csv").read_text() == before
    assert count_placed(hosted) == 0


@pytest.mark.parametrize("ending", ["", "-journal", "-wal", "-shm", ".lock"])
def test_results_are_not_written_onto_the_journal_that_is_there_or_will_be(kakaclo, orders, hosted, ending):
    orders("orders.csv", "A")
    command = ("orders", "submit", "orders.csv", "--journal", "./j.db", "--results", f"j.db{ending}")
    outcome = kakaclo(*command)
    assert outcome.code == 2
    assert "belongs to the journal: name another file" in outcome.err
    assert not Path("j.db").exists()
    assert kakaclo("orders", "submit", "orders.csv", "--journal", "j.db").code == 0
    before = Path("j.db").read_bytes()
    assert kakaclo(*command).code == 2
    assert Path("j.db").read_bytes() == before
    assert count_placed(hosted) == 1


@pytest.fixture
def mirrored(kakaclo):
    assert kakaclo("mirror", "--rate", "200").code == 0


def is_whole(path):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_mirror_is_not_exported_onto_itself(mirrored, kakaclo, spelled):
    target = spelled("catalog.db")
    outcome = kakaclo("export", "--what", "skus", "--format", "csv", "--out", target)
    assert outcome.code == 2
    assert "another file" in outcome.err
    assert is_whole("catalog.db")


async def test_nor_from_python(mirrored, spelled):
    with pytest.raises(InvalidRequest, match="belongs to the mirror .* itself: export to another file"):
        await export("sqlite:///catalog.db", "sku", spelled("catalog.db"), format="csv")
    assert is_whole("catalog.db")


@pytest.mark.parametrize("ending", ["-journal", "-wal", "-shm", ".lock"])
def test_nor_onto_the_files_beside_it(mirrored, kakaclo, ending):
    outcome = kakaclo("export", "--what", "skus", "--format", "csv", "--out", f"catalog.db{ending}")
    assert outcome.code == 2


@pytest.mark.parametrize("ending", ["-journal", "-wal", "-shm", ".lock"])
async def test_nor_onto_those_from_python(mirrored, ending):
    with pytest.raises(InvalidRequest, match="belongs to the mirror"):
        await export("sqlite:///catalog.db", "sku", f"catalog.db{ending}", format="csv")


def test_nor_does_a_folder_hide_it(mirrored, kakaclo):
    Path("catalog.db").rename("skus.csv")
    outcome = kakaclo("export", "--db", "sqlite:///skus.csv")
    assert outcome.code == 2
    assert is_whole("skus.csv")
    assert not Path("products.csv").exists()


def test_an_export_does_not_take_the_place_of_a_journal(mirrored, kakaclo, orders):
    assert kakaclo("orders", "submit", orders("orders.csv", "A"), "--journal", "j.db").code == 0
    outcome = kakaclo("export", "--what", "skus", "--format", "csv", "--out", "j.db")
    assert outcome.code == 2
    assert "j.db belongs to a database: give another file" in outcome.err
    assert is_whole("j.db")


def test_a_pipe_takes_an_export_and_stays_a_pipe(mirrored, kakaclo):
    os.mkfifo("pipe")
    read = []
    reader = threading.Thread(target=lambda: read.append(Path("pipe").read_text()))
    reader.start()
    outcome = kakaclo("export", "--what", "skus", "--format", "csv", "--out", "pipe")
    reader.join(30)
    assert outcome.code == 0
    assert Path("pipe").is_fifo()
    assert read[0].startswith("sku,")


def test_a_link_that_an_export_follows_stays_a_link(mirrored, kakaclo):
    Path("folder").mkdir()
    Path("skus.csv").symlink_to("folder/today.csv")
    assert kakaclo("export", "--what", "skus").code == 0
    assert Path("skus.csv").is_symlink()
    assert Path("folder/today.csv").read_text().startswith("sku,")


@pytest.mark.parametrize("number", ["9" * 20, "9" * 5000])
def test_a_number_that_is_too_long_is_refused_before_anything_is_sent(kakaclo, hosted, orders, sku, number):
    orders("orders.csv", "A", quantity=number)
    json_lines("orders.jsonl", "A", sku, number)
    for command in (
        ("submit", "orders.csv"),
        ("submit", "orders.jsonl"),
        ("create", "--yes", "--file", "orders.jsonl"),
    ):
        outcome = kakaclo("orders", *command)
        assert outcome.code == 2
        assert f"a number of {len(number)} digits is too long" in outcome.err
    assert hosted.sandbox.requests.total() == 0


@pytest.mark.parametrize(
    "command",
    [
        ("sandbox", "--products", "9" * 20),
        ("sandbox", "--port", "9" * 20),
        ("demo", "--products", "9" * 20),
        ("changes", "--after", "9" * 20),
        ("mirror", "--since", "9" * 20),
        ("export", "--what", "skus", "--out", "n" * 300 + ".csv"),
        ("orders", "submit", "orders.csv", "--results", "n" * 300 + ".csv"),
        ("orders", "submit", "n" * 300 + ".csv"),
        ("orders", "pending", "--journal", "~nobody-here/orders.db"),
    ],
)
def test_what_fits_nowhere_is_refused_in_a_sentence(kakaclo, hosted, orders, command):
    orders("orders.csv", "A")
    outcome = kakaclo(*command)
    assert outcome.code == 2
    assert outcome.err.startswith("error: ")
    assert "please report it" not in outcome.err
    assert hosted.sandbox.requests.total() == 0


def test_without_a_home_the_journal_does_not_depend_on_the_folder(kakaclo, hosted, orders, settings):
    orders("orders.csv", "A")
    settings.delenv("XDG_DATA_HOME")
    settings.setattr("os.path.expanduser", lambda path: path)  # as where no user has this number
    outcome = kakaclo("orders", "submit", "orders.csv")
    assert outcome.code == 2
    assert "you have no home folder for the journal: give --journal" in outcome.err
    assert count_placed(hosted) == 0
