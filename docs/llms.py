# ruff: noqa: INP001 - imported by conf.py and by a test
"""What `llms.txt` says: every page with its title and first sentence, in the order of the site."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FOLDERS = {"": "Start", "howto": "How to", "explain": "Explanations", "reference": "Reference"}
HIDDEN = re.compile(r"<!--.*?-->|^```.*?^```$", re.DOTALL | re.MULTILINE)  # comments and code


def text(docs: Path) -> str:
    """Return the text of llms.txt."""
    lines = ["# kakaclo", "", f"> {first_sentence((docs / 'index.md').read_text(encoding='utf-8'))}"]
    for folder, heading in FOLDERS.items():
        lines += ["", f"## {heading}", ""]
        for page in sorted((docs / folder).glob("*.md")):
            if page.name != "index.md":
                written = page.read_text(encoding="utf-8")
                address = page.relative_to(docs).with_suffix(".html").as_posix()
                lines.append(f"- [{title(written)}]({address}): {first_sentence(written)}")
    return "\n".join([*lines, ""])


def title(page: str) -> str:
    """Return the first heading of a page."""
    found = re.search(r"^# (.+)$", page, re.MULTILINE)
    if not found:
        raise ValueError("a page begins with its title")
    return found[1]


def first_sentence(page: str) -> str:
    """Return the first sentence of a page's first paragraph, as plain text."""
    for paragraph in re.split(r"\n\s*\n", HIDDEN.sub("", page)):
        words = " ".join(paragraph.split())
        if words and words[0] not in "#|!<":
            plain = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", words).replace("**", "")
            return re.split(r"(?<=[.!?]) ", plain, maxsplit=1)[0]
    raise ValueError("a page begins with a sentence")
