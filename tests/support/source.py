"""The packages' source as the tests of the project read it: modules, and who imports whom."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("kakaclo_async", "kakaclo_sync")


@cache
def modules() -> dict[str, Path]:
    """Return the file of each module."""
    files = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    files += ROOT.glob("kakaclo_*.py")
    return {name_of(path): path for path in files}


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(modules()[module].read_text())


@cache
def imports(module: str) -> frozenset[str]:
    """Return the modules of the packages that a module imports, for type checkers alone as well."""
    found: set[str] = set()
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found |= {name if name in modules() else str(node.module) for name in names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return frozenset(found & modules().keys()) - {module}


def circles() -> list[list[str]]:
    """Return the groups of modules that import each other, directly or not."""
    reached = {module: _reached(module) for module in modules()}
    groups = {
        tuple(sorted(other for other in reached[module] if module in reached[other])) for module in reached
    }
    return [list(group) for group in sorted(groups) if group]


def _reached(module: str) -> set[str]:
    found: set[str] = set()
    todo = [module]
    while todo:
        new = imports(todo.pop()) - found
        found |= new
        todo += new
    return found
