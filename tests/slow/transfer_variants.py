"""What each part of `transfer` is worth: one change at a time, seen by a surrogate that was left out.

    python tests/slow/transfer_variants.py LFW mobilenet-vggface2 24
    python tests/slow/transfer_variants.py LFW mobilenet-vggface2,lightcnn9 24 "no stranger"

The first of the networks left out looks at the files: settings are chosen by such, never by an independent recognizer.
The command goes on where it stopped.
"""

import hashlib
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.transforms import InterpolationMode
from torchvision.transforms.functional import rotate

from deid.attacks import feature_level, loop
from deid.attacks.contract import Attack, Attacked, Logits, LogitsFn
from deid.experiments.kept import kept_lines, profile_key
from deid.experiments.transfer import protector_for
from deid.experiments.transfer_people import Person, measured_people
from deid.experiments.transfer_photo import Transferred, measure_transfer
from deid.faces.chain import FaceChain
from deid.images.handlings import AS_PUBLISHED
from deid.losses.local_contrast import tolerance, visible_limit
from deid.protection import likeness_objective, rounds
from deid.protection.likeness_objective import LikenessGoal, likeness_on_random_views
from deid.protection.profiles import PROFILES
from deid.protection.rank_objective import Passes
from deid.recognizers.checkpoints import load_recognizer
from deid.recognizers.recognizer import Recognizer

DEPTH = 0.6  # of the convolutions, which one's output counts as an intermediate feature
BILINEAR = InterpolationMode.BILINEAR
rng = np.random.default_rng(0)


