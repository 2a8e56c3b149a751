"""The fixtures that the package brings along."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

import kakaclo_async
import kakaclo_sync

SCOPES = ["function", "class", "module", "package", "session"]


@pytest.fixture
def pytester_run(tmp_path):
    """Run a test file of a user's, who has no settings but the plugins that are installed."""

    def run(code, *options):
        (tmp_path / "test_shop.py").write_text(textwrap.dedent(code))
        command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", *options]
        done = subprocess.run(
            [*command, "--rootdir", tmp_path, tmp_path / "test_shop.py"],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.mark.process
@pytest.mark.parametrize(
    ("given", "why"),
    [
        ('"x"', "takes settings by name, such as products=30"),
        ("7, products=7", "takes settings by name, such as products=30"),
        ("nope=1", "there is no setting 'nope' of a sandbox"),
    ],
)
def test_a_marker_that_names_no_setting_says_so_for_either_face(tmp_path, given, why):
    (tmp_path / "test_shop.py").write_text(
        f"import pytest\npytestmark = pytest.mark.kakaclo_sandbox({given})\n"
        "async def test_a(kakaclo_sandbox): pass\n"
        "def test_b(kakaclo_sync_sandbox): pass\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto"]
    done = subprocess.run(
        [*command, "--rootdir", tmp_path, tmp_path / "test_shop.py"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 1
    assert "2 errors" in done.stdout
    assert done.stdout.count(f"UsageError: the marker kakaclo_sandbox{':' * (given == 'nope=1')} {why}") >= 2


def test_a_sandbox_whose_settings_were_refused_has_a_repr_for_the_traceback():
    assert repr(kakaclo_sync.Sandbox.__new__(kakaclo_sync.Sandbox)) == "<Sandbox>"


@pytest.mark.kakaclo_sandbox(products=7, index_lag=0, speed=10)
async def test_the_fixtures_are_a_local_kakaclo_and_a_client_of_it(kakaclo_sandbox, kakaclo_client):
    assert len(list(kakaclo_sandbox.catalog.spus())) == 7
    spu = next(kakaclo_sandbox.catalog.spus())
    assert (await kakaclo_client.products.get(spu)).spu == spu
    assert kakaclo_client._sender.state.rate == 20


async def test_without_the_marker_the_sandbox_has_its_defaults(kakaclo_sandbox):
    assert kakaclo_sandbox.products == 500


@pytest.mark.kakaclo_sandbox(products=7, index_lag=0, speed=10)
def test_blocking_code_has_the_same_fixtures(kakaclo_sync_sandbox, kakaclo_sync_client):
    assert isinstance(kakaclo_sync_client, kakaclo_sync.KakaClo)
    assert len(list(kakaclo_sync_sandbox.catalog.spus())) == 7
    spu = next(kakaclo_sync_sandbox.catalog.spus())
    assert kakaclo_sync_client.products.get(spu).spu == spu
    kakaclo_sync_sandbox.skip(3600)
    assert kakaclo_sync_sandbox.level == 0
    assert kakaclo_sync_client._target()._sender.state.rate == 20


def test_without_the_marker_the_blocking_sandbox_has_its_defaults(kakaclo_sync_sandbox):
    assert kakaclo_sync_sandbox.products == 500


def test_the_plugin_loads_nothing_heavy_and_leaves_no_thread_behind(pytester_run):
    output = pytester_run(
        """
        import sys, threading

        def test_before():
            assert not {"aiohttp", "attrs", "msgspec", "sqlalchemy"} & sys.modules.keys()

        def test_used(kakaclo_sync_client):
            assert kakaclo_sync_client.payment.balance().amount > 0

        def test_after():
            assert threading.active_count() == 1
        """,
        "-p",
        "no:asyncio",
        *("-p", "no:anyio", "-p", "no:schemathesis"),  # plugins of others, which import attrs by themselves
    )
    assert "3 passed" in output


def test_async_and_blocking_fixtures_work_side_by_side(pytester_run):
    output = pytester_run(
        """
        import pytest

        @pytest.mark.asyncio
        async def test_async(kakaclo_client):
            assert (await kakaclo_client.payment.balance()).amount > 0

        def test_blocking(kakaclo_sync_client):
            assert kakaclo_sync_client.payment.balance().amount > 0
        """,
        "-o",
        "asyncio_default_fixture_loop_scope=function",
    )
    assert "2 passed" in output


def test_the_async_fixtures_live_on_whatever_loop_a_test_runs_on(pytester_run):
    output = pytester_run(
        """
        import asyncio
        import pytest

        SCOPES = "function class module package session".split()
        loops = {}

        def run_on(scope):
            @pytest.mark.asyncio(loop_scope=scope)
            async def test(kakaclo_sandbox, kakaclo_client):
                assert (await kakaclo_client.payment.balance()).amount == kakaclo_sandbox.ledger.balance
                loops[scope] = asyncio.get_running_loop()
            return test

        class TestAll:
            pass

        for scope in SCOPES:
            setattr(TestAll, f"test_{scope}", staticmethod(run_on(scope)))

        def test_they_were_different_loops():
            assert len(set(loops.values())) == len(SCOPES)
        """,
        "-o",
        "asyncio_default_fixture_loop_scope=function",
    )
    assert "6 passed" in output


@pytest.mark.parametrize("fixtures", SCOPES)
@pytest.mark.parametrize("tests", ["function", "session"])
def test_whatever_loops_a_project_has_chosen_for_its_tests(pytester_run, fixtures, tests):
    output = pytester_run(
        """
        async def test_one(kakaclo_client):
            assert (await kakaclo_client.payment.balance()).amount > 0

        async def test_another(kakaclo_sandbox, kakaclo_client):
            assert (await kakaclo_client.payment.balance()).amount == kakaclo_sandbox.ledger.balance
        """,
        *("-o", "asyncio_mode=auto"),
        *("-o", f"asyncio_default_fixture_loop_scope={fixtures}"),
        *("-o", f"asyncio_default_test_loop_scope={tests}"),
    )
    assert "2 passed" in output


def test_an_app_that_makes_its_own_client_talks_to_the_sandbox(kakaclo_environment):
    with kakaclo_sync.KakaClo() as kk:
        assert kk.payment.balance().amount == kakaclo_environment.ledger.balance


async def test_so_does_an_async_one(kakaclo_environment):
    async with kakaclo_async.KakaClo() as kk:
        assert (await kk.payment.balance()).amount == kakaclo_environment.ledger.balance


def test_the_environment_is_restored_and_a_place_for_the_token_put_aside(pytester_run):
    output = pytester_run(
        """
        import os
        import pytest

        @pytest.fixture(autouse=True, scope="module")
        def developer():
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("KAKACLO_TOKEN_FROM", "env:MY_TOKEN")
                patch.delenv("KAKACLO_TOKEN", raising=False)
                yield

        def test_within(kakaclo_environment):
            from kakaclo_sync import KakaClo
            with KakaClo() as kk:
                kk.payment.balance()
            assert len(kakaclo_environment.log) == 1

        def test_after():
            assert os.environ["KAKACLO_TOKEN_FROM"] == "env:MY_TOKEN"
            assert "KAKACLO_TOKEN" not in os.environ
        """,
        "-p",
        "no:asyncio",
    )
    assert "2 passed" in output
