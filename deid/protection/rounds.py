"""The rounds of one photo: attack, save, look at the saved file again, and go on where it did not hold.

The detector's landmarks move by a pixel or two on a perturbed photo, and codecs and handling change it; so each failed
observation is added to the views on which the attack must hold: the newly found alignment, and what was done to the
face.
"""

import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from deid.anonymity.conditions import rank_of
from deid.attacks import ATTACKS
from deid.attacks.contract import Attacked, Logits
from deid.attacks.feature_level import feature_level, likeness
from deid.attacks.ranking import RankingObjective
from deid.faces.chain import FaceChain, View
from deid.faces.looks import extremes, looks_at
from deid.images.photo import Photo
from deid.methods import FEATURE_LEVEL
from deid.protection.attempt import Attempt, score
from deid.protection.criteria import holds, recognizing, stop_of
from deid.protection.likeness_objective import LikenessGoal, likeness_goal, likeness_on_random_views
from deid.protection.rank_objective import (
    RankingGoal,
    exact_on_views,
    ranking_goal,
    scores_of,
    targets_on_views,
)
from deid.protection.task import PhotoTask
from deid.protection.verification import FaceCheck, Observation, verify

BATCH = 16  # faces attacked at a time: more are slower on a CPU, and memory does not grow with the crowd
GROWTH = 0.15  # of the margin, a round


def run_rounds(task: PhotoTask, rows: Sequence[int] | None = None) -> Attempt:
    """Attack chosen faces, each of its rank group k, until all hold in the encoded file or the rounds end.

    rows: only these faces are changed; None: all of the task's. Of attempts that fail the best is returned.
    """
    rows = range(len(task.found)) if rows is None else rows
    run = _begin(task)
    best, unseen, open_rows = None, None, list(rows)  # unseen: the best one's file where only cheap checks were made
    for round_ in range(task.profile.rounds):
        task.progress.begin_round()
        for batch in batches(open_rows, run.priorities):
            with task.timing.timed("attack"):
                _attack(run, batch, round_)
        attempt, saved = _save_and_verify(run)
        # The file is judged by what the next round will ask for.
        strict = task.profile.is_strict(round_ + 1)
        failed = _failed(task, attempt.checks, strict=strict)
        is_seen = not any(failed[row] for row in rows)
        if is_seen:  # the dear check comes last, of what holds at the cheap one
            attempt = replace(attempt, checks=tuple(verify(task, saved)))
            failed = _failed(task, attempt.checks, strict=strict)
        if best is None or score(attempt, task.ks, task.profile) > score(best, task.ks, task.profile):
            best, unseen = attempt, None if is_seen else saved
        open_rows = [row for row in rows if failed[row]]
        if not open_rows:
            return attempt
        for row in open_rows:
            if task.profile.feature_level is not None:
                run.priorities[row] |= {at for seen in failed[row] for at in recognizing(seen, task.ks[row])}
            _remember(run, row, failed[row])
    if best is None:
        raise RuntimeError("no round was run")
    if unseen is not None:
        best = replace(best, checks=tuple(verify(task, unseen)))
    return replace(best, evaluations=tuple(run.evaluations.tolist()))


@dataclass(eq=False)
class _Run:
    """The rounds of one task under way; what its fields hold changes from round to round.

    chain: the task's, with the views on which the attack must hold so far.
    clean, faces: (N, C, S, S), the latter as perturbed so far.
    groups: (N,), k of each face.
    evaluations: int64 (N,).
    attacks: the names of those that perturbed each face.
    goals, likeness_goals: of each surrogate; the latter only where the profile has feature-level rounds.
    rng: draws views and strangers. It is the photo's: two photos of a person draw others.
    priorities: of each face the surrogates, by their places, that still recognize it.
    """

    task: PhotoTask
    chain: FaceChain
    clean: Tensor
    faces: Tensor
    groups: Tensor
    evaluations: Tensor
    attacks: list[tuple[str, ...]]
    goals: Sequence[RankingGoal]
    likeness_goals: Sequence[LikenessGoal]
    rng: np.random.Generator
    priorities: list[frozenset[int]]


def _begin(task: PhotoTask) -> _Run:
    chain = task.chain.with_first_views()
    with task.timing.timed("detect"):
        looks = looks_at(task.photo.pixels, [found.face for found in task.found], device=str(chain.device))
    for row, found in enumerate(task.found):
        for landmarks in extremes(found.face.landmarks, looks[row]).values():
            chain.add_view(row, View(landmarks, own=False), task.profile.views)
        for handling in task.profile.rehearsed:
            chain.add_view(row, View(found.face.landmarks, handling=handling), task.profile.views)
    clean = chain.clean_faces()
    groups = torch.tensor(task.ks, device=clean.device)
    goals = [ranking_goal(*of, groups) for of in zip(task.surrogates, task.enrollments, strict=True)]
    rng = np.random.default_rng(zlib.crc32(np.ascontiguousarray(task.photo.pixels).data))
    likeness_goals = []
    if task.profile.feature_level is not None:
        likeness_goals = [likeness_goal(*of, rng) for of in zip(task.surrogates, task.enrollments, strict=True)]
    return _Run(
        task=task,
        chain=chain,
        clean=clean,
        faces=clean.clone(),
        groups=groups,
        evaluations=torch.zeros(len(clean), dtype=torch.int64, device=clean.device),
        attacks=[()] * len(clean),
        goals=goals,
        likeness_goals=likeness_goals,
        rng=rng,
        priorities=[frozenset()] * len(clean),
    )


