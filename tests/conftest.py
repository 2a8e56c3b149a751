from __future__ import annotations

import asyncio

from kakaclo_async.testing import SteppedLoop


def pytest_configure(config):
    config.addinivalue_line("markers", "stepped: the event loop's clock jumps to the next timer")


def pytest_asyncio_loop_factories(item):
    stepped = item.get_closest_marker("stepped")
    return {"stepped": SteppedLoop} if stepped else {"real": asyncio.new_event_loop}
