# ruff: noqa: INP001 - a script
"""Draw `lanes.svg`: how long calls wait while a bulk job runs on the same token, with lanes and without.

    python docs/pictures/lanes.py

The client sends its requests over HTTP to a local KakaClo, on a clock that jumps to the next timer; nothing else is
simulated. The bulk job has 600 requests. Meanwhile a call is made every four seconds, and once 30 calls at a time: in
one run in the interactive lane, as single calls are by default, in the other in the bulk lane, as in one queue.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from kakaclo_async import KakaClo
from kakaclo_async.sandbox import Sandbox
from kakaclo_async.testing import SteppedLoop

JOB = 600  # requests
EVERY = 4.0  # seconds
END = 260.0  # seconds
BURST, BURST_AT = 30, 122.0  # calls at once, seconds
PICTURE = Path(__file__).with_suffix(".svg")

WIDTH, HEIGHT = 760, 330
LEFT, TOP, RIGHT, BOTTOM = 62, 62, 24, 46
ONE_QUEUE, LANES = "#b5483a", "#1f6f8b"


async def measure(*, lanes: bool) -> list[tuple[float, float]]:
    """Return when each call was made, and the seconds until its answer."""
    calls: list[tuple[float, float]] = []
    clock = asyncio.get_running_loop().time
    async with Sandbox(products=10) as sandbox, KakaClo(sandbox.token, base_url=sandbox.url) as kk:
        bulk = kk.bulk()
        job = [asyncio.create_task(bulk.payment.balance()) for _ in range(JOB)]
        await asyncio.sleep(0.5)

        async def call(at: float) -> None:
            await asyncio.sleep(at)
            made = clock()
            await (kk if lanes else bulk).payment.balance()
            calls.append((at, clock() - made))

        moments = [*(number * EVERY for number in range(int(END / EVERY))), *([BURST_AT] * BURST)]
        await asyncio.gather(*job, *map(call, moments))
        if sandbox.throttled:
            raise SystemExit(f"{sandbox.throttled} requests were refused: the picture would not be true")
    return sorted(calls)


def draw(one_queue: list[tuple[float, float]], lanes: list[tuple[float, float]]) -> str:
    """Return the picture as SVG."""

    def x(seconds: float) -> float:
        return LEFT + seconds / END * (WIDTH - LEFT - RIGHT)

    def y(seconds: float) -> float:
        return HEIGHT - BOTTOM - seconds / 270 * (HEIGHT - TOP - BOTTOM)

    def dots(calls: list[tuple[float, float]], colour: str) -> str:
        return "".join(
            f'<circle cx="{x(at):.1f}" cy="{y(waited):.1f}" r="3" fill="{colour}"/>' for at, waited in calls
        )

    def text(at: float, height: float, words: str, *, anchor: str = "start", colour: str = "#444") -> str:
        return f'<text x="{at:.1f}" y="{height:.1f}" text-anchor="{anchor}" fill="{colour}">{words}</text>'

    grid = "".join(
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" stroke="#ddd"/>'
        + text(LEFT - 8, y(tick) + 4, str(tick), anchor="end")
        for tick in range(0, 241, 60)
    )
    ticks = "".join(
        text(x(tick), HEIGHT - BOTTOM + 18, str(tick), anchor="middle") for tick in range(0, 241, 60)
    )
    longest = max(waited for _, waited in one_queue)
    before = max(waited for at, waited in lanes if at < BURST_AT)
    most = max(waited for _, waited in lanes)
    title = f"A call among {JOB} bulk requests on one token"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'  # noqa: ISC004 - one tag
            ' role="img" font-family="system-ui, sans-serif" font-size="13">',
            f"<title>{title}: up to {longest:.0f} s in one queue, {most:.1f} s in the interactive lane</title>",
            f'<rect width="{WIDTH}" height="{HEIGHT}" rx="8" fill="#fff"/>',
            f'<text x="{LEFT}" y="26" font-size="15" font-weight="600" fill="#222">{title}</text>',
            text(LEFT, 46, "seconds that the call waited for its answer"),
            grid,
            ticks,
            text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, "seconds since the bulk job began", anchor="middle"),
            dots(one_queue, ONE_QUEUE),
            dots(lanes, LANES),
            text(x(66), y(218), f"one queue: up to {longest:.0f} s", colour=ONE_QUEUE),
            text(x(4), y(16), f"interactive lane: {before:.1f} s", colour=LANES),
            text(
                x(BURST_AT + 4),
                y(16),
                f"{BURST} interactive calls at once: {most:.1f} s at most",
                colour=LANES,
            ),
            "</svg>",
            "",
        ]
    )


def main() -> None:
    """Measure both ways, and write the picture."""
    with asyncio.Runner(loop_factory=SteppedLoop) as runner:
        one_queue = runner.run(measure(lanes=False))
        lanes = runner.run(measure(lanes=True))
    PICTURE.write_text(draw(one_queue, lanes), encoding="utf-8")


if __name__ == "__main__":
    main()
