"""The blocking mirror."""

import sqlite3
import threading
from datetime import UTC, datetime, timedelta

import pytest

from kakaclo_sync import ConfigurationError, Mirror, NotFound


@pytest.fixture
def path(tmp_path):
    return tmp_path / "catalog.db"


def rows(path, table):
    connection = sqlite3.connect(path)
    try:
        return connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 - a constant
    finally:
        connection.close()


def test_a_run_mirrors_the_catalog(kk, path):
    reports = []
    mirror = Mirror(kk, f"sqlite:///{path}", progress=reports.append)
    report = mirror.run()
    assert report.complete
    assert rows(path, "product") == 50
    assert rows(path, "sku") == len(
        {level.sku for level in kk.stocks.updated(datetime(2015, 1, 1, tzinfo=UTC), datetime.now(UTC))}
    )
    assert reports
    assert mirror.status().products == 50
    assert len({change.id for change in mirror.changes()}) > 0
    assert mirror.verify().complete
    assert "catalog.db" in repr(mirror)


def test_inside_with_the_database_stays_open(kk, path):
    with Mirror(kk.bulk(), f"sqlite:///{path}") as mirror:
        assert mirror.run(since=datetime.now(UTC) - timedelta(days=3650)).complete
        assert mirror.run().complete
    mirror.close()
    assert rows(path, "product") == 50


def test_a_url_that_cannot_work_is_refused_at_once(kk):
    with pytest.raises(ConfigurationError):
        Mirror(kk, "mysql://host/name")


def test_follow_tells_changes_on_this_thread_where_blocking_calls_work(kk, path):
    told = []

    def tell(change):
        told.append((threading.current_thread(), kk.products.get(change.spu).spu == change.spu))
        if len(told) == 3:
            mirror.stop()

    mirror = Mirror(kk, f"sqlite:///{path}")
    mirror.follow(1.0, on_change=tell, after=0)
    assert told[:3] == [(threading.current_thread(), True)] * 3


def test_an_error_of_on_change_comes_out_of_follow(kk, path):
    def tell(change):
        raise NotFound("gone", status=404)

    with pytest.raises(NotFound, match="gone"):
        Mirror(kk, f"sqlite:///{path}").follow(1.0, on_change=tell, after=0)


def test_follow_from_another_thread_is_ended_by_stop(kk, path):
    mirror = Mirror(kk, f"sqlite:///{path}", sleep=lambda seconds: stopped())
    mirror.stop()  # harmless

    async def stopped():
        mirror._target().stop()

    thread = threading.Thread(target=mirror.follow, kwargs={"stop_on_signals": True})
    thread.start()
    thread.join(60)
    assert not thread.is_alive()
    assert rows(path, "product") == 50


FOLLOW = """
    import threading
    mirror = Mirror(kk, "sqlite:///{path}")
    seen = threading.Event()
"""


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_signals_stop_follow_in_order_if_wanted(client_script, path, number):
    code = f"""
        import os, signal
        before = signal.getsignal(signal.SIGINT)
        def tell(change):
            os.kill(os.getpid(), signal.{number})
        Mirror(kk, "sqlite:///{path}").follow(1.0, on_change=tell, after=0, stop_on_signals=True)
        print("stopped", signal.getsignal(signal.SIGINT) is before)
    """
    assert client_script(code) == ["stopped", "True"]


def test_ctrl_c_ends_follow_and_leaves_the_client_usable(client_script, sandbox, path):
    code = f"""
        import os, signal
        def tell(change):
            os.kill(os.getpid(), signal.SIGINT)
        try:
            Mirror(kk, "sqlite:///{path}").follow(1.0, on_change=tell, after=0)
        except KeyboardInterrupt:
            print(type(kk.payment.balance()).__name__)
    """
    assert client_script(code) == ["Balance"]


def test_a_mirror_open_at_a_fork_stays_the_parents(client_script, path):
    code = f"""
        import os, sys, warnings
        warnings.filterwarnings("ignore", message=".*multi-threaded.*fork")
        with Mirror(kk, "sqlite:///{path}") as mirror:
            print(mirror.run().complete, flush=True)
            pid = os.fork()
            if pid == 0:
                print(mirror.status().products)
                sys.exit()
            print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
            print(mirror.run().complete)
    """
    assert client_script(code) == ["True", "50", "0", "True"]
