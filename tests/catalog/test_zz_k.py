import pytest
from test_mirror_crash import *  # noqa
@pytest.mark.timeout(600)
async def test_k(fresh_database, mirror_of, rows_served):
    await check(30, 2, fresh_database, mirror_of, rows_served)
