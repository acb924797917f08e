"""What the adversary of `reproduce adaptation` trains on pairs of protected and clean faces, saved as it goes."""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.nn import functional as F

from deid.defenses.denoiser import Denoiser, denoising_loss
from deid.defenses.fine_tuning import distillation_loss, trainable_copy
from deid.errors import UsageError
from deid.experiments.adaptation.photos import Log, ProtectedFace
from deid.recognizers.precision import bfloat16_autocast
from deid.recognizers.recognizer import Recognizer
from deid.storage.atomic import write_atomically
from deid.storage.hashes import file_sha256
from deid.training.augment import aligned_view, mirror
from deid.training.distill import Schedule
from deid.training.state import load_state, save_state

SAVE_EVERY = 20  # steps


@dataclass(frozen=True)
class Course:
    """batch: pairs a step; peak: the largest learning rate, of AdamW, in one cycle (`Schedule`)."""

    steps: int
    batch: int
    peak: float


DENOISER = Course(steps=300, batch=16, peak=1e-3)
FINE_TUNING = Course(steps=200, batch=24, peak=1e-4)

Batch = tuple[Tensor, Tensor, np.ndarray]
"""Protected and clean crops (N, 3, 192, 192) in [0, 1], and landmarks (N, 5, 2) in both."""


def trained_denoiser(
    pairs: Sequence[ProtectedFace], guides: Sequence[Recognizer], folder: Path, course: Course, log: Log
) -> tuple[Denoiser, str]:
    """And its file's SHA-256. guides: recognizers that it is to please, in turns."""

    def loss(network: nn.Module, batch: Batch, step: int) -> Tensor:
        protected, clean, landmarks = batch
        guide = guides[step % len(guides)]
        with bfloat16_autocast("cpu"):
            denoised = network(protected)
        return denoising_loss(
            denoised.float(), clean, lambda crops: guide.embed_roughly(aligned_view(crops, landmarks, guide.template))
        )

    torch.manual_seed(0)
    network = Denoiser()
    return network, _trained("denoiser", network, loss, pairs, course, folder, log)


def fine_tuned(
    recognizer: Recognizer, pairs: Sequence[ProtectedFace], folder: Path, course: Course, log: Log
) -> Recognizer:
    """Raises UsageError for a recognizer whose layers are not known (`FROZEN`)."""

    def loss(network: nn.Module, batch: Batch, step: int) -> Tensor:
        protected, clean, landmarks = batch
        views = [aligned_view(crops, landmarks, recognizer.template) for crops in (protected, clean)]
        with torch.no_grad():
            places = recognizer.embed_roughly(views[1])
        with bfloat16_autocast("cpu") if recognizer.bfloat16 else torch.autocast("cpu", enabled=False):
            embeddings = network(torch.cat(views).contiguous(memory_format=torch.channels_last))
        seen, kept = F.normalize(embeddings.float()).chunk(2)
        return distillation_loss(seen, kept, places)

    network = trainable_copy(recognizer)
    sha256 = _trained(f"fine-tuned-{recognizer.name}", network, loss, pairs, course, folder, log)
    return replace(recognizer, network=network, sha256=sha256)


def _trained(
    name: str,
    network: nn.Module,
    loss: Callable[[nn.Module, Batch, int], Tensor],
    pairs: Sequence[ProtectedFace],
    course: Course,
    folder: Path,
    log: Log,
) -> str:
    """In place, to eval mode; the SHA-256 of the file, which is read instead where it lies there already.

    Raises UsageError where what lies there is of other pairs or of another course.
    """
    digest = hashlib.sha256(b"".join(pair.protected.tobytes() for pair in pairs)).hexdigest()
    key = json.dumps([name, course.steps, course.batch, course.peak, digest])
    file, state = folder / f"{name}-{len(pairs)}.safetensors", folder / f"{name}-{len(pairs)}.state"
    if not file.is_file():
        _run(network, partial(loss, network), pairs, course, state, key, lambda text: log(f"{name}: {text}"))
        weights = {part: weight.contiguous() for part, weight in network.state_dict().items()}
        write_atomically(save(weights, {"key": key}), file)
        state.unlink(missing_ok=True)
    with safe_open(file, "pt") as header:
        if (header.metadata() or {}).get("key") != key:
            raise UsageError(f"{file} is of other photos or another training: choose another folder")
    network.load_state_dict(load_file(file))
    network.eval().requires_grad_(False)
    return file_sha256(file)


def _run(
    network: nn.Module,
    loss: Callable[[Batch, int], Tensor],
    pairs: Sequence[ProtectedFace],
    course: Course,
    state_file: Path,
    key: str,
    log: Log,
) -> None:
    schedule = Schedule(course.steps)
    optimizer = torch.optim.AdamW([weight for weight in network.parameters() if weight.requires_grad], lr=course.peak)
    first = load_state(state_file, key, network, [optimizer])
    started, running = time.monotonic(), 0.0
    for step in range(first, course.steps):
        # One generator a step: a resumed run draws what an uninterrupted one would have drawn.
        rng = np.random.default_rng([0, step])
        value = loss(_batch(pairs, course.batch, rng), step)
        optimizer.zero_grad()
        value.backward()
        optimizer.param_groups[0]["lr"] = course.peak * schedule.rate(step)
        optimizer.step()
        running = running + (float(value.detach()) - running) / min(step + 1 - first, SAVE_EVERY)
        if (step + 1) % SAVE_EVERY == 0:
            save_state(state_file, key, network, [optimizer], step + 1)
            pace = (time.monotonic() - started) / (step + 1 - first)
            log(f"step {step + 1} of {course.steps}, loss {running:.3f}, {pace:.2f} s a step")


def _batch(pairs: Sequence[ProtectedFace], size: int, rng: np.random.Generator) -> Batch:
    """Some pairs, every other one mirrored."""
    rows = rng.choice(len(pairs), min(size, len(pairs)), replace=False)
    mirrored, landmarks = rng.random(len(rows)) < 0.5, np.stack([pairs[row].landmarks for row in rows])
    protected, clean = (
        torch.from_numpy(np.stack([getattr(pairs[row], which) for row in rows])).permute(0, 3, 1, 2).float() / 255
        for which in ("protected", "clean")
    )
    protected, points = mirror(protected, landmarks, mirrored)
    return protected, mirror(clean, landmarks, mirrored)[0], points
