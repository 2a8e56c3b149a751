"""Where KakaClo is, and the proxy on the way there: checked before a token leaves."""

from __future__ import annotations

import ipaddress
import os
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from kakaclo_async.errors import ConfigurationError

ENVIRONMENTS: Final = {
    "production": "https://developer.kakaclo.com/openapi",
    "test": "https://test-developer.kakaclo.com/openapi",
}
_PORTS: Final = {"http": 80, "https": 443}


def choose_base_url(environment: str | None, base_url: str | None, *, allow_http: bool = False) -> str:
    """Return the base URL to use, without a slash at its end: one place has one name, which journals are called by.

    Args:
        environment: "production" or "test"; None: as the environment variable KAKACLO_BASE_URL says, or production.
        base_url: overrides both.
        allow_http: whether another machine may be spoken to over plain HTTP; KakaClo's own never are. No environment
            variable allows it: whoever sets one address wrong would send the token to everybody on the way.

    Raises:
        ConfigurationError: an unknown environment, or another one than KAKACLO_BASE_URL names; or an address that is
            not HTTPS (loopback may be HTTP).
    """
    if environment is not None and environment not in ENVIRONMENTS:
        known = ", ".join(ENVIRONMENTS)
        raise ConfigurationError(f"unknown environment {environment!r}: choose one of {known}")
    if base_url is not None and not isinstance(base_url, str):  # pyright: ignore[reportUnnecessaryIsInstance] - callers err
        raise ConfigurationError(f"base_url must be a text, not {type(base_url).__name__}")
    if not isinstance(allow_http, bool):  # pyright: ignore[reportUnnecessaryIsInstance] - likewise; "no" is no refusal
        raise ConfigurationError(f"allow_http must be True or False, not {type(allow_http).__name__}")
    named = os.environ.get("KAKACLO_BASE_URL")
    if not base_url and environment and named and named.rstrip("/") != ENVIRONMENTS[environment]:
        raise ConfigurationError(
            f"environment={environment!r} and the environment variable KAKACLO_BASE_URL name two places: leave out one"
        )
    url = (base_url or named or ENVIRONMENTS[environment or "production"]).rstrip("/")
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError as error:
        raise ConfigurationError(f"base_url is no address: {error}") from None
    if not host or parts.scheme not in {"http", "https"} or parts.username or parts.query or parts.fragment:
        raise ConfigurationError("base_url must look like https://host/path, without user, query or fragment")
    if parts.scheme == "http" and not is_loopback(host):
        if f".{host}".endswith((".kakaclo.com", ".kakaclo.com.")):
            raise ConfigurationError(
                f"base_url must be HTTPS: over plain HTTP all on the way to {host} see the token"
            )
        if not allow_http:
            raise ConfigurationError(
                f"base_url must be HTTPS: over plain HTTP {host} would see the token, and all on the way there;"
                " if it is a sandbox, say allow_http=True (--allow-http)"
            )
    return parts._replace(netloc=parts.netloc.lower().removesuffix(f":{_PORTS[parts.scheme]}")).geturl()


def choose_proxy(base_url: str, proxy: str | None) -> str | None:
    """Return the proxy to use, None for none.

    Args:
        base_url: where the client talks to.
        proxy: `http://user:password@host:port`; "" for none; None: as HTTPS_PROXY, ALL_PROXY and NO_PROXY (or the
            settings of macOS and Windows) say, and never for loopback.

    Raises:
        ConfigurationError: it is no such address, or would see the token.
    """
    parts = urlsplit(base_url)
    host, source = parts.hostname or "", "proxy"
    if proxy is None:
        with_port = f"{f'[{host}]' if ':' in host else host}:{parts.port or _PORTS[parts.scheme]}"
        if is_loopback(host) or proxy_bypass(host) or proxy_bypass(with_port):
            return None
        proxies = getproxies()
        proxy, source = proxies.get(parts.scheme) or proxies.get("all"), "the proxy of the environment"
        if proxy and "://" not in proxy:
            proxy = f"http://{proxy}"
    if not proxy:
        return None
    own = None
    with suppress(AttributeError, TypeError, ValueError):
        parsed = urlsplit(proxy)
        own = parsed if parsed.scheme in {"http", "https"} and parsed.hostname and parsed.port != 0 else None
    if own is None:  # the text is not shown: it may hold a password
        raise ConfigurationError(
            f"{source} must look like http://user:password@host:port; for SOCKS give a session with a connector for it"
        )
    if parts.scheme == "http" and not is_loopback(own.hostname or ""):
        raise ConfigurationError(f"{source} would see the token: base_url is plain HTTP")
    return proxy


def environment_name(base_url: str) -> str:
    """Return "production", "test", "local" for this machine, or else the URL itself."""
    if is_loopback(urlsplit(base_url).hostname or ""):
        return "local"
    return next((name for name, url in ENVIRONMENTS.items() if url == base_url), base_url)


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
