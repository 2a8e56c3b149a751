"""`kakaclo doctor`: each thing that can be wrong is named, and nothing is changed."""

from __future__ import annotations

import json

import pytest
from support.ports import free_port
from support.terminal import TOKEN, Hosted

from kakaclo_async.cli.doctor import _readings
from kakaclo_async.contract import Recording
from kakaclo_async.protocol import Answer, Request
from kakaclo_async.sandbox import Fault

CHECKS = [
    "token", "clock", "reachability", "proxy", "bucket", "journal", "database",
    "orderAddress or orderAddresses", "updateDate or modifyDate", "order ids", "refund ids", "balance",
]  # fmt: skip


@pytest.fixture
def doctor(kakaclo):
    """Run it; return its exit code, and by check its state and text."""

    def run(*arguments):
        outcome = kakaclo("doctor", "--json", *arguments)
        found = json.loads(outcome.out)
        assert found["ok"] == (outcome.code == 0)
        return outcome.code, {
            finding["check"]: (finding["state"], finding["text"]) for finding in found["findings"]
        }

    return run


@pytest.fixture
def ordered(kakaclo, hosted, sku):
    """An order that the sandbox has."""
    kakaclo(
        "orders", "create", "--sku", f"{sku}:1", "--country", "US", "--recipient", "A", "--phone", "1",
        "--street1", "x", "--city", "x", "--province", "x", "--zip", "1", "--yes",
    )  # fmt: skip
    hosted.skip(700)  # the search index shows it


def test_all_is_well_where_all_is_well_and_each_check_is_a_line(kakaclo, doctor):
    code, found = doctor()
    assert code == 0
    assert list(found) == CHECKS
    assert {state for state, _ in found.values()} == {"ok"}
    outcome = kakaclo("doctor")
    _, *lines = outcome.out.splitlines()
    assert [line.split()[0] for line in lines] == ["ok"] * len(CHECKS)
    assert outcome.code == 0


def test_it_only_reads_and_asks_little(doctor, hosted, ordered, tmp_path):
    before = hosted.call(lambda: len(hosted.sandbox.log))
    files = sorted(tmp_path.rglob("*"))
    doctor()
    asked = hosted.call(lambda: [(served.method, served.path) for served in hosted.sandbox.log][before:])
    assert [method for method, _ in asked] == ["GET"] * 3
    assert sorted(tmp_path.rglob("*")) == files


def test_no_token_fails_and_the_database_is_looked_at_nevertheless(doctor, settings):
    settings.delenv("KAKACLO_TOKEN")
    code, found = doctor()
    assert code == 1
    assert list(found) == ["token", "database"]
    assert found["token"][0] == "fail"


def test_a_token_that_is_refused_fails_and_is_not_shown(doctor, settings):
    settings.setenv("KAKACLO_TOKEN", "another-token-that-is-wrong")
    code, found = doctor()
    assert code == 1
    state, text = found["token"]
    assert state == "fail"
    assert text.startswith("from KAKACLO_TOKEN; GET /v1/payment/balance was refused (HTTP 401")
    assert found["reachability"][0] == "ok"
    assert "another-token" not in str(found)


@pytest.mark.parametrize(
    ("arguments", "source"),
    [
        (["--token", TOKEN], "--token, which others can read: use --token-from"),
        (["--token-from", "env:ELSEWHERE"], "an environment variable"),
        (["--token-from", "cmd:printf " + TOKEN], "a command"),
        (["--token-from", "file:token.txt"], "a file"),
    ],
)
@pytest.mark.process
def test_it_tells_where_the_token_comes_from(doctor, settings, tmp_path, arguments, source):
    settings.delenv("KAKACLO_TOKEN")
    settings.setenv("ELSEWHERE", TOKEN)
    (tmp_path / "token.txt").write_text(TOKEN)
    (tmp_path / "token.txt").chmod(0o600)
    _, found = doctor(*arguments)
    assert found["token"] == ("ok", f"from {source}; KakaClo takes it")


def test_a_server_that_is_away_fails(doctor):
    code, found = doctor("--base-url", f"http://127.0.0.1:{free_port()}/openapi", "--timeout", "1")
    assert code == 1
    assert found["reachability"][0] == "fail"
    assert found["token"] == ("warn", "from KAKACLO_TOKEN; KakaClo was not reached")
    assert found["clock"][0] == "warn"


def test_a_clock_that_is_wrong_is_told_with_how_much(doctor, monkeypatch):
    import time

    real = time.time
    monkeypatch.setattr("kakaclo_async.cli.doctor.time.time", lambda: real() + 100)
    monkeypatch.setattr("kakaclo_async.cli.doctor.environment_name", lambda _url: "production")
    _, found = doctor()
    assert found["clock"] in {
        ("warn", f"{seconds} s ahead of KakaClo's: set this machine's clock") for seconds in range(98, 103)
    }


