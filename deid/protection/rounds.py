"""The rounds of one photo: attack, save, look at the saved file again, and go on where it did not hold.

The detector's landmarks move by a pixel or two on a perturbed photo, and codecs and handling change it; so each failed
observation is added to the views on which the attack must hold: the newly found alignment, and what was done to the
face.
"""

import zlib
from collections.abc import Sequence
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
from deid.losses.visibility import Visibility, visibility_of
from deid.protection.attempt import Attempt, score
from deid.protection.criteria import holds, stop_of
from deid.protection.likeness_objective import LikenessGoal, likeness_goal, likeness_on_random_views
from deid.protection.profiles import Profile
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
        batches, steps = range(0, len(open_rows), BATCH), task.profile.steps[round_]
        task.progress.begin_round(len(batches) * steps)
        for number, at in enumerate(batches):
            task.progress.begin_batch(number * steps)
            with task.timing.timed("attack"):
                _attack(run, open_rows[at : at + BATCH], round_)
        attempt, saved = _save_and_verify(run)
        failed = _failed(task, attempt.checks)
        is_seen = not any(failed[row] for row in rows)
        if is_seen:  # the dear check comes last, of what holds at the cheap one
            attempt = replace(attempt, checks=tuple(verify(task, saved)))
            failed = _failed(task, attempt.checks)
        if best is None or score(attempt, task.ks, task.profile) > score(best, task.ks, task.profile):
            best, unseen = attempt, None if is_seen else saved
        open_rows = [row for row in rows if failed[row]]
        if not open_rows:
            return attempt
        for row in open_rows if task.profile.exact else ():  # otherwise every view is drawn anew
            _remember(run, row, failed[row])
    if best is None:
        raise RuntimeError("no round was run")
    if unseen is not None:
        best = replace(best, checks=tuple(verify(task, unseen)))
    return replace(best, evaluations=tuple(run.evaluations.tolist()))


def unchecked(task: PhotoTask) -> Tensor:
    """The perturbations (N, 1, S, S) of the first round alone. Nothing is saved, and no face is looked at again."""
    run, rows = _begin(task), range(len(task.found))
    task.progress.begin_round(task.profile.steps[0])
    _attack(run, rows, 0)
    return run.faces - run.clean


@dataclass(eq=False)
class _Run:
    """The rounds of one task under way; what its fields hold changes from round to round.

    chain: the task's, with the views on which the attack must hold so far.
    clean, faces: luma (N, 1, S, S), the latter as perturbed so far.
    visibility: what is seen of a change of these faces.
    groups: (N,), k of each face.
    evaluations: int64 (N,).
    attacks: the names of those that perturbed each face.
    goals, likeness_goals: of each surrogate; the former where ranks are to be exact, the latter where they are not.
    rng: draws views and strangers. It is the photo's: two photos of a person draw others.
    """

    task: PhotoTask
    chain: FaceChain
    clean: Tensor
    faces: Tensor
    visibility: Visibility
    groups: Tensor
    evaluations: Tensor
    attacks: list[tuple[str, ...]]
    goals: Sequence[RankingGoal]
    likeness_goals: Sequence[LikenessGoal]
    rng: np.random.Generator


def _begin(task: PhotoTask) -> _Run:
    chain = task.chain.with_first_views()
    clean = chain.clean_faces()
    groups = torch.tensor(task.ks, device=clean.device)
    rng = np.random.default_rng(zlib.crc32(np.ascontiguousarray(task.photo.pixels).data))
    goals: list[RankingGoal] = []
    likeness_goals: list[LikenessGoal] = []
    if task.profile.exact:
        goals = [ranking_goal(*of, groups) for of in zip(task.surrogates, task.enrollments, strict=True)]
        _add_looks(task, chain)
    else:
        likeness_goals = _likeness_goals(task, rng)
    landmarks = [chain.landmarks(row) for row in range(len(chain))]
    return _Run(
        task=task,
        chain=chain,
        clean=clean,
        faces=clean.clone(),
        visibility=visibility_of(clean, landmarks, features=task.profile.features, slow=task.profile.slow),
        groups=groups,
        evaluations=torch.zeros(len(clean), dtype=torch.int64, device=clean.device),
        attacks=[()] * len(clean),
        goals=goals,
        likeness_goals=likeness_goals,
        rng=rng,
    )


