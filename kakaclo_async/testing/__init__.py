"""What tests of code that uses KakaClo need.

With pytest, the fixtures `kakaclo_sandbox` and `kakaclo_client` are there by themselves (they are async, and need
pytest-asyncio), and so are `kakaclo_sync_sandbox` and `kakaclo_sync_client` for blocking code. A marker sets the
sandbox up:

    @pytest.mark.kakaclo_sandbox(products=50, index_lag=0)
    async def test_my_shop(kakaclo_sandbox, kakaclo_client): ...

    @pytest.mark.kakaclo_sandbox(speed=100)
    def test_my_view(kakaclo_sync_sandbox, kakaclo_sync_client): ...

`SteppedLoop` is an event loop whose clock is stepped: waiting for a permit, a retry or the end of a cache entry
takes no real time, while loopback HTTP and threads work as ever. With pytest-asyncio, `conftest.py` gives it to
the tests that carry a marker (a whole module opts in with `pytestmark = pytest.mark.stepped`):

    def pytest_configure(config):
        config.addinivalue_line("markers", "stepped: the event loop's clock jumps to the next timer")

    def pytest_asyncio_loop_factories(item):
        stepped = item.get_closest_marker("stepped")
        return {"stepped": SteppedLoop} if stepped else {"real": asyncio.new_event_loop}

Without pytest-asyncio: `asyncio.Runner(loop_factory=SteppedLoop)`.
"""

from kakaclo_async.testing.clock import SteppedLoop

__all__ = ["SteppedLoop"]
