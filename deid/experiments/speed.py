"""Seconds and gradients a face: K-A³, I-FGVM and the feature-level attack beside foolbox's.

On the same faces and the same network, in one run, so that their ratios hold on any computer; so nothing is kept of a
run. The network is LightCNN-9; its classes are the clean faces and its strangers.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from deid.anonymity.conditions import rank_is
from deid.anonymity.groups import draw_groups, seeded_rng
from deid.attacks.classification import misclassified
from deid.attacks.contract import Attack, Attacked
from deid.attacks.feature_level import feature_level, likeness
from deid.attacks.i_fgvm import i_fgvm
from deid.attacks.k_a3 import k_a3
from deid.attacks.ranking import RankingObjective
from deid.errors import UsageError
from deid.experiments.photos import held_out_photos
from deid.experiments.results import check_installed
from deid.experiments.tables.departures import MARGIN, STEPS
from deid.experiments.tables.figures import ssim
from deid.experiments.tables.task import TRUE, Task, task_of
from deid.faces.align import align_face
from deid.faces.detect import detect_faces
from deid.images.photo import read_photo
from deid.losses.visibility import visibility_for_ssim
from deid.protection.profiles import PROFILES
from deid.recognizers.checkpoints import load_recognizer
from deid.recognizers.recognizer import Recognizer
from deid.training.data import central_face

SEED = 0
K = 5  # of the rows that ask for a rank
REPEATS = 5  # of the bare unit
YARDSTICK = "foolbox: Carlini-Wagner, 5 × 200"


class Identities(nn.Module):
    """Aligned faces (n, C, S, S) → logits (n, M) of M identities, in units of the strangers' spread.

    embed: faces → unit embeddings (n, D); prototypes: (M, D).
    """

    def __init__(self, embed: Callable[[Tensor], Tensor], prototypes: Tensor, spread: float) -> None:
        super().__init__()
        self.embed, self.prototypes, self.spread = embed, prototypes, spread

    def forward(self, faces: Tensor) -> Tensor:
        return self.embed(faces) @ self.prototypes.T / self.spread


class CountedGradients(nn.Module):
    """A network that counts whose gradients are asked for: `faces`, each time that a gradient reaches one."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.faces = network, 0

    def forward(self, faces: Tensor) -> Tensor:
        if not (faces.requires_grad and torch.is_grad_enabled()):
            return self.network(faces)
        seen = faces * 1
        seen.register_hook(lambda gradient: self._count(len(gradient)))
        return self.network(seen)

    def _count(self, faces: int) -> None:
        self.faces += faces


@dataclass(frozen=True, eq=False)
class Row:
    """n faces as one attack left them.

    faces: (n, C, S, S), not rounded. evaluations: of gradients, a face. seconds: of the processor, a face.
    exact: whether a rank was asked for.
    """

    faces: Tensor
    evaluations: float
    seconds: float
    exact: bool = False


def reproduce_speed(people: Path, *, count: int) -> str:
    """The table, as Markdown. people: a folder a person (LFW); count: of held-out people, a face each.

    Raises UsageError without foolbox, and where there is no face.
    """
    check_installed({"foolbox": "baselines"})
    recognizer = load_recognizer("lightcnn9")
    faces = _faces(people, count, recognizer)
    prototypes = torch.cat([recognizer.embed(faces).detach(), recognizer.decoys])
    network = Identities(recognizer.embed, prototypes, recognizer.spread)
    is_rough = recognizer.attacked is not recognizer.network
    rough = Identities(recognizer.embed_roughly, prototypes, recognizer.spread) if is_rough else network
    labels = torch.arange(len(faces))
    task = partial(task_of, network, rough, faces, labels)
    to_second = task(torch.full_like(labels, 2))
    spread = task(torch.tensor(draw_groups(len(faces), K, seeded_rng(SEED))))
    rows = {
        "K-A³, not first": _ours(to_second, partial(_not_first, attack=k_a3)),
        "I-FGVM, not first": _ours(to_second, partial(_not_first, attack=i_fgvm)),
        f"K-A³, exactly at k (K = {K})": _ours(spread, partial(_exactly_at_k, attack=k_a3), exact=True),
        f"I-FGVM, exactly at k (K = {K})": _ours(spread, partial(_exactly_at_k, attack=i_fgvm), exact=True),
        "feature-level": _ours(to_second, _feature_level),
        **{name: _foolbox(to_second, **asked) for name, asked in _foolbox_attacks().items()},
    }
    units = {"float32": _bare_unit(network, faces)} | ({"bfloat16": _bare_unit(rough, faces)} if is_rough else {})
    return _as_markdown(rows, units, {True: spread, False: to_second})


def _faces(people: Path, count: int, recognizer: Recognizer) -> Tensor:
    aligned = []
    for photo in held_out_photos(people, count):
        pixels = read_photo(photo).pixels
        face = central_face(detect_faces(pixels), pixels.shape[:2])
        if face is not None:
            aligned.append(align_face(pixels, face.landmarks, recognizer.template))
    if not aligned:
        raise UsageError(f"no face of a held-out person in {people}")
    return torch.stack(aligned)


