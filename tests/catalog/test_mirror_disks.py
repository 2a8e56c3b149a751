"""Disks that are full or may not be written: one error, nothing half-written, and the next run goes on."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
import tempfile
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path

import pytest
from support.postgresql import USER, needs_postgresql
from support.serving import served

from kakaclo_async import ConfigurationError

NOBODY = 65534
PG_FULL = "No space left on device|could not write init file"
"""The second is what a new connection meets, which stores a list of the catalog's tables."""


@pytest.fixture
def small_disk():
    """Mounts file systems of a few megabytes, which only root may do."""
    mounted = []

    def mount(size):
        folder = tempfile.mkdtemp(prefix="kakaclo-disk-")
        mounted.append(folder)
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=False, capture_output=True
        )
        if done.returncode:
            mounted.pop()
            Path(folder).rmdir()
            pytest.skip("file systems cannot be mounted here")
        return Path(folder)

    yield mount
    for folder in mounted:
        subprocess.run(["umount", folder], check=True)
        Path(folder).rmdir()


@pytest.fixture
def somebody():
    """A folder, while the test is somebody whom file permissions hold."""
    folder = Path(tempfile.mkdtemp(prefix="kakaclo-user-"))
    folder.chmod(0o777)
    user = os.geteuid()
    if user == 0:
        os.chown(folder, NOBODY, -1)
        os.seteuid(NOBODY)
    yield folder
    os.seteuid(user)
    folder.chmod(0o777)
    shutil.rmtree(folder)


async def enlarge(disk, size):
    mount = await asyncio.create_subprocess_exec("mount", "-o", f"remount,size={size}", str(disk))
    assert await mount.wait() == 0


def fill(disk):
    with suppress(OSError), (disk / "filling").open("wb", buffering=0) as file:
        while file.write(bytes(65536)):
            pass


def sums(db):
    """Whether every sum of stock is that of its rows."""
    return db.one(
        "SELECT count(*) FROM product"
        " WHERE stock IS NOT (SELECT sum(stock) FROM sku WHERE sku.spu = product.spu)"
    )


@pytest.mark.process
async def test_a_disk_that_fills_up_midway_keeps_what_was_stored_and_goes_on_later(small_disk, mirror_of, db):
    disk = small_disk("1500k")
    db.path = disk / "catalog.db"
    url = f"sqlite:///{db.path}"
    async with served(products=400) as (sandbox, kk):
        with pytest.raises(ConfigurationError, match="database or disk is full|disk I/O error") as caught:
            await mirror_of(sandbox, kk, url).run()
        stored = db.one("SELECT count(*) FROM product")
        whole = db.one("PRAGMA integrity_check"), sums(db)
        await enlarge(disk, "50m")
        before = sandbox.requests.total()

        report = await mirror_of(sandbox, kk, url).run()

    assert "\n" not in str(caught.value)
    assert whole == ("ok", 0)
    assert 0 < stored < 400
    assert report.complete
    assert report.products < 400
    assert sandbox.requests.total() - before < before + report.requests
    assert db.one("SELECT count(*) FROM product") == 400
    assert sums(db) == 0


async def test_an_sqlite_file_of_a_limited_size_is_full_in_the_same_way(mirror_of, db, monkeypatch):
    from kakaclo_async.catalog import database

    full = (*database._WRITER_PRAGMAS, "max_page_count = 120")
    async with served(products=400) as (sandbox, kk):
        with monkeypatch.context() as patch:
            patch.setattr(database, "_WRITER_PRAGMAS", full)
            with pytest.raises(ConfigurationError, match="database or disk is full"):
                await mirror_of(sandbox, kk).run()
        stored = db.one("SELECT count(*) FROM product")

        report = await mirror_of(sandbox, kk).run()

    assert 0 < stored < 400
    assert report.complete
    assert 400 - stored <= report.products < 400
    assert db.one("PRAGMA integrity_check") == "ok"
    assert db.one("SELECT count(*) FROM product") == 400


@asynccontextmanager
async def database_on(disk, pg):
    """A database of PostgreSQL whose tables lie on a disk."""
    shutil.chown(disk, USER)
    await pg.rows(f"CREATE TABLESPACE small LOCATION '{disk}'")
    await pg.rows("CREATE DATABASE on_a_small_disk TABLESPACE small")
    try:
        yield type(pg)(f"{pg.url.rpartition('/')[0]}/on_a_small_disk")
    finally:
        await pg.rows("DROP DATABASE on_a_small_disk")
        await pg.rows("DROP TABLESPACE small")


@needs_postgresql()
async def test_a_postgresql_disk_that_fills_up_midway_keeps_what_was_stored_and_goes_on_later(
    small_disk, mirror_of, pg
):
    disk = small_disk("10m")
    async with database_on(disk, pg) as small, served(products=2000) as (sandbox, kk):
        with pytest.raises(ConfigurationError, match=PG_FULL):
            await mirror_of(sandbox, kk, small.url).run()
        await enlarge(disk, "90m")  # first: a full disk also refuses new connections
        [(stored,)] = await small.rows("SELECT count(*) FROM product")

        report = await mirror_of(sandbox, kk, small.url).run()

        [(products,)] = await small.rows("SELECT count(*) FROM product")
    assert 0 < stored < products == 2000
    assert report.complete
    assert 2000 - stored <= report.products < 2000


