"""Imports point one way; a module may import only from layers below its own, or from its own."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# From the top to the bottom; names in one row may import each other only where SAME_ROW says so.
LAYERS: list[set[str]] = [
    {"kakaclo_sync", "kakaclo_async.cli"},
    {"kakaclo_async"},  # the public names
    {"kakaclo_async.testing"},
    {"kakaclo_async.catalog", "kakaclo_async.ordering"},
    {"kakaclo_async.client"},
    {"kakaclo_async.resources"},
    {"kakaclo_async.sending", "kakaclo_async.sharing.fan_out", "kakaclo_async.paging"},
    {"kakaclo_async.sending"},
    {"kakaclo_async.guards", "kakaclo_async.stats", "kakaclo_async.ratelimit", "kakaclo_async.transport"},
    {"kakaclo_async.protocol", "kakaclo_async.retry"},
    {"kakaclo_async.config"},
    {"kakaclo_async.codec"},
    {"kakaclo_async.models"},
    {"kakaclo_async.database.engines"},
    {"kakaclo_async.errors", "kakaclo_async.events"},
    {"kakaclo_async.lazy", "kakaclo_async.names"},
]
ALONE = {"kakaclo_async.sandbox"}  # knows the contract, imports nothing of the SDK
MAY_USE_SANDBOX = {"kakaclo_sync", "kakaclo_async.cli", "kakaclo_async.testing"}


def modules() -> list[tuple[str, Path]]:
    found = []
    for package in ("kakaclo_async", "kakaclo_sync"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found.append((".".join(parts).removesuffix(".__init__"), path))
    return found


def layer_name(module: str) -> str:
    parts = module.split(".")
    return parts[0] if parts[0] == "kakaclo_sync" or len(parts) == 1 else ".".join(parts[:2])


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.split(".")[0] in {"kakaclo_async", "kakaclo_sync"}}


def target(name: str) -> str:
    parts = name.split(".")
    if len(parts) > 1 and (
        (ROOT / parts[0] / parts[1]).is_dir() or (ROOT / parts[0] / f"{parts[1]}.py").exists()
    ):
        return layer_name(name)
    return parts[0]


RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}


@pytest.mark.parametrize(
    ("module", "path"), modules(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_module_imports_only_from_below(module: str, path: Path) -> None:
    own = layer_name(module)
    for name in sorted(imports(path)):
        other = target(name)
        if other == own:
            continue
        if other in ALONE:
            assert own in MAY_USE_SANDBOX, f"{module} imports {name}"
            continue
        assert own not in ALONE, f"{module} must not know the SDK, and imports {name}"
        assert RANK[own] < RANK[other], f"{module} imports {name}, which is not below it"


def test_only_the_transport_touches_aiohttp() -> None:
    touching = set()
    for module, path in modules():
        tree = ast.parse(path.read_text())
        checked = [node for node in ast.walk(tree) if isinstance(node, ast.If) and is_type_checking(node)]
        skipped = {id(inner) for node in checked for inner in ast.walk(node)}
        for node in ast.walk(tree):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            if id(node) not in skipped and any(name.split(".")[0] == "aiohttp" for name in names):
                touching.add(layer_name(module))
    assert touching == {"kakaclo_async.transport", "kakaclo_async.sandbox"}


def is_type_checking(node: ast.If) -> bool:
    return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