def batches(rows: Sequence[int], priorities: Sequence[frozenset[int]]) -> list[list[int]]:
    """The faces to attack together: those with the same surrogates to press first, at most BATCH of them."""
    alike: dict[frozenset[int], list[int]] = {}
    for row in rows:
        alike.setdefault(priorities[row], []).append(row)
    return [group[i : i + BATCH] for group in alike.values() for i in range(0, len(group), BATCH)]


def _attack(run: _Run, batch: Sequence[int], round_: int) -> None:
    """Perturb these faces further, by whatever attack this round is of."""
    rows = torch.tensor(batch, device=run.faces.device)
    feature_rounds = run.task.profile.feature_level
    if feature_rounds is not None and round_ < len(feature_rounds.steps):
        name, attacked = FEATURE_LEVEL, _attack_features(run, rows, round_, run.priorities[batch[0]])
    else:
        name = run.task.protector.options.method
        attacked = _attack_ranks(run, rows, round_, name)
    run.faces[rows] = attacked.faces
    run.evaluations[rows] += attacked.evaluations
    for row in batch:
        run.attacks[row] = tuple(dict.fromkeys((*run.attacks[row], name)))


def _attack_ranks(run: _Run, rows: Tensor, round_: int, method: str) -> Attacked:
    task, profile, chain, clean = run.task, run.task.profile, run.chain, run.clean
    margin, strict = profile.margin * (1 + GROWTH * round_), profile.is_strict(round_)
    exact = exact_on_views(run.goals, chain, rows, handled=strict) if profile.exact else None

    def on_step(open_: Tensor, scores: Logits) -> None:
        if isinstance(scores, Tensor):
            faces = rows[open_].tolist()
            ranks = rank_of(scores, 0).amin(1).tolist()
            task.progress.stepped(faces, dict(zip(faces, ranks, strict=True)))

    return ATTACKS[method](
        scores_of(chain, clean, run.goals, rows, task.timing, profile.safety),
        clean[rows],
        torch.zeros_like(rows),  # the true identity is a gallery's first column
        objective=RankingObjective(
            targets_on_views(run.goals, chain, rows),
            margin,
            ceiling=0.0 if profile.unmatched else None,
            exact=False if exact is None else exact,
        ),
        criterion=stop_of(run.groups[rows], margin / 2, profile, exact),
        steps=profile.steps,
        start=run.faces[rows],
        limit=profile.limit_in(round_),
        on_step=on_step,
    )


def _attack_features(run: _Run, rows: Tensor, round_: int, priority: Collection[int]) -> Attacked:
    task, settings = run.task, run.task.profile.feature_level
    if settings is None:
        raise RuntimeError("the profile has no feature-level rounds")
    landmarks = [task.found[row].face.landmarks for row in rows.tolist()]

    def on_step(open_: Tensor, likenesses: Logits) -> None:  # of two networks on one view: no rank can be told
        task.progress.stepped(rows[open_].tolist(), {})

    return feature_level(stride=settings.stride, chroma=settings.chroma)(
        likeness_on_random_views(
            run.chain, run.clean, run.likeness_goals, rows, landmarks, run.rng, task.timing, priority
        ),
        run.clean[rows],
        torch.zeros_like(rows),
        objective=likeness,
        criterion=None,
        steps=settings.steps[round_],
        start=run.faces[rows],
        limit=task.profile.limit_in(round_),
        on_step=on_step,
    )


def _save_and_verify(run: _Run) -> tuple[Attempt, Photo]:
    """Save the faces as they are now, and look at the file, not thoroughly; what was saved as well."""
    task, noise = run.task, run.faces - run.clean
    with task.timing.timed("codec"):
        data, saved = task.encoded(task.paste_into(task.photo.pixels.copy(), noise, range(len(noise))))
    checks = verify(task, saved, thorough=False)
    evaluations = tuple(run.evaluations.tolist())
    return Attempt(data, tuple(checks), evaluations, tuple(run.attacks), run.clean, noise), saved


def _failed(task: PhotoTask, checks: Sequence[FaceCheck], *, strict: bool) -> list[list[Observation]]:
    """Of each face the observations that do not hold."""
    return [
        [seen for seen in check.observations if not holds(seen, k, task.profile, strict)]
        for check, k in zip(checks, task.ks, strict=True)
    ]


def _remember(run: _Run, row: int, failed: Sequence[Observation]) -> None:
    """Every failed observation of a face becomes a view on which the attack must hold."""
    chain, noise = run.chain, run.faces[row] - run.clean[row]
    with torch.no_grad():
        expected = chain.perturbed(noise[None], rows=torch.tensor([row]))[0]
    for seen in sorted(failed, key=_likeness):  # the worst come last, and stay longest
        residual = _residual(seen.patch, chain.handled(seen.handling, expected, row))
        view = View(seen.landmarks, residual, seen.handling, own=not seen.look)
        chain.add_view(row, view, run.task.profile.views)


def _likeness(seen: Observation) -> float:
    return max(max(similarities) for similarities in seen.similarities)


def _residual(seen: Tensor, expected: Tensor) -> Tensor | None:
    """What a file shows of a patch (C, h, w) beyond what the chain expected (3, H, W), perhaps padded; None if nothing.

    A codec's rounding, or the perturbation of a face next to this one.
    """
    residual = seen.to(expected.device).expand(3, -1, -1) - expected[:, : seen.shape[1], : seen.shape[2]]
    return residual if float(residual.abs().max()) > 0.5 / 255 else None
