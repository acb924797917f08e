"""The table of the main job: photos of held-out people protected, saved, found and recognized again."""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from pytorch_msssim import ssim

from deid.anonymity.conditions import rank_is, rank_of, ranked_others, targets_of
from deid.anonymity.groups import draw_groups, seeded_rng
from deid.anonymity.intervals import median_interval, proportion
from deid.attacks import ATTACKS
from deid.experiments.kept import measured, profile_key
from deid.faces.align import align_face
from deid.faces.chain import FaceChain
from deid.faces.detect import detect_faces, same_face
from deid.images.photo import decode_photo, read_photo
from deid.protection.pipeline import FoundFace, Protector, process_photo
from deid.protection.profiles import PROFILES
from deid.recognizers.checkpoints import load_recognizer
from deid.recognizers.gallery import Enrollment, build_gallery
from deid.recognizers.recognizer import Recognizer
from deid.training.data import central_face, held_out_people
from deid.types import Options

PROFILE = "paper"
OTHER = "dlib-resnet"  # a related recognizer, asked about the same files
FIXED = "fixed landmarks"
ROWS = (
    ("k-a3", "PNG"), ("k-a3", "JPEG"), ("k-a3", FIXED), ("i-fgvm", "PNG"), ("i-fgvm", "JPEG"), ("i-fgvm", FIXED),
)  # fmt: skip


@dataclass(frozen=True)
class Measured:
    """One face of one photo. `other_*`: what the other recognizer makes of the file."""

    photo: str
    k: int
    rank: int
    ssim: float
    evaluations: int
    seconds: float
    other_rank: int | None = None
    other_matches: bool | None = None


def held_out_photos(people: Path, count: int) -> list[Path]:
    """The first photo of each of `count` people whom training on this folder holds out."""
    names = sorted(held_out_people(path.name for path in people.iterdir() if path.is_dir()))
    photos = [min((people / name).glob("*.jpg"), default=None) for name in names]
    return [photo for photo in photos if photo is not None][:count]


def reproduce_photos(people: Path, *, count: int = 200, device: str = "auto") -> str:
    """The table, as Markdown. people: a folder with a folder a person (LFW)."""
    photos = held_out_photos(people, count)
    options = Options(device=device, profile=PROFILE)
    protector = Protector(options)
    other = load_recognizer(OTHER, protector.device)
    ks = dict(zip(photos, draw_groups(len(photos), options.k_level, seeded_rng(0)), strict=True))
    lines = []
    for method, out in ROWS:
        done = list(_measure(method, out, ks, replace(options, method=method), protector, other))
        lines.append(_row(method, out, done))
    head = (
        "| attack | saved as | protected | exactly at k | SSIM, median | gradient evaluations, median | s a photo "
        f"| {OTHER} still puts them first | {OTHER} still matches at FAR 1e-2 |"
    )
    return "\n".join([head, "|" + "---|" * 9, *lines])


def _measure(
    method: str, out: str, ks: dict[Path, int], options: Options, protector: Protector, other: Recognizer
) -> Iterator[Measured]:
    protector.options = options

    def measure(photo: Path, k: int) -> Measured | None:
        return _fixed(photo, k, protector) if out == FIXED else _saved(photo, k, out, protector, other)

    settings = [method, out, protector.recognizer.sha256, options.k_level, profile_key(PROFILE)]
    # The groups depend on how many photos there are: a line is of a photo and its k.
    items = ((f"{photo.name}, k = {k}", partial(measure, photo, k)) for photo, k in ks.items())
    return measured("photos", settings, items, Measured, lambda text: print(text, file=sys.stderr))


def _central(found: Sequence[FoundFace], size: tuple[int, int]) -> int:
    """The person LFW's photo is of stands in its middle; larger faces may be cut by its edge."""
    face = central_face([f.face for f in found], size)
    return next(i for i, f in enumerate(found) if f.face is face)


