"""The local KakaClo for blocking callers."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from kakaclo_async.sandbox import Fault, FaultKind
from kakaclo_sync import ConnectionFailed, KakaClo, Sandbox, Unauthorized


def test_it_listens_inside_with_and_no_longer(sandbox, kk):
    assert kk.payment.balance().amount == sandbox.balance
    assert sandbox.url in repr(sandbox)
    sandbox.close()
    sandbox.close()
    assert "stopped" in repr(sandbox)
    with pytest.raises(ConnectionFailed):
        kk.with_options(max_attempts=1).payment.balance()


def test_started_again_it_goes_on_with_its_state_at_the_same_port(sandbox, kk):
    sandbox.balance_form = "text"
    url, requests = sandbox.url, sandbox.requests.total()
    sandbox.close()
    sandbox.skip(60)  # also while it is stopped
    sandbox.start()
    assert sandbox.url == url
    assert kk.payment.balance().amount == sandbox.balance
    assert sandbox.requests.total() == requests + 1


def test_it_starts_only_once_and_needs_a_free_port(sandbox):
    with pytest.raises(RuntimeError, match="running already"):
        sandbox.start()
    other = Sandbox(port=sandbox.port)
    with pytest.raises(OSError, match="in use"):
        other.start()
    other.close()


def test_it_tells_what_came_in_and_shows_its_state(sandbox, kk):
    sandbox.faults.add(Fault(FaultKind.BAD_GATEWAY))
    assert kk.payment.balance()
    assert [served.status for served in sandbox.log] == [502, 200]
    assert sandbox.throttled == 0
    assert sandbox.level >= 0
    assert sandbox.journal == []
    assert sandbox.ledger.balance == sandbox.balance
    assert len(list(sandbox.catalog.products())) == 50
    assert abs((sandbox.now() - datetime.now(UTC)).total_seconds()) < 60


def test_settings_can_be_changed_while_it_runs(sandbox, kk):
    sandbox.balance_form = "object"
    assert isinstance(kk.payment.balance().raw, dict)
    sandbox.token = "another"
    with pytest.raises(Unauthorized):
        kk.payment.balance()


def test_virtual_time_can_be_skipped(sandbox):
    before = sandbox.now()
    sandbox.skip(3600)
    assert (sandbox.now() - before).total_seconds() >= 3600


def test_serving_for_ever_ends_with_ctrl_c(script):
    code = """
        import os, signal, threading, time
        def interrupt():
            while "stopped" in repr(sandbox): time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGINT)
        from kakaclo_sync import Sandbox
        sandbox = Sandbox(products=1)
        threading.Thread(target=interrupt).start()
        try:
            sandbox.serve_forever()
        except KeyboardInterrupt:
            print(repr(sandbox).split()[1])
    """
    assert script(code) == ["stopped"]


def test_a_forked_child_can_talk_to_it_but_not_steer_it(script):
    assert script("""
        import os, sys, warnings
        warnings.filterwarnings("ignore", message=".*multi-threaded.*fork")
        from kakaclo_sync import ClientClosed, KakaClo, Sandbox
        with Sandbox(products=1) as sandbox:
            pid = os.fork()
            if pid == 0:
                with KakaClo(sandbox.token, base_url=sandbox.url) as kk:
                    print(kk.payment.balance().amount)
                try:
                    sandbox.skip(1)
                except ClientClosed:
                    print("refused")
                sys.exit()
            print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
            with KakaClo(sandbox.token, base_url=sandbox.url) as kk:
                print(kk.payment.balance().amount)
    """) == ["10000.00", "refused", "0", "10000.00"]


def test_money_of_the_sandbox_is_exact():
    with (
        Sandbox(products=1, balance=Decimal("0.10")) as sandbox,
        KakaClo(sandbox.token, base_url=sandbox.url) as kk,
    ):
        assert str(kk.payment.balance().amount) == "0.10"


def test_a_setting_that_is_fixed_once_started_is_refused_and_keeps_its_value(sandbox):
    with pytest.raises(
        RuntimeError, match="products is fixed once the sandbox has started; make a new Sandbox"
    ):
        sandbox.products = 7
    assert sandbox.products == 50
