"""Charts as SVG, made here: no script draws them, and what reads pages aloud has their title, beside a table."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from markupsafe import Markup

if TYPE_CHECKING:
    from collections.abc import Sequence

    Points = Sequence[tuple[float, float]]

_WIDTH: Final = 720
_HEIGHT: Final = 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 16, 16, 28
_COLOURS: Final = 8
_BAR: Final = 22


def _svg(title: str, height: int, body: Sequence[Markup]) -> Markup:
    return Markup(
        '<svg class="chart" role="img" aria-label="{title}" viewBox="0 0 {width} {height}"'
        ' xmlns="http://www.w3.org/2000/svg"><title>{title}</title>{body}</svg>'
    ).format(title=title, width=_WIDTH, height=height, body=Markup("").join(body))


def _text(x: float, y: float, text: str, anchor: str = "start") -> Markup:
    return Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(x, y, anchor, text)


def _line(x1: float, y1: float, x2: float, y2: float) -> Markup:
    return Markup('<line class="grid" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>').format(
        x1, y1, x2, y2
    )


class _Plane:
    """Where values lie in a chart.

    Args:
        points: all that are drawn.
        floor: the least value that is shown below them.
    """

    def __init__(self, points: Points, floor: float | None = None) -> None:
        times, values = [time for time, _ in points], [value for _, value in points]
        self.first, self.last = min(times), max(*times, min(times) + 1)
        low = min(values) if floor is None else floor
        high = max(*values, low + 1e-9)
        room = (high - low) * 0.08 or 1.0
        self.low, self.high = (low - room if floor is None else low), high + room

    def x(self, time: float) -> float:
        return _LEFT + (time - self.first) / (self.last - self.first) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        return _HEIGHT - _BOTTOM - (value - self.low) / (self.high - self.low) * (_HEIGHT - _TOP - _BOTTOM)

    def grid(self, unit: str) -> list[Markup]:
        drawn: list[Markup] = []
        for step in range(4):
            value = self.low + (self.high - self.low) * step / 3
            drawn += [
                _line(_LEFT, self.y(value), _WIDTH - _RIGHT, self.y(value)),
                _text(_LEFT - 6, self.y(value) + 4, f"{value:,.{0 if self.high > 100 else 2}f}{unit}", "end"),
            ]
        return drawn


def steps(series: Sequence[tuple[str, Points]], title: str) -> Markup:
    """Draw values that hold until the next one.

    Args:
        series: a name, and seconds since 1970 with values, for each line.
        title: what is drawn.
    """
    plane = _Plane([point for _, points in series for point in points])
    body = plane.grid("")
    for turn, (_, points) in enumerate(series):
        path = f"M{plane.x(points[0][0]):.1f} {plane.y(points[0][1]):.1f}"
        path += "".join(f"H{plane.x(time):.1f}V{plane.y(value):.1f}" for time, value in points[1:])
        body.append(Markup('<path class="line c{}" d="{}"/>').format(turn % _COLOURS, path))
    for time, anchor in ((plane.first, "start"), (plane.last, "end")):
        body.append(
            _text(plane.x(time), _HEIGHT - 8, f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d}", anchor)
        )
    return _svg(title, _HEIGHT, body) + _legend([name for name, _ in series])


def lines(series: Sequence[tuple[str, Points]], title: str, seconds: float) -> Markup:
    """Draw what was measured again and again, up to now.

    Args:
        series: a name, and seconds with values, for each line.
        title: what is drawn.
        seconds: how far the chart goes back.
    """
    every = [point for _, points in series for point in points] or [(0.0, 0.0)]
    end = max(time for time, _ in every)
    plane = _Plane([*every, (end - seconds, 0.0)], floor=0.0)
    body = plane.grid("")
    for turn, (_, points) in enumerate(series):
        path = " ".join(f"{plane.x(time):.1f},{plane.y(value):.1f}" for time, value in points)
        body.append(Markup('<polyline class="line c{}" points="{}"/>').format(turn % _COLOURS, path))
    body += [
        _text(_LEFT, _HEIGHT - 8, f"{seconds / 60:.0f} minutes ago"),
        _text(_WIDTH - _RIGHT, _HEIGHT - 8, "now", "end"),
    ]
    return _svg(title, _HEIGHT, body) + _legend([name for name, _ in series])


def bars(rows: Sequence[tuple[str, float, str]], title: str) -> Markup:
    """Draw a bar for each row.

    Args:
        rows: a label, its value, and the value as text.
        title: what is drawn.
    """
    most = max((value for _, value, _ in rows), default=0.0) or 1.0
    left, room = 190, _WIDTH - 190 - 90
    body: list[Markup] = []
    for place, (label, value, text) in enumerate(rows):
        y = 8 + place * (_BAR + 8)
        width = max(1.0, value / most * room)
        body += [
            _text(left - 8, y + _BAR - 6, label, "end"),
            Markup('<rect class="bar" x="{}" y="{}" width="{:.1f}" height="{}" rx="3"/>').format(
                left, y, width, _BAR
            ),
            _text(left + width + 6, y + _BAR - 6, text),
        ]
    return _svg(title, 16 + len(rows) * (_BAR + 8), body)


def _legend(names: Sequence[str]) -> Markup:
    entries = [
        Markup('<li class="c{}">{}</li>').format(turn % _COLOURS, name) for turn, name in enumerate(names)
    ]
    return Markup('<ul class="legend">{}</ul>').format(Markup("").join(entries))
