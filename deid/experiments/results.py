"""What the experiments share: what they need, what they say as they go, and what they write."""

import importlib.util
import io
import json
import sys
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deid.errors import UsageError, how_to_install
from deid.storage.atomic import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def check_installed(packages: Mapping[str, str]) -> None:
    """packages: module → the extra that brings it. Raises UsageError for the first that is missing."""
    for package, extra in packages.items():
        if importlib.util.find_spec(package) is None:
            raise UsageError(f"this needs {package}: {how_to_install(extra)}")


def check_names(what: str, asked: Iterable[str], there: Collection[str]) -> None:
    """what: they are the names of. Raises UsageError for those that are not `there`."""
    if unknown := [name for name in asked if name not in there]:
        raise UsageError(f"no {what} called {', '.join(unknown)}: there are {', '.join(there)}")


def note(text: str) -> None:
    """Say how far it is, on stderr."""
    print(text, file=sys.stderr, flush=True)


def as_svg(figure: "Figure") -> bytes:
    """The same bytes for the same figure, whenever it is drawn."""
    with io.BytesIO() as file:
        figure.savefig(file, format="svg", metadata={"Date": None})
        return file.getvalue()


def write_results(
    out: Path, name: str, document: Mapping[str, Any], markdown: str, pictures: Mapping[str, bytes]
) -> None:
    """NAME.json and NAME.md, and the pictures by their files' names, over what is there. Raises CannotWrite."""
    files = {f"{name}.json": json.dumps(document, indent=2).encode(), f"{name}.md": markdown.encode(), **pictures}
    for file, content in files.items():
        write_atomically(content, out / file, overwrite=True)