def _saved(photo: Path, k: int, out: str, protector: Protector, other: Recognizer) -> Measured | None:
    """The whole job, all faces of the photo; the central one is measured."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / f"out.{'png' if out == 'PNG' else 'jpg'}"
        options = protector.options
        protector.options = replace(options, write_unverified=True)
        processed = process_photo(photo, target, protector, lambda found: [k] * len(found))
        protector.options = options
    if processed.data is None:
        return None
    row = _central(processed.found, decode_photo(processed.data).pixels.shape[:2])
    face = processed.result.faces[row]
    clean, saved = read_photo(photo).pixels, decode_photo(processed.data).pixels
    original = processed.found[row].face
    again = same_face(original, detect_faces(saved, device=protector.device)) or original
    other_rank, other_matches = _ask(other, clean, saved, original.landmarks, again.landmarks)
    return Measured(
        photo.name, k, face.rank_after or 1, face.ssim or 0.0, face.gradient_evaluations, processed.result.seconds,
        other_rank, other_matches,
    )  # fmt: skip


@torch.no_grad()
def _ask(
    other: Recognizer, clean: np.ndarray, saved: np.ndarray, before: np.ndarray, after: np.ndarray
) -> tuple[int, bool]:
    """Rank and one-to-one match of the saved face by a recognizer that has the clean photo and its own decoys."""
    faces = torch.stack([align_face(clean, before, other.template), align_face(saved, after, other.template)])
    prototype, embedding = other.embed(faces.to(other.device))
    gallery = build_gallery(other.decoys, {})
    rank = int(rank_of(gallery.logits(embedding[None], [Enrollment("itself", prototype)]), 0))
    return rank, bool(embedding @ prototype >= other.thresholds["1e-2"])


def _fixed(photo: Path, k: int, protector: Protector) -> Measured | None:
    """As the papers measure: one alignment, no file, no limit, recognized again there (rounded to 8 bits)."""
    picture = read_photo(photo)
    found = protector.find(picture)
    if not found:
        return None
    face = found[_central(found, picture.pixels.shape[:2])]
    device = torch.device(protector.device)
    chain = FaceChain([picture.pixels], [face.face.landmarks], protector.recognizer.template, device)
    clean = chain.clean_faces()
    enrollment = [Enrollment("itself", face.embedding)]

    def logits_fn(faces: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        seen, _ = chain.faces(faces - clean[rows], rows)
        return protector.gallery.logits(protector.recognizer.embed(seen), enrollment)

    group, zero = torch.tensor([k], device=device), torch.zeros(1, dtype=torch.int64, device=device)
    targets = targets_of(ranked_others(protector.gallery.logits(face.embedding[None], enrollment), k - 1), group)
    counts, margin = zero.clone(), PROFILES[PROFILE].margin * protector.recognizer.spread
    attacked = ATTACKS[protector.options.method](
        logits_fn,
        clean,
        zero,
        targets=targets,
        criterion=rank_is(group, 0.0),
        margin=margin,
        steps=PROFILES[PROFILE].steps,
        counts=counts,
    )
    with torch.no_grad():
        rank = int(rank_of(logits_fn(attacked, zero), 0))
        seen = chain.faces(attacked - clean, zero)[0]
    return Measured(photo.name, k, rank, float(ssim(clean, seen, data_range=1, win_size=7)), int(counts), 0.0)


def _row(method: str, out: str, done: list[Measured]) -> str:
    n = len(done)
    cells = [
        method, out,
        f"{proportion(sum(m.rank > 1 for m in done), n):%}",
        f"{proportion(sum(m.rank == m.k for m in done), n):%}",
        str(median_interval([m.ssim for m in done])),
        f"{median_interval([m.evaluations for m in done]):.0f}",
        "" if out == FIXED else f"{np.median([m.seconds for m in done]):.1f}",
    ]  # fmt: skip
    asked = [m for m in done if m.other_rank is not None]
    cells += [f"{proportion(sum(m.other_rank == 1 for m in asked), len(asked)):%}" if asked else ""]
    cells += [f"{proportion(sum(bool(m.other_matches) for m in asked), len(asked)):%}" if asked else ""]
    return "| " + " | ".join(cells) + " |"
