"""The rounds of one photo: attack, paste, encode, look at the encoded file again, and go on where it did not hold.

MTCNN's landmarks move by a pixel or two on a perturbed photo and codecs round; so each failed look is added to the
views on which the attack must hold: the newly found alignment, and what the codec did to the face.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from deid.anonymity.conditions import rank_is, rank_of, ranked_others, targets_of
from deid.attacks import ATTACKS
from deid.faces.align import Patch, patch_around
from deid.faces.detect import Face, detect_faces, overlap
from deid.faces.paste import FaceChain, View, paste
from deid.images import Photo, decode_photo, encode_photo
from deid.obfuscation import OBFUSCATIONS
from deid.protector import FoundFace, Protector
from deid.types import Options

ROUNDS = 8
BATCH = 16  # faces attacked at a time: more are slower on a CPU, and memory does not grow with the crowd
STEPS = 40  # gradient evaluations a round
MARGIN = 0.15  # of the strangers' spread; grows by GROWTH each round
GROWTH = 0.15
SAME_FACE = 0.4  # intersection over union


@dataclass(frozen=True, eq=False)
class Look:
    """What a recognizer makes of one face of an encoded file.

    landmarks: where the face was found again, or its original ones. ranks: under each of its enrollments. aligned: the
    face at its original alignment (C, S, S), for the visual measures.
    """

    landmarks: np.ndarray
    found_again: bool
    ranks: tuple[int, ...]
    similarities: tuple[float, ...]
    aligned: Tensor


@dataclass(frozen=True, eq=False)
class Attempt:
    """The best the rounds came to, or an obfuscation. looks and evaluations: one each chosen face."""

    data: bytes
    looks: tuple[Look, ...]
    evaluations: tuple[int, ...]
    clean: Tensor
    costs: dict[str, float]


class Costs:
    """Seconds by name; what is timed inside something else counts for itself only."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._inside: list[float] = []

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        self._inside.append(0.0)
        started = time.perf_counter()
        try:
            yield
        finally:
            elapsed = time.perf_counter() - started
            self.seconds[name] -= self._inside.pop()
            self.add(name, elapsed)

    def add(self, name: str, seconds: float) -> None:
        self.seconds[name] += seconds
        if self._inside:
            self._inside[-1] += seconds


def run_rounds(
    photo: Photo, found: Sequence[FoundFace], ks: Sequence[int], protector: Protector, format: str
) -> Attempt:
    """Attack the chosen faces, each of its rank group k, until all hold in the encoded file or ROUNDS end."""
    costs = Costs()
    options, device = protector.options, torch.device(protector.device)
    chain = _chain_of(photo, found, protector)
    clean = chain.clean_faces()
    enrollments = [protector.enrollments(f) for f in found]
    groups = torch.tensor(ks, device=device)
    own = protector.gallery.logits(torch.stack([f.embedding for f in found]), [e[-1] for e in enrollments])
    targets = targets_of(ranked_others(own, max(ks) - 1), groups)
    counts = torch.zeros(len(found), dtype=torch.int64, device=device)
    faces, best, open_faces = clean.clone(), None, list(range(len(found)))
    for round_ in range(ROUNDS):
        margin = MARGIN * protector.spread * (1 + GROWTH * round_)
        for part in torch.tensor(open_faces, device=device).split(BATCH):
            with costs.timed("attack"):
                evaluations = torch.zeros(len(part), dtype=torch.int64, device=device)
                faces[part] = ATTACKS[options.method](
                    _logits_of(chain, clean, enrollments, protector, part, costs),
                    clean[part],
                    torch.zeros(len(part), dtype=torch.int64, device=device),
                    targets=targets[part],
                    criterion=rank_is(groups[part], margin / 2),
                    margin=margin,
                    steps=STEPS,
                    start=faces[part],
                    counts=evaluations,
                )
                counts[part] += evaluations
        with costs.timed("codec"):
            pixels = photo.pixels.copy()
            for row, (patch, transform) in enumerate(zip(chain.patches, chain.transforms, strict=True)):
                paste(pixels, faces[row] - clean[row], transform, patch.region)
            data, saved = _encoded(photo, pixels, format, options)
        looks = look_again(saved, found, enrollments, chain, protector, costs)
        attempt = Attempt(data, tuple(looks), tuple(counts.tolist()), clean, costs.seconds)
        if best is None or _score(attempt, ks) > _score(best, ks):
            best = attempt
        open_faces = [row for row, look in enumerate(looks) if not _holds(look, ks[row])]
        if not open_faces:
            return attempt
        for row in open_faces:
            with torch.no_grad():
                expected = chain.perturbed(faces[row : row + 1] - clean[row : row + 1], rows=torch.tensor([row]))[0]
            chain.add_view(row, View(looks[row].landmarks, _residual(saved, chain, row, expected)))
    if best is None:
        raise RuntimeError("no round was run")
    return replace(best, evaluations=tuple(counts.tolist()))


