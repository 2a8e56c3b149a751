from __future__ import annotations

import asyncio

import pytest


async def no_pause(_seconds):
    await asyncio.sleep(0)


@pytest.fixture
def without_pauses():
    """A `sleep` for pulls that yields to the others and takes no time."""
    return no_pause