def test_the_clock_of_a_sandbox_may_differ_and_nobody_is_told_to_set_theirs(doctor, hosted):
    hosted.skip(3600)
    _, found = doctor()
    state, text = found["clock"]
    assert state == "ok"
    assert " s behind the sandbox's" in text
    assert "set this machine's clock" not in text


def test_the_bucket_is_told_in_words_that_add_up(doctor):
    _, found = doctor()
    assert found["bucket"] == (
        "ok", "room for 120 requests, of which 118 are sent at once and 2 kept to spare; then 2 per second",
    )  # fmt: skip


@pytest.mark.parametrize("rest", ["", "/v2"])
def test_an_address_without_its_path_is_told_by_doctor_and_by_every_command(kakaclo, doctor, sandbox, rest):
    wrong = f"{sandbox.url.removesuffix('/openapi')}{rest}"
    code, found = doctor("--base-url", wrong)
    assert (code, found["reachability"][0]) == (1, "fail")
    assert found["token"] == ("warn", "from KAKACLO_TOKEN; not known whether KakaClo takes it")
    hint = "if every call ends so, KAKACLO_BASE_URL or --base-url is wrong: KakaClo's ends with /openapi"
    assert hint in found["reachability"][1]
    assert hint in kakaclo("balance", "--base-url", wrong).err


def test_a_429_says_that_another_program_uses_the_token(doctor, hosted):
    hosted.call(hosted.sandbox.faults.add, Fault("throttled", retry_after="0"))
    code, found = doctor()
    assert code == 0
    state, text = found["bucket"]
    assert state == "warn"
    assert text.startswith("1 of 3 requests met a 429: another program uses the token")


def test_settings_that_cannot_work_fail(doctor):
    code, found = doctor("--proxy", "nonsense")
    assert code == 1
    assert found["settings"][0] == "fail"


def test_a_proxy_is_told_without_its_login(doctor):
    port = free_port()
    _, found = doctor("--proxy", f"http://someone:s3cret@127.0.0.1:{port}", "--timeout", "1")
    assert found["proxy"] == ("ok", f"127.0.0.1:{port}")
    assert "s3cret" not in str(found)


def test_a_database_is_told_of_by_what_it_holds(doctor, kakaclo, tmp_path):
    code, found = doctor("--db", f"sqlite:///{tmp_path}/none.db")
    assert (code, found["database"][0]) == (1, "fail")
    kakaclo("mirror", "--db", "sqlite:///catalog.db", "--rate", "1000000")
    code, found = doctor()
    assert code == 0
    state, text = found["database"]
    assert state == "ok"
    assert text.startswith("120 products, ")


def test_a_journal_that_cannot_be_opened_fails(doctor, tmp_path):
    (tmp_path / "orders.db").write_text("this is no database" * 100)
    code, found = doctor("--journal", tmp_path / "orders.db")
    assert (code, found["journal"][0]) == (1, "fail")


@pytest.mark.parametrize(
    ("form", "kind"), [("number", "number"), ("text", "numeric string"), ("object", "object")]
)
def test_it_tells_which_balance_this_kakaclo_has(kakaclo, settings, form, kind):
    hosted = Hosted(products=1, balance_form=form)
    settings.setenv("KAKACLO_BASE_URL", hosted.sandbox.url)
    found = json.loads(kakaclo("doctor", "--json").out)["findings"]
    hosted.close()
    [text] = [finding["text"] for finding in found if finding["check"] == "balance"]
    assert text in {f"data: {kind}", f"data: {kind.replace('number', 'integer')}"}


def test_it_tells_what_orders_look_like_once_there_is_one(doctor, ordered):
    _, found = doctor()
    assert found["updateDate or modifyDate"] == ("ok", "modifyDate: time string")
    assert found["order ids"] == ("ok", "id: numeric string")


def test_the_answers_tell_names_and_types_wherever_the_documents_contradict_themselves():
    """All of them in forms that the sandbox does not send."""
    recording = Recording()
    for path, row in {
        "/v2/order/orders": {"id": 7, "updateDate": "2022-01-07T03:29:18Z"},
        "/v2/order/orders/refund/7": {"refundNo": 9},
    }.items():
        body = json.dumps({"code": 10000, "data": {"list": [row]}}).encode()
        recording.observe(Request(method="GET", path=path, result=object), Answer(200, {}, body))
    body = b'{"code": 10000, "data": {"balance": 1.5}}'
    recording.observe(Request(method="GET", path="/v1/payment/balance", result=object), Answer(200, {}, body))
    assert {finding.check: finding.text for finding in _readings(recording)} == {
        "orderAddress or orderAddresses": "no read tells: an order finds out by itself",
        "updateDate or modifyDate": "updateDate: time string",
        "order ids": "id: integer",
        "refund ids": "refundNo: integer",
        "balance": "data: object",
    }
