from __future__ import annotations

from operator import itemgetter
from pathlib import Path

import msgspec
import pytest
from support.calls import BY_ENDPOINT
from support.endpoints import published
from support.fuzzing import request_of

from kakaclo_async import codec

SAMPLES = Path(__file__).parent.parent / "samples"


def pytest_generate_tests(metafunc):
    """Run a test with `published` for every published answer: its name, and the type that the client reads it as."""
    if "published" in metafunc.fixturenames:
        kinds = {
            title: request_of(name, False).result
            for name in BY_ENDPOINT
            for title in published(name)
            if title != "none"
        }
        metafunc.parametrize("published", sorted(kinds.items(), key=itemgetter(0)), ids=sorted(kinds))


@pytest.fixture(scope="session")
def sample():
    """Give the bytes of a published document."""
    return lambda name: (SAMPLES / f"{name}.json").read_bytes()


@pytest.fixture(scope="session")
def read(sample):
    """Read a published answer as a type, in each of the two ways, which must agree."""

    def read_sample(name: str, kind):
        body = sample(name)
        envelope = codec.read_envelope(body)
        found = codec.decode(envelope.data, kind)
        assert found == codec.converter.structure(codec.decode(envelope.data, object), kind)
        in_one_pass = codec.decode_body(body, kind, success=10000)
        assert in_one_pass in (None, found)
        return found

    return read_sample


@pytest.fixture(scope="session")
def decode():
    """Read plain JSON data as a type."""

    def decode_value(value: object, kind, **more):
        return codec.decode(msgspec.json.Encoder(decimal_format="number").encode(value), kind, **more)

    return decode_value
