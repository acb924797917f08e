"""Training of a recognizer (`students`) by distillation of another one (its teacher).

The teacher looks at every stored face once, plain; the student looks at changed views of it and is to be where the
teacher was (`targets`): near that place, nearer to it than to any other person's, and as far from the other faces of
the batch as the teacher sees them. What a student gets out of a teacher depends on how far apart that one holds
strangers: a linear layer on the features that LightCNN-9 had learned from dlib's network tells held-out people apart
at 0.74 true accepts at FAR 1e-2 when fitted to dlib's embeddings, at 0.83 when fitted to FaceNet's (VGGFace2).

Convolutions are trained with Muon: after 16,000 faces at 64 pixels 0.40 at FAR 1e-2 on held-out people, against 0.35
with AdamW.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deid.faces.align import Template
from deid.training.augment import bent, erased, light, mirror, student_view, tinted
from deid.training.data import FaceSet, crops_of, held_out_people
from deid.training.muon import Muon
from deid.training.students import Recipe, Student
from deid.training.targets import Targets
from deid.training.verification import Verification, evaluate
from deid.types import UsageError

# Faces are drawn small at first and large at last: a small face costs a fraction and teaches most of it.
# (share of the steps, side as a share of the template's)
SIDES = ((0.40, 0.5), (0.40, 0.75), (0.20, 1.0))
SAVE_EVERY = 100
EVALUATE_EVERY = 500
SHARPNESS = 24.0  # of the softmax over the training people's places
SAME_PERSON = 4.0  # weight of a batch's pairs of one person


@dataclass(frozen=True)
class Schedule:
    """One cycle of `steps` batches. Peak learning rates: Muon's for convolutions, AdamW's for the rest."""

    steps: int
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
        for share, side in SIDES:
            end += share
            if step < end * self.steps:
                return round(side * template.size)
        return template.size


def distillation_loss(
    student: Student, embeddings: Tensor, targets: Targets, picked: np.ndarray, goals: Tensor
) -> Tensor:
    """embeddings: the student's (N, 256) of the faces `picked`; goals: the targets' (N, W) of the views it saw."""
    found, wanted = F.normalize(embeddings), F.normalize(student.from_teacher(goals))
    everyone = F.normalize(student.from_teacher(targets.prototypes.to(goals.device)))
    persons = torch.from_numpy(targets.persons[picked]).to(goals.device)
    nearest = F.cross_entropy(SHARPNESS * found @ everyone.T, persons)
    same = persons[:, None] == persons
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


def train(
    recipe: Recipe,
    faces: FaceSet,
    schedule: Schedule,
    targets: Targets,
    state_file: Path,
    *,
    device: str = "cpu",
    log: Callable[[str], None] = print,
) -> tuple[nn.Module, Verification]:
    """Train, saving to `state_file` as it goes and resuming from it; the finished network and its held-out figures.

    Raises UsageError where the state is of a training with another teacher.
    """
    held_out = held_out_people(faces.names)
    chosen = np.flatnonzero(targets.persons >= 0)
    torch.manual_seed(schedule.seed)
    student = Student(recipe, targets.width).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizers = _optimizers(student, schedule)
    first = 0
    if state_file.is_file():
        state = torch.load(state_file, map_location=device, weights_only=True)
        if state.get("teacher") != targets.teacher:
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
        picked = draw_batch(targets, chosen, schedule.batch, rng)
        mirrored = rng.random(len(picked)) < 0.5
        crops, landmarks = bent(*mirror(*crops_of(faces, picked), mirrored), rng)
        side = schedule.side(step, recipe.template)
        view = erased(student_view(light(tinted(crops, rng), rng), landmarks, recipe.template, rng, side), rng)
        student.train()
        embeddings = student(view.to(device, memory_format=torch.channels_last))
        goals = targets.goals[picked, mirrored.astype(int)].to(device)
        loss = distillation_loss(student, embeddings, targets, picked, goals)
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
                "teacher": targets.teacher, "step": step + 1,
            }  # fmt: skip
            partial = state_file.with_suffix(".part")
            torch.save(state, partial)
            partial.replace(state_file)
            pace = (time.monotonic() - started) / (step + 1 - first)
            if (step + 1) % EVALUATE_EVERY == 0:
                log(str(evaluate(student.eval(), faces, held_out, recipe.template)))
            log(f"step {step + 1} of {schedule.steps}, {side} px, loss {running:.3f}, {pace:.2f} s a step")
    recognizer = student.recognizer.eval().cpu()
    recipe.finish(recognizer)
    return recognizer, evaluate(recognizer, faces, held_out, recipe.template)


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