def _shuffled(faces: Tensor) -> Tensor:
    """Block shuffle and rotation (BSR; Wang et al., CVPR 2024): halves turned by up to 24° and exchanged."""
    for side in (2, 3):
        size = faces.shape[side]
        cut = int(rng.integers(size // 6, size - size // 6))
        halves = [rotate(half, rng.uniform(-24, 24), BILINEAR) for half in faces.split([cut, size - cut], side)]
        faces = torch.cat([halves[at] for at in rng.permutation(2)], side)
    return faces


def _block_changed(block: Tensor) -> Tensor:
    """As it is, shifted down or aside, mirrored, darker, noisy or coarse."""
    shift = int(rng.integers(-6, 7))
    coarse = [max(1, side * 3 // 5) for side in block.shape[2:]]
    changes: list[Callable[[], Tensor]] = [
        lambda: block,
        lambda: block.roll(shift, 2),
        lambda: block.roll(shift, 3),
        lambda: block.flip(3),
        lambda: block * float(rng.uniform(0.6, 1)),
        lambda: (block + torch.randn_like(block) * 0.06).clamp(0, 1),
        lambda: F.interpolate(F.interpolate(block, size=coarse, mode="bilinear"), block.shape[2:], mode="bilinear"),
    ]
    return changes[rng.integers(len(changes))]()


def _structure_kept(faces: Tensor) -> Tensor:
    """Structure-invariant views (SIA; Wang, Zhang, Zhang, ICCV 2023): each of nine blocks changed in its own way."""
    rows, columns = ([0, *sorted(rng.choice(np.arange(1, side), 2, replace=False).tolist()), side]
                     for side in faces.shape[2:])  # fmt: skip
    bands = [[_block_changed(faces[:, :, top:bottom, left:right]) for left, right in pairwise(columns)]
             for top, bottom in pairwise(rows)]  # fmt: skip
    return torch.cat([torch.cat(band, 3) for band in bands], 2)


def _seen_as(change: Callable[[Tensor], Tensor]) -> type[Passes]:
    """Surrogates that are shown every face after a change."""

    class Changed(Passes):
        def embed(self, surrogate: Any, faces: Tensor) -> Tensor:
            return super().embed(surrogate, change(faces))

    return Changed


def _with_branches(change: Callable[[Tensor], Tensor]) -> type[Passes]:
    """Surrogates with residual blocks (dlib's network, FaceNets) whose branches' outputs are changed."""

    class Changed(Passes):
        def embed(self, surrogate: Any, faces: Tensor) -> Tensor:
            modules = dict(surrogate.recognizer.attacked.named_modules())
            last = [module for name, module in modules.items() if name.endswith((".conv2", ".conv2d"))]
            hooks = [module.register_forward_hook(lambda *call: change(call[2])) for module in last]
            try:
                return super().embed(surrogate, faces)
            finally:
                for hook in hooks:
                    hook.remove()

    return Changed


def _half_the_gradient(branch: Tensor) -> Tensor:
    """Skip gradient method (SGM; Wu et al., ICLR 2020)."""
    return 0.5 * (branch + branch.detach())


def _scaled(branch: Tensor) -> Tensor:
    """Ghost networks (Li et al., AAAI 2020): each time another network near the given one."""
    return branch * float(rng.uniform(0.7, 1.3))


def _brought_back(wider: float = 1.0) -> Callable[..., Attack]:
    """Every step by itself brought within the limit, `wider` times that of the profile."""

    def made(**of_a_step: float) -> Attack:
        attack_once = feature_level.feature_level(**of_a_step)

        def attack(*arguments: Any, steps: int, start: Tensor, limit: float, **settings: Any) -> Attacked:
            for _ in range(steps):
                attacked = attack_once(*arguments, steps=1, start=start, limit=wider * limit, **settings)
                start = attacked.faces
            return replace(attacked, evaluations=steps * attacked.evaluations)

        return attack

    return made


def _where_hidden(**of_a_step: float) -> Attack:
    """Gradients weighed by what a pixel's surroundings hide."""

    def attack(logits_fn: LogitsFn, faces: Tensor, labels: Tensor, **settings: Any) -> Attacked:
        weight = tolerance(faces)

        def weighed(x: Tensor, rows: Tensor) -> Logits:
            return logits_fn(x.detach() + weight[rows] * (x - x.detach()), rows)

        return feature_level.feature_level(**of_a_step)(weighed, faces, labels, **settings)

    return attack


def _with_features(
    chain: FaceChain,
    clean: Tensor,
    goals: Sequence[LikenessGoal],
    chosen: Tensor,
    landmarks: Sequence[np.ndarray],
    draws: np.random.Generator,
    *others: Any,
) -> LogitsFn:
    """Beside the embedding an intermediate feature's cosine to the clean face's on the same view."""
    logits_fn = likeness_on_random_views(chain, clean, goals, chosen, landmarks, draws, *others)
    convolutions = [
        [module for module in goal.surrogate.recognizer.attacked.modules() if isinstance(module, nn.Conv2d)]
        for goal in goals
    ]

    def features_of(faces: Tensor, rows: Tensor) -> tuple[tuple[Tensor, ...], list[Tensor]]:
        outputs: list[Tensor] = []
        hooks = [
            of_network[int(DEPTH * len(of_network))].register_forward_hook(lambda *call: outputs.append(call[2]))
            for of_network in convolutions
        ]
        try:
            likenesses = logits_fn(faces, rows)
        finally:
            for hook in hooks:
                hook.remove()
        return likenesses, [output.flatten(1) for output in outputs]

    def with_features(faces: Tensor, rows: Tensor) -> tuple[Tensor, ...]:
        drawn = draws.bit_generator.state
        with torch.no_grad():
            _, before = features_of(clean[chosen[rows]], rows)
        draws.bit_generator.state = drawn
        likenesses, after = features_of(faces, rows)
        return tuple(
            likeness + F.cosine_similarity(now - now.mean(1, keepdim=True), then - then.mean(1, keepdim=True))
            for likeness, now, then in zip(likenesses, after, before, strict=True)
        )

    return with_features


def _profile(**changed: Any) -> AbstractContextManager[Any]:
    return mock.patch.dict(PROFILES, transfer=replace(PROFILES["transfer"], **changed))


def _steps(**changed: Any) -> AbstractContextManager[Any]:
    feature_rounds = PROFILES["transfer"].feature_level
    if feature_rounds is None:
        raise RuntimeError("transfer has no feature-level attack any more")
    return _profile(feature_level=replace(feature_rounds, **changed))


instead = mock.patch.object
VARIANTS: dict[str, AbstractContextManager[Any]] = {
    "as it is": nullcontext(),
    "limit 1.0 instead of 0.91": _profile(limit=1.0),
    "limit 1.0 less 0.8 gray levels": instead(loop, "visible_limit", lambda x: (visible_limit(x) - 0.8 / 255) / 0.91),
    "steps of 3 gray levels instead of 2.3": _steps(stride=3 / 255),
    "40 steps of 2 gray levels instead of 24": _steps(steps=(40, 12, 12, 16, 16), stride=2 / 255),
    "16 steps of 3 gray levels": _steps(steps=(16, 12, 12, 16, 16), stride=3 / 255),
    "the gradient's signs instead of its values (FGSM)": instead(feature_level, "_unit", torch.sign),
    "every step brought back by itself": instead(rounds, "feature_level", _brought_back()),
    "every step brought back by itself, limit 1.0": instead(rounds, "feature_level", _brought_back(1 / 0.91)),
    "all of the gradient's color": _steps(chroma=1.0),
    "half of its color": _steps(chroma=0.5),
    "no turned views (DI)": instead(likeness_objective, "jittered", lambda landmarks, _: landmarks),
    "no handled views": instead(likeness_objective, "HANDLED_SHARE", 0.0),
    "no stranger": instead(likeness_objective, "TOWARD_STRANGER", 0.0),
    "block shuffle and rotation (BSR)": instead(likeness_objective, "Passes", _seen_as(_shuffled)),
    "structure-invariant views (SIA)": instead(likeness_objective, "Passes", _seen_as(_structure_kept)),
    "gradients rather through the skips (SGM)": instead(
        likeness_objective, "Passes", _with_branches(_half_the_gradient)
    ),
    "branches scaled at random (ghost networks)": instead(likeness_objective, "Passes", _with_branches(_scaled)),
    "intermediate features as well": instead(rounds, "likeness_on_random_views", _with_features),
    "steps weighed by what hides them": instead(rounds, "feature_level", _where_hidden),
}


def lines_with(
    change: AbstractContextManager[Any],
    settings: list[Any],
    people: Sequence[Person],
    recognizer: Recognizer,
    **options: Any,
) -> list[Transferred]:
    """What `deid reproduce transfer` would measure with a change, kept under these settings. options: of a row."""
    nobody = {recognizer.name: people[0].embeddings[recognizer.name][:0]}  # a search is not measured here
    scripts = [hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(Path(__file__).parent.glob("*.py"))]
    with change:
        protector = protector_for("cpu", **options)
        measure = partial(measure_transfer, protector=protector, recognizers=[recognizer], gallery=lambda: nobody)
        items = ((person.photo.name, partial(measure, person, 2 + i % 5)) for i, person in enumerate(people))
        settings = ["one change", *settings, scripts, profile_key(options["profile"])]
        return list(kept_lines("transfer", settings, items, Transferred, lambda _: None))


def row(name: str, first: float, lines: Sequence[Transferred]) -> str:
    """Medians, and SSIM at worst. first: what stands before them."""
    fields = ("ssim", "flip", "over_limit", "seconds")
    ssim, flip, over_limit, seconds = (np.median([getattr(line, field) for line in lines]) for field in fields)
    worst = min(line.ssim for line in lines)
    return f"| {name} | {first:.3f} | {ssim:.3f}, {worst:.3f} | {flip:.4f} | {over_limit:.2f} | {seconds:.1f} |"


def main(lfw: Path, without: Sequence[str], count: int, names: Sequence[str]) -> None:
    seen_by = without[0]
    recognizer = load_recognizer(seen_by, "cpu")
    people = measured_people(lfw, count, [recognizer])
    clean = np.mean([person.embeddings[seen_by][0] @ person.embeddings[seen_by][1] for person in people])
    head = f"| {len(people)} people, seen by {seen_by} | similarity left of {clean:.2f} | SSIM: median, worst | FLIP |"
    print(head + " change / limit | s |\n" + "|" + "---|" * 6, flush=True)
    for name in names or VARIANTS:
        lines = lines_with(VARIANTS[name], [name, *without], people, recognizer, profile="transfer", without=without)
        left = np.mean([line.similarity[seen_by][AS_PUBLISHED] for line in lines])
        print(row(name, float(left), lines), flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.manual_seed(0)
    main(Path(sys.argv[1]), sys.argv[2].split(","), int(sys.argv[3]), sys.argv[4:])
