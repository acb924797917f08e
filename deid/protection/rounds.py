"""The rounds of one photo: attack, paste, encode, look at the encoded file again, and go on where it did not hold.

MTCNN's landmarks move by a pixel or two on a perturbed photo, and codecs and handling change it; so each failed look is
added to the views on which the attack must hold: the newly found alignment, and what was done to the face.
"""

import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from deid.anonymity.conditions import (
    Criterion,
    at_most,
    rank_is,
    rank_is_at_least,
    ranked_others,
    targets_of,
)
from deid.attacks import ATTACKS
from deid.attacks.feature_level import feature_level
from deid.faces.chain import FaceChain, View
from deid.faces.paste import paste
from deid.images.handlings import AS_PUBLISHED
from deid.images.photo import Photo, decode_photo, encode_photo
from deid.protection.likeness_objective import Wanted, likeness_on_random_views
from deid.protection.profiles import PROFILES, Away, Profile
from deid.protection.protector import FoundFace, Protector
from deid.protection.rank_objective import Asked, published_on_views, scores_of, targets_on_views
from deid.protection.surrogates import Surrogate
from deid.protection.timing import Costs
from deid.protection.verification import Look, Sight, look_again
from deid.recognizers.gallery import Enrollment
from deid.types import Options

BATCH = 16  # faces attacked at a time: more are slower on a CPU, and memory does not grow with the crowd
GROWTH = 0.15  # of the margin, a round
# After so many rounds a handled face need not be exactly at k any more, only not recognized: being at k and not
# matching one to one pull against each other, for a threshold that some of the strangers pass.
STRICT_ROUNDS = 6


@dataclass(frozen=True, eq=False)
class Attempt:
    """The best the rounds came to, or an obfuscation. looks and evaluations: one for each chosen face.

    clean, noise: the aligned faces and their perturbations (N, C, S, S). hidden: the faces, by their rows, that were
    blurred or pixelated instead, and how strongly.
    """

    data: bytes
    looks: tuple[Look, ...]
    evaluations: tuple[int, ...]
    clean: Tensor
    noise: Tensor
    costs: Costs
    hidden: Mapping[int, float] = field(default_factory=dict)


def run_rounds(
    photo: Photo, found: Sequence[FoundFace], ks: Sequence[int], protector: Protector, format: str
) -> Attempt:
    """Attack the chosen faces, each of its rank group k, until all hold in the encoded file or the rounds end."""
    rows, enrollments = range(len(found)), protector.enrollments_of(photo, found)
    profile = profile_of(protector.options)
    return attack_rows(photo, found, ks, rows, enrollments, profile, protector, format, Costs())


def profile_of(options: Options) -> Profile:
    profile, limit = PROFILES[options.profile], options.max_visibility
    return profile if limit is None else replace(profile, limit=limit, widening=0.0)


def attack_rows(
    photo: Photo,
    found: Sequence[FoundFace],
    ks: Sequence[int],
    rows: Sequence[int],
    enrollments: Sequence[list[list[Enrollment]]],
    profile: Profile,
    protector: Protector,
    format: str,
    costs: Costs,
) -> Attempt:
    """As `run_rounds`, of a photo in which only these faces, by their rows, are to be changed.

    enrollments: see `Protector.enrollments_of`. They may be of another version of the photo.
    """
    options, device, surrogates = protector.options, torch.device(protector.device), protector.surrogates
    chain = chain_of(photo, found, surrogates, profile.channels)
    for row, f in enumerate(found):
        for handling in profile.rehearsed:
            chain.add_view(row, View(f.face.landmarks, handling=handling), profile.views)
    clean = chain.clean_faces()
    groups = torch.tensor(ks, device=device)
    asked = [_asked(*one, groups) for one in zip(surrogates, enrollments, strict=True)]
    shared = _Shared(profile, options.method, chain, clean, asked, groups, costs)
    step_away = None if profile.away is None else _away_from(photo, found, profile.away, shared)
    counts = torch.zeros(len(found), dtype=torch.int64, device=device)
    faces, best, open_faces = clean.clone(), None, list(rows)
    pressed = [frozenset[int]()] * len(found)
    for round_ in range(profile.rounds):
        for batch in _batches(open_faces, pressed):
            part = torch.tensor(batch, device=device)
            with costs.timed("attack"):
                if step_away is not None and profile.away is not None and round_ < len(profile.away.steps):
                    faces[part] = step_away(faces[part], part, round_, pressed[batch[0]])
                    counts[part] += profile.away.steps[round_]
                else:
                    faces[part], evaluations = _ranked(faces[part], part, round_, shared)
                    counts[part] += evaluations
        with costs.timed("codec"):
            pixels = photo.pixels.copy()
            for row, (patch, transform) in enumerate(zip(chain.patches, chain.transforms, strict=True)):
                paste(pixels, faces[row] - clean[row], transform, patch.region)
            data, saved = encoded(photo, pixels, format, options)
        looks = look_again(saved, [f.face for f in found], enrollments, surrogates, chain, profile.checks, costs)
        attempt = Attempt(data, tuple(looks), tuple(counts.tolist()), clean, faces - clean, costs)
        if best is None or _score(attempt, ks, profile) > _score(best, ks, profile):
            best = attempt
        failed = [
            [sight for sight in look.sights if not holds(sight, ks[row], profile, round_ < STRICT_ROUNDS - 1)]
            for row, look in enumerate(looks)
        ]
        open_faces = [row for row in rows if failed[row]]
        if not open_faces:
            return attempt
        for row in open_faces:
            if step_away is not None:
                pressed[row] |= {at for sight in failed[row] for at in _recognizing(sight, ks[row])}
            _keep_in_mind(failed[row], row, faces[row] - clean[row], chain, profile.views)
    if best is None:
        raise RuntimeError("no round was run")
    return replace(best, evaluations=tuple(counts.tolist()))


