"""How photos are to be protected, as the command line takes it: each option once, whichever commands have it.

Names and defaults are those of `deid.types.Options`; what is misspelt here fails when this module is imported.
"""

import functools
import inspect
from collections.abc import Callable
from dataclasses import fields
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from deid.methods import methods_of
from deid.types import Options


class Device(StrEnum):
    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


OnDevice = Annotated[Device, typer.Option(help="Where networks run.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Verbose = Annotated[bool, typer.Option("--verbose", help="Say where the time went.")]

Sure = Annotated[float, typer.Option(metavar="X", help="Detector's score, 0 to 1, from which on something is a face.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what exists.")]

# Field of `Options` → its type and help; the common ones first.
PROTECTION: dict[str, Any] = {
    "k_level": Annotated[int, typer.Option("-k", "--k-level", min=1, help="Spread true identities over K ranks.")],
    "faces": Annotated[
        str,
        typer.Option(
            metavar="WHICH", help="all, largest, or numbers that deid faces shows: 1,3; '?1' takes in a possible face."
        ),
    ],
    "excluded": Annotated[str, typer.Option("--except", metavar="WHICH", help="Leave these as they are: 2 or 1,3.")],
    "boxes": Annotated[
        list[str],
        typer.Option(
            "--box",
            metavar="X0,Y0,X1,Y1",
            help="A face that is not found, in pixels; @90, @180 or @270 behind it: its top points right, down or "
            "left. Repeatable.",
        ),
    ],
    "sure": Sure,
    "method": Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="To protect: feature-level; k-a3 or i-fgvm (paper's); blur or pixelate. To compare, with paper: "
            f"{', '.join(methods_of('rival'))}.",
        ),
    ],
    "profile": Annotated[
        str | None, typer.Option(metavar="NAME", help="stranger (by default), or paper (least to see, one recognizer).")
    ],
    "strength": Annotated[
        float, typer.Option(metavar="X", help="0 to 1: more hides from more recognizers, and shows more.")
    ],
    "fallback": Annotated[
        str | None, typer.Option(metavar="NAME", help="Hide faces that cannot be protected: blur or pixelate.")
    ],
    "blur_size": Annotated[
        float | None, typer.Option(metavar="X", help="Of blur (4 by default) or pixelate (10), in 128ths of a face.")
    ],
    "people": Annotated[Path | None, typer.Option(metavar="DIR", help="Known people, a folder of photos each.")],
    "mine": Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Other photos of you, as others may know you: hide from them, too."),
    ],
    "seed": Annotated[int | None, typer.Option(metavar="N", help="Repeatable draw; secret without.")],
    "overwrite": Overwrite,
    "keep_metadata": Annotated[
        bool, typer.Option("--keep-metadata", help="Keep camera, exposure and dates, the file's too.")
    ],
    "keep_position": Annotated[
        bool, typer.Option("--keep-position", help="With --keep-metadata: keep where it was taken, too.")
    ],
    "quality": Annotated[
        int | None,
        typer.Option(min=1, max=100, metavar="N", help="Of a lossy output; 95 or a JPEG's own if higher without."),
    ],
    "write_unverified": Annotated[
        bool, typer.Option("--write-unverified", help="Write what failed too; still exit 4.")
    ],
    "device": OnDevice,
}


_KEYWORD = inspect.Parameter.KEYWORD_ONLY
_DEFAULTS = {field.name: field.default for field in fields(Options)} | {"device": Device(Options().device)}
_PARAMETERS = [
    inspect.Parameter(name, _KEYWORD, default=_DEFAULTS[name], annotation=kind) for name, kind in PROTECTION.items()
]


def takes_options(command: Callable[..., int]) -> Callable[..., int]:
    """A command whose parameter `options: Options` is spelled out on the command line, one option a field."""
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command).parameters.values():
        parameters += _PARAMETERS if parameter.name == "options" else [parameter.replace(kind=_KEYWORD)]

    @functools.wraps(command)
    def spelled_out(**given: Any) -> int:
        values = {name: given.pop(name) for name in PROTECTION}
        values |= {"device": values["device"].value, "boxes": tuple(values["boxes"])}
        return command(options=Options(**values), **given)

    spelled_out.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    spelled_out.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return spelled_out
