"""How far protection carries: other recognizers, with another photo of the person, before and after handling.

Beside the profiles stand blur and mosaic, what people would use instead: a profile is worth its noise where it hides
more at the same SSIM.
"""

import importlib.util
import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from deid.anonymity.intervals import median_interval, proportion
from deid.errors import UsageError
from deid.experiments.kept import kept_arrays, measured, profile_key
from deid.experiments.transfer_table import MEDIANS, as_table, plot
from deid.faces.align import align_face
from deid.faces.detect import Face, detect_faces, same_face
from deid.faces.obfuscation import OBFUSCATIONS
from deid.faces.templates import MOBILEFACENET_TEMPLATE
from deid.images.handlings import AS_PUBLISHED, HALF_SIZE, HALF_SIZE_JPEG_75, HANDLINGS, JPEG_75
from deid.images.photo import decode_photo, read_photo
from deid.losses.local_contrast import visible_limit
from deid.protection.pipeline import Protector, process_photo
from deid.protection.profiles import PROFILES
from deid.recognizers.checkpoints import load_recognizer, manifest
from deid.recognizers.kinship import class_of
from deid.recognizers.recognizer import Recognizer
from deid.storage.atomic import write_atomically
from deid.training.data import central_face, held_out_people
from deid.training.verification import verify
from deid.types import Options

SURROGATES = (Options().recognizer, *PROFILES["transfer"].beside)
HANDLED = (AS_PUBLISHED, JPEG_75, HALF_SIZE, HALF_SIZE_JPEG_75)
SEARCHED = ("protected", "clean")  # the order of `Carried.ranks`
# Surrogates left out to see how far the others carry: each, and LightCNN-9's teachers together with it.
LEFT_OUT = (
    *((name,) for name in SURROGATES),
    ("dlib-resnet", "lightcnn9"),
    ("mobilenet-vggface2", "lightcnn9"),
)
# The name of a row → what protects there.
METHODS: dict[str, dict[str, Any]] = {
    "paper": {"profile": "paper"},
    "robust": {"profile": "robust"},
    "transfer": {"profile": "transfer"},
    **{f"transfer, limit {limit:g}": {"profile": "transfer", "max_visibility": limit} for limit in (1.1, 1.2, 1.4)},
    **{f"transfer without {' and '.join(names)}": {"profile": "transfer", "without": names} for names in LEFT_OUT},
    **{f"blur {s:g}": {"profile": "paper", "method": "blur", "strength": s} for s in (2.0, 4.0, 6.0)},
    **{f"mosaic {s:g}": {"profile": "paper", "method": "pixelate", "strength": s} for s in (6.0, 10.0)},
}
# Without a choice. 100 people take about an hour on two cores: 8 s each in a row of `transfer`, 3 s in the others.
USUAL = ("transfer", "transfer, limit 1.2", *(name for name in METHODS if name.startswith(("blur", "mosaic"))))
GALLERY = 1000  # people who are none of those measured, a photo each


@dataclass(frozen=True)
class Carried:
    """One photo. similarity: recognizer → handling → cosine between the handled face and the other photo's.

    ranks: recognizer → place of the other photo in a search for the face as published, and for the clean one. flip:
    mean of FLIP (Andersson et al., HPG 2020) over the aligned face; over_limit: the 99.9th percentile of its changes in
    units of `visible_limit`.
    """

    ssim: float
    psnr: float
    flip: float
    over_limit: float
    seconds: float
    similarity: Mapping[str, Mapping[str, float]]
    ranks: Mapping[str, Sequence[int]]


@dataclass(frozen=True, eq=False)
class Person:
    """Two photos of one person, clean. embeddings: recognizer → (2, D), of the first photo and of the other."""

    name: str
    photo: Path
    face: Face
    embeddings: Mapping[str, np.ndarray]


