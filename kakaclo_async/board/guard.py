"""Who may look at the board: whoever holds the address that it printed, from this machine, and no other site.

Every page answers only to the names of loopback, so that no foreign name can be pointed here; only with a cookie that
the printed address sets; and what changes something only with a form that the board itself has shown, once.
"""

from __future__ import annotations

import hmac
import logging
import secrets
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

import attrs
from aiohttp import web

from kakaclo_async.errors import InvalidRequest, KakaCloError, NotFound

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    Handler = Callable[[web.Request], Awaitable[web.Response]]

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' https: data:; connect-src 'self';"
        " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Not `no-referrer`: the `Origin` of the board's own forms would be "null".
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""What every answer carries. Pictures come from KakaClo's servers, by https; nothing else comes from elsewhere."""

HOSTS: Final = ("127.0.0.1", "localhost", "::1")
"""The names of loopback that pages answer to."""

_LARGEST_FORM: Final = 65_536
_MOST_FORMS: Final = 1_000
_log = logging.getLogger("kakaclo")


class Forms:
    """The forms that were shown and not sent yet: each has a token of its own, and is taken once."""

    def __init__(self) -> None:
        self._shown: OrderedDict[str, object] = OrderedDict()

    def offer(self, action: object) -> str:
        """Return the token of a form; what it would do stays here, so that nothing else can be sent with it."""
        token = secrets.token_urlsafe(24)
        self._shown[token] = action
        if len(self._shown) > _MOST_FORMS:
            self._shown.popitem(last=False)
        return token

    def take(self, token: object) -> object:
        """Return what a form does, for the first time that it is sent.

        Raises:
            Refused: the board did not show it, or it was sent before.
        """
        if not isinstance(token, str) or token not in self._shown:
            raise Refused(
                "This form was not shown by the board, or it was sent before. Go back, load the page anew,"
                " and look whether it is done already."
            )
        return self._shown.pop(token)


class Refused(Exception):
    """A request that the board does not answer."""


@attrs.frozen
class Guard:
    """Lets in whoever holds the token.

    Args:
        port: tells where it is served.
        explain: makes a page of an error: title, text, status.
    """

    port: Callable[[], int]
    explain: Callable[[web.Request, str, str, int], web.Response]
    token: str = attrs.field(factory=lambda: secrets.token_urlsafe(24), repr=False)
    _session: str = attrs.field(factory=lambda: secrets.token_urlsafe(24), repr=False)

    @property
    def cookie(self) -> str:
        """The name of the cookie. Browsers share cookies between the ports of a host; names keep them apart."""
        return f"kakaclo_board_{self.port()}"

    def wrap(self, handler: Handler) -> Handler:
        """Return a handler that answers only those who may look, and turns errors into pages."""

        async def guarded(request: web.Request) -> web.Response:
            response = self._let_in(request)
            if response is None:
                response = await self._answer(handler, request)
            response.headers.update(HEADERS)
            return response

        return guarded

    def _let_in(self, request: web.Request) -> web.Response | None:
        """Return what to answer instead of the page; None for whoever may see it."""
        hosts = {f"{f'[{host}]' if ':' in host else host}:{self.port()}" for host in HOSTS}
        if request.headers.get("Host", "").lower() not in hosts:
            return _plain("The board answers only to the address that it has printed.", 421)
        if not _is_same_site(request.headers):
            return _plain("Another site has asked for this page.", 403)
        if request.method not in {"GET", "HEAD", "POST"}:
            return _plain("The board knows no such method.", 405)
        origin = request.headers.get("Origin")
        if request.method == "POST" and origin != f"http://{request.headers['Host'].lower()}":
            return _plain("Only the board's own pages may send forms to it.", 403)
        offered = request.query.get("token")
        if offered is not None and request.method == "GET" and _equal(offered, self.token):
            return self._welcome(request)
        if not _equal(request.cookies.get(self.cookie, ""), self._session):
            return _plain("Open the address that the board has printed, with its token.", 403)
        if (request.content_length or 0) > _LARGEST_FORM or (
            request.method == "POST" and request.content_length is None
        ):
            return _plain("The form is too large.", 413)
        return None

    def _welcome(self, request: web.Request) -> web.Response:
        place = "/" + request.rel_url.raw_path.lstrip("/")  # two slashes would be another host
        response = web.Response(status=303, headers={"Location": place})
        response.set_cookie(self.cookie, self._session, httponly=True, samesite="Strict", path="/")
        return response

    async def _answer(self, handler: Handler, request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except Refused as refusal:
            return self.explain(request, "Refused", str(refusal), 403)
        except web.HTTPRedirection as answer:
            return web.Response(status=answer.status, headers={"Location": answer.headers["Location"]})
        except web.HTTPException as answer:
            return self.explain(request, answer.reason, "There is nothing here.", answer.status)
        except NotFound as error:
            return self.explain(request, "Not found", str(error), 404)
        except InvalidRequest as error:
            return self.explain(request, "That cannot be asked", str(error), 400)
        except KakaCloError as error:
            text = "; ".join([str(error), *getattr(error, "__notes__", [])])
            return self.explain(request, "That did not work", text, 502)
        except Exception:  # noqa: BLE001 - the log has its traceback, and other pages go on
            _log.exception("the board's page %s failed", request.path)
            return self.explain(
                request,
                "That did not work",
                "A fault in the board: its log says more. Please report it.",
                500,
            )


def _is_same_site(headers: Mapping[str, str]) -> bool:
    """Whether a browser says that the board's own page asks, or a person who types, or follows a link."""
    site = headers.get("Sec-Fetch-Site", "none")
    return site in {"same-origin", "none"} or headers.get("Sec-Fetch-Mode") == "navigate"


def _equal(offered: str, wanted: str) -> bool:
    return hmac.compare_digest(offered.encode(errors="replace"), wanted.encode())


def _plain(text: str, status: int) -> web.Response:
    return web.Response(text=f"{text}\n", status=status)
