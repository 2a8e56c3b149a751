"""`tell_tracking`: runs that meet each other, last too long, fail, or die elsewhere; each number is told once."""

from __future__ import annotations

import asyncio
import csv
import errno
import io
import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import count

import asyncpg
import pytest
from support.postgresql import needs_postgresql, running_server
from support.shop import ADDRESS, two_countries

from kakaclo_async import ConfigurationError, InvalidRequest, Item, NewOrder
from kakaclo_async.ordering import Journal
from kakaclo_async.shop import tell_tracking
from kakaclo_async.shop.outgoing import told, tracking_told
from kakaclo_async.shop.outgoing.told import CLAIM, ClaimLost, Memory

pytestmark = pytest.mark.kakaclo_sandbox(
    products=60, index_lag=0, capacity=10_000, per_second=10_000, ship_after=3600
)
numbers = count(1)


@pytest.fixture(scope="module")
def server():
    with running_server() as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=needs_postgresql())])
async def journal(request, tmp_path):
    if request.param == "sqlite":
        return Journal(f"sqlite:///{tmp_path}/told.db")
    server, name = request.getfixturevalue("server"), f"told{next(numbers)}"
    connection = await asyncpg.connect(f"{server}/postgres")
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    return Journal(f"{server}/{name}")


@pytest.fixture
async def orders(kk, sandbox):
    """What is under way: two orders, a SKU in a package each."""
    skus = two_countries(sandbox.catalog)
    for number, sku in enumerate(skus):
        await kk.orders.create(NewOrder(address=ADDRESS, items=[Item(sku, 1)], custom_order_id=f"#{number}"))
    sandbox.skip(2 * 3600)
    return {(f"#{number}", sku) for number, sku in enumerate(skus)}


@pytest.fixture
def tell(kk, sandbox, journal, tmp_path):
    def run(*, out=tmp_path / "tracking.csv", later=0.0, **options):
        since = sandbox.now() - timedelta(days=1)
        now = datetime.now(UTC) + timedelta(seconds=later)
        return tell_tracking(kk, journal, out, target="csv", **{"since": since, **options}, now=lambda: now)

    return run


@pytest.fixture
def files(tmp_path):
    """All rows of all files; no part file may be left beside them."""

    def read():
        assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
        found = Counter()
        for path in tmp_path.glob("*.csv"):
            with path.open(newline="") as file:
                found.update((row["custom_order_id"], row["shop_sku"]) for row in csv.DictReader(file))
        return found

    return read


@pytest.fixture
def alive(monkeypatch):
    """Runs of this process count as alive: only time ends their claims."""
    monkeypatch.setattr(told, "_has_ended", lambda _process: False)


async def test_runs_at_once_tell_each_row_once(tell, orders, files):
    reports = await asyncio.gather(*(tell() for _ in range(5)))

    assert files() == Counter(orders)
    assert sum(len(report.rows) for report in reports) == len(orders)


async def test_a_run_finds_out_anew_when_another_has_told_something_since(tell, orders, files, monkeypatch):
    claim, others = Memory.claim, []

    async def late(self, *arguments, **options):
        monkeypatch.setattr(Memory, "claim", claim)
        others.append(await tell())
        return await claim(self, *arguments, **options)

    monkeypatch.setattr(Memory, "claim", late)

    assert (await tell()).file is None
    assert [len(other.rows) for other in others] == [2]
    assert files() == Counter(orders)


@pytest.mark.parametrize(
    ("step", "after"), [("write_part", False), ("write_part", True), ("give_name", False)]
)
async def test_a_run_that_lasts_too_long_gives_way_to_one_that_took_over(
    tell, orders, files, monkeypatch, alive, step, after
):
    real, others = getattr(tracking_told, step), []
    loop = asyncio.get_running_loop()

    def slow(*arguments):
        monkeypatch.setattr(tracking_told, step, real)
        if after:
            real(*arguments)
        others.append(asyncio.run_coroutine_threadsafe(tell(later=CLAIM + 1), loop).result(30))
        return None if after else real(*arguments)

    monkeypatch.setattr(tracking_told, step, slow)

    with pytest.raises(ClaimLost, match="run it again"):
        await tell()
    assert [len(other.rows) for other in others] == [2]
    assert files() == Counter(orders)
    assert (await tell()).file is None


async def test_a_run_that_lasts_too_long_after_its_file_is_out_is_told_already(
    tell, orders, files, monkeypatch, alive
):
    done, others = Memory.done, []

    async def slow(self, claim):
        monkeypatch.setattr(Memory, "done", done)
        others.append(await tell(later=CLAIM + 1))
        await done(self, claim)

    monkeypatch.setattr(Memory, "done", slow)

    assert len((await tell()).rows) == 2
    assert [other.file for other in others] == [None]
    assert "it counts as told" in others[0].notes[0]
    assert files() == Counter(orders)


