"""Through a company's proxy, and with its own certificates: the token is seen by KakaClo alone."""

from __future__ import annotations

import asyncio
import ssl

import aiohttp
import pytest
from support.proxies import BASE_URL, behind_a_proxy

import kakaclo_sync
from kakaclo_async import KakaClo
from kakaclo_async.errors import ConfigurationError, ConnectionFailed
from kakaclo_async.sandbox import Sandbox
from kakaclo_async.transport.endpoint import choose_proxy

VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    for name in (*VARIABLES, "KAKACLO_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
async def sandbox():
    async with Sandbox(products=10) as sandbox:
        yield sandbox


@pytest.fixture
async def proxied(sandbox, tmp_path):
    async with behind_a_proxy(sandbox, login="clerk:s3cret") as (proxy, authority):
        file = tmp_path / "company.pem"
        authority.cert_pem.write_to_path(file)
        yield proxy, file


async def test_reads_and_writes_go_through_the_proxy_that_does_not_see_the_token(sandbox, proxied):
    proxy, file = proxied
    async with KakaClo(sandbox.token, base_url=BASE_URL, proxy=proxy.url, ssl=file) as kk:
        assert (await kk.payment.balance()).amount is not None
        assert await kk.warehouses.all()
    assert set(proxy.asked) == {"CONNECT kakaclo.example:443 HTTP/1.1"}
    assert sandbox.token.encode() not in proxy.seen


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
async def test_the_environments_proxy_is_used(sandbox, proxied, variable, monkeypatch):
    proxy, file = proxied
    monkeypatch.setenv(variable, proxy.url)
    async with KakaClo(sandbox.token, base_url=BASE_URL, ssl=file) as kk:
        assert await kk.warehouses.all()
    assert proxy.asked


async def test_a_blocking_client_goes_through_it(sandbox, proxied):
    proxy, file = proxied

    def work():
        with kakaclo_sync.KakaClo(sandbox.token, base_url=BASE_URL, proxy=proxy.url, ssl=str(file)) as kk:
            return kk.warehouses.all()

    assert await asyncio.to_thread(work)
    assert proxy.asked


async def test_a_context_of_the_callers_is_taken(sandbox, proxied):
    proxy, file = proxied
    trust = ssl.create_default_context(cafile=str(file))
    async with KakaClo(sandbox.token, base_url=BASE_URL, proxy=proxy.url, ssl=trust) as kk:
        assert await kk.warehouses.all()


async def test_an_authority_that_nobody_trusts_gets_no_token(sandbox, proxied):
    proxy, _ = proxied
    async with KakaClo(sandbox.token, base_url=BASE_URL, proxy=proxy.url, max_attempts=1) as kk:
        with pytest.raises(ConnectionFailed, match="certificate") as caught:
            await kk.warehouses.all()
    assert not caught.value.sent
    assert not sandbox.log


async def test_a_proxy_that_wants_a_login_is_told_in_one_sentence_without_its_password(sandbox, proxied):
    proxy, file = proxied
    wrong = proxy.url.replace("s3cret", "wr0ng")
    async with KakaClo(sandbox.token, base_url=BASE_URL, proxy=wrong, ssl=file) as kk:
        with pytest.raises(ConfigurationError, match="proxy wants a user and a password") as caught:
            await kk.warehouses.all()
    assert "wr0ng" not in f"{caught.value!r} {kk!r}"
    assert len(proxy.asked) == 1


async def test_a_proxy_that_refuses_is_named_as_the_proxy(sandbox):
    async with (
        behind_a_proxy(sandbox, status=403) as (proxy, _),
        KakaClo(sandbox.token, base_url=BASE_URL, proxy=proxy.url, max_attempts=1) as kk,
    ):
        with pytest.raises(ConnectionFailed, match=r"the proxy refused to connect .HTTP 403") as caught:
            await kk.warehouses.all()
    assert not caught.value.sent


async def test_a_proxy_that_is_away_is_named_without_its_password(sandbox, unused_tcp_port):
    away = f"http://clerk:s3cret@127.0.0.1:{unused_tcp_port}"
    async with KakaClo(sandbox.token, base_url=BASE_URL, proxy=away, max_attempts=1) as kk:
        with pytest.raises(ConnectionFailed, match=r"cannot connect to the proxy 127\.0\.0\.1:") as caught:
            await kk.warehouses.all()
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("base_url", "proxy", "environment", "used"),
    [
        ("https://a.example", None, {}, None),
        ("https://a.example", None, {"HTTPS_PROXY": "http://p:1"}, "http://p:1"),
        ("https://a.example", None, {"HTTPS_PROXY": "p:1"}, "http://p:1"),
        ("https://a.example", None, {"HTTP_PROXY": "http://p:1"}, None),
        ("https://a.example", None, {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "b.c,.example"}, None),
        ("https://a.example", None, {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "b.example"}, "http://p:1"),
        ("https://a.example", None, {"ALL_PROXY": "http://p:1", "NO_PROXY": "*"}, None),
        ("https://a.example:8443", None, {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "a.example:8443"}, None),
        ("https://a.example:8443", None, {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "a.example"}, None),
        (
            "https://a.example:8443",
            None,
            {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "a.example:443"},
            "http://p:1",
        ),
        ("https://a.example", None, {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "a.example:443"}, None),
        ("https://[fd00::1]:9", None, {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "[fd00::1]:9"}, None),
        ("https://a.example", "", {"HTTPS_PROXY": "http://p:1"}, None),
        ("https://a.example", "http://q:2", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*"}, "http://q:2"),
        ("http://127.0.0.1:8700", None, {"HTTP_PROXY": "http://p:1"}, None),
        ("http://localhost:8700", None, {"ALL_PROXY": "http://p:1"}, None),
    ],
)
def test_which_proxy_is_used(base_url, proxy, environment, used, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert choose_proxy(base_url, proxy) == used


@pytest.mark.parametrize(
    "proxy", ["socks5://u:s3cret@p:1", "p:1", "http://", "http://u:s3cret@p:port", "http://[::1", 5]
)
def test_a_proxy_that_is_none_is_refused_without_its_password(proxy):
    with pytest.raises(ConfigurationError, match="http://user:password@host:port") as caught:
        choose_proxy("https://a.example", proxy)
    assert "s3cret" not in str(caught.value)


def test_a_proxy_elsewhere_must_not_see_the_token_of_plain_http():
    with pytest.raises(ConfigurationError, match="would see the token"):
        choose_proxy("http://127.0.0.1:8700", "http://proxy.example:3128")


@pytest.mark.parametrize("setting", [{"proxy": "http://127.0.0.1:1"}, {"ssl": "company.pem"}])
async def test_a_callers_session_brings_its_own(setting):
    async with aiohttp.ClientSession() as session:
        with pytest.raises(ConfigurationError, match="session= brings proxies and trust of its own"):
            KakaClo("token", session=session, **setting)


def test_certificates_that_cannot_be_read_or_trust_everybody_are_refused(tmp_path):
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing")
    careless = ssl.create_default_context()
    careless.check_hostname = False
    for trust, why in (
        (tmp_path / "missing.pem", "No such file"),
        (empty, "cannot be read"),
        (careless, "TLS verification turned off"),
        (5, "must be an SSLContext or a file"),
    ):
        with pytest.raises(ConfigurationError, match=why):
            KakaClo("token", ssl=trust)
