from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from kakaclo_async import codec

SAMPLES = Path(__file__).parent.parent / "samples"


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