def reproduce_transfer(people: Path, out: Path, *, count: int, methods: Sequence[str], device: str) -> str:
    """The table as Markdown; with its JSON and its plot it is written to `out`. people: a folder a person (LFW).

    methods: of METHODS. Raises UsageError for another one, and without matplotlib and flip-evaluator.
    """
    if missing := [name for name in ("matplotlib", "flip_evaluator") if importlib.util.find_spec(name) is None]:
        raise UsageError(f"this needs {' and '.join(missing)}: install with pip install 'face-deid[reproduce]'")
    if unknown := set(methods) - METHODS.keys():
        raise UsageError(f"no method called {', '.join(sorted(unknown))}: there are {', '.join(METHODS)}")
    entries = {name: entry for name, entry in manifest().items() if entry.path.is_file()}
    protectors = {name: _protector(device, **METHODS[name]) for name in methods}
    recognizers = [load_recognizer(name, next(iter(protectors.values())).device) for name in entries]
    known = _people(people, count, recognizers)
    thresholds = {one.name: _threshold(known, one.name) for one in recognizers}
    weights = sorted(entry.sha256 for entry in entries.values())
    found = partial(_gallery, people, recognizers)
    gallery = cache(partial(kept_arrays, "gallery", [GALLERY, str(people.resolve()), weights], found))
    rows = []
    for method, protector in protectors.items():
        items = (
            (person.photo.name, partial(_carried, person, 2 + at % 5, protector, recognizers, gallery))
            for at, person in enumerate(known)
        )
        settings = [method, GALLERY, profile_key(protector.options.profile), weights]
        lines = list(measured("transfer", settings, items, Carried, lambda text: print(text, file=sys.stderr)))
        attacked = [] if protector.options.method in OBFUSCATIONS else protector.surrogates
        surrogates = [entries[one.recognizer.name] for one in attacked]
        classes = {name: class_of(entry, surrogates) for name, entry in entries.items()}
        rows.append({"method": method, "classes": classes, **_row(lines, thresholds)})
    clean = {name: _share([float(p.embeddings[name][0] @ p.embeddings[name][1]) for p in known], t)
             for name, t in thresholds.items()}  # fmt: skip
    document = {
        "thresholds": thresholds,
        "gallery": GALLERY,
        "clean": {name: vars(one) for name, one in clean.items()},
        "rows": rows,
    }
    table = as_table(document)
    write_atomically(json.dumps(document, indent=2).encode(), out / "transfer.json", overwrite=True)
    write_atomically(table.encode(), out / "transfer.md", overwrite=True)
    write_atomically(plot(document), out / "transfer.svg", overwrite=True)
    return table


def _protector(device: str, *, without: Sequence[str] = (), **options: Any) -> Protector:
    if not without:
        return Protector(Options(device=device, write_unverified=True, **options))
    first, *beside = (name for name in SURROGATES if name not in without)
    return Protector(Options(device=device, write_unverified=True, recognizer=first, **options), beside=beside)


def _row(lines: Sequence[Carried], thresholds: Mapping[str, float]) -> dict[str, Any]:
    """Medians; for each recognizer and handling the share still matched, and the share first in a search."""
    medians = {name: vars(median_interval([getattr(line, name) for line in lines])) for name in MEDIANS}
    matched = {
        name: {
            handling: vars(_share([line.similarity[name][handling] for line in lines], threshold))
            for handling in HANDLED
        }
        for name, threshold in thresholds.items()
    }
    first = {
        name: {when: vars(proportion(sum(line.ranks[name][at] == 1 for line in lines), len(lines)))
               for at, when in enumerate(SEARCHED)}
        for name in thresholds
    }  # fmt: skip
    return {"n": len(lines), **medians, "matched": matched, "first": first}


def _people(folder: Path, count: int, recognizers: Sequence[Recognizer]) -> list[Person]:
    """Held-out people with a face in their first two photos."""
    found: list[Person] = []
    for name in sorted(held_out_people(path.name for path in folder.iterdir() if path.is_dir())):
        photos = sorted((folder / name).glob("*.jpg"))[:2]
        if len(photos) < 2:
            continue
        pixels = [read_photo(photo).pixels for photo in photos]
        faces = [detect_faces(one) for one in pixels]
        if not all(faces):
            continue
        central = [
            face
            for there, one in zip(faces, pixels, strict=True)
            if (face := central_face(there, one.shape[:2])) is not None
        ]
        embeddings = {
            one.name: np.stack([_embed(one, p, face.landmarks) for p, face in zip(pixels, central, strict=True)])
            for one in recognizers
        }
        found.append(Person(name, photos[0], central[0], embeddings))
        if len(found) == count:
            break
    return found