def _batches(rows: Sequence[int], pressed: Sequence[frozenset[int]]) -> list[list[int]]:
    """The faces to attack together: those with the same surrogates to press, at most BATCH of them."""
    alike: dict[frozenset[int], list[int]] = {}
    for row in rows:
        alike.setdefault(pressed[row], []).append(row)
    return [group[i : i + BATCH] for group in alike.values() for i in range(0, len(group), BATCH)]


@dataclass(frozen=True, eq=False)
class _Shared:
    """What the attacks of all rounds of a photo share. clean: (N, C, S, S). groups: k of each face."""

    profile: Profile
    method: str
    chain: FaceChain
    clean: Tensor
    asked: Sequence[Asked]
    groups: Tensor
    costs: Costs


def _away_from(
    photo: Photo, found: Sequence[FoundFace], away: Away, shared: _Shared
) -> Callable[[Tensor, Tensor, int, Collection[int]], Tensor]:
    """The feature-level attack: faces, their rows, round, surrogates to press (`likeness_on_random_views`) → faces."""
    # Two photos of a person draw other strangers.
    rng = np.random.default_rng(zlib.crc32(np.ascontiguousarray(photo.pixels).data))
    wanted = [Wanted.drawn(one, rng) for one in shared.asked]
    chain, clean, costs = shared.chain, shared.clean, shared.costs

    def step_away(faces: Tensor, part: Tensor, round_: int, pressed: Collection[int]) -> Tensor:
        landmarks = [found[row].face.landmarks for row in part.tolist()]
        return feature_level(
            likeness_on_random_views(chain, clean, wanted, shared.asked, part, landmarks, rng, costs, pressed),
            clean[part],
            start=faces,
            steps=away.steps[round_],
            stride=away.stride,
            chroma=away.chroma,
            limit=shared.profile.limit_in(round_),
        )

    return step_away


def _ranked(faces: Tensor, part: Tensor, round_: int, shared: _Shared) -> tuple[Tensor, Tensor]:
    """The attack on ranks: these rows' faces after it, and the gradient evaluations of each."""
    profile, chain, asked, clean = shared.profile, shared.chain, shared.asked, shared.clean[part]
    margin, strict = profile.margin * (1 + GROWTH * round_), round_ < STRICT_ROUNDS
    exact = published_on_views(asked, chain, part) | strict if profile.exact else None
    evaluations = torch.zeros(len(part), dtype=torch.int64, device=part.device)
    ranked = ATTACKS[shared.method](
        scores_of(chain, shared.clean, asked, part, shared.costs),
        clean,
        torch.zeros_like(evaluations),
        targets=targets_on_views(asked, chain, part),
        criterion=_criterion(shared.groups[part], margin / 2, profile, exact),
        margin=margin,
        ceiling=0.0 if profile.unmatched else None,
        exact=False if exact is None else exact,
        limit=profile.limit_in(round_),
        steps=profile.steps,
        start=faces,
        counts=evaluations,
    )
    return ranked, evaluations


def _keep_in_mind(failed: Sequence[Sight], row: int, noise: Tensor, chain: FaceChain, views: int) -> None:
    """Every failed sight of a face with this noise (C, S, S) becomes a view on which the attack must hold."""
    with torch.no_grad():
        expected = chain.perturbed(noise[None], rows=torch.tensor([row]))[0]
    for sight in failed:
        shown = chain.handled(sight.handling, expected, row)
        chain.add_view(row, View(sight.landmarks, _residual(sight.patch, shown), sight.handling), views)