@needs_postgresql()
async def test_a_full_disk_that_refuses_connections_to_postgresql_is_one_error(small_disk, mirror_of, pg):
    disk = small_disk("30m")
    async with database_on(disk, pg) as small, served(products=60) as (sandbox, kk):
        await mirror_of(sandbox, kk, small.url).run()
        for lists in disk.rglob("pg_internal.init"):
            lists.unlink()
        fill(disk)
        with pytest.raises(ConfigurationError, match=f"on_a_small_disk cannot be reached: ({PG_FULL})"):
            await mirror_of(sandbox, kk, small.url).run()
        await enlarge(disk, "90m")

        assert (await mirror_of(sandbox, kk, small.url).run()).complete


async def refused(shop, mirror_of, url, sentence):
    sandbox, kk = shop
    sandbox.requests.clear()
    with pytest.raises(ConfigurationError, match=sentence) as caught:
        await mirror_of(sandbox, kk, url).run()
    assert sandbox.requests.total() == 0
    assert "\n" not in str(caught.value)


async def test_a_file_that_may_only_be_read_is_one_error_before_a_request(shop, mirror_of, somebody):
    sandbox, kk = shop
    url = f"sqlite:///{somebody}/catalog.db"
    await mirror_of(sandbox, kk, url).run()
    before = (somebody / "catalog.db").read_bytes()
    (somebody / "catalog.db").chmod(0o444)

    await refused(shop, mirror_of, url, "refused: attempt to write a readonly database")

    assert (somebody / "catalog.db").read_bytes() == before
    assert (await mirror_of(sandbox, kk, url).status()).products == 60


async def test_a_folder_that_may_only_be_read_is_one_error_before_a_request(shop, mirror_of, somebody):
    somebody.chmod(0o555)

    await refused(shop, mirror_of, f"sqlite:///{somebody}/catalog.db", "catalog.db.lock cannot be written")

    assert list(somebody.iterdir()) == []


@needs_postgresql()
async def test_a_postgresql_database_that_may_only_be_read_is_one_error_before_a_request(shop, mirror_of, pg):
    sandbox, kk = shop
    await mirror_of(sandbox, kk, pg.url).run()
    name = pg.url.rpartition("/")[2]
    await pg.rows(f"ALTER DATABASE {name} SET default_transaction_read_only = on")

    await refused(shop, mirror_of, pg.url, "in a read-only transaction")


def is_one_file(path):
    """Whether an SQLite database is a file that can be read without writing anything beside it."""
    names = {each.name for each in path.parent.iterdir()} - {f"{path.name}.lock"}
    return names == {path.name} and path.read_bytes()[18] == 1  # 2: it has a log of its own


async def test_a_mirror_that_has_ended_is_one_file_that_anybody_can_read(shop, mirror_of, somebody):
    sandbox, kk = shop
    path = somebody / "catalog.db"
    async with mirror_of(sandbox, kk, f"sqlite:///{path}") as mirror:
        await mirror.run()
        await mirror.run()
    somebody.chmod(0o555)

    assert is_one_file(path)
    assert path.stat().st_mode & 0o044 == 0o044
    assert (await mirror.status()).products == 60
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM product").fetchone() == (60,)


async def test_one_that_others_read_while_it_ends_stays_as_it_is_until_the_next_one(shop, mirror_of, db):
    sandbox, kk = shop
    await mirror_of(sandbox, kk).run()
    with closing(sqlite3.connect(db.path, isolation_level=None)) as reader:
        async with mirror_of(sandbox, kk) as mirror:
            reader.execute("BEGIN")
            assert reader.execute("SELECT count(*) FROM product").fetchone() == (60,)
            await mirror.run()
        assert reader.execute("SELECT count(*) FROM product").fetchone() == (60,)
    assert (await mirror_of(sandbox, kk).status()).products == 60

    assert (await mirror_of(sandbox, kk).run()).complete

    assert is_one_file(db.path)


async def test_a_file_with_a_log_of_its_own_can_be_read_from_a_disk_that_cannot_be_written(
    shop, mirror_of, somebody
):
    """As a mirror of an earlier version has left it, or one that was copied while it was open."""
    sandbox, kk = shop
    path = somebody / "catalog.db"
    mirror = mirror_of(sandbox, kk, f"sqlite:///{path}")
    await mirror.run()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    assert not is_one_file(path)
    somebody.chmod(0o555)

    assert (await mirror.status()).products == 60
    assert len([change async for change in mirror.changes()]) == 60

    somebody.chmod(0o755)
    path.with_name("catalog.db-wal").write_bytes(b"what a killed mirror has left")
    somebody.chmod(0o555)
    with pytest.raises(
        ConfigurationError, match="left by a mirror that did not end: run the mirror once more"
    ):
        await mirror.status()
