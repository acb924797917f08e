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
from deid.protection.verification import FaceCheck, FacesSeen, Observation, verify

BATCH = 16  # faces attacked at a time: more are slower on a CPU, and memory does not grow with the crowd
GROWTH = 0.15  # of the margin, a round


def run_rounds(task: PhotoTask, rows: Sequence[int] | None = None) -> Attempt:
    """Attack chosen faces, each of its rank group k, until all hold in the encoded file or the rounds end.

    rows: only these faces are changed; None: all of the task's. Of attempts that fail the best is returned.
    """
    rows = range(len(task.found)) if rows is None else rows
    run = _begin(task)
    best, unseen, open_rows = None, None, list(rows)  # unseen: the best one's file where not all was looked at
    for round_ in range(task.profile.rounds):
        batches, steps = range(0, len(open_rows), BATCH), task.profile.steps[round_]
        task.progress.begin_round(len(batches) * steps)
        for number, at in enumerate(batches):
            task.progress.begin_batch(number * steps)
            with task.timing.timed("attack"):
                _attack(run, open_rows[at : at + BATCH], round_)
        attempt, saved = _saved(run)
        checks, is_seen = _look_at(task, saved, rows, open_rows)
        attempt, failed = replace(attempt, checks=tuple(checks)), _failed(task, checks)
        if best is None or score(attempt, task.ks, task.profile) > score(best, task.ks, task.profile):
            best, unseen = attempt, None if is_seen else saved
        open_rows = [row for row in rows if failed[row]]
        if not open_rows:
            return attempt
        for row in open_rows if task.profile.budget is None else ():  # otherwise every view is drawn anew
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
    groups: (N,), k of each face.
    evaluations: int64 (N,).
    attacks: the names of those that perturbed each face.
    goals, likeness_goals: of each surrogate; the former for an attack on ranks, the latter for one on features.
    rng: draws views and strangers. It is the photo's: two photos of a person draw others.
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


def _begin(task: PhotoTask) -> _Run:
    chain = task.chain.with_first_views()
    clean = chain.clean_faces()
    groups = torch.tensor(task.ks, device=clean.device)
    rng = np.random.default_rng(zlib.crc32(np.ascontiguousarray(task.photo.pixels).data))
    goals: list[RankingGoal] = []
    likeness_goals: list[LikenessGoal] = []
    if task.profile.budget is None:
        goals = [ranking_goal(*of, groups) for of in zip(task.surrogates, task.enrollments, strict=True)]
        _add_looks(task, chain)
    else:
        likeness_goals = _likeness_goals(task, rng)
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
        likeness_goal(
            surrogate,
            enrollments,
            rng,
            (1 + first) / 2 if at else first,
            exactly=not at,
            toward_stranger=task.profile.toward_stranger,
        )
        for at, (surrogate, enrollments) in enumerate(zip(task.surrogates, task.enrollments, strict=True))
    ]


def _attack(run: _Run, batch: Sequence[int], round_: int) -> None:
    """Perturb these faces further."""
    rows, profile = torch.tensor(batch, device=run.faces.device), run.task.profile.in_round(round_)
    if profile.budget is None:
        attacked = _attack_ranks(run, rows, profile, round_)
    else:
        attacked = _attack_features(run, rows, profile, round_, profile.budget)
    run.faces[rows] = attacked.faces
    run.evaluations[rows] += attacked.evaluations
    for row in batch:
        run.attacks[row] = (run.task.protector.options.method,)


def _attack_ranks(run: _Run, rows: Tensor, profile: Profile, round_: int) -> Attacked:
    task, chain, clean = run.task, run.chain, run.clean
    margin = profile.margin * (1 + GROWTH * round_)
    exact = exact_on_views(run.goals, chain, rows) if profile.exact else None

    def on_step(open_: Tensor, scores: Logits) -> None:
        if isinstance(scores, Tensor):
            faces = rows[open_].tolist()
            ranks = rank_of(scores, 0).amin(1).tolist()
            task.progress.stepped(faces, dict(zip(faces, ranks, strict=True)))

    return ATTACKS[task.protector.options.method](
        scores_of(chain, clean, run.goals, rows, task.timing, profile.safety),
        clean[rows],
        torch.zeros_like(rows),  # the true identity is a gallery's first column
        objective=RankingObjective(
            targets_on_views(run.goals, chain, rows), margin, exact=False if exact is None else exact
        ),
        criterion=stop_of(run.groups[rows], margin / 2, exact),
        steps=profile.steps[round_],
        start=run.faces[rows],
        visibility=_visibility(run, rows, profile),
        limit=profile.limit,
        seed=task.protector.options.seed,
        on_step=on_step,
    )


def _attack_features(run: _Run, rows: Tensor, profile: Profile, round_: int, budget: float) -> Attacked:
    task = run.task
    landmarks = [task.found[row].face.landmarks for row in rows.tolist()]

    def on_step(open_: Tensor, likenesses: Logits) -> None:  # of two networks on one view: no rank can be told
        task.progress.stepped(rows[open_].tolist(), {})

    return feature_level(budget=budget)(
        likeness_on_random_views(run.chain, run.clean, run.likeness_goals, rows, landmarks, run.rng, task.timing),
        run.clean[rows],
        torch.zeros_like(rows),
        objective=likeness,
        criterion=None,
        steps=profile.steps[round_],
        start=run.faces[rows],
        visibility=_visibility(run, rows, profile),
        limit=profile.limit,
        on_step=on_step,
    )


def _visibility(run: _Run, rows: Tensor, profile: Profile) -> Visibility:
    landmarks = [run.chain.landmarks(row) for row in rows.tolist()]
    return visibility_of(run.clean[rows], landmarks, features=profile.features, reach=profile.reach)


def _saved(run: _Run) -> tuple[Attempt, Photo]:
    """The faces as they are now, in a file that nobody has looked at yet, and what is read from it."""
    task, noise = run.task, run.faces - run.clean
    with task.timing.timed("codec"):
        data, saved = task.encoded(task.paste_into(task.photo.pixels.copy(), noise, range(len(noise))))
    evaluations = tuple(run.evaluations.tolist())
    return Attempt(data, (), evaluations, tuple(run.attacks), run.clean, noise), saved


def _look_at(
    task: PhotoTask, saved: Photo, rows: Sequence[int], open_rows: Sequence[int]
) -> tuple[list[FaceCheck], bool]:
    """The checks of a file, and whether they are all of them: no more is looked at than it takes to go on attacking.

    open_rows: of the attacked `rows` those that did not hold the last time.
    """

    def failed(seen: FacesSeen, which: Sequence[int]) -> list[bool]:
        return [any(not holds(one, task.ks[row], task.profile) for one in seen[row]) for row in which]

    def all_failed(seen: FacesSeen) -> bool:
        return all(failed(seen, open_rows))

    if not task.profile.exact:
        checks = verify(task, saved, given_up=all_failed)
        return checks, not all_failed([check.observations for check in checks])
    checks = verify(task, saved, thorough=False)
    if any(failed([check.observations for check in checks], rows)):
        return checks, False
    return verify(task, saved), True


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
