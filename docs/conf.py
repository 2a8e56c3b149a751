# ruff: noqa: INP001 - settings that Sphinx runs
"""Settings of the documentation: `make docs` builds it into site/, and fails on a warning."""

from __future__ import annotations

import re
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from pygments.lexers.special import TextLexer
from sphinx.addnodes import desc_signature, pending_xref
from sphinx.transforms.post_transforms import SphinxPostTransform

sys.path.insert(0, str(Path(__file__).parent))

import llms

import kakaclo_async

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

project = "kakaclo"
author = "The kakaclo developers"
release = version = kakaclo_async.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]

html_theme = "furo"
html_title = f"kakaclo {release}"
html_copy_source = False
html_show_sphinx = False

# Links are those of GitHub, so that the pages can also be read there.
myst_heading_anchors = 4
smartquotes = False  # quotes stay as they are typed

default_role = "code"  # docstrings have one backtick
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
napoleon_numpy_docstring = False
napoleon_use_ivar = True
maximum_signature_line_length = 90
add_module_names = False
python_use_unqualified_type_names = True

# Names of this project must lead somewhere. What comes from elsewhere has no pages here, and the others below are
# nobody's to import.
nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(?!kakaclo_).*"),
    ("py:class", r"kakaclo_async\.client\.Unset"),
    ("py:class", r"kakaclo_async\.models\.common\.\w+_co"),
    ("py:class", r"kakaclo_async\.(protocol|paging\.jobs|sandbox\.(world|http)\.\w+)\.\w+"),
    ("py:class", r"kakaclo_async\.[\w.]+\._\w+"),
    ("py:class", r"kakaclo_async\.sandbox\.trade\.orders\.Item"),
]
ROOMS = ("", ".catalog", ".feed", ".fleet", ".ordering", ".paging", ".sandbox", ".shop")

# External addresses are only asked for by `make links`, which needs a network.
linkcheck_ignore = [r"http://(127\.0\.0\.1|localhost)"]


FILE = re.compile(r'^```(\w+) title="([^"]+)"\n', re.MULTILINE)
SHARED = "<!-- the names that both faces share -->"


def name_files(_app: Sphinx, _page: str, source: list[str]) -> None:
    """Show the names of files above the blocks that hold them."""
    source[0] = FILE.sub(r"```{code-block} \1\n:caption: \2\n\n", source[0])


def list_shared(_app: Sphinx, _page: str, source: list[str]) -> None:
    """Put the names that are the same on both faces where a page asks for them."""
    if SHARED in source[0]:
        source[0] = source[0].replace(
            SHARED, "\n\n".join(map(shared, ("", ".catalog", ".feed", ".fleet", ".ordering", ".shop")))
        )


def shared(module: str) -> str:
    """Return a sentence with the names that a module of the blocking face only passes on."""
    blocking, core = (import_module(f"{package}{module}") for package in ("kakaclo_sync", "kakaclo_async"))
    names = [name for name in blocking.__all__ if getattr(core, name, None) is getattr(blocking, name)]
    links = (f"{{py:obj}}`~kakaclo_async{module}.{name}`" for name in names if name != "__version__")
    return f"`kakaclo_sync{module}`: {', '.join(links)}."


class Lead(SphinxPostTransform):
    """Let a short name in a signature lead to the class of its face: there are two `KakaClo`, and three `Order`."""

    default_priority = 5  # before links are resolved, when all that is described is known

    def run(self, **_: object) -> None:
        """Give links their full names."""
        known = self.env.domains.python_domain.objects
        for link in self.document.findall(pending_xref):
            name, module = link.get("reftarget", ""), link.get("py:module") or described(link)
            if link.get("refdomain") == "py" and module and name.isidentifier():
                face = module.partition(".")[0]
                rooms = [module, ".".join(module.split(".")[:2])]
                rooms += [f"{package}{room}" for package in (face, "kakaclo_async") for room in ROOMS]
                names = (f"{room}.{name}" for room in rooms)
                link["reftarget"] = next((full for full in names if full in known), name)


def described(link: nodes.Node | None) -> str | None:
    """Return the module of what is described around a link: the signature itself does not name it."""
    while link is not None and not isinstance(link, desc_signature):
        link = link.parent
    return link.get("module") if link else None


def write_llms(app: Sphinx, _environment: BuildEnvironment) -> None:
    """Write llms.txt anew at each build, so that it cannot go stale."""
    Path(app.outdir, "llms.txt").write_text(llms.text(Path(app.srcdir)), encoding="utf-8")


def setup(app: Sphinx) -> None:
    """Register what the settings above cannot say."""
    for name in ("mermaid", "csv"):
        app.add_lexer(name, TextLexer)
    app.connect("source-read", name_files)
    app.connect("source-read", list_shared)
    app.add_post_transform(Lead)
    app.connect("env-updated", write_llms)
