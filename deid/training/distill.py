"""Training of a recognizer (`students`) by distillation of another one (its teacher).

The teacher looks at every stored face once, plain; the student looks at changed views of it and is to be where the
teacher was (`targets`): near that place, nearer to it than to any other person's, and as far from the other faces of
the batch as the teacher sees them. Half of a batch are faces of nobody (`blended`), which the teacher is shown as they
come. Its embeddings are compared by cosine around their mean: by that, of 350 LFW people that neither had learned from,
MobileNet (VGGFace2) accepts 0.983 of the genuine pairs at FAR 1e-2 and 0.893 at 1e-3, dlib's network, made for
distances, 0.947 and 0.777.

What a student makes of a face is noisy, and a mean of weights less so. At FAR 1e-2 LightCNN-9, which dlib's network had
taught, had 0.876 on held-out people; after 2,800 further batches 0.875, halfway between the two 0.907, and after 600
gentler ones from there 0.866. Who is who has to be said: 1,000 batches that only followed the teacher, three quarters
of each blended, went from 0.876 to 0.700, halfway 0.842. The length of the mean embedding (`OFFSET`) counts as well.

Convolutions are trained with Muon: after 16,000 faces at 64 pixels 0.40 at FAR 1e-2 on held-out people, against 0.35
with AdamW.
"""

import io
import math
import time
from collections.abc import Callable
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
from deid.training.augment import aligned_view, blended, mirror, student_view
from deid.training.data import FaceSet, crops_of, held_out_people
from deid.training.muon import Muon
from deid.training.students import Recipe, Student
from deid.training.targets import Targets
from deid.training.verification import Verification, embeddings_of, evaluate

# Faces are drawn small at first and large at last: a small face costs a fraction and teaches most of it.
# (share of the steps, side as a share of the template's)
SIDES = ((0.40, 0.5), (0.40, 0.75), (0.20, 1.0))
UNDISGUISED = 0.1  # the last share of the steps, so that the network ends among faces as they are
BLENDED = 0.5  # share of a batch: faces of nobody, which the teacher is shown as they come
SAVE_EVERY = 100
ENOUGH = 2000  # faces to find out where a finished network sees them
STATISTICS = 384  # faces to take batch normalizations' statistics of
# Length of the mean embedding in units of the spread around it. Two faces of a person are less alike by cosine where
# their own part of the embedding is short (training people: 0.60 in the shortest quarter, 0.76 in the longest); a mean
# that all share makes up for that. Of 912 training people, each weighing the same, true accepts at FAR 1e-2 and 1e-3
# are 0.955 and 0.807 at 0.24, as two trainings' mean came; 0.959 and 0.817 at 0.3; 0.956 and 0.813 at 0.4; 0.950 and
# 0.801 at 0.5.
OFFSET = 0.3
EVALUATE_EVERY = 500
SHARPNESS = 24.0  # of the softmax over the training people's places
SAME_PERSON = 4.0  # weight of a batch's pairs of one person


@dataclass(frozen=True)
class Schedule:
    """One cycle of `steps` batches. Peak learning rates: Muon's for convolutions, AdamW's for the rest.

    sides: as SIDES.
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
    """embeddings: the student's (N, 256); persons: of each face, -1 for nobody; goals: where they are to be, (N, W)."""
    found, wanted = F.normalize(embeddings), F.normalize(student.from_teacher(goals))
    everyone = F.normalize(student.from_teacher(targets.prototypes.to(goals.device)))
    of = torch.from_numpy(persons).to(goals.device)
    nearest = F.cross_entropy(SHARPNESS * found @ everyone.T, of, ignore_index=-1)
    same = (of[:, None] == of) & (of >= 0)
    weights = torch.where(same, SAME_PERSON, 1.0).fill_diagonal_(0.0)
    pairs = ((found @ found.T - goals @ goals.T).square() * weights).sum() / weights.sum()
    return 1 - (found * wanted).sum(1).mean() + 0.5 * nearest + 4 * pairs