def _gallery(folder: Path, recognizers: Sequence[Recognizer]) -> dict[str, np.ndarray]:
    """Of each recognizer (G, D): a photo each of people who are never held out, so none of those measured."""
    names = sorted(path.name for path in folder.iterdir() if path.is_dir())
    strangers = sorted(set(names) - held_out_people(names))
    embeddings: dict[str, list[np.ndarray]] = {one.name: [] for one in recognizers}
    for name in strangers[:: len(strangers) // GALLERY or 1]:
        pixels = read_photo(min((folder / name).glob("*.jpg"))).pixels
        face = central_face(detect_faces(pixels), pixels.shape[:2])
        if face is not None:
            for one in recognizers:
                embeddings[one.name].append(_embed(one, pixels, face.landmarks))
        if min(map(len, embeddings.values())) == GALLERY:
            break
    return {name: np.stack(found) for name, found in embeddings.items()}


def _threshold(people: Sequence[Person], name: str) -> float:
    """The cosine that one in a hundred clean pairs of strangers exceeds."""
    embeddings = torch.from_numpy(np.concatenate([person.embeddings[name] for person in people]))
    return verify(embeddings, tuple(person.name for person in people for _ in range(2))).thresholds[0]


def _share(similarities: Sequence[float], threshold: float) -> Any:
    return proportion(sum(similarity >= threshold for similarity in similarities), len(similarities))


def _carried(
    person: Person,
    k: int,
    protector: Protector,
    recognizers: Sequence[Recognizer],
    gallery: Callable[[], Mapping[str, np.ndarray]],
) -> Carried | None:
    with tempfile.TemporaryDirectory() as folder:
        processed = process_photo(person.photo, Path(folder) / "out.png", protector, lambda found: [k] * len(found))
    if processed.data is None:
        return None
    faces = [found.face for found in processed.found]
    result = processed.result.faces[faces.index(same_face(person.face, faces) or faces[0])]
    saved = decode_photo(processed.data).pixels
    flip, over_limit = _seen(read_photo(person.photo).pixels, saved, person.face.landmarks)
    similarity: dict[str, dict[str, float]] = {one.name: {} for one in recognizers}
    ranks: dict[str, list[int]] = {}
    for handling in HANDLED:
        pixels = HANDLINGS[handling](saved)
        face = same_face(person.face, detect_faces(pixels, device=protector.device)) or person.face
        for one in recognizers:
            embedding = _embed(one, pixels, face.landmarks)
            clean, other = person.embeddings[one.name]
            similarity[one.name][handling] = float(embedding @ other)
            if handling == AS_PUBLISHED:
                strangers = gallery()[one.name]
                ranks[one.name] = [1 + int((strangers @ seen > seen @ other).sum()) for seen in (embedding, clean)]
    seconds = processed.result.seconds
    return Carried(result.ssim or 0.0, result.psnr or 0.0, flip, over_limit, seconds, similarity, ranks)


def _seen(clean: np.ndarray, saved: np.ndarray, landmarks: np.ndarray) -> tuple[float, float]:
    """FLIP's mean, and the 99.9th percentile of the change in units of `visible_limit`, of the aligned face."""
    import flip_evaluator

    before, after = (align_face(pixels, landmarks, MOBILEFACENET_TEMPLATE) for pixels in (clean, saved))
    pictures = [face.permute(1, 2, 0).contiguous().numpy() for face in (before, after)]
    _, flip, _ = flip_evaluator.evaluate(*pictures, "LDR", applyMagma=False)
    change = (after - before).abs() / visible_limit(before[None])[0]
    return float(flip), float(change.quantile(0.999))


@torch.no_grad()
def _embed(recognizer: Recognizer, pixels: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    face = align_face(pixels, landmarks, recognizer.template)[None].to(recognizer.device)
    return recognizer.embed(face)[0].cpu().numpy()
