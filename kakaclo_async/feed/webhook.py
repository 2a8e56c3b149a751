"""Webhooks: where events are posted to, and how a receiver knows that they are ours."""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from typing import Final
from urllib.parse import urlsplit

from kakaclo_async.codec.outgoing import Secret
from kakaclo_async.errors import ConfigurationError
from kakaclo_async.transport.endpoint import is_loopback

SIGNATURE_HEADER: Final = "Kakaclo-Signature"
_SIGNED: Final = re.compile(r"t=(\d{1,15})((?:,v1=[0-9a-f]{64})+)", re.ASCII)
_LEAST_SECRET: Final = 16


class Webhook:
    """Where events are posted to.

    Args:
        url: HTTPS; plain HTTP only for this machine. It may hold a secret, and is never shown.
        secret: signs what is posted: 16 characters or more, known to the receiver and nobody else.
        name: what its cursor and its retries are kept under; by default made from the URL, so that another URL begins
            with the first event that is kept.
        timeout: seconds for one post.
        allow_http: whether another machine may be posted to over plain HTTP.

    Raises:
        ConfigurationError: a URL that will not do, a secret that is too short, or a time that cannot be.
    """

    def __init__(
        self,
        url: str,
        secret: str,
        *,
        name: str | None = None,
        timeout: float = 10.0,
        allow_http: bool = False,
    ) -> None:
        self.url: Final = Secret(url)
        self.secret: Final = Secret(secret)
        self.host: Final = _checked(url, allow_http=allow_http)
        if len(secret) < _LEAST_SECRET:
            raise ConfigurationError(
                f"the webhook's secret must have {_LEAST_SECRET} characters or more: python -c 'import secrets;"
                " print(secrets.token_urlsafe(32))' makes one"
            )
        if not 0 < timeout <= 300:
            raise ConfigurationError(f"timeout must be above 0 and at most 300 seconds, not {timeout!r}")
        self.timeout: Final = timeout
        self.name: Final = name or f"webhook {self.host} {hashlib.sha256(url.encode()).hexdigest()[:16]}"

    def __repr__(self) -> str:
        return f"<Webhook {self.host}>"

    def headers(self, body: bytes, now: float) -> dict[str, str]:
        """Return the headers of a post at a time in seconds since 1970."""
        stamp = int(now)
        signed = f"t={stamp},v1={_digest(self.secret, stamp, body)}"
        return {SIGNATURE_HEADER: signed, "Content-Type": "application/json"}


def verify_signature(
    body: bytes, header: str | None, secret: str, tolerance: float = 300.0, *, now: float | None = None
) -> bool:
    """Tell whether a post is from whoever knows the secret, and was made just now.

    Check it before you read the body, and answer 401 if it is false.

    Args:
        body: the request's, byte by byte as it came.
        header: its `Kakaclo-Signature`; None if there is none.
        secret: the webhook's.
        tolerance: seconds that the clocks, and the time on the way, may differ; keep ids for as long, to drop what is
            posted to you again.
        now: seconds since 1970; the present by default.
    """
    found = _SIGNED.fullmatch(header or "")
    if found is None or not secret:
        return False
    stamp = int(found[1])
    if abs((time.time() if now is None else now) - stamp) > tolerance:
        return False
    expected = _digest(secret, stamp, body)
    given = found[2].split(",v1=")[1:]
    return any(hmac.compare_digest(expected, one) for one in given)


def _digest(secret: str, stamp: int, body: bytes) -> str:
    return hmac.new(secret.encode(), b"%d." % stamp + body, hashlib.sha256).hexdigest()


def _checked(url: str, *, allow_http: bool) -> str:
    """Return the host of a webhook; nothing else of its URL is ever shown."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if (
        not host
        or parts.scheme not in {"http", "https"}
        or parts.username
        or parts.password
        or parts.fragment
    ):
        raise ConfigurationError(
            "the webhook's URL must look like https://host/path, without user, password and fragment"
        )
    if parts.scheme == "http" and not is_loopback(host) and not allow_http:
        raise ConfigurationError(
            f"the webhook's URL must be HTTPS: over plain HTTP all on the way to {host} read and change the events;"
            " if that is what you want, say allow_http=True"
        )
    return host if port is None else f"{host}:{port}"