def obfuscate(photo: Photo, found: Sequence[FoundFace], protector: Protector, format: str) -> Attempt:
    """Blur or pixelate the chosen faces, as strongly as the options say; one look at the encoded file, no round."""
    costs, options = Costs(), protector.options
    change = OBFUSCATIONS[options.method]
    strength = {} if options.strength is None else {"strength": options.strength}
    with costs.timed(options.method):
        pixels = photo.pixels.copy()
        for f in found:
            change(pixels, f.face.landmarks, **strength)
    with costs.timed("codec"):
        data, saved = _encoded(photo, pixels, format, options)
    chain = _chain_of(photo, found, protector)
    looks = look_again(saved, found, [protector.enrollments(f) for f in found], chain, protector, costs)
    return Attempt(data, tuple(looks), (0,) * len(found), chain.clean_faces(), costs.seconds)


def _chain_of(photo: Photo, found: Sequence[FoundFace], protector: Protector) -> FaceChain:
    landmarks = [f.face.landmarks for f in found]
    device = torch.device(protector.device)
    return FaceChain([photo.pixels] * len(found), landmarks, protector.recognizer.template, device)


def _encoded(photo: Photo, pixels: np.ndarray, format: str, options: Options) -> tuple[bytes, np.ndarray]:
    """The file of a photo with these pixels instead of its own, and the pixels that the file shows."""
    changed = replace(photo, pixels=pixels)
    data = encode_photo(changed, format=format, quality=options.quality, keep_metadata=options.keep_metadata)
    return data, decode_photo(data).pixels


def _holds(look: Look, k: int) -> bool:
    return all(rank == k for rank in look.ranks)


def _score(attempt: Attempt, ks: Sequence[int]) -> tuple[int, int]:
    """Protected faces count first, exact ones next."""
    protected = sum(min(look.ranks) > 1 for look in attempt.looks)
    return protected, sum(_holds(look, k) for look, k in zip(attempt.looks, ks, strict=True))


def _logits_of(
    chain: FaceChain, clean: Tensor, enrollments: list, protector: Protector, chosen: Tensor, costs: Costs
) -> Callable[[Tensor, Tensor], Tensor]:
    """logits_fn for the chosen rows of the chain: (n, V, 1 + M), V = views × enrollments; fewer are repeated."""
    views = max(len(chain.views[row]) * len(enrollments[row]) for row in chosen.tolist())

    def logits_fn(faces: Tensor, rows: Tensor) -> Tensor:
        rows = chosen[rows]
        with costs.timed("warp"):
            seen, owner = chain.faces(faces - clean[rows], rows)
        started = [0.0]
        with costs.timed("network"):
            embeddings = protector.recognizer.embed(seen)
        if embeddings.requires_grad:

            def at_network_end(_: Tensor) -> None:
                started[0] = time.perf_counter()

            def at_network_start(_: Tensor) -> None:
                costs.add("network", time.perf_counter() - started[0])

            embeddings.register_hook(at_network_end)
            seen.register_hook(at_network_start)
        asked = [(at, e) for at, row in enumerate(owner.tolist()) for e in enrollments[int(rows[row])]]
        logits = protector.gallery.logits(embeddings[[at for at, _ in asked]], [e for _, e in asked])
        of_face: list[list[int]] = [[] for _ in rows]
        for position, (at, _) in enumerate(asked):
            of_face[int(owner[at])].append(position)
        return logits[torch.tensor([(own * views)[:views] for own in of_face], device=logits.device)]

    return logits_fn


def look_again(
    pixels: np.ndarray,
    found: Sequence[FoundFace],
    enrollments: list,
    chain: FaceChain,
    protector: Protector,
    costs: Costs,
) -> list[Look]:
    """Recognize every chosen face in a decoded file, afresh: detected again, aligned where it is found now."""
    with costs.timed("detect"):
        again = detect_faces(pixels, device=protector.device)
    matches = [same_face(f.face, again) for f in found]
    landmarks = [m.landmarks if m else f.face.landmarks for m, f in zip(matches, found, strict=True)]
    with costs.timed("verify"):
        embeddings = protector.embed(pixels, landmarks)
        looks = []
        for row, embedding in enumerate(embeddings):
            asked = enrollments[row]
            logits = protector.gallery.logits(embedding.expand(len(asked), -1), asked)
            patch = chain.patches[row]
            aligned = chain.aligned(row, _recut(pixels, chain, row, patch))
            looks.append(
                Look(
                    landmarks[row],
                    matches[row] is not None,
                    tuple(int(rank) for rank in rank_of(logits, 0)),
                    tuple(float(embedding @ e.prototype) for e in asked),
                    aligned,
                )
            )
    return looks


def same_face(face: Face, candidates: Sequence[Face]) -> Face | None:
    best = max(candidates, key=lambda other: overlap(face.box, other.box), default=None)
    return best if best is not None and overlap(face.box, best.box) >= SAME_FACE else None


def _recut(pixels: np.ndarray, chain: FaceChain, row: int, patch: Patch) -> Tensor:
    return patch_around(pixels, chain.transforms[row], chain.template.size).pixels


def _residual(pixels: np.ndarray, chain: FaceChain, row: int, expected: Tensor) -> Tensor | None:
    """What the file shows beyond what the chain expected (3, h, w), or None where that is nothing.

    A codec's rounding, or the perturbation of a face next to this one.
    """
    seen = _recut(pixels, chain, row, chain.patches[row]).to(expected.device)
    residual = seen.expand(3, -1, -1) - expected[:, : seen.shape[1], : seen.shape[2]]
    return residual if float(residual.abs().max()) > 0.5 / 255 else None
