"""Training of a recognizer (`students`) by distillation of another one (its teacher).

The teacher looks at every stored face once, plain; the student looks at changed views of it and is to be where the
teacher was (`targets`): near that place, nearer to it than to any other person's, and as far from the other faces of
the batch as the teacher sees them. Half of a batch are faces of nobody (`blended`), which the teacher is shown as they
come. Embeddings are compared by cosine around their mean. Why so, and what was tried: docs/training.md.
"""

import io
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deid.errors import UsageError
from deid.faces.templates import Template
from deid.recognizers.precision import bfloat16_autocast
from deid.storage.atomic import write_atomically
from deid.training.augment import aligned_view, student_view
from deid.training.batches import training_batch
from deid.training.data import FaceSet, crops_of, held_out_people
from deid.training.muon import Muon
from deid.training.students import Recipe, Student
from deid.training.targets import Targets
from deid.training.verification import Verification, embeddings_of, evaluate

# Faces are drawn small at first and large at last: a small face costs a fraction and teaches most of it.
# (share of the steps, side as a share of the template's)
SIDES = ((0.40, 0.5), (0.40, 0.75), (0.20, 1.0))
UNDISGUISED = 0.1  # the last share of the steps, so that the network ends among faces as they are
SAVE_EVERY = 100
EVALUATE_EVERY = 500
SHARPNESS = 24.0  # of the softmax over the training people's places
SAME_PERSON = 4.0  # weight of a batch's pairs of one person
EMBEDDED_FACES = 2000  # to find out where a finished network sees faces
NORMALIZATION_FACES = 384  # to take batch normalizations' statistics of
# Length of the mean embedding in units of the spread around it. Two faces of a person are less alike by cosine where
# their own part of the embedding is short; a mean that all share makes up for that.
OFFSET = 0.3


@dataclass(frozen=True)
class Schedule:
    """One cycle of learning rates.

    steps: batches.
    sides: as SIDES.
    batch: faces.
    muon_peak, adamw_peak: largest learning rates, Muon's for convolutions, AdamW's for the rest.
    weight_decay: AdamW's.
    seed: of all draws.
    """

    steps: int
    sides: tuple[tuple[float, float], ...] = SIDES
    batch: int = 64
    muon_peak: float = 0.02
    adamw_peak: float = 2e-3
    weight_decay: float = 5e-4
    seed: int = 0

    def rate(self, step: int) -> float:
        """Share of the peak rates: linear over the first 15 % of the steps, then a half cosine to a hundredth."""
        warm = 0.15 * self.steps
        if step < warm:
            return 0.04 + 0.96 * step / warm
        return 0.505 + 0.495 * math.cos(math.pi * (step - warm) / (self.steps - warm))

    def side(self, step: int, template: Template) -> int:
        """The student's picture size at a step, in pixels."""
        end = 0.0
        for share, side in self.sides:
            end += share
            if step < end * self.steps:
                return round(side * template.size)
        return template.size


def going_on(steps: int) -> Schedule:
    """For a network that was trained before: faces of its own size only, and gentler."""
    return Schedule(steps, sides=((1.0, 1.0),), muon_peak=0.012, adamw_peak=1.2e-3)


def distillation_loss(
    student: Student, embeddings: Tensor, targets: Targets, persons: np.ndarray, goals: Tensor
) -> Tensor:
    """Three terms: away from the goals, from the own person's place, from the teacher's similarities in the batch.

    embeddings: the student's (N, width).
    persons: (N,) rows of `targets.prototypes`, -1 for nobody.
    goals: (N, W), where the embeddings are to be.
    """
    places, goal_places = F.normalize(embeddings), F.normalize(student.from_teacher(goals))
    person_places = F.normalize(student.from_teacher(targets.prototypes.to(goals.device)))
    labels = torch.from_numpy(persons).to(goals.device)
    nearest = F.cross_entropy(SHARPNESS * places @ person_places.T, labels, ignore_index=-1)
    same_person = (labels[:, None] == labels) & (labels >= 0)
    weights = torch.where(same_person, SAME_PERSON, 1.0).fill_diagonal_(0.0)
    pairs = ((places @ places.T - goals @ goals.T).square() * weights).sum() / weights.sum()
    return 1 - (places * goal_places).sum(1).mean() + 0.5 * nearest + 4 * pairs