def draw_batch(targets: Targets, chosen: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Indices of faces: two thirds at random, the others further photos of the same people where there are any."""
    some = rng.choice(chosen, min(size - size // 3, len(chosen)), replace=False)
    of_person = targets.persons[chosen]
    fellows = [chosen[of_person == person] for person in targets.persons[some]]
    more = [rng.choice(own) for own in fellows if len(own) > 1][: size // 3]
    return np.concatenate([some, np.array(more, int), rng.choice(chosen, size - len(some) - len(more))])


def training_batch(
    faces: FaceSet, targets: Targets, chosen: np.ndarray, size: int, rng: np.random.Generator
) -> tuple[Tensor, np.ndarray, np.ndarray, Tensor]:
    """Crops (N, 3, 192, 192), landmarks (N, 5, 2), persons (N,) and goals (N, W): stored faces, then blended ones.

    Of people there are a few thousand, of blends no end (mixed inputs in distillation: Beyer et al., CVPR 2022). What
    they add was not measured on its own.
    """

    def drawn(picked: np.ndarray, mirrored: np.ndarray) -> tuple[Tensor, np.ndarray]:
        return mirror(*crops_of(faces, picked), mirrored)

    of_nobody = int(BLENDED * size)
    picked = draw_batch(targets, chosen, size - of_nobody, rng)
    mirrored = rng.random(len(picked)) < 0.5
    crops, landmarks = drawn(picked, mirrored)
    goals = targets.goals[picked, mirrored.astype(int)]
    one, other = (drawn(rng.choice(chosen, of_nobody), rng.random(of_nobody) < 0.5) for _ in range(2))
    blends, blend_landmarks = blended(*one, *other, rng)
    return (
        torch.cat([crops, blends]),
        np.concatenate([landmarks, blend_landmarks]),
        np.concatenate([targets.persons[picked], np.full(of_nobody, -1)]),
        torch.cat([goals, targets.see(blends, blend_landmarks)]),
    )


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
    """Train, saving to `state_file` as it goes and resuming from it; the finished network and its held-out figures.

    start: a finished network to begin with instead of an untrained one, to which the result is brought halfway back;
    it is changed. The result's mean embedding is as long as `OFFSET` says. Raises UsageError where the state is of a
    training with another teacher.
    """
    held_out = held_out_people(faces.names)
    chosen = np.flatnonzero(targets.persons >= 0)
    torch.manual_seed(schedule.seed)
    student = Student(recipe, targets.width)
    begun = {} if start is None else {key: value.clone() for key, value in start.state_dict().items()}
    if start is not None:
        _begin_with(start, student, faces, targets, chosen)
    student = student.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizers = _optimizers(student, schedule)
    first = 0
    if state_file.is_file():
        state = torch.load(state_file, map_location=device, weights_only=True)
        if state.get("teacher") != targets.teacher.sha256:
            raise UsageError(f"{state_file} is of a training with another teacher: choose another folder")
        student.load_state_dict(state["student"])
        for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        first = state["step"]
        log(f"resumed at step {first} of {schedule.steps}")
    started, running = time.monotonic(), 0.0
    for step in range(first, schedule.steps):
        # One generator a step: a resumed run draws what an uninterrupted one would have drawn.
        rng = np.random.default_rng([schedule.seed, step])
        crops, landmarks, persons, goals = training_batch(faces, targets, chosen, schedule.batch, rng)
        side = schedule.side(step, recipe.template)
        disguised = step < schedule.steps * (1 - UNDISGUISED)
        view = student_view(crops, landmarks, recipe.template, rng, side, disguised)
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
        running = 0.95 * running + 0.05 * float(loss.detach())
        if (step + 1) % SAVE_EVERY == 0 or step + 1 == schedule.steps:
            state = {
                "student": student.state_dict(), "optimizers": [optimizer.state_dict() for optimizer in optimizers],
                "teacher": targets.teacher.sha256, "step": step + 1,
            }  # fmt: skip
            data = io.BytesIO()
            torch.save(state, data)
            write_atomically(data.getvalue(), state_file, overwrite=True)
            pace = (time.monotonic() - started) / (step + 1 - first)
            if (step + 1) % EVALUATE_EVERY == 0:
                log(str(evaluate(student.eval(), faces, held_out, recipe.template)))
            log(f"step {step + 1} of {schedule.steps}, {side} px, loss {running:.3f}, {pace:.2f} s a step")
    recognizer = student.recognizer.cpu()
    _normalize_by(recognizer, _plain(faces, chosen, STATISTICS, recipe.template))
    recipe.finish(recognizer)
    if begun:
        _bring_halfway(recognizer, begun)
    _set_offset(recognizer, recipe, faces, chosen)
    return recognizer, evaluate(recognizer, faces, held_out, recipe.template)


@torch.no_grad()
def _begin_with(start: nn.Module, student: Student, faces: FaceSet, targets: Targets, chosen: np.ndarray) -> None:
    """Make a finished network the student's, and turn the goals to where it sees the faces already."""
    template = student.recipe.template
    some = _evenly(chosen, ENOUGH)
    found = F.normalize(embeddings_of(start, faces, some, template))
    left, _, right = torch.linalg.svd(found.T @ targets.goals[some, 0], full_matrices=False)
    student.from_teacher.weight.copy_(left @ right)
    start.requires_grad_(True)  # a loaded recognizer's weights are frozen
    student.recipe.resume(start, _plain(faces, chosen, STATISTICS, template))
    student.recognizer = start


def _plain(faces: FaceSet, chosen: np.ndarray, count: int, template: Template) -> Tensor:
    """Some of the chosen faces, at most `count`, as a recognizer will see them."""
    return aligned_view(*crops_of(faces, _evenly(chosen, count)), template)


@torch.no_grad()
def _normalize_by(network: nn.Module, plain: Tensor) -> None:
    """Give batch normalizations the statistics of plain faces; what they saw in training was disguised or blended.

    After the 2,800 batches: 0.877 for 0.875 at FAR 1e-2, 0.637 for 0.615 at 1e-3.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    network.train()(plain)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.eval()


def _bring_halfway(network: nn.Module, begun: dict[str, Tensor]) -> None:
    """The mean of a network's weights now and before (WiSE-FT: Wortsman et al., CVPR 2022)."""
    network.load_state_dict({key: (begun[key] + now) / 2 for key, now in network.state_dict().items()})


@torch.no_grad()
def _set_offset(network: nn.Module, recipe: Recipe, faces: FaceSet, chosen: np.ndarray) -> None:
    """Bring the mean embedding to the length that `OFFSET` asks for, in its own direction."""
    found = embeddings_of(network, faces, _evenly(chosen, ENOUGH), recipe.template)
    mean = found.mean(0)
    spread = (found - mean).square().sum(1).mean().sqrt()
    recipe.shift(network, (OFFSET * spread / mean.norm() - 1) * mean)


def _evenly(chosen: np.ndarray, count: int) -> np.ndarray:
    """At most `count` of the chosen faces, at even distances."""
    return chosen[:: -(-len(chosen) // count)]


def _optimizers(student: Student, schedule: Schedule) -> list[torch.optim.Optimizer]:
    """Muon for the convolutions but the first, whose input is a picture; AdamW for everything else."""
    hidden = [weight for weight in student.parameters() if weight.dim() == 4 and weight.shape[1] > 1]
    muon = [{"params": hidden, "peak": schedule.muon_peak}]
    known = {id(weight) for weight in hidden}
    others = [weight for weight in student.parameters() if id(weight) not in known]
    adamw = [{"params": others, "peak": schedule.adamw_peak}]
    return [
        Muon(muon, lr=schedule.muon_peak),
        torch.optim.AdamW(adamw, lr=schedule.adamw_peak, weight_decay=schedule.weight_decay),
    ]
