"""The rooms of the program: imports go down, never up, and never in a circle; modules stay short."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
# From top to bottom. A room may import itself and whatever stands below it.
FLOORS = (
    ("app",),
    ("commands",),
    ("experiments",),
    ("audit",),
    ("batch",),
    ("protection",),
    ("training",),
    ("defenses",),
    ("attacks",),
    ("recognizers",),
    ("faces",),
    ("losses", "anonymity", "images", "storage"),
    ("errors", "methods", "types", "weights"),
)
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
# `deid ui` starts the page, and imports it only then.
EXCEPTIONS = {("deid.commands.ui", "deid.app")}
LONGEST = 300  # lines of a module


def modules() -> dict[str, Path]:
    """Module → file, with `app` as it is installed."""
    found = {}
    for top, name in ((ROOT / "deid", "deid"), (ROOT / "app", "deid.app")):
        for path in sorted(top.rglob("*.py")):
            parts = [name, *path.relative_to(top).with_suffix("").parts]
            found[".".join(part for part in parts if part != "__init__")] = path
    return found


MODULES = modules()


def imported_by(module: str, path: Path) -> set[str]:
    """The program's modules that a module imports, also within functions, but not for type checking alone."""
    tree, found = ast.parse(path.read_text()), set()
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *filter(None, [node.module])])
            for name in node.names:
                full = f"{base}.{name.name}"
                found.add(full if full in MODULES else base)
    return {name for name in found if name in MODULES and name not in (module, "deid")}


IMPORTS = {module: imported_by(module, path) for module, path in MODULES.items()}


def room_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def test_every_room_has_its_floor() -> None:
    assert {room_of(module) for module in MODULES} - {""} <= FLOOR_OF.keys()


def test_no_arrow_goes_up() -> None:
    upward = [
        f"{module} → {other}"
        for module, others in IMPORTS.items()
        for other in others
        if room_of(module) and FLOOR_OF[room_of(other)] < FLOOR_OF[room_of(module)]
        if (module, ".".join(other.split(".")[:2])) not in EXCEPTIONS
    ]
    assert upward == []


def test_no_modules_form_a_circle() -> None:
    """Each can be put after all that it imports."""
    left = {module: set(others) for module, others in IMPORTS.items()}
    left["deid.commands.ui"] -= {name for name in MODULES if name.startswith("deid.app")}
    while free := [module for module, others in left.items() if not others & left.keys()]:
        for module in free:
            del left[module]
    assert left == {}


def test_modules_are_short() -> None:
    lines = {module: len(path.read_text().splitlines()) for module, path in MODULES.items()}
    assert {module: count for module, count in lines.items() if count > LONGEST} == {}
