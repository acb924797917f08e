"""`deid faces`: which faces a photo has, by the numbers that `deid photo` takes. Detectors alone run."""

import math
import shlex
import sys
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deid.commands import output
from deid.commands.options import Device, Json, OnDevice, Overwrite, Sure
from deid.commands.summaries import command_for
from deid.errors import OutputExists, UnreadableImage
from deid.types import Options, counted_possible

if TYPE_CHECKING:
    from deid.faces.detect import Detected
    from deid.faces.face import Face
    from deid.images.photo import Photo

FOUND, NO_FACE = 0, 3
# Quarters by which a face is turned clockwise → what is said of it.
TURNED = ("", "lying, the top of the head to the right", "upside down", "lying, the top of the head to the left")


def faces(
    source: Annotated[Path, typer.Argument(metavar="IN", help="The photo.")],
    picture: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="PICTURE", help="Write the photo with numbered frames.")
    ] = None,
    *,
    sure: Sure = Options.sure,
    overwrite: Overwrite = Options.overwrite,
    device: OnDevice = Device.auto,
    json: Json = False,
) -> int:
    """Show the faces of a photo by number, and what is possibly one.

    Exit: 0 faces found, 2 usage or PICTURE exists, 3 no face, 5 unreadable.
    """
    with redirect_stdout(sys.stderr):  # whatever a library prints does not belong to the result
        found, written = look(source, picture, Options(sure=sure, overwrite=overwrite, device=device.value))
    if json:
        output.show_json(document(source, found, written))
    else:
        output.show_lines(listing(source, found, written, sure=sure))
    if written is not None:
        output.say(f"{written}: the picture shows the faces unprotected")
    if found.faces:
        return FOUND
    but = f" but {counted_possible(len(found.possible))}" if found.possible else ""
    output.complain(f"{source}: no face found{but}")
    return NO_FACE


def look(source: Path, picture: Path | None, options: Options) -> tuple["Detected", Path | None]:
    """The faces of a photo as `deid photo` numbers them, and where they were drawn: nowhere if there are none.

    Raises UsageError, OutputExists, UnreadableImage, UnsupportedFormat, CannotWrite, CheckpointError.
    """
    from deid.faces.detect import detect
    from deid.images.formats import output_format
    from deid.images.photo import encode_photo, read_photo
    from deid.protection.options import check_options
    from deid.recognizers.device import device_for
    from deid.storage.atomic import identities, keep_off, write_atomically

    check_options(options)
    kept = identities([source], "the photo itself")
    if picture is not None:
        keep_off(picture, kept)
        if picture.exists() and not options.overwrite:
            raise OutputExists(f"{picture} exists already: --overwrite replaces it")
    try:
        photo = read_photo(source)
    except UnreadableImage as error:
        raise UnreadableImage(f"{source}: {error}") from error
    file_format = output_format(photo.format, picture)
    found = detect(photo.pixels, device=device_for(options.device), sure=options.sure)
    if picture is None or not (found.faces or found.possible):
        return found, None
    data = encode_photo(drawn(photo, found), file_format=file_format)
    kept |= identities([source], "the photo itself")  # it may have been saved anew meanwhile, as another file
    write_atomically(data, picture, overwrite=options.overwrite, kept=kept)
    return found, picture


def drawn(photo: "Photo", found: "Detected") -> "Photo":
    """The photo with a frame a face, opaque as detectors see it, in color, and without metadata."""
    from deid.images.frames import ORANGE, Frame, with_frames

    frames = [Frame(face.box, f"?{n}", ORANGE, dashed=True) for n, face in enumerate(found.possible, 1)]
    frames += [Frame(face.box, str(n)) for n, face in enumerate(found.faces, 1)]  # over those
    profile = None if photo.gray else photo.icc_profile  # a gray one describes no colors
    pixels = with_frames(photo.pixels, frames)
    return replace(photo, pixels=pixels, alpha=None, icc_profile=profile, exif=None, exif_with_position=None)


def document(source: Path, found: "Detected", written: Path | None) -> dict[str, object]:
    """What `--json` prints."""
    return {
        "input": str(source),
        "faces": [
            {"number": n, **_record(face), "turned_degrees": turned_degrees(face)}
            for n, face in enumerate(found.faces, 1)
        ],
        "possible": [{"number": f"?{n}", **_record(face)} for n, face in enumerate(found.possible, 1)],
        "picture": None if written is None else str(written),
    }


def turned_degrees(face: "Face") -> int:
    """By how much a face is turned clockwise, 0 to 359: 90 where the top of the head points right, as for `--box`."""
    from deid.faces.orientation import angle_of

    return round(math.degrees(-angle_of(face.landmarks))) % 360


def listing(source: Path, found: "Detected", written: Path | None, *, sure: float = Options.sure) -> list[str]:
    """One line a face and a possible one, with boxes as `--box` takes them, and what to do with the numbers."""
    lines = []
    for n, face in enumerate(found.faces, 1):
        turned = TURNED[round(turned_degrees(face) / 90) % 4]
        lines.append(f"face {n}: {_whole(face)}" + (f", {turned}" if turned else ""))
    lines += [
        f"possible face ?{n}: {_whole(face)}, score {face.probability:.2f}" for n, face in enumerate(found.possible, 1)
    ]
    if written is not None:
        lines.append(f"drawn: {written}")
    if found.faces or found.possible:
        uses = ", ".join(_uses(len(found.faces), len(found.possible)))
        lines.append(f"{command_for('photo', shlex.quote(str(source)), sure)}: {uses}")
        lines.append("what is not listed was not found: --box X0,Y0,X1,Y1 adds it")
    return lines


def _uses(faces: int, possible: int) -> list[str]:
    """What the numbers of a photo with so many faces are good for. A shell would read a bare `?` as a file's name."""
    if not faces:
        return ["--faces '?1' protects a possible face"]
    uses = [f"--faces {'1,3 protects these' if faces > 2 else '1 protects face 1'} alone"]
    if faces > 1:
        uses.append("--except 2 all but face 2")
    if possible:
        uses.append("--faces 'all,?1' a possible face, too")
    return uses


def _whole(face: "Face") -> str:
    return ",".join(str(round(value)) for value in face.box)


def _record(face: "Face") -> dict[str, object]:
    return {"box": [round(float(value), 2) for value in face.box], "score": round(float(face.probability), 3)}
