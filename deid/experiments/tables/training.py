"""The training of the tables' classifiers: saved as it goes, taken up again after an interruption."""

import json
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from deid.defenses.adversarial_training import adversarial
from deid.defenses.training_loss import Loss, plain
from deid.errors import UsageError
from deid.experiments.tables.data import Data, Photos
from deid.experiments.tables.networks import FaceClassifier
from deid.recognizers.precision import bfloat16_autocast
from deid.storage.atomic import write_atomically
from deid.storage.hashes import file_sha256
from deid.training.distill import Schedule, optimizers_for
from deid.training.state import load_state, save_state

SAVE_EVERY, SAVE_SECONDS = 100, 120  # steps, or as long, whichever comes first
EVALUATE_BATCH = 64

Augment = Callable[[Tensor, np.random.Generator], Tensor]
Log = Callable[[str], None]


@dataclass(frozen=True)
class Recipe:
    """How a network is made and trained.

    build: the network, untrained but for what it takes over; of a FaceClassifier `upper` alone is trained.
    augment: changes photos (n, C, H, W) in [0, 1]; None: they are trained on as they are.
    radius: L2, of the adversary that it is trained against (Madry and others, ICLR 2018); 0: of none.
    bfloat16: whether it is trained in it; a CPU's depthwise convolutions are twice as slow in it.
    loss: what is made small.
    on_photos: whether a FaceClassifier is trained on photos, as who moves them needs it, and not on what its lower
        layers made of them once.
    start: sha256 of the network that `build` begins with, if it is one that was trained here.
    """

    build: Callable[[], nn.Module]
    schedule: Schedule
    augment: Augment | None = None
    radius: float = 0.0
    bfloat16: bool = True
    loss: Loss = plain
    on_photos: bool = False
    start: str = ""


@dataclass(frozen=True, eq=False)
class Trained:
    """A network in eval mode, frozen. accuracy: on the photos to test on, in [0, 1]; sha256: of its file."""

    network: nn.Module
    accuracy: float
    sha256: str


def trained(name: str, recipe: Recipe, data: Data, folder: Path, log: Log) -> Trained:
    """The network that lies in `folder` as NAME.safetensors, trained before if it is not there yet.

    Raises UsageError where what lies there is of other data or of another recipe.
    """
    torch.manual_seed(recipe.schedule.seed)
    network, key = recipe.build(), _key(name, recipe, data.train)
    file, state = folder / f"{name}.safetensors", folder / f"{name}.state"
    if not file.is_file():
        _train(network, recipe, data.train, state, key, lambda text: log(f"{name}: {text}"))
        accuracy = accuracy_of(network.eval(), data.test)
        log(f"{name}: {100 * accuracy:.2f} % of {len(data.test)} test photos")
        weights = {key: value.contiguous() for key, value in network.state_dict().items()}
        write_atomically(save(weights, {"key": key, "accuracy": repr(accuracy)}), file)
        state.unlink(missing_ok=True)
    with safe_open(file, "pt") as header:
        said = header.metadata() or {}
    if said.get("key") != key:
        raise UsageError(f"{file} is of other data or another training: choose another folder")
    network.load_state_dict(load_file(file))
    return Trained(network.eval().requires_grad_(False), float(said["accuracy"]), file_sha256(file))


@torch.no_grad()
def accuracy_of(network: nn.Module, photos: Photos) -> float:
    """Share of the photos whose largest logit is their class's."""
    hits = 0
    for at in range(0, len(photos), EVALUATE_BATCH):
        rows = np.arange(at, min(at + EVALUATE_BATCH, len(photos)))
        hits += int((network(photos[rows].as_tensor()).argmax(1).numpy() == photos.labels[rows]).sum())
    return hits / len(photos)


def _train(network: nn.Module, recipe: Recipe, photos: Photos, state_file: Path, key: str, log: Log) -> None:
    """In place. What a FaceClassifier's lower layers make of the photos is found out once, if it can be."""
    schedule, part, features = recipe.schedule, network, None
    if isinstance(network, FaceClassifier) and not recipe.on_photos:
        part, features = network.upper, _features(network.lower, photos)
    optimizers = optimizers_for(part, schedule)
    first = load_state(state_file, key, part, optimizers)
    started, running = time.monotonic(), 0.0
    saved = started
    for step in range(first, schedule.steps):
        # One generator a step: a resumed run draws what an uninterrupted one would have drawn.
        rng = np.random.default_rng([schedule.seed, step])
        rows = rng.choice(len(photos), min(schedule.batch, len(photos)), replace=False)
        inputs = photos[rows].as_tensor() if features is None else features[rows].float()
        if recipe.augment is not None:
            inputs = recipe.augment(inputs, rng)
        labels = torch.from_numpy(photos.labels[rows])
        if recipe.radius:
            inputs = adversarial(part.eval(), inputs, labels, recipe.radius, rng)
        running = 0.95 * running + 0.05 * _step(part.train(), optimizers, recipe, step, inputs, labels, rng)
        if (step + 1) % SAVE_EVERY == 0 or time.monotonic() - saved > SAVE_SECONDS:
            save_state(state_file, key, part, optimizers, step + 1)
            saved = time.monotonic()
            pace = (time.monotonic() - started) / (step + 1 - first)
            log(f"step {step + 1} of {schedule.steps}, loss {running:.3f}, {pace:.2f} s a step")


def _step(
    network: nn.Module,
    optimizers: list[torch.optim.Optimizer],
    recipe: Recipe,
    step: int,
    inputs: Tensor,
    labels: Tensor,
    rng: np.random.Generator,
) -> float:
    """One batch; its loss."""
    with bfloat16_autocast("cpu") if recipe.bfloat16 else nullcontext():
        loss = recipe.loss(network, inputs.contiguous(memory_format=torch.channels_last), labels, rng)
    network.zero_grad()
    loss.backward()
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * recipe.schedule.rate(step)
        optimizer.step()
    return float(loss.detach())


@torch.no_grad()
def _features(lower: nn.Module, photos: Photos) -> Tensor:
    """In float16: half the memory."""
    parts = [photos[rows].as_tensor() for rows in np.array_split(np.arange(len(photos)), -(-len(photos) // 32))]
    return torch.cat([lower(part.contiguous(memory_format=torch.channels_last)).half() for part in parts])


def _key(name: str, recipe: Recipe, photos: Photos) -> str:
    """What a trained network comes from, in one line."""
    schedule = recipe.schedule
    numbers = {name: getattr(schedule, name) for name in ("steps", "batch", "muon_peak", "adamw_peak", "seed")}
    unusual = {} if recipe.loss is plain else {"loss": repr(recipe.loss)}
    unusual |= {"start": recipe.start} if recipe.start else {}
    return json.dumps({"network": name, **numbers, "radius": recipe.radius, **unusual, "photos": photos.digest})
