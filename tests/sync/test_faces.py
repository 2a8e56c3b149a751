"""A client or a journal of the other face is refused at the door, in a sentence; a journal works for both where it can."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

import kakaclo_async
import kakaclo_async.board
import kakaclo_async.catalog
import kakaclo_async.ordering
import kakaclo_async.shop
import kakaclo_async.telemetry
import kakaclo_sync
import kakaclo_sync.catalog
import kakaclo_sync.ordering
import kakaclo_sync.shop
import kakaclo_sync.telemetry
from kakaclo_async import ConfigurationError

SINCE = datetime(2026, 1, 1, tzinfo=UTC)
NOTHING = [5, None, "token"]


@pytest.fixture
def urls(tmp_path):
    return {"db": f"sqlite:///{tmp_path}/catalog.db", "journal": f"sqlite:///{tmp_path}/orders.db"}


ASYNC_DOORS = {
    "mirror": lambda kk, urls: kakaclo_async.catalog.Mirror(kk, urls["db"]),
    "settle": lambda kk, urls: kakaclo_async.ordering.Journal(urls["journal"]).settle(kk),
    "finish": lambda kk, urls: kakaclo_async.ordering.Journal(urls["journal"]).finish(kk),
    "telemetry": lambda kk, _: kakaclo_async.telemetry.instrument(kk),
    "board": lambda kk, urls: kakaclo_async.board.serve(kk=kk or 0, db=urls["db"]),
    "tracking": lambda kk, _: kakaclo_async.shop.tracking(kk, since=SINCE),
    "tell": lambda kk, urls: kakaclo_async.shop.tell_tracking(
        kk, kakaclo_async.ordering.Journal(urls["journal"]), "out.csv", target="csv"
    ),
}
BLOCKING_DOORS = {
    "mirror": lambda kk, urls: kakaclo_sync.catalog.Mirror(kk, urls["db"]),
    "settle": lambda kk, urls: kakaclo_sync.ordering.Journal(urls["journal"]).settle(kk),
    "finish": lambda kk, urls: kakaclo_sync.ordering.Journal(urls["journal"]).finish(kk),
    "telemetry": lambda kk, _: kakaclo_sync.telemetry.instrument(kk),
    "tracking": lambda kk, _: kakaclo_sync.shop.tracking(kk, since=SINCE),
    "tell": lambda kk, urls: kakaclo_sync.shop.tell_tracking(
        kk, kakaclo_sync.ordering.Journal(urls["journal"]), "out.csv", target="csv"
    ),
}


@pytest.mark.parametrize("door", ASYNC_DOORS)
@pytest.mark.parametrize("given", [kakaclo_sync.KakaClo, *NOTHING])
async def test_what_takes_an_async_client_takes_no_other(urls, tmp_path, monkeypatch, door, given):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match=r"kk must be a kakaclo_async\.KakaClo, not ") as caught:
        made = ASYNC_DOORS[door](given("t") if isinstance(given, type) else given, urls)
        await made
    assert isinstance(given, type) == ("not kakaclo_sync." in str(caught.value))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("door", BLOCKING_DOORS)
@pytest.mark.parametrize("given", [kakaclo_async.KakaClo, *NOTHING])
def test_what_takes_a_blocking_client_takes_no_other(urls, tmp_path, monkeypatch, door, given):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match=r"kk must be a kakaclo_sync\.KakaClo, not "):
        BLOCKING_DOORS[door](given("t") if isinstance(given, type) else given, urls)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.process
async def test_the_board_takes_a_journal_of_either_face(urls):
    for face in (kakaclo_async, kakaclo_sync):
        board = kakaclo_async.board.serve(journal=face.ordering.Journal(urls["journal"]))
        assert isinstance(board._desk.journal, kakaclo_async.ordering.Journal)


@pytest.mark.parametrize("given", [5, object()])
def test_the_board_takes_nothing_else_for_a_journal(given):
    with pytest.raises(ConfigurationError, match="journal must be a Journal, not "):
        kakaclo_async.board.serve(journal=given)
