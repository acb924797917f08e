"""Training of a recognizer (`students`) by distillation of dlib's network (the teacher).

The student learns, on pictures that both see, the teacher's embedding (through a linear head that is thrown away) and
the teacher's distances between the faces of a batch. It learns no names: after 1,857 steps with names it told the
people it was taught apart better than its teacher does (true accepts 0.997 at FAR 1e-2) and others worse (0.876). What
it sees are faces of nobody (`augment.new_faces`); 543 steps of them after those 1,857 brought 0.877, so they neither
helped nor harmed yet. Convolutions are trained with Muon: after 16,000 faces at 64 pixels 0.40 at FAR 1e-2 on held-out
people, against 0.35 with AdamW.

dlib's network was trained on Euclidean distances, and its cosines are poor once its embeddings are centered (true
accepts at FAR 1e-2 on held-out LFW people: 0.97 by distance, 0.90 by centered cosine). So the student's cosine is
taught to be 1 − d²/m, d the teacher's distance and m the mean d² of strangers: 0 for strangers, 1 for one face.
"""

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deid.faces.align import DLIB_TEMPLATE, Template
from deid.recognizers.dlib_resnet import DlibResNet, load_dlib_resnet
from deid.training.augment import aligned_view, light, mirror, new_faces, student_view
from deid.training.data import FaceSet, held_out_people
from deid.training.muon import Muon
from deid.training.students import Recipe, Student
from deid.training.verification import Verification, verify

# Faces are drawn small at first and large at last: a small face costs a fraction and teaches most of it.
# (share of the steps, side as a share of the template's)
SIDES = ((0.40, 0.5), (0.40, 0.75), (0.20, 1.0))
SAVE_EVERY = 100
EVALUATE_EVERY = 500


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


def cosines(embeddings: Tensor) -> Tensor:
    unit = F.normalize(embeddings)
    return unit @ unit.T


@dataclass(frozen=True)
class TeacherStatistics:
    """Over training faces: the mean embedding (128,), the rms around it, strangers' mean squared distance."""

    mean: Tensor
    deviation: float
    stranger_distance: float


def distillation_loss(student: Student, embeddings: Tensor, teacher: Tensor, statistics: TeacherStatistics) -> Tensor:
    """embeddings (N, 256), teacher's embeddings (N, 128)."""
    wanted = (teacher - statistics.mean) / statistics.deviation
    copied = student.to_teacher(embeddings)
    loss = F.mse_loss(copied, wanted) + (1 - F.cosine_similarity(copied, wanted)).mean()
    similarity = 1 - torch.cdist(teacher, teacher).square() / statistics.stranger_distance
    return loss + 2 * F.mse_loss(cosines(embeddings), similarity)


def train(
    recipe: Recipe,
    faces: FaceSet,
    schedule: Schedule,
    state_file: Path,
    *,
    device: str = "cpu",
    log: Callable[[str], None] = print,
) -> tuple[nn.Module, Verification]:
    """Train, saving to `state_file` as it goes and resuming from it; the finished network and its held-out figures."""
    held_out = held_out_people(faces.names)
    chosen = np.array([i for i, name in enumerate(faces.names) if name not in held_out])
    teacher = load_dlib_resnet().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    torch.manual_seed(schedule.seed)
    student = Student(recipe).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizers = _optimizers(student, schedule)
    first = 0
    if state_file.is_file():
        state = torch.load(state_file, map_location=device, weights_only=True)
        student.load_state_dict(state["student"])
        for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        first, statistics = state["step"], TeacherStatistics(**state["statistics"])
        log(f"resumed at step {first} of {schedule.steps}")
    else:
        statistics = teacher_statistics(teacher, faces, chosen)
    started, running = time.monotonic(), 0.0
    for step in range(first, schedule.steps):
        # One generator a step: a resumed run draws what an uninterrupted one would have drawn.
        rng = np.random.default_rng([schedule.seed, step])
        picked = rng.choice(chosen, min(schedule.batch, len(chosen)), replace=False)
        crops, landmarks = crops_of(faces, picked)
        crops, landmarks = mirror(crops, landmarks, rng.random(len(picked)) < 0.5)
        crops, landmarks = new_faces(crops, landmarks, rng)
        lit = light(crops, rng)
        with torch.no_grad():
            target = teacher(aligned_view(lit, landmarks, DLIB_TEMPLATE).to(device, memory_format=torch.channels_last))
        side = schedule.side(step, recipe.template)
        view = student_view(lit, landmarks, recipe.template, rng, side)
        student.train()
        loss = distillation_loss(
            student, student(view.to(device, memory_format=torch.channels_last)), target, statistics
        )
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
                "statistics": asdict(statistics), "step": step + 1,
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


def crops_of(faces: FaceSet, indices: np.ndarray) -> tuple[Tensor, np.ndarray]:
    """Crops (N, 3, 192, 192) in [0, 1] and landmarks (N, 5, 2)."""
    crops = torch.from_numpy(np.stack([faces.crops[i] for i in indices]))
    return crops.permute(0, 3, 1, 2).float() / 255, faces.landmarks[indices].astype(np.float64)


@torch.no_grad()
def teacher_statistics(teacher: DlibResNet, faces: FaceSet, chosen: np.ndarray) -> TeacherStatistics:
    """Measured over a sample of the training faces."""
    sample = chosen[:: max(1, len(chosen) // 2000)]
    embeddings = embeddings_of(teacher, faces, sample, DLIB_TEMPLATE).to(teacher.means.device)
    mean = embeddings.mean(0)
    # Nearly all pairs of the sample are strangers; their mean squared distance is twice the variance around the mean.
    stranger_distance = 2 * float((embeddings - mean).square().sum(1).mean())
    return TeacherStatistics(mean, float((embeddings - mean).square().mean().sqrt()), stranger_distance)


@torch.no_grad()
def embeddings_of(recognizer: nn.Module, faces: FaceSet, indices: np.ndarray, template: Template) -> Tensor:
    """(N, D) of the faces at these indices, at the plain alignment."""
    device = next(recognizer.parameters()).device
    parts = np.array_split(indices, len(indices) // 32 + 1)
    views = (aligned_view(*crops_of(faces, part), template) for part in parts)
    return torch.cat([recognizer(view.to(device)).cpu() for view in views])


def evaluate(recognizer: nn.Module, faces: FaceSet, people: set[str], template: Template) -> Verification:
    """Verification on all pairs of the named people's faces."""
    indices = np.array([i for i, name in enumerate(faces.names) if name in people])
    return verify(embeddings_of(recognizer, faces, indices, template), tuple(faces.names[i] for i in indices))