def train(
    recipe: Recipe,
    faces: FaceSet,
    schedule: Schedule,
    targets: Targets,
    state_file: Path,
    *,
    start: nn.Module | None = None,
    device: str = "cpu",
    log: Callable[[str], None] = print,
) -> tuple[nn.Module, Verification]:
    """The finished network and its held-out figures.

    recipe: what is trained.
    faces: all of them, those of held-out people as well.
    state_file: is saved to as training goes, and resumed from.
    start: a finished network to begin with instead of an untrained one, to which the result is brought halfway back; it
        is changed.
    log: is told a line at a time.

    The result's mean embedding is as long as `OFFSET` says. Raises UsageError where the state is of a training with
    another teacher.
    """
    held_out = held_out_people(faces.names)
    chosen = np.flatnonzero(targets.persons >= 0)
    torch.manual_seed(schedule.seed)
    student = Student(recipe, targets.width)
    start_weights = {} if start is None else {key: value.clone() for key, value in start.state_dict().items()}
    if start is not None:
        _begin_with(start, student, faces, targets, chosen)
    student = student.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizers = optimizers_for(student, schedule)
    first = 0
    if state_file.is_file():
        first = _load_state(state_file, student, optimizers, targets, device)
        log(f"resumed at step {first} of {schedule.steps}")
    started, running = time.monotonic(), 0.0
    for step in range(first, schedule.steps):
        loss = _step(student, optimizers, faces, targets, chosen, schedule, step, device)
        running = 0.95 * running + 0.05 * loss
        if (step + 1) % SAVE_EVERY == 0 or step + 1 == schedule.steps:
            _save_state(state_file, student, optimizers, targets, step + 1)
            pace = (time.monotonic() - started) / (step + 1 - first)
            if (step + 1) % EVALUATE_EVERY == 0:
                log(str(evaluate(student.eval(), faces, held_out, recipe.template)))
            side = schedule.side(step, recipe.template)
            log(f"step {step + 1} of {schedule.steps}, {side} px, loss {running:.3f}, {pace:.2f} s a step")
    recognizer = student.recognizer.cpu()
    _normalize_by(recognizer, _plain(faces, chosen, NORMALIZATION_FACES, recipe.template))
    recipe.finish(recognizer)
    if start_weights:
        _bring_halfway(recognizer, start_weights)
    _set_offset(recognizer, recipe, faces, chosen)
    return recognizer, evaluate(recognizer, faces, held_out, recipe.template)


def _step(
    student: Student,
    optimizers: Sequence[torch.optim.Optimizer],
    faces: FaceSet,
    targets: Targets,
    chosen: np.ndarray,
    schedule: Schedule,
    step: int,
    device: str,
) -> float:
    """One batch; its loss."""
    # One generator a step: a resumed run draws what an uninterrupted one would have drawn.
    rng = np.random.default_rng([schedule.seed, step])
    template = student.recipe.template
    crops, landmarks, persons, goals = training_batch(faces, targets, chosen, schedule.batch, rng)
    disguised = step < schedule.steps * (1 - UNDISGUISED)
    view = student_view(crops, landmarks, template, rng, schedule.side(step, template), disguised)
    student.train()
    with bfloat16_autocast(device):
        embeddings = student(view.to(device, memory_format=torch.channels_last)).float()
    loss = distillation_loss(student, embeddings, targets, persons, goals.to(device))
    student.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(student.parameters(), 5.0)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * schedule.rate(step)
        optimizer.step()
    return float(loss.detach())


