"""Nobody but the holder of the printed address gets in: no other site, no other name, no request that is not its own."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys

import aiohttp
import pytest
from support.board import Visitor
from yarl import URL

from kakaclo_async.board import Board, serve
from kakaclo_async.board.guard import HEADERS
from kakaclo_async.errors import ConfigurationError

PAGES = ["/", "/products/A", "/products/?key=A", "/freight", "/orders", "/orders/1", "/orders/1/refund", "/families/A", "/families/?key=A", "/doubts",
         "/doubts/finish", "/mirror", "/mirror/now", "/traffic", "/traffic/now", "/static/board.css", "/fleet", "/fleet/now", "/nothing"]  # fmt: skip


@pytest.fixture
async def board():
    async with serve(write=True) as board:
        yield board


@pytest.fixture
async def visitor(board):
    async with Visitor(board.url) as visitor:
        yield visitor


async def raw(board, text):
    """Send a request as it is written, and return the answer."""
    address = URL(board.url)
    reader, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(text.replace("PORT", str(address.port)).replace("\n", "\r\n").encode())
    answer = await reader.read()
    writer.close()
    return answer.decode()


def test_every_page_that_is_served_is_tried():
    """A page that is new stands in neither list, and fails here."""
    served = [path for method, path, _ in Board()._routes() if method == "GET"]
    tried = [page.partition("?")[0] for page in PAGES]
    patterns = {path: re.sub(r"\{[^}]*\}", "[^/]*", path) for path in served}
    assert len(served) > 10
    assert {
        path for path, pattern in patterns.items() if not any(re.fullmatch(pattern, page) for page in tried)
    } == set()


@pytest.mark.parametrize("path", PAGES)
async def test_without_the_cookie_no_page_is_shown(board, path):
    async with (
        aiohttp.ClientSession() as stranger,
        stranger.get(URL(board.url).origin().join(URL(path))) as answer,
    ):
        assert answer.status == 403
        assert "<" not in await answer.text()


@pytest.mark.parametrize("token", ["", "x", "a" * 32, "\u00e9"])
async def test_a_wrong_token_sets_no_cookie(board, token):
    async with (
        aiohttp.ClientSession() as stranger,
        stranger.get(URL(board.url).with_query(token=token), allow_redirects=False) as answer,
    ):
        assert answer.status == 403
        assert "Set-Cookie" not in answer.headers


async def test_the_printed_address_sets_a_cookie_that_no_script_reads_and_leaves_the_token_out(board):
    async with aiohttp.ClientSession() as session, session.get(board.url, allow_redirects=False) as answer:
        assert answer.status == 303
        assert answer.headers["Location"] == "/"
        cookie = answer.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert URL(board.url).query["token"] not in cookie


async def test_the_printed_address_never_leads_to_another_host(board):
    token = URL(board.url).query["token"]
    answer = await raw(
        board, f"GET //evil.example/?token={token} HTTP/1.1\nHost: 127.0.0.1:PORT\nConnection: close\n\n"
    )
    assert "Location: /evil.example/\r\n" in answer


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:PORT", "127.0.0.1", "127.0.0.1:1", "", "localhost.:PORT"]
)
async def test_a_foreign_host_is_refused_even_with_the_token(board, host, path):
    token = URL(board.url).query["token"]
    answer = await raw(board, f"GET {path}?token={token} HTTP/1.1\nHost: {host}\nConnection: close\n\n")
    assert answer.startswith(("HTTP/1.1 421", "HTTP/1.0 421"))
    assert "Set-Cookie" not in answer


async def test_localhost_is_this_machine_too(board):
    answer = await raw(board, "GET / HTTP/1.1\nHost: localhost:PORT\nConnection: close\n\n")
    assert answer.startswith("HTTP/1.1 403")


@pytest.mark.parametrize("path", ["/doubts/finish", "/orders/1/refund"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "https://127.0.0.1"},
        {"Origin": ""},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"},
    ],
)
async def test_a_form_of_another_site_is_refused(visitor, path, headers):
    status, text = await visitor.post(path, headers, form="x")
    assert status == 403
    assert "site" in text or "own pages" in text


async def test_a_post_without_origin_is_refused(visitor):
    async with visitor.session.post(f"{visitor.origin}/doubts/finish", data={"form": "x"}) as answer:
        assert answer.status == 403


@pytest.mark.parametrize("form", [{}, {"form": ""}, {"form": "guess"}])
async def test_a_post_without_the_token_of_a_form_is_refused(visitor, form):
    status, text = await visitor.post("/doubts/finish", **form)
    assert status == 403
    assert "was not shown" in text


async def test_a_request_that_another_site_makes_a_browser_send_is_refused(visitor):
    for site in ("cross-site", "same-site"):
        status, _ = await visitor.get("/", headers={"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors"})
        assert status == 403
    status, _ = await visitor.get("/", headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"})
    assert status == 200, "a person followed a link; the cookie would not have come from there"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH"])
async def test_other_methods_are_refused(visitor, method):
    async with visitor.session.request(method, visitor.origin + "/") as answer:
        assert answer.status == 405


@pytest.mark.parametrize("path", [*PAGES, "/?token=wrong"])
async def test_every_answer_keeps_scripts_frames_and_foreign_pages_out(visitor, path):
    for session in (visitor.session, aiohttp.ClientSession()):
        async with session.get(visitor.origin + path) as answer:
            assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
            text = await answer.text()
            if "html" in answer.content_type:
                assert not re.search(
                    r"<script(?! src=)|\son\w+=|\sstyle=|<style|javascript:|hx-on|hx-vals", text
                )
                assert "http://" not in text.replace("http://www.w3.org/2000/svg", "").replace(
                    visitor.origin, ""
                )
        if session is not visitor.session:
            await session.close()


@pytest.mark.parametrize(
    "path",
    ["/static/..%2fguard.py", "/static/%2e%2e/guard.py", "/static//etc/passwd", "/static/board.css%00", "/static/",
     "/products/..%2f..%2fetc%2fpasswd", "/families/..%2f..%2fetc%2fpasswd", "/..%2f..%2fetc%2fpasswd"],
)  # fmt: skip
async def test_no_path_leads_to_a_file(board, visitor, path):
    answer = await raw(board, f"GET {path} HTTP/1.1\nHost: 127.0.0.1:PORT\nConnection: close\n"
                              f"Cookie: {cookie_of(visitor)}\n\n")  # fmt: skip
    assert not answer.startswith("HTTP/1.1 2") or "without a catalog" in answer
    assert "root:" not in answer
    assert "class Guard" not in answer


async def test_no_address_names_another_database(shown, tmp_path, reader):
    other = tmp_path / "other.db"
    for name in ("db", "url", "database", "journal"):
        status, page = await reader.get("/", params={name: f"sqlite:///{other}"})
        assert status == 200
        assert "60 in the mirror" in page
    assert not other.exists()


def cookie_of(visitor):
    return "; ".join(f"{cookie.key}={cookie.value}" for cookie in visitor.session.cookie_jar)


async def test_a_large_form_is_refused_before_it_is_read(visitor):
    assert (await visitor.post("/doubts/finish", form="x" * 70_000))[0] == 413


async def test_the_cookie_of_one_board_opens_no_other(visitor):
    async with serve() as other:
        [cookie] = visitor.session.cookie_jar
        async with (
            aiohttp.ClientSession() as session,
            session.get(
                URL(other.url).origin(),
                headers={"Cookie": f"kakaclo_board_{URL(other.url).port}={cookie.value}"},
            ) as answer,
        ):
            assert answer.status == 403


async def test_it_listens_on_loopback_alone(board):
    [site] = board._runner.sites
    assert {socket.getsockname()[0] for socket in site._server.sockets} == {"127.0.0.1"}


async def test_a_port_that_is_taken_is_told(board):
    with pytest.raises(ConfigurationError, match="cannot be used"):
        await serve(port=URL(board.url).port).start()


async def test_a_board_that_is_stopped_has_no_address_and_starts_again():
    board = serve()
    with pytest.raises(ConfigurationError, match="start it first"):
        _ = board.url
    for _ in range(2):
        async with board:
            with pytest.raises(ConfigurationError, match="started already"):
                await board.start()
            async with Visitor(board.url):
                pass
    await board.aclose()


@pytest.mark.process
@pytest.mark.parametrize("missing", ["jinja2", "sqlalchemy"])
def test_a_missing_extra_is_named_with_the_command_that_installs_it(missing):
    script = f"import sys; sys.modules[{missing!r}] = None; import kakaclo_async.board"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    last = done.stderr.splitlines()[-1]
    assert "MissingExtra" in last
    assert "pip install 'kakaclo[" in last
