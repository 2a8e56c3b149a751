"""Imports point down; a module may import only from layers below its own, or from its own package."""

from __future__ import annotations

import ast

import pytest
from support.source import circles, imports, modules, tree

# From the top to the bottom, a package or a module of the first level in each place. Names in one row do not
# import each other. A new module takes its place from its package.
LAYERS: list[set[str]] = [
    {"kakaclo_pytest"},
    {"kakaclo_sync", "cli"},
    {"kakaclo_async"},  # the public names
    {"testing"},
    {"board"},
    {"fleet"},
    {"feed", "shop", "telemetry"},
    {"catalog", "ordering"},
    {"client"},
    {"resources"},
    {"sending"},
    {"state", "contract"},
    {"guards"},
    {"ratelimit", "paging", "transport"},
    {"protocol", "retry"},
    {"token"},
    {"config", "sharing"},
    {"codec"},
    {"models"},
    {"database", "extras"},
    {"errors", "events"},
    {"travel"},
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
SANDBOX = "sandbox"  # knows the contract, imports nothing of the SDK
MAY_USE_SANDBOX = {"board", "kakaclo_pytest", "kakaclo_sync", "cli", "testing"}

CARRIED = {
    ("kakaclo_async.errors", "kakaclo_async.models.pull")
}  # an error names the type of what it carries


def layer(module: str) -> str:
    package, *inner = module.split(".")
    if package != "kakaclo_async" or not inner or inner == ["public"]:
        return package
    return inner[0]


@pytest.mark.parametrize("module", modules())
def test_a_module_imports_only_from_below(module: str) -> None:
    own = layer(module)
    for name in sorted(imports(module)):
        other = layer(name)
        if other == own:
            continue
        if other == SANDBOX:
            assert own in MAY_USE_SANDBOX, f"{module} imports {name}"
            continue
        assert own != SANDBOX, f"{module} must not know the SDK, and imports {name}"
        if (module, name) in CARRIED:
            continue
        assert RANK[own] < RANK[other], f"{module} imports {name}, which is not below it"


def test_only_the_command_line_and_the_blocking_face_import_what_is_for_shops() -> None:
    """The files of shops change with the shops: nothing that places orders or mirrors a catalog depends on them."""
    users = {module for module in modules() for name in imports(module) if layer(name) == "shop"}
    assert {module for module in users if layer(module) not in {"shop", "cli"}} <= {"kakaclo_sync.shop"}


def test_only_the_command_line_imports_the_board() -> None:
    """What people look at depends on everything, and nothing on it."""
    users = {layer(module) for module in modules() for name in imports(module) if layer(name) == "board"}
    assert users == {"board", "cli"}


def test_only_the_command_line_the_fleet_and_the_blocking_faces_import_the_feed() -> None:
    """It watches what was placed; nothing that places orders knows of it."""
    users = {module for module in modules() for name in imports(module) if layer(name) == "feed"}
    assert {module for module in users if layer(module) not in {"feed", "fleet", "cli"}} == {
        "kakaclo_sync.feed",
        "kakaclo_sync.fleet",
    }


def test_only_its_blocking_face_imports_telemetry() -> None:
    """The core tells its events, and does not know who listens."""
    users = {module for module in modules() for name in imports(module) if layer(name) == "telemetry"}
    assert {module for module in users if layer(module) != "telemetry"} == {"kakaclo_sync.telemetry"}


def test_only_the_command_line_the_board_and_the_blocking_face_import_the_fleet() -> None:
    """One shop needs nothing of what many need."""
    users = {module for module in modules() for name in imports(module) if layer(name) == "fleet"}
    assert {module for module in users if layer(module) not in {"fleet", "board", "cli"}} <= {
        "kakaclo_sync.fleet"
    }


def test_no_modules_import_each_other_not_even_for_type_checkers() -> None:
    assert circles() == []


def test_of_the_client_only_the_transport_touches_aiohttp() -> None:
    touching = set()
    for module in modules():
        checked = [
            node for node in ast.walk(tree(module)) if isinstance(node, ast.If) and is_type_checking(node)
        ]
        skipped = {id(inner) for node in checked for inner in ast.walk(node)}
        for node in ast.walk(tree(module)):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            if id(node) not in skipped and any(name.split(".")[0] == "aiohttp" for name in names):
                touching.add(layer(module))
    assert touching == {"transport", SANDBOX, "board"}


def is_type_checking(node: ast.If) -> bool:
    return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
