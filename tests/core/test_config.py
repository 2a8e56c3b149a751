from __future__ import annotations

import pytest

import kakaclo_async
import kakaclo_sync
from kakaclo_async.config import Caching, Options
from kakaclo_async.errors import ConfigurationError
from kakaclo_async.guards import Guards
from kakaclo_async.ratelimit.bucket import RateLimit
from kakaclo_async.ratelimit.local import LocalBucket
from kakaclo_async.token import Token
from kakaclo_async.transport.endpoint import ENVIRONMENTS, choose_base_url


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    monkeypatch.delenv("KAKACLO_TOKEN", raising=False)
    monkeypatch.delenv("KAKACLO_BASE_URL", raising=False)


def test_the_environments_are_the_documented_ones():
    assert choose_base_url("production", None) == "https://developer.kakaclo.com/openapi"
    assert choose_base_url("test", None) == "https://test-developer.kakaclo.com/openapi"
    assert set(ENVIRONMENTS) == {"production", "test"}


def test_an_address_overrides_the_environment_and_the_variable(monkeypatch):
    monkeypatch.setenv("KAKACLO_BASE_URL", "https://proxy.example/kk/")
    assert choose_base_url(None, None) == "https://proxy.example/kk"
    assert choose_base_url("production", "https://other.example") == "https://other.example"


@pytest.mark.parametrize("environment", ["production", "test"])
def test_an_environment_beside_a_variable_that_says_otherwise_is_refused(environment, monkeypatch):
    monkeypatch.setenv("KAKACLO_BASE_URL", "http://127.0.0.1:8700/openapi")
    with pytest.raises(ConfigurationError, match="KAKACLO_BASE_URL name two places"):
        choose_base_url(environment, None)
    monkeypatch.setenv("KAKACLO_BASE_URL", f"{ENVIRONMENTS[environment]}/")
    assert choose_base_url(environment, None) == ENVIRONMENTS[environment]


def test_an_unknown_environment_is_refused():
    with pytest.raises(ConfigurationError, match="production, test"):
        choose_base_url("staging", None)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8700/openapi", "http://localhost/x", "http://[::1]:9"])
def test_plain_http_is_taken_on_loopback(url):
    assert choose_base_url("production", url) == url


@pytest.mark.parametrize("url", ["http://kakaclo:8700/openapi", "http://10.0.0.1/x", "http://notkakaclo.com"])
def test_plain_http_to_another_machine_needs_leave(url, monkeypatch):
    with pytest.raises(ConfigurationError, match="allow_http=True"):
        choose_base_url(None, url)
    assert choose_base_url(None, url, allow_http=True) == url
    monkeypatch.setenv("KAKACLO_BASE_URL", url)
    monkeypatch.setenv("KAKACLO_ALLOW_HTTP", "1")
    with pytest.raises(ConfigurationError, match="allow_http=True"):
        choose_base_url(None, None)
    assert choose_base_url(None, None, allow_http=True) == url


@pytest.mark.parametrize("host", ["developer.kakaclo.com", "kakaclo.com", "KakaClo.COM", "a.kakaclo.com."])
def test_kakaclo_itself_never_gets_plain_http(host):
    with pytest.raises(ConfigurationError, match="must be HTTPS"):
        choose_base_url(None, f"http://{host}/openapi", allow_http=True)


def test_leave_is_a_yes_or_no():
    with pytest.raises(ConfigurationError, match="allow_http must be True or False, not str"):
        choose_base_url(None, "http://kakaclo:8700/openapi", allow_http="no")


@pytest.mark.parametrize(
    "url",
    [
        "http://developer.kakaclo.com/openapi",
        "http://10.0.0.1/",
        "http://127.0.0.1.example.com/",
        "ftp://127.0.0.1/",
        "developer.kakaclo.com",
        "https://",
        "https://user:secret@example.com",
        "https://example.com/?a=1",
        "https://example.com/#top",
        "https://example.com:port/",
        "https://[::1",
    ],
)
def test_an_address_that_could_leak_the_token_is_refused(url):
    with pytest.raises(ConfigurationError) as caught:
        choose_base_url("production", url)
    assert "secret" not in str(caught.value)


def test_a_missing_token_is_refused_with_the_way_to_get_one():
    with pytest.raises(ConfigurationError, match="KAKACLO_TOKEN"):
        Token(None)


@pytest.mark.parametrize("token", ["", " ", "a b", "a\r\nX-Evil: 1", "tök", "a\x00b"])
def test_a_token_that_no_header_can_carry_is_refused_and_not_shown(token):
    with pytest.raises(ConfigurationError) as caught:
        Token(token)
    assert not token.strip() or token not in str(caught.value)


async def test_a_token_comes_from_the_variable_a_function_or_a_coroutine(monkeypatch):
    monkeypatch.setenv("KAKACLO_TOKEN", "from-variable")

    async def fetch():
        return "from-coroutine"

    assert await Token(None).read() == "from-variable"
    assert await Token("plain").read() == "plain"
    assert await Token(lambda: "from-function").read() == "from-function"
    assert await Token(fetch).read() == "from-coroutine"
    with pytest.raises(ConfigurationError):
        await Token(lambda: "").read()


def test_a_token_never_shows():
    token = Token("s3cret")
    assert "s3cret" not in f"{token!r} {token}"
    assert token.scrub("bad token s3cret") == "bad token ***"
    assert Token(lambda: "s3cret").scrub("text") == "text"
    assert Token("t").scrub("the text") == "the text"


@pytest.mark.parametrize(
    "changes",
    [
        {"timeout": 0},
        {"timeout": float("nan")},
        {"max_wait": -1},
        {"max_wait": float("nan")},
        {"max_attempts": 0},
        {"lane": "fast"},
    ],
)
def test_options_that_cannot_work_are_refused(changes):
    with pytest.raises(ValueError):
        Options(**changes)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("timeout", "30"),
        ("max_wait", "soon"),
        ("max_attempts", 2.5),
        ("max_attempts", True),
        ("attempt_timeout", "5"),
        ("reserve", "20"),
        ("reserve", -1),
        ("bucket", 120),
        ("rate_limit", 2.0),
        ("base_url", b"https://example.com"),
        ("caching", 60),
        ("guards", "read_only"),
    ],
)
@pytest.mark.parametrize("face", [kakaclo_async, kakaclo_sync])
def test_a_setting_of_another_type_is_one_sentence_that_names_it(face, name, value):
    with pytest.raises(ConfigurationError, match=rf"{name}\b") as caught:
        face.KakaClo("token", **{name: value}).stats()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "make",
    [
        lambda: RateLimit("120"),
        lambda: RateLimit(120, "2"),
        lambda: RateLimit(120, 2, margin="1"),
        lambda: Caching(freight="10m"),
        lambda: Caching(size=1.5),
        lambda: Guards(max_orders_per_hour="3"),
    ],
)
def test_so_is_a_part_of_a_setting(make):
    with pytest.raises(ConfigurationError, match="must be a"):
        make()


async def test_a_bucket_and_a_rate_that_disagree_are_refused():
    bucket = LocalBucket(RateLimit(60, 1.0))
    with pytest.raises(ConfigurationError, match="bucket= and rate_limit= disagree"):
        kakaclo_async.KakaClo("token", bucket=bucket, rate_limit=RateLimit(120, 2.0))
    async with kakaclo_async.KakaClo("token", bucket=bucket, rate_limit=RateLimit(60, 1.0)) as kk:
        assert kk.stats()