async def test_a_run_that_goes_on_after_all_is_not_taken_for_one_that_died_before_its_file_was_whole(
    tell, orders, files, monkeypatch, alive
):
    """The other one has read that nothing was written yet, and gives the claim up when the file is out."""
    written, drop, done = Memory.written, Memory._drop, Memory.done
    reached, goes_on, is_out, is_over = (asyncio.Event() for _ in range(4))

    async def slowly_written(self, *arguments):
        monkeypatch.setattr(Memory, "written", written)
        reached.set()
        await goes_on.wait()
        await written(self, *arguments)

    async def slowly_done(self, claim):
        monkeypatch.setattr(Memory, "done", done)
        is_out.set()
        await is_over.wait()
        await done(self, claim)

    async def slowly_dropped(self, *arguments):
        monkeypatch.setattr(Memory, "_drop", drop)
        goes_on.set()
        await is_out.wait()
        return await drop(self, *arguments)

    for name, step in (("written", slowly_written), ("done", slowly_done), ("_drop", slowly_dropped)):
        monkeypatch.setattr(Memory, name, step)
    first = asyncio.create_task(tell())
    await reached.wait()
    other = await tell(later=CLAIM + 1)
    is_over.set()

    assert (other.file, len((await first).rows)) == (None, 2)
    assert files() == Counter(orders)


async def test_what_another_run_is_telling_is_left_to_it(tell, orders, files, monkeypatch, alive):
    written, others = Memory.written, []

    async def slow(self, *arguments):
        monkeypatch.setattr(Memory, "written", written)
        others.append(await tell(later=CLAIM - 5))
        await written(self, *arguments)

    monkeypatch.setattr(Memory, "written", slow)

    assert len((await tell()).rows) == 2
    assert others[0].file is None
    assert others[0].notes == (
        "another run is telling 2 items of packages now: what it does not tell, a later one does",
    )
    assert files() == Counter(orders)


async def test_what_a_run_on_another_machine_left_is_a_problem_until_it_is_told_again(
    tell, orders, monkeypatch, tmp_path, files
):
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(told.socket, "gethostname", lambda: "other-machine")

        async def die(_self, _claim):
            raise ConfigurationError("gone")

        elsewhere.setattr(Memory, "done", die)
        with pytest.raises(ConfigurationError) as caught:
            await tell()
    assert "is written, and the journal could not keep that" in caught.value.__notes__[0]

    found = await tell(later=CLAIM + 1)
    again = await tell(later=CLAIM + 1, again=True)

    assert (found.file, len(found.problems)) == (None, 2)
    assert "a run on another machine was stopped while it told its tracking numbers" in found.problems[0]
    assert (len(again.rows), again.problems) == (2, ())
    assert (await tell(later=CLAIM + 1)).problems == ()
    assert files() == Counter(dict.fromkeys(orders, 2))


@pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP])
async def test_a_disk_without_second_names_will_do(tell, orders, files, monkeypatch, code):
    def link(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", link)

    assert [len((await tell()).rows) for _ in range(2)] == [2, 0]
    assert files() == Counter(orders)


@pytest.mark.parametrize("step", ["write_part", "give_name"])
async def test_what_could_not_be_written_is_told_by_the_next_run(tell, orders, files, monkeypatch, step):
    with monkeypatch.context() as full:

        def fail(*_):
            raise OSError(errno.ENOSPC, "No space left on device")

        full.setattr(tracking_told, step, fail)
        with pytest.raises(ConfigurationError, match="tracking.csv cannot be written: No space left"):
            await tell()
    assert files() == Counter()

    await tell()

    assert files() == Counter(orders)


async def test_a_stream_that_took_nothing_is_given_it_again(tell, orders):
    class Broken(io.BytesIO):
        def flush(self):
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        await tell(out=Broken())
    stream = io.BytesIO()

    report = await tell(out=stream)

    assert (report.file, len(report.rows)) == (None, 2)
    assert stream.getvalue().count(b"\n") == 3
    assert (await tell(out=stream)).rows == ()


async def test_by_default_it_looks_back_30_days_or_to_the_last_time_that_it_told_something(tell, orders):
    first = await tell(since=None)
    later = await tell(since=None, later=40 * 86_400.0)

    assert timedelta(0) <= datetime.now(UTC) - first.since - timedelta(days=30) < timedelta(minutes=5)
    assert later.since < first.since + timedelta(days=29, minutes=5)


async def test_a_naive_time_is_refused(tell):
    with pytest.raises(InvalidRequest):
        await tell(since=datetime(2026, 1, 1))  # noqa: DTZ001 - that is the point