def _add_looks(task: PhotoTask, chain: FaceChain) -> None:
    """As views: where others find the faces, farthest from where this program does."""
    with task.timing.timed("detect"):
        looks = looks_at(task.photo.pixels, [found.face for found in task.found], device=str(chain.device))
    for row, found in enumerate(task.found):
        for landmarks in extremes(found.face.landmarks, looks[row]).values():
            chain.add_view(row, View(landmarks, own=False), task.profile.views)


def _likeness_goals(task: PhotoTask, rng: np.random.Generator) -> list[LikenessGoal]:
    """The first surrogate's list is the one that is reported: there every place is as likely, to its end.

    In the others' a face goes on to the lower half, for what carries to recognizers that nobody asked is what is
    beyond; but not to the end.
    """
    first = torch.tensor(task.places)
    return [
        likeness_goal(surrogate, enrollments, rng, (1 + first) / 2 if at else first, exactly=not at)
        for at, (surrogate, enrollments) in enumerate(zip(task.surrogates, task.enrollments, strict=True))
    ]


def _attack(run: _Run, batch: Sequence[int], round_: int) -> None:
    """Perturb these faces further."""
    rows, profile = torch.tensor(batch, device=run.faces.device), run.task.profile.in_round(round_)
    if profile.exact:
        attacked = _attack_ranks(run, rows, profile, round_)
    else:
        attacked = _attack_features(run, rows, profile, profile.steps[round_])
    run.faces[rows] = attacked.faces
    run.evaluations[rows] += attacked.evaluations
    for row in batch:
        run.attacks[row] = (run.task.protector.options.method,)


def _attack_ranks(run: _Run, rows: Tensor, profile: Profile, round_: int) -> Attacked:
    task, chain, clean = run.task, run.chain, run.clean
    margin = profile.margin * (1 + GROWTH * round_)
    exact = exact_on_views(run.goals, chain, rows)

    def on_step(open_: Tensor, scores: Logits) -> None:
        if isinstance(scores, Tensor):
            faces = rows[open_].tolist()
            ranks = rank_of(scores, 0).amin(1).tolist()
            task.progress.stepped(faces, dict(zip(faces, ranks, strict=True)))

    return ATTACKS[task.protector.options.method](
        scores_of(chain, clean, run.goals, rows, task.timing, profile.safety),
        clean[rows],
        torch.zeros_like(rows),  # the true identity is a gallery's first column
        objective=RankingObjective(targets_on_views(run.goals, chain, rows), margin, exact=exact),
        criterion=stop_of(run.groups[rows], margin / 2, exact),
        steps=profile.steps[round_],
        start=run.faces[rows],
        visibility=run.visibility.of(rows),
        limit=profile.limit,
        on_step=on_step,
    )


def _attack_features(run: _Run, rows: Tensor, profile: Profile, steps: int) -> Attacked:
    task = run.task
    landmarks = [task.found[row].face.landmarks for row in rows.tolist()]
    if profile.budget is None:
        raise RuntimeError("the profile does not say how much may be seen")

    def on_step(open_: Tensor, likenesses: Logits) -> None:  # of two networks on one view: no rank can be told
        task.progress.stepped(rows[open_].tolist(), {})

    return feature_level(budget=profile.budget)(
        likeness_on_random_views(run.chain, run.clean, run.likeness_goals, rows, landmarks, run.rng, task.timing),
        run.clean[rows],
        torch.zeros_like(rows),
        objective=likeness,
        criterion=None,
        steps=steps,
        start=run.faces[rows],
        visibility=run.visibility.of(rows),
        limit=profile.limit,
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


def _failed(task: PhotoTask, checks: Sequence[FaceCheck]) -> list[list[Observation]]:
    """Of each face the observations that do not hold."""
    return [
        [seen for seen in check.observations if not holds(seen, k, task.profile)]
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
