"""One photo of `reproduce transfer`: protected, handled, found again, compared with another photo of the person."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np

from deid.experiments.transfer_people import Person, embedding_of
from deid.faces.align import align_face
from deid.faces.detect import detect_again, same_face
from deid.faces.templates import MOBILEFACENET_TEMPLATE
from deid.images.handlings import AS_PUBLISHED, HALF_SIZE, HALF_SIZE_JPEG_75, HANDLINGS, JPEG_75
from deid.images.photo import decode_photo, read_photo
from deid.protection.pipeline import process_photo
from deid.protection.profiles import PROFILES
from deid.protection.protector import Protector
from deid.recognizers.recognizer import Recognizer

HANDLED = (AS_PUBLISHED, JPEG_75, HALF_SIZE, HALF_SIZE_JPEG_75)
SEARCHED = ("protected", "clean")  # the order of `Transferred.ranks`


@dataclass(frozen=True)
class Transferred:
    """How far the protection of one photo's face carries to recognizers, and what it costs the eye.

    protected: whether the photo passed its checks; rounds: of attack and check, until then.
    ssim, psnr: of the aligned face, psnr in dB.
    flip: mean of FLIP (Andersson et al., HPG 2020) over the aligned face.
    seconds: of the photo's protection.
    similarity: recognizer → handling → cosine between the handled face and the other photo's.
    ranks: recognizer → place of the other photo, from 1, in a search for the face as published, and for the clean one.
    places: recognizer → where the very photo stands in a search for the face as published, as a share of the list.
    """

    protected: bool
    rounds: int
    ssim: float
    psnr: float
    flip: float
    seconds: float
    similarity: Mapping[str, Mapping[str, float]]
    ranks: Mapping[str, Sequence[int]]
    places: Mapping[str, float]


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
    flip = _flip(read_photo(person.photo).pixels, saved, person.face.landmarks)
    similarity: dict[str, dict[str, float]] = {recognizer.name: {} for recognizer in recognizers}
    ranks: dict[str, list[int]] = {}
    places: dict[str, float] = {}
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
                places[recognizer.name] = _rank(embedding, clean, others) / (len(others) + 1)
    return Transferred(
        protected=processed.result.outcome == "protected",
        rounds=_rounds(result.gradient_evaluations, protector.options.profile),
        ssim=result.ssim or 0.0,
        psnr=result.psnr or 0.0,
        flip=flip,
        seconds=processed.result.seconds,
        similarity=similarity,
        ranks=ranks,
        places=places,
    )


def _rounds(evaluations: int, profile: str) -> int:
    """That so many gradient evaluations came from, where every round takes all of its steps."""
    return sum(evaluations > done for done in (0, *accumulate(PROFILES[profile].steps)))


def _rank(query: np.ndarray, enrolled: np.ndarray, others: np.ndarray) -> int:
    """Place, from 1, of an enrolled embedding (D,) among others (G, D) in a search for `query`."""
    return 1 + int((others @ query > query @ enrolled).sum())


def _flip(clean: np.ndarray, saved: np.ndarray, landmarks: np.ndarray) -> float:
    """FLIP's mean over the aligned face."""
    import flip_evaluator

    before, after = (align_face(pixels, landmarks, MOBILEFACENET_TEMPLATE) for pixels in (clean, saved))
    pictures = [face.permute(1, 2, 0).contiguous().numpy() for face in (before, after)]
    _, flip, _ = flip_evaluator.evaluate(*pictures, "LDR", applyMagma=False)
    return float(flip)
