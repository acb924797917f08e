"""The table of the main job: photos of held-out people protected, saved, found and recognized again."""

import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
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
from deid.attacks.ranking import RankingObjective
from deid.experiments.kept import kept_lines, profile_key
from deid.faces.align import align_face
from deid.faces.chain import FaceChain
from deid.faces.detect import detect_again
from deid.faces.face import Face
from deid.images.photo import decode_photo, read_photo
from deid.protection.enrollment import FoundFace
from deid.protection.pipeline import process_photo
from deid.protection.profiles import PROFILES
from deid.protection.protector import Protector, load_protector
from deid.recognizers.checkpoints import load_recognizer
from deid.recognizers.gallery import Enrollment, build_gallery
from deid.recognizers.recognizer import Recognizer, embed_aligned
from deid.training.data import central_face, held_out_people
from deid.types import Options

PROFILE = "paper"
OTHER = "dlib-resnet"  # a related recognizer that is shown the same files
FIXED = "fixed landmarks"
ROWS = (
    ("k-a3", "PNG"), ("k-a3", "JPEG"), ("k-a3", FIXED), ("i-fgvm", "PNG"), ("i-fgvm", "JPEG"), ("i-fgvm", FIXED),
)  # fmt: skip


@dataclass(frozen=True)
class Measured:
    """What became of one face of one photo.

    photo: the file's name.
    k: the rank that was drawn for the face; rank: the one that it has.
    ssim: of the aligned face, in [0, 1].
    evaluations: of the attack's gradient.
    seconds: of the whole photo; 0 where no file was made.
    other_rank, other_matches: what the recognizer OTHER makes of the file; None where no file was made.
    """

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
    protector = load_protector(options)
    other = load_recognizer(OTHER, protector.device)
    ks = dict(zip(photos, draw_groups(len(photos), options.k_level, seeded_rng(0)), strict=True))
    lines = []
    for method, out in ROWS:
        measured = list(_measure(out, ks, replace(protector, options=replace(options, method=method)), other))
        lines.append(_row(method, out, measured))
    head = (
        "| attack | saved as | protected | exactly at k | SSIM, median | gradient evaluations, median | s a photo "
        f"| {OTHER} still puts them first | {OTHER} still matches at FAR 1e-2 |"
    )
    return "\n".join([head, "|" + "---|" * 9, *lines])


def _measure(out: str, ks: Mapping[Path, int], protector: Protector, other: Recognizer) -> Iterator[Measured]:
    """Photo by photo. out: of ROWS; ks: photo → rank group; protector: with the row's method."""

    def measure(photo: Path, k: int) -> Measured | None:
        return _fixed(photo, k, protector) if out == FIXED else _saved(photo, k, out, protector, other)

    options = protector.options
    settings = [options.method, out, protector.recognizer.sha256, options.k_level, profile_key(PROFILE)]
    # The groups depend on how many photos there are: a line is of a photo and its k.
    items = ((f"{photo.name}, k = {k}", partial(measure, photo, k)) for photo, k in ks.items())
    return kept_lines("photos", settings, items, Measured, lambda text: print(text, file=sys.stderr))


def _central(found: Sequence[FoundFace], size: tuple[int, int]) -> int:
    """The person LFW's photo is of stands in its middle; larger faces may be cut by its edge."""
    faces = [candidate.face for candidate in found]
    central = central_face(faces, size)
    return next(row for row, face in enumerate(faces) if face is central)


def _saved(photo: Path, k: int, out: str, protector: Protector, other: Recognizer) -> Measured | None:
    """The whole job, all faces of the photo; the central one is measured."""
    unverified = replace(protector, options=replace(protector.options, write_unverified=True))
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / f"out.{'png' if out == 'PNG' else 'jpg'}"
        processed = process_photo(photo, target, unverified, lambda found: [k] * len(found))
    if processed.data is None:
        return None
    row = _central(processed.found, decode_photo(processed.data).pixels.shape[:2])
    face = processed.result.faces[row]
    clean, saved = read_photo(photo).pixels, decode_photo(processed.data).pixels
    original = processed.found[row].face
    again = detect_again(saved, [original], device=protector.device)[0] or original
    other_rank, other_matches = _compare(other, clean, original, saved, again)
    return Measured(
        photo.name, k, face.rank_after or 1, face.ssim or 0.0, face.gradient_evaluations, processed.result.seconds,
        other_rank, other_matches,
    )  # fmt: skip


def _compare(
    recognizer: Recognizer, clean: np.ndarray, original: Face, saved: np.ndarray, again: Face
) -> tuple[int, bool]:
    """Rank and one-to-one match of the saved photo's face by a recognizer that has the clean photo and its decoys."""
    photos = (clean, original.landmarks), (saved, again.landmarks)
    faces = [align_face(pixels, landmarks, recognizer.template) for pixels, landmarks in photos]
    prototype, embedding = embed_aligned(recognizer, torch.stack(faces))
    gallery = build_gallery(recognizer.decoys, {})
    rank = int(rank_of(gallery.logits(embedding[None], [Enrollment("itself", prototype)]), 0))
    return rank, bool(embedding @ prototype >= recognizer.thresholds["1e-2"])


def _fixed(photo: Path, k: int, protector: Protector) -> Measured | None:
    """As the papers measure: one alignment, no file, no limit, recognized again there (rounded to 8 bits)."""
    picture = read_photo(photo)
    found = protector.find(picture).faces
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
    attacked = ATTACKS[protector.options.method](
        logits_fn,
        clean,
        zero,
        objective=RankingObjective(targets, PROFILES[PROFILE].margin * protector.recognizer.spread),
        criterion=rank_is(group, 0.0),
        steps=PROFILES[PROFILE].steps[0],
    )
    with torch.no_grad():
        rank = int(rank_of(logits_fn(attacked.faces, zero), 0))
        seen = chain.faces(attacked.faces - clean, zero)[0]
    similarity = float(ssim(clean, seen, data_range=1, win_size=7))
    return Measured(photo.name, k, rank, similarity, int(attacked.evaluations), 0.0)


def _row(method: str, out: str, lines: list[Measured]) -> str:
    n = len(lines)
    cells = [
        method, out,
        f"{proportion(sum(line.rank > 1 for line in lines), n):%}",
        f"{proportion(sum(line.rank == line.k for line in lines), n):%}",
        str(median_interval([line.ssim for line in lines])),
        f"{median_interval([line.evaluations for line in lines]):.0f}",
        "" if out == FIXED else f"{np.median([line.seconds for line in lines]):.1f}",
    ]  # fmt: skip
    compared = [line for line in lines if line.other_rank is not None]
    if compared:
        cells.append(f"{proportion(sum(line.other_rank == 1 for line in compared), len(compared)):%}")
        cells.append(f"{proportion(sum(bool(line.other_matches) for line in compared), len(compared)):%}")
    else:
        cells += ["", ""]
    return "| " + " | ".join(cells) + " |"
