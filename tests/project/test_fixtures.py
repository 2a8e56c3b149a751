"""The fixtures that the package brings along."""

from __future__ import annotations

import pytest


@pytest.mark.kakaclo_sandbox(products=7, index_lag=0, speed=10)
async def test_the_fixtures_are_a_local_kakaclo_and_a_client_of_it(kakaclo_sandbox, kakaclo_client):
    assert len(list(kakaclo_sandbox.catalog.spus())) == 7
    spu = next(kakaclo_sandbox.catalog.spus())
    assert (await kakaclo_client.products.get(spu)).spu == spu
    assert kakaclo_client._caller.rate == 20


async def test_without_the_marker_the_sandbox_has_its_defaults(kakaclo_sandbox):
    assert kakaclo_sandbox.products == 500
