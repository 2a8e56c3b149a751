from __future__ import annotations

import pytest
from support.board import Visitor, scene

from kakaclo_async.board import serve


@pytest.fixture
async def shown(tmp_path):
    """A shop to look at."""
    async with scene(tmp_path) as found:
        yield found


@pytest.fixture
async def reader(shown):
    """Somebody who looks at a board that only reads."""
    async with (
        serve(kk=shown.kk, db=shown.db, journal=shown.journal) as board,
        Visitor(board.url) as visitor,
    ):
        yield visitor


@pytest.fixture
async def writer(shown):
    """Somebody who looks at a board that also writes."""
    async with (
        serve(kk=shown.kk, db=shown.db, journal=shown.journal_url, write=True) as board,
        Visitor(board.url) as visitor,
    ):
        yield visitor