def _ours(task: Task, run: Callable[[Task], Attacked], *, exact: bool = False) -> Row:
    since = time.process_time()
    attacked = run(task)
    seconds = (time.process_time() - since) / len(task.photos)
    return Row(attacked.faces, float(attacked.evaluations.double().mean()), seconds, exact)


def _not_first(task: Task, attack: Attack) -> Attacked:
    """Classified otherwise after rounding to 8 bits; no rank is asked for."""
    objective = RankingObjective(task.targets, MARGIN, exact=False)
    seen = visibility_for_ssim(task.photos)
    return task.attacked(attack, objective, misclassified(task.true), steps=STEPS, eight_bits=True, visibility=seen)


def _exactly_at_k(task: Task, attack: Attack) -> Attacked:
    objective = RankingObjective(task.targets, MARGIN)
    criterion = rank_is(task.groups, 0.0, TRUE)
    seen = visibility_for_ssim(task.photos)
    return task.attacked(attack, objective, criterion, steps=STEPS, eight_bits=True, visibility=seen)


def _feature_level(task: Task) -> Attacked:
    """All of the default's first steps, on this network and in the clean alignment alone."""
    profile = PROFILES["stranger"]
    if profile.budget is None:
        raise RuntimeError("the default has no budget")
    return feature_level(budget=profile.budget)(
        lambda faces, rows: (task.rough(faces).gather(1, task.labels[rows, None])[:, 0],),
        task.photos,
        task.true,
        objective=likeness,
        criterion=None,
        steps=profile.steps[0],
    )


def _foolbox_attacks() -> dict[str, dict[str, Any]]:
    import foolbox.attacks as theirs

    return {
        YARDSTICK: {"attack": theirs.L2CarliniWagnerAttack(binary_search_steps=5, steps=200), "epsilon": None},
        "foolbox: DeepFool": {"attack": theirs.L2DeepFoolAttack(), "epsilon": None},
        "foolbox: PGD, 8 of 255 in L∞": {"attack": theirs.LinfPGD(), "epsilon": 8 / 255},
    }


def _foolbox(task: Task, attack: Any, epsilon: float | None) -> Row:
    import foolbox

    torch.manual_seed(SEED)
    counted = CountedGradients(task.network).eval()
    model = foolbox.PyTorchModel(counted, bounds=(0, 1), device="cpu")
    since = time.process_time()
    _, faces, _ = attack(model, task.photos, foolbox.criteria.Misclassification(task.labels), epsilons=epsilon)
    seconds = (time.process_time() - since) / len(task.photos)
    return Row(faces.detach(), counted.faces / len(task.photos), seconds)


def _bare_unit(network: nn.Module, faces: Tensor) -> float:
    """Seconds of the processor of one way forth and back, a face: the least of several."""
    spent = []
    for _ in range(REPEATS):
        asked = faces.clone().requires_grad_(True)
        since = time.process_time()
        torch.autograd.grad(network(asked).sum(), asked)
        spent.append(time.process_time() - since)
    return min(spent) / len(faces)


HEAD = (
    "", "misclassified in 8 bits, %", "in float, %", "exactly at k, %", "SSIM", "L2", "gradients", "s",
    "of Carlini-Wagner's s", "over the bare unit",
)  # fmt: skip


def _as_markdown(rows: Mapping[str, Row], units: Mapping[str, float], tasks: Mapping[bool, Task]) -> str:
    """units: seconds of the bare unit by number format; tasks: what a row with `exact` was asked."""
    lines = ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
    for title, row in rows.items():
        task = tasks[row.exact]
        published = (row.faces * 255).round() / 255
        ranks = task.ranks(published)
        is_theirs = title.startswith("foolbox")
        unit = units["float32" if is_theirs or task.rough is task.network else "bfloat16"]
        cells = [
            title,
            _percent(ranks > 1),
            _percent(task.ranks(row.faces) > 1),
            _percent(ranks == task.groups) if row.exact else "",
            f"{float(ssim(task.photos, published).mean()):.4f}",
            f"{float((published - task.photos).flatten(1).norm(dim=1).mean()):.2f}",
            f"{row.evaluations:.1f}",
            f"{row.seconds:.3f}",
            f"1/{rows[YARDSTICK].seconds / row.seconds:.0f}",
            f"{row.seconds / (row.evaluations * unit) - 1:+.0%}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    bare = ", ".join(f"{1000 * seconds:.1f} ms in {name}" for name, seconds in units.items())
    return "\n".join(
        [
            *lines,
            "",
            f"{len(tasks[False].photos)} faces, {tasks[False].others.shape[1] + 1:,} identities. Seconds of the "
            f"processor, and gradients: a face. The bare unit, a way forth and back: {bare}.",
        ]
    )


def _percent(which: Tensor) -> str:
    return f"{100 * float(which.double().mean()):.0f}"
