"""The site that `make docs` builds: without a warning, no link that leads nowhere, nothing from elsewhere, llms.txt."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

pytest.importorskip("furo", reason="the group `docs` is not installed")

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(path.relative_to(DOCS) for path in DOCS.rglob("*.md"))
MOST_PAGES_IN_A_FOLDER = 14
LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "object": "data"}
NOT_LOADED = {"canonical", "index", "search", "next", "prev"}
"""Kinds of <link> that lead somewhere, and load nothing."""

pytestmark = [pytest.mark.process, pytest.mark.long]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site that `make docs` has built, or one built as it does."""
    if there := os.environ.get("KAKACLO_SITE"):
        return ROOT / there
    [command] = re.findall(
        r"^\t\$\(BIN\)/(sphinx-build .*-b html docs) site$", (ROOT / "Makefile").read_text(), re.MULTILINE
    )
    folder = tmp_path_factory.mktemp("site")
    arguments = [*command.split()[1:-1], "-d", str(tmp_path_factory.mktemp("trees")), "docs", str(folder)]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "sphinx", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return folder


class Page(HTMLParser):
    """What a page of HTML links to, loads, and has anchors for."""

    def __init__(self, text):
        super().__init__()
        self.links, self.loads, self.anchors = set(), set(), set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.anchors |= {given[name] for name in ("id", "name") if given.get(name)}
        if tag == "a" and given.get("href"):
            self.links.add(given["href"])
        if tag in LOADED and given.get(LOADED[tag]) and given.get("rel") not in NOT_LOADED:
            self.loads.add(given[LOADED[tag]])


@cache
def read(path):
    return Page(path.read_text())


def htmls(site):
    return [path for path in site.rglob("*.html") if path.relative_to(site).parts[0] != "_static"]


def leads_nowhere(path, link):
    parts = urlsplit(link)
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if not target.is_file():
        return True
    return (
        bool(parts.fragment)
        and target.suffix == ".html"
        and unquote(parts.fragment) not in read(target).anchors
    )


def test_the_site_is_built_without_a_warning_and_has_every_page(site):
    built = {path.relative_to(site) for path in htmls(site)}
    assert {page.with_suffix(".html") for page in PAGES} <= built


def test_every_link_within_the_site_leads_to_a_page_and_its_anchor(site):
    links = [(path, link) for path in htmls(site) for link in read(path).links if not urlsplit(link).scheme]
    assert len(links) > 1000
    assert {f"{path.relative_to(site)}: {link}" for path, link in links if leads_nowhere(path, link)} == set()


def test_no_page_loads_anything_from_elsewhere(site):
    loads = [(path, load) for path in htmls(site) for load in read(path).loads]
    assert loads
    elsewhere = [load for _, load in loads if urlsplit(load).netloc]
    styles = "".join(path.read_text() for path in site.rglob("*.css"))
    elsewhere += re.findall(r"""(?:@import|url\()\s*["']?((?:https?:)?//[^"')]+)""", styles)
    assert elsewhere == []
    assert [load for path, load in loads if leads_nowhere(path, load.partition("?")[0])] == []


def test_llms_txt_names_every_page_with_its_first_sentence(site):
    text = (site / "llms.txt").read_text()
    named = dict(re.findall(r"^- \[[^\]]+\]\(([^)]+)\): (.+)$", text, re.MULTILINE))
    assert named.keys() == {page.with_suffix(".html").as_posix() for page in PAGES if page.name != "index.md"}
    assert all((site / address).is_file() for address in named)
    for address, sentence in named.items():
        assert len(sentence) > 20
        assert "```" not in sentence
        assert sentence[:15] in (DOCS / address).with_suffix(".md").read_text()


def test_a_first_sentence_is_text_and_a_page_without_one_is_refused():
    spec = importlib.util.spec_from_file_location("llms", DOCS / "llms.py")
    llms = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(llms)
    page = "# A\n\n<!-- b. -->\n```python\nc.d\n```\n\nSee [the *x*](y.md#z): it is **so**. And more.\n"
    assert llms.first_sentence(page) == "See the *x*: it is so."
    with pytest.raises(ValueError, match="sentence"):
        llms.first_sentence("# A\n\n| b |\n| - |\n")


def test_no_folder_of_the_documentation_has_many_pages():
    for folder in (DOCS, *(path for path in DOCS.iterdir() if path.is_dir())):
        assert len([path for path in folder.iterdir() if path.is_file()]) <= MOST_PAGES_IN_A_FOLDER