def chain_of(photo: Photo, found: Sequence[FoundFace], surrogates: Sequence[Surrogate], channels: int = 1) -> FaceChain:
    landmarks = [f.face.landmarks for f in found]
    first, *others = [surrogate.recognizer.template for surrogate in surrogates]
    device = surrogates[0].recognizer.device
    return FaceChain(
        [photo.pixels] * len(found), landmarks, first, device, others=others, channels=max(channels, first.channels)
    )


def encoded(photo: Photo, pixels: np.ndarray, format: str, options: Options) -> tuple[bytes, np.ndarray]:
    """The file of a photo with these pixels instead of its own, and the pixels that the file shows."""
    changed = replace(photo, pixels=pixels)
    data = encode_photo(changed, file_format=format, quality=options.quality, keep_metadata=options.keep_metadata)
    return data, decode_photo(data).pixels


def shortcoming(look: Look, profile: Profile) -> str:
    """After which handling a face is still first or, where the profile asks for that, still matches one to one.

    In words for the user; empty for a protected face.
    """
    for sight in look.sights:
        if min(min(ranks) for ranks in sight.ranks) == 1:
            return f"{sight.handling}, it is still recognized"
        if profile.unmatched and sight.matches:
            return f"{sight.handling}, it still matches one to one"
    return ""


def is_exact(look: Look, k: int) -> bool:
    """Exactly at rank k after every handling, under every enrollment."""
    return all(rank == k for sight in look.sights for rank in sight.ranks[0])


def holds(sight: Sight, k: int, profile: Profile, strict: bool) -> bool:
    """Whether a sight is as it should be. strict: at rank k after handling, too; else anywhere but first."""
    if profile.unmatched and sight.matches:
        return False
    ranks = [rank for of_surrogate in sight.ranks for rank in of_surrogate]
    if not profile.exact:
        return min(ranks) >= k
    return all(rank == k for rank in ranks) if strict or sight.handling == AS_PUBLISHED else min(ranks) > 1


def _recognizing(sight: Sight, k: int) -> list[int]:
    """Which surrogates, by their places, rank a face before k or match it one to one."""
    of_each = zip(sight.ranks, sight.matching, strict=True)
    return [at for at, (ranks, matches) in enumerate(of_each) if matches or min(ranks) < k]


def _score(attempt: Attempt, ks: Sequence[int], profile: Profile) -> tuple[int, int, int]:
    """Protected faces count first, exact ones next, then sights that hold by themselves."""
    protected = sum(not shortcoming(look, profile) for look in attempt.looks)
    exact = sum(is_exact(look, k) for look, k in zip(attempt.looks, ks, strict=True))
    holding = sum(holds(s, k, profile, False) for look, k in zip(attempt.looks, ks, strict=True) for s in look.sights)
    return protected, exact, holding


def _criterion(groups: Tensor, margin: float, profile: Profile, exact: Tensor | None) -> Criterion:
    """exact: the views, bool (n, V), on which the rank is to be k and not only below the first; None: nowhere."""
    at_k = rank_is(groups, margin)
    at_least = rank_is_at_least(groups if exact is None else torch.full_like(groups, 2), margin)
    unmatched = at_most(-margin)

    def criterion(faces: Tensor, scores: Tensor) -> Tensor:
        done = at_least(faces, scores)
        if exact is not None:  # a view that need not be exact is left out by standing in the first one's place
            done &= at_k(faces, scores.where(exact[:, :, None], scores[:, :1]))
        return done & unmatched(faces, scores) if profile.unmatched else done

    return criterion


def _asked(surrogate: Surrogate, enrollments: list[list[Enrollment]], groups: Tensor) -> Asked:
    """With r(2..k) as this surrogate ranks the others for each clean face, whose own enrollment comes last."""
    own = [of_face[-1] for of_face in enrollments]
    clean = surrogate.gallery.logits(torch.stack([enrollment.prototype for enrollment in own]), own)
    return Asked(surrogate, enrollments, targets_of(ranked_others(clean, int(groups.max()) - 1), groups))


def _residual(seen: Tensor, expected: Tensor) -> Tensor | None:
    """What a file shows of a patch (C, h, w) beyond what the chain expected (3, H, W), perhaps padded; None if nothing.

    A codec's rounding, or the perturbation of a face next to this one.
    """
    residual = seen.to(expected.device).expand(3, -1, -1) - expected[:, : seen.shape[1], : seen.shape[2]]
    return residual if float(residual.abs().max()) > 0.5 / 255 else None
