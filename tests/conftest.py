from __future__ import annotations

import asyncio
import os

from hypothesis import settings

from kakaclo_async.testing import SteppedLoop

# The suite is the same in every run; `make fuzz` looks for new cases.
settings.register_profile("suite", derandomize=True, deadline=None)
settings.register_profile("fuzz", max_examples=2000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))


def pytest_configure(config):
    config.addinivalue_line("markers", "stepped: the event loop's clock jumps to the next timer")


def pytest_asyncio_loop_factories(item):
    stepped = item.get_closest_marker("stepped")
    return {"stepped": SteppedLoop} if stepped else {"real": asyncio.new_event_loop}
