"""One photo of `reproduce transfer`: protected, handled, found again, compared with another photo of the person."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deid.experiments.transfer_people import Person, embedding_of
from deid.faces.align import align_face
from deid.faces.detect import detect_again, same_face
from deid.faces.templates import MOBILEFACENET_TEMPLATE
from deid.images.handlings import AS_PUBLISHED, HALF_SIZE, HALF_SIZE_JPEG_75, HANDLINGS, JPEG_75
from deid.images.photo import decode_photo, read_photo
from deid.losses.local_contrast import visible_limit
from deid.protection.pipeline import process_photo
from deid.protection.protector import Protector
from deid.recognizers.recognizer import Recognizer

HANDLED = (AS_PUBLISHED, JPEG_75, HALF_SIZE, HALF_SIZE_JPEG_75)
SEARCHED = ("protected", "clean")  # the order of `Transferred.ranks`


@dataclass(frozen=True)
class Transferred:
    """How far the protection of one photo's face carries to recognizers, and what it costs the eye.

    ssim, psnr: of the aligned face, psnr in dB.
    flip: mean of FLIP (Andersson et al., HPG 2020) over the aligned face.
    over_limit: the 99.9th percentile of the aligned face's changes, in units of `visible_limit`.
    seconds: of the photo's protection.
    similarity: recognizer → handling → cosine between the handled face and the other photo's.
    ranks: recognizer → place of the other photo, from 1, in a search for the face as published, and for the clean one.
    """

    ssim: float
    psnr: float
    flip: float
    over_limit: float
    seconds: float
    similarity: Mapping[str, Mapping[str, float]]
    ranks: Mapping[str, Sequence[int]]


def measure_transfer(
    person: Person,
    k: int,
    protector: Protector,
    recognizers: Sequence[Recognizer],
    gallery: Callable[[], Mapping[str, np.ndarray]],
) -> Transferred | None:
    """Protect the person's first photo, its faces in rank group k, and measure its central face; None: no face found.

    gallery: makes recognizer → embeddings (G, D) of the others that the person is searched among.
    """
    with tempfile.TemporaryDirectory() as folder:
        processed = process_photo(person.photo, Path(folder) / "out.png", protector, lambda found: [k] * len(found))
    if processed.data is None:
        return None
    faces = [found.face for found in processed.found]
    result = processed.result.faces[faces.index(same_face(person.face, faces) or faces[0])]
    saved = decode_photo(processed.data).pixels
    flip, over_limit = _visible_change(read_photo(person.photo).pixels, saved, person.face.landmarks)
    similarity: dict[str, dict[str, float]] = {recognizer.name: {} for recognizer in recognizers}
    ranks: dict[str, list[int]] = {}
    for handling in HANDLED:
        pixels = HANDLINGS[handling](saved)
        face = detect_again(pixels, [person.face], device=protector.device)[0] or person.face
        for recognizer in recognizers:
            embedding = embedding_of(recognizer, pixels, face)
            clean, other_photo = person.embeddings[recognizer.name]
            similarity[recognizer.name][handling] = float(embedding @ other_photo)
            if handling == AS_PUBLISHED:
                others = gallery()[recognizer.name]
                ranks[recognizer.name] = [_rank(query, other_photo, others) for query in (embedding, clean)]
    seconds = processed.result.seconds
    return Transferred(result.ssim or 0.0, result.psnr or 0.0, flip, over_limit, seconds, similarity, ranks)


def _rank(query: np.ndarray, enrolled: np.ndarray, others: np.ndarray) -> int:
    """Place, from 1, of an enrolled embedding (D,) among others (G, D) in a search for `query`."""
    return 1 + int((others @ query > query @ enrolled).sum())


def _visible_change(clean: np.ndarray, saved: np.ndarray, landmarks: np.ndarray) -> tuple[float, float]:
    """FLIP's mean, and the 99.9th percentile of the change in units of `visible_limit`, of the aligned face."""
    import flip_evaluator

    before, after = (align_face(pixels, landmarks, MOBILEFACENET_TEMPLATE) for pixels in (clean, saved))
    pictures = [face.permute(1, 2, 0).contiguous().numpy() for face in (before, after)]
    _, flip, _ = flip_evaluator.evaluate(*pictures, "LDR", applyMagma=False)
    change = (after - before).abs() / visible_limit(before[None])[0]
    return float(flip), float(change.quantile(0.999))
