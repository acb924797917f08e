"""What the page does, as plain functions on `deid`. What is slow to import is imported when first used."""

import json
import shutil
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from deid.types import Options, PhotoResult

from . import choosing
from .protectors import protector_for

if TYPE_CHECKING:  # they load torch
    from deid.audit.candidates import Candidates
    from deid.faces.face import Face
    from deid.protection.progress import Step

STRENGTHS = (0.0, 0.5, 1.0)  # at which a face is shown before the photo is protected
LONGEST_SIDE = 1600  # of the picture on which faces are chosen
_SHOWN_BY_BROWSERS = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp"}


@dataclass(frozen=True)
class FoundPhoto:
    """A photo with its faces.

    path: the photo itself.
    folder: of `view`, `preview` and all that is made of the photo later, so that no photo is overwritten by its name.
    name: the photo's, without its suffix.
    suffix: of its own format.
    view: the photo at full size in a format browsers show.
    preview: at most `LONGEST_SIDE` pixels wide and high, `scale` times as large as the photo.
    scale: at most 1.
    size: of the photo, (width, height) in pixels.
    boxes: (x0, y0, x1, y1) of each face in pixels of the photo, left to right.
    possible: of what no detector is sure of, the likeliest first.
    drawn: boxes that the visitor drew, as in `Options.boxes`.
    largest: of the faces; None where there is none.
    """

    path: Path
    folder: Path
    name: str
    suffix: str
    view: Path
    preview: Path
    scale: float
    size: tuple[int, int]
    boxes: tuple[choosing.Box, ...]
    possible: tuple[choosing.Box, ...] = ()
    drawn: tuple[str, ...] = ()
    largest: "Face | None" = None


@dataclass(frozen=True)
class ProtectedPhoto:
    """A photo's end.

    names: of the result's faces: each one's number, and in brackets what it was called when it was chosen.
    chosen: numbers of those that were to be protected, from 1.
    saved: the protected photo; None unless it was written.
    view: the same in a format browsers show.
    settings: the private file about it.
    candidates: the most similar identities of each of the chosen faces.
    strangers: made-up ones that every recognizer knows.
    """

    result: PhotoResult
    names: tuple[str, ...] = ()
    chosen: tuple[int, ...] = ()
    saved: Path | None = None
    view: Path | None = None
    settings: Path | None = None
    candidates: Sequence["Candidates"] = ()
    strangers: int = 0


def warm_up() -> None:
    """Load what every photo needs, so that the first one is not slower than the rest."""
    import numpy as np

    from deid.faces.detect import detect_faces

    device = protector_for(Options()).device
    detect_faces(np.zeros((64, 64, 3), np.uint8), device=device)


def find_faces(path: Path) -> FoundPhoto:
    """Read a photo, whatever it is called, and find its faces. Raises UnreadableImage."""
    from deid.faces.detect import detect
    from deid.images.formats import output_format, suffix_for, writable_suffixes
    from deid.images.photo import read_photo
    from deid.recognizers.device import device_for

    photo = read_photo(path)
    own = path.suffix.lower()
    file_format = output_format(photo.format)
    same = own in writable_suffixes() and output_format(photo.format, path) == file_format
    suffix = path.suffix if same else suffix_for(file_format)
    folder = Path(tempfile.mkdtemp(dir=path.parent))
    view = folder / f"view{_SHOWN_BY_BROWSERS.get(photo.format, '.png')}"
    if photo.format in _SHOWN_BY_BROWSERS:
        shutil.copyfile(path, view)
    else:
        Image.fromarray(photo.pixels).save(view, compress_level=1)
    detected = detect(photo.pixels, device=device_for("auto"), sure=Options().sure)
    boxes, possible = (tuple(face.box for face in faces) for faces in (detected.faces, detected.possible))
    scale = min(1.0, LONGEST_SIDE / max(photo.size))
    preview = folder / "preview.png"
    width, height = (max(1, round(side * scale)) for side in photo.size)
    Image.fromarray(photo.pixels).convert("RGB").resize((width, height), reducing_gap=2).save(preview, compress_level=1)
    return FoundPhoto(
        path,
        folder,
        path.stem,
        suffix,
        view,
        preview,
        scale,
        photo.size,
        boxes,
        possible,
        largest=max(detected.faces, key=lambda face: face.area, default=None),
    )


