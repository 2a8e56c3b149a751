# ruff: noqa: INP001 - a script
"""Draw `pulls.svg` and `once.svg`: how a pull misses nothing, and how an order is placed exactly once.

python docs/pictures/drawings.py
"""

from __future__ import annotations

from pathlib import Path

BAD, GOOD, PALE, INK = "#b5483a", "#1f6f8b", "#e8f1f4", "#333"
HEAD = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0} {1}" font-family="sans-serif" font-size="13">'
)
ARROW = (
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    f'<path d="M0 0 L8 4 L0 8 z" fill="{INK}"/></marker></defs>'
)


def text(x: float, y: float, words: str, *, colour: str = INK, anchor: str = "middle", more: str = "") -> str:
    """Return a line of text."""
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="{colour}" {more}>{words}</text>'


def box(x: float, y: float, width: float, lines: list[str], *, colour: str = GOOD, fill: str = PALE) -> str:
    """Return a box with lines of text in its middle."""
    height = 18 * len(lines) + 14
    words = "".join(text(x + width / 2, y + 21 + 18 * number, line) for number, line in enumerate(lines))
    frame = (
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="5" fill="{fill}" stroke="{colour}"/>'
    )
    return frame + words


def arrow(path: str, *, dashed: bool = False) -> str:
    """Return a line with a tip."""
    dashes = ' stroke-dasharray="4 4"' if dashed else ""
    return f'<path d="{path}" fill="none" stroke="{INK}" marker-end="url(#tip)"{dashes}/>'


def picture(width: int, height: int, title: str, *parts: str) -> str:
    """Return a whole picture, on white."""
    ground = f'<rect width="{width}" height="{height}" fill="#fff"/>'
    return "\n".join(
        [HEAD.format(width, height), f"<title>{title}</title>", ARROW, ground, *parts, "</svg>\n"]
    )


def column(x: float, heading: str, rows: str, page: range, lost: str = "", twice: str = "") -> str:
    """Return a list of rows, newest first, with the part that one request shows."""
    drawn = [text(x + 45, 84, heading)]
    for number, row in enumerate(rows):
        colour = BAD if row == lost else GOOD if number in page else "#bbb"
        fill = "#f7e4e1" if row == lost else PALE if number in page else "#fff"
        y = 94 + number * 26
        drawn.append(f'<rect x="{x}" y="{y}" width="90" height="22" rx="3" fill="{fill}" stroke="{colour}"/>')
        drawn.append(text(x + 45, y + 16, f"{row}{' (again)' if row == twice else ''}"))
    return "".join(drawn)


def pulls() -> str:
    """Return the picture of a plain page loop beside a pull by key."""
    return picture(
        760, 350, "A plain page loop loses a row that a pull by key keeps",
        text(20, 26, "A window of time, newest first, three rows a page. Between the two requests B is updated:",
             anchor="start"),
        text(20, 44, "it leaves the window, and every row behind it moves up.", anchor="start"),
        text(175, 66, "a plain page loop", colour=BAD, more='font-weight="bold"'),
        column(50, "page 1", "ABCDEFG", range(3)),
        column(210, "page 2", "ACDEFG", range(3, 6), lost="D"),
        text(175, 305, "D stood on page 2, and now stands on page 1:", colour=BAD),
        text(175, 323, "nobody sees it, and nothing says so", colour=BAD),
        text(555, 66, "a pull by key", colour=GOOD, more='font-weight="bold"'),
        column(430, "until now", "ABCDEFG", range(3)),
        column(590, "until the time of C", "CDEFG", range(3), twice="C"),
        arrow("M522 157 C 555 157, 555 105, 587 105"),
        text(555, 305, "the oldest row of a page is the end of the next window;", colour=GOOD),
        text(555, 323, "the totals of both answers must agree with what was seen", colour=GOOD),
    )  # fmt: skip


def once() -> str:
    """Return the picture of an order on its way."""
    return picture(
        760, 330, "An order is written down before it is sent, and an unknown outcome is looked up",
        box(20, 40, 130, ["orders.submit", "(any worker)"], fill="#fff"),
        box(215, 40, 150, ["journal: sending", "written down", "before a byte leaves"]),
        box(445, 40, 110, ["KakaClo", "one order"], fill="#fff"),
        box(630, 40, 110, ["journal: done", "its number"]),
        box(415, 155, 170, ["journal: unknown", "no answer, a reset,", "a 500, kill -9"], colour=BAD, fill="#f7e4e1"),
        box(415, 265, 170, ["search KakaClo's orders"], fill="#fff"),
        arrow("M150 65 H212"),
        arrow("M365 65 H442"),
        arrow("M555 65 H627"),
        text(592, 57, "answer"),
        arrow("M500 90 V152", dashed=True),
        text(508, 125, "no answer", anchor="start", colour=BAD),
        arrow("M500 223 V262"),
        arrow("M585 281 H685 V92"),
        text(640, 300, "found"),
        arrow("M415 281 H290 V112"),
        text(298, 240, "not there when", anchor="start"),
        text(298, 257, "the quiet time is", anchor="start"),
        text(298, 274, "over", anchor="start"),
        text(282, 220, "send again", anchor="end", colour=GOOD),
        arrow("M85 40 C 85 18, 200 24, 330 24 S 685 22, 685 37", dashed=True),
        text(330, 14, "the same order again: its outcome, without a request"),
    )  # fmt: skip


if __name__ == "__main__":
    for name, drawing in (("pulls", pulls()), ("once", once())):
        Path(__file__).with_name(f"{name}.svg").write_text(drawing, encoding="utf-8")