def _save_state(
    file: Path, student: Student, optimizers: Sequence[torch.optim.Optimizer], targets: Targets, step: int
) -> None:
    state = {
        "student": student.state_dict(), "optimizers": [optimizer.state_dict() for optimizer in optimizers],
        "teacher": targets.teacher.sha256, "step": step,
    }  # fmt: skip
    data = io.BytesIO()
    torch.save(state, data)
    write_atomically(data.getvalue(), file, overwrite=True)


def _load_state(
    file: Path, student: Student, optimizers: Sequence[torch.optim.Optimizer], targets: Targets, device: str
) -> int:
    """The step that the state was saved after. Raises UsageError where it is of a training with another teacher."""
    state = torch.load(file, map_location=device, weights_only=True)
    if state.get("teacher") != targets.teacher.sha256:
        raise UsageError(f"{file} is of a training with another teacher: choose another folder")
    student.load_state_dict(state["student"])
    for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
        optimizer.load_state_dict(saved)
    return int(state["step"])


@torch.no_grad()
def _begin_with(start: nn.Module, student: Student, faces: FaceSet, targets: Targets, chosen: np.ndarray) -> None:
    """Make a finished network the student's, and turn the goals to where it sees the faces already."""
    template = student.recipe.template
    sample = _evenly(chosen, EMBEDDED_FACES)
    places = F.normalize(embeddings_of(start, faces, sample, template))
    left, _, right = torch.linalg.svd(places.T @ targets.goals[sample, 0], full_matrices=False)
    student.from_teacher.weight.copy_(left @ right)
    start.requires_grad_(True)  # a loaded recognizer's weights are frozen
    student.recipe.resume(start, _plain(faces, chosen, NORMALIZATION_FACES, template))
    student.recognizer = start


def _plain(faces: FaceSet, chosen: np.ndarray, count: int, template: Template) -> Tensor:
    """Some of the chosen faces, at most `count`, as a recognizer will see them."""
    return aligned_view(*crops_of(faces, _evenly(chosen, count)), template)


@torch.no_grad()
def _normalize_by(network: nn.Module, plain: Tensor) -> None:
    """Give batch normalizations the statistics of plain faces; what they saw in training was disguised or blended."""
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    network.train()(plain)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.eval()


def _bring_halfway(network: nn.Module, before: dict[str, Tensor]) -> None:
    """The mean of a network's weights now and before (WiSE-FT: Wortsman et al., CVPR 2022)."""
    network.load_state_dict({key: (before[key] + now) / 2 for key, now in network.state_dict().items()})


@torch.no_grad()
def _set_offset(network: nn.Module, recipe: Recipe, faces: FaceSet, chosen: np.ndarray) -> None:
    """Bring the mean embedding to the length that `OFFSET` asks for, in its own direction."""
    embeddings = embeddings_of(network, faces, _evenly(chosen, EMBEDDED_FACES), recipe.template)
    mean = embeddings.mean(0)
    spread = (embeddings - mean).square().sum(1).mean().sqrt()
    recipe.shift(network, (OFFSET * spread / mean.norm() - 1) * mean)


def _evenly(chosen: np.ndarray, count: int) -> np.ndarray:
    """At most `count` of the chosen faces, at even distances."""
    return chosen[:: -(-len(chosen) // count)]


def optimizers_for(network: nn.Module, schedule: Schedule) -> list[torch.optim.Optimizer]:
    """Muon for the convolutions but gray ones and those of single channels; AdamW for everything else.

    Each group of parameters knows its `peak` rate.
    """
    hidden = [weight for weight in network.parameters() if weight.dim() == 4 and weight.shape[1] > 1]
    muon = [{"params": hidden, "peak": schedule.muon_peak}]
    by_muon = {id(weight) for weight in hidden}
    others = [weight for weight in network.parameters() if id(weight) not in by_muon]
    adamw = [{"params": others, "peak": schedule.adamw_peak}]
    return [
        Muon(muon, lr=schedule.muon_peak),
        torch.optim.AdamW(adamw, lr=schedule.adamw_peak, weight_decay=schedule.weight_decay),
    ]
