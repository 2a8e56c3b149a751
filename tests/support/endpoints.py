"""Every endpoint of the API without a server: the request as its call sends it, and the answers that are published."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any, Final

import attrs

from kakaclo_async import KakaClo, KakaCloError
from kakaclo_async.protocol import Answer, Request
from support.calls import BY_ENDPOINT, made
from support.shop import UNLIMITED, Shop

SAMPLES: Final = Path(__file__).parents[1] / "samples"


@attrs.frozen
class Endpoint:
    """One endpoint.

    Attributes:
        name: "GET /v1/order/orders".
        request: as it leaves.
        answers: published answers, by their names.
    """

    name: str
    request: Request[Any]
    answers: dict[str, bytes]


@attrs.define
class Answers:
    """Stands in for a client's transport: an answer for each endpoint, and the requests that came.

    Attributes:
        special: answers of a test, by endpoint.
        left: how often they are given: a stream asks until it is no longer throttled.
        requests: the last request to each endpoint.
    """

    special: dict[str, Answer] = attrs.field(factory=dict)
    left: int = 5
    requests: dict[str, Request[Any]] = attrs.field(factory=dict)
    connections: int = 100

    async def send(self, request: Request[Any], token: str, *, timeout: float) -> Answer:
        name = next(
            name for name in BY_ENDPOINT if _pattern(name).fullmatch(f"{request.method} {request.path}")
        )
        self.requests[name] = request
        if name in self.special and self.left:
            self.left -= 1
            return self.special[name]
        return Answer(200, {}, next(iter(published(name).values())))

    async def aclose(self) -> None:
        """There is nothing to close."""


def _pattern(name: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{\w+\}", "[^/]+", name))


def answers() -> set[str]:
    """Return the names of all published answers."""
    return {path.stem for path in SAMPLES.glob("*.json") if not path.stem.endswith(".request")}


def published(name: str) -> dict[str, bytes]:
    """Return the published answers of an endpoint, by their names."""
    call = BY_ENDPOINT[name]
    if call.answer:
        return {"none": call.answer}
    titles = [title for title in sorted(answers()) if re.match(call.samples, title)] if call.samples else []
    assert titles, f"{name} has no published answer: its row in tests/support/calls.py names none"
    return {title: (SAMPLES / f"{title}.json").read_bytes() for title in titles}


def client(answers: Answers) -> KakaClo:
    """Return a client that sends nothing, and is given these answers."""
    kk = KakaClo("a-token", base_url="http://127.0.0.1:1", rate_limit=UNLIMITED, max_attempts=1)
    kk._sender.state.transport = answers  # type: ignore[assignment]
    return kk


async def call(name: str, answers: Answers) -> object:
    """Make the call of an endpoint; a wait of its own ends at once."""
    async with client(answers) as kk:
        return await made(BY_ENDPOINT[name].send(kk, Shop()))


def endpoints() -> tuple[Endpoint, ...]:
    """List every endpoint, with the request that its call sends."""

    async def record() -> Answers:
        answers = Answers()
        for name in BY_ENDPOINT:
            try:
                await call(name, answers)
            except KakaCloError:
                assert BY_ENDPOINT[name].has_timeout  # what was written does not show up
        return answers

    requests = asyncio.run(record()).requests
    return tuple(Endpoint(name, requests[name], published(name)) for name in BY_ENDPOINT)
