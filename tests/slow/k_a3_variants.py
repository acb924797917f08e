"""What hides K-A³'s perturbation: one change at a time to its visual terms and to the limit of a pixel's change.

    python tests/slow/k_a3_variants.py LFW paper 24
    python tests/slow/k_a3_variants.py LFW paper 12 "as it is" "no limit"

The command goes on where it stopped.
"""

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from pytorch_msssim import ms_ssim
from torch import Tensor
from transfer_variants import lines_with, row

from deid.experiments.transfer_people import measured_people
from deid.losses.cw_ssim import cw_ssim_of_subbands
from deid.losses.steerable_pyramid import subbands
from deid.protection.profiles import PROFILES
from deid.recognizers.checkpoints import load_recognizer
from deid.types import Options

attack = import_module("deid.attacks.k_a3")  # the package's `k_a3` is the function


def _structure(x: Tensor, y: Tensor) -> Tensor:
    return ms_ssim(x, y, data_range=1.0, win_size=7, size_average=False)


def _with_images(images: Tensor) -> tuple[Tensor, ...]:
    return *subbands(images), images


def _scored_by(score: Callable[[tuple[Tensor, ...], tuple[Tensor, ...]], Tensor]) -> AbstractContextManager[Any]:
    """K-A³ with another score in CW-SSIM's place. score: two batches' subbands, the images themselves last → (N,)."""
    return mock.patch.multiple(attack, subbands=_with_images, cw_ssim_of_subbands=score)


VARIANTS: dict[str, AbstractContextManager[Any]] = {
    "as it is": nullcontext(),
    "MS-SSIM beside CW-SSIM": _scored_by(lambda x, y: cw_ssim_of_subbands(x[:-1], y[:-1]) + _structure(x[-1], y[-1])),
    "MS-SSIM instead": _scored_by(lambda x, y: _structure(x[-1], y[-1])),
    "neither, ‖n‖ alone": _scored_by(lambda x, y: 0 * (x[-1] + y[-1]).sum((1, 2, 3))),
    "no limit": mock.patch.dict(PROFILES, {name: replace(profile, limit=None) for name, profile in PROFILES.items()}),
}


def main(lfw: Path, profile: str, count: int, names: Sequence[str]) -> None:
    recognizer = load_recognizer(Options().recognizer, "cpu")
    people = measured_people(lfw, count, [recognizer])
    head = f"| `{profile}`, {len(people)} photos | PSNR, dB | SSIM: median, worst | FLIP |"
    print(head + " protected | s |\n" + "|" + "---|" * 6, flush=True)
    for name in names or VARIANTS:
        lines = lines_with(VARIANTS[name], [name], people, recognizer, profile=profile)
        print(row(name, float(np.median([line.psnr for line in lines])), lines), flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4:])
