"""What each part of the default, `stranger`, is worth: one change at a time, seen by a surrogate that was left out.

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
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms import InterpolationMode
from torchvision.transforms.functional import rotate

from deid.experiments.kept import kept_lines, profile_key
from deid.experiments.transfer import protector_for
from deid.experiments.transfer_people import Person, measured_people
from deid.experiments.transfer_photo import Transferred, measure_transfer
from deid.images.handlings import AS_PUBLISHED
from deid.losses import visibility
from deid.protection import likeness_objective
from deid.protection.likeness_objective import LikenessGoal
from deid.protection.profiles import PROFILES
from deid.protection.rank_objective import Passes
from deid.recognizers.checkpoints import load_recognizer
from deid.recognizers.recognizer import Recognizer

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


def _on_and_on(goal: LikenessGoal, embeddings: Tensor, rows: Tensor) -> Tensor:
    """No face is ever where it is to go."""
    return torch.ones(len(rows), device=embeddings.device)


def _profile(**changed: Any) -> AbstractContextManager[Any]:
    return mock.patch.dict(PROFILES, stranger=replace(PROFILES["stranger"], **changed))


instead = mock.patch.object
VARIANTS: dict[str, AbstractContextManager[Any]] = {
    "as it is": nullcontext(),
    "twice the steps": _profile(steps=tuple(2 * steps for steps in PROFILES["stranger"].steps)),
    "no limit of a pixel's change": _profile(limit=None),
    "eyes, mouth and nostrils in full": _profile(features=1.0),
    "an oval half as large again": _profile(reach=1.5),
    "fine changes alone": instead(visibility, "SLOW_SHARE", 0.0),
    "as much slow as fine": instead(visibility, "SLOW_SHARE", 1.0),
    "as far as it goes, without a place in the list": instead(LikenessGoal, "to_go", _on_and_on),
    "no turned views (DI)": instead(likeness_objective, "jittered", lambda landmarks, _: landmarks),
    "no handled views": instead(likeness_objective, "HANDLED_SHARE", 0.0),
    "no stranger": _profile(toward_stranger=0.0),
    "all surrogates a step": instead(likeness_objective, "SURROGATES_A_STEP", 4),
    "block shuffle and rotation (BSR)": instead(likeness_objective, "Passes", _seen_as(_shuffled)),
    "structure-invariant views (SIA)": instead(likeness_objective, "Passes", _seen_as(_structure_kept)),
    "gradients rather through the skips (SGM)": instead(
        likeness_objective, "Passes", _with_branches(_half_the_gradient)
    ),
    "branches scaled at random (ghost networks)": instead(likeness_objective, "Passes", _with_branches(_scaled)),
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
    ssim, flip, seconds = (np.median([getattr(line, field) for line in lines]) for field in ("ssim", "flip", "seconds"))
    worst, protected = min(line.ssim for line in lines), sum(line.protected for line in lines)
    return f"| {name} | {first:.3f} | {ssim:.3f}, {worst:.3f} | {flip:.4f} | {protected} | {seconds:.1f} |"


def main(lfw: Path, without: Sequence[str], count: int, names: Sequence[str]) -> None:
    seen_by = without[0]
    recognizer = load_recognizer(seen_by, "cpu")
    people = measured_people(lfw, count, [recognizer])
    clean = np.mean([person.embeddings[seen_by][0] @ person.embeddings[seen_by][1] for person in people])
    head = f"| {len(people)} people, seen by {seen_by} | similarity left of {clean:.2f} | SSIM: median, worst | FLIP |"
    print(head + " protected | s |\n" + "|" + "---|" * 6, flush=True)
    for name in names or VARIANTS:
        lines = lines_with(VARIANTS[name], [name, *without], people, recognizer, profile="stranger", without=without)
        left = np.mean([line.similarity[seen_by][AS_PUBLISHED] for line in lines])
        print(row(name, float(left), lines), flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.manual_seed(0)
    main(Path(sys.argv[1]), sys.argv[2].split(","), int(sys.argv[3]), sys.argv[4:])
