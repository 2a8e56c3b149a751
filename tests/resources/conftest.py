from __future__ import annotations

import pytest

SHOP = {"products": 120, "index_lag": 0, "ship_after": 7200, "refund_settle": 600}


def pytest_itemcollected(item):
    if item.get_closest_marker("kakaclo_sandbox") is None:
        item.add_marker(pytest.mark.kakaclo_sandbox(**SHOP))