def preview_strengths(photo: FoundPhoto, cancel: threading.Event) -> list[Path]:
    """Pictures of the largest face, clean and at each of `STRENGTHS`, in `photo.folder`; none where there is no face.

    A short attack, of which nothing is checked. Raises Cancelled soon after `cancel` is set.
    """
    from deid.errors import Cancelled
    from deid.images.photo import read_photo
    from deid.protection.preview import preview

    def check(step: object = None) -> None:
        if cancel.is_set():
            raise Cancelled

    if photo.largest is None:
        return []
    pictures = preview(read_photo(photo.path), photo.largest, protector_for(Options()), STRENGTHS, watcher=check)
    check()
    paths = [photo.folder / f"strength-{number}.png" for number in range(len(pictures))]
    for path, pixels in zip(paths, pictures, strict=True):
        Image.fromarray(pixels).save(path, compress_level=1)
    return paths


def protect_photo(
    photo: FoundPhoto,
    keys: Sequence[str],
    options: Options,
    on_step: Callable[["Step"], None],
    cancel: threading.Event,
) -> ProtectedPhoto:
    """Protect the chosen faces. The output lies below `photo.folder`.

    keys: of the faces, see `choosing`.

    Raises Cancelled soon after `cancel` is set, and what `deid.protect` raises.
    """
    from deid.audit.candidates import candidates_of
    from deid.errors import Cancelled
    from deid.images.photo import decode_photo, read_photo
    from deid.protection.choice import choose
    from deid.protection.pipeline import protect
    from deid.recognizers.decoys import DECOYS

    def watch(step: "Step") -> None:
        if cancel.is_set():
            raise Cancelled
        on_step(step)

    protector = protector_for(choosing.asked_for(photo, keys, options))
    options = protector.options
    names, numbers = names_and_numbers(photo, keys)
    # A folder for each time, so that no browser shows what an earlier one made.
    target = Path(tempfile.mkdtemp(dir=photo.folder)) / f"{photo.name}-protected{photo.suffix}"
    result = protect(photo.path, target, options, protector=protector, watcher=watch)
    result = replace(
        result,
        input=f"{photo.name}{photo.path.suffix}",
        output=result.output and target.name,
        message=result.message.removeprefix(f"{photo.path}: "),  # where it lies here is nothing to the user
    )
    private = target.with_name(f"{photo.name}-private-settings.json")
    private.write_text(json.dumps(result.to_json(), indent=2, ensure_ascii=False), encoding="utf-8")
    if result.output is None:
        return ProtectedPhoto(result, names, numbers, settings=private, strangers=DECOYS)
    if cancel.is_set():
        raise Cancelled
    before, after = read_photo(photo.path), decode_photo(target.read_bytes())
    found, chosen, _ = choose(before, protector)
    candidates = candidates_of(after.pixels, [found[i] for i in chosen], protector)
    view = target
    if after.format not in _SHOWN_BY_BROWSERS:
        view = target.with_name("view-after.png")
        Image.fromarray(after.pixels).save(view, compress_level=1)
    return ProtectedPhoto(result, names, numbers, target, view, private, candidates, DECOYS)


def names_and_numbers(photo: FoundPhoto, keys: Sequence[str]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """`ProtectedPhoto.names` and `ProtectedPhoto.chosen` of a choice."""
    listed = choosing.in_result(photo, keys)
    names = tuple(
        str(number) if key == str(number) else f"{number} ({choosing.name(photo, key)})"
        for number, key in enumerate(listed, 1)
    )
    return names, tuple(number for number, key in enumerate(listed, 1) if key in keys)


def perturbation(photo: FoundPhoto, protected: ProtectedPhoto) -> Path | None:
    """A picture of what was added, ten times as strong, around gray; None where nothing was written."""
    from deid.images.difference import amplified_difference
    from deid.images.photo import read_photo

    if protected.saved is None:
        return None
    before, after = (read_photo(path).pixels for path in (photo.path, protected.saved))
    path = protected.saved.with_name("perturbation.png")
    Image.fromarray(amplified_difference(before, after)).save(path)
    return path
