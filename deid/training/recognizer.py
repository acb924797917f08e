"""`deid train NAME`: from a folder of people to weights, decoys and their manifest entry."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from safetensors.torch import save_file
from torch import nn

from deid.errors import CheckpointError, UsageError
from deid.faces.templates import Template
from deid.recognizers.checkpoints import load_recognizer, manifest
from deid.recognizers.decoys import fit_gaussian
from deid.recognizers.device import device_for
from deid.recognizers.fetch import DOWNLOADS
from deid.recognizers.imports import taught_by
from deid.recognizers.recognizer import Recognizer
from deid.storage.hashes import file_sha256
from deid.training.data import FaceSet, held_out_people, prepare
from deid.training.distill import Schedule, going_on, train
from deid.training.students import RECIPES
from deid.training.targets import targets_of
from deid.training.verification import FARS, Verification, embeddings_of, evaluate

DECOYS_SEED = 20261121


def train_recognizer(
    name: str,
    people: Path,
    out: Path,
    *,
    steps: int,
    teacher: str | None,
    start: str | None,
    device: str,
    log: Callable[[str], None],
) -> None:
    """Train (or go on training) and write NAME.safetensors, its decoys and NAME.toml to `out`.

    name: of RECIPES.
    people: a folder with a folder a person.
    out: also keeps the training's state, and in `out`/faces the faces and where the teacher sees them.
    steps: of the whole training, those before an interruption included.
    teacher: the name of another one than the recipe's.
    start: the name of a recognizer to begin with instead of an untrained one.
    device: auto, cpu or cuda.
    log: is told a line at a time.

    Raises CheckpointError where the teacher is not on this machine, UsageError where `start` is of another
    architecture, the people are too few, the state is of a training with another teacher, or the device is not there.
    """
    recipe = RECIPES[name]
    start_network = None if start is None else _network_to_start_from(start, recipe.architecture)
    device = device_for(device)
    teacher_recognizer = _load_teacher(teacher or recipe.teacher, device)
    out.mkdir(parents=True, exist_ok=True)
    faces = prepare(people, out / "faces")
    held_out = held_out_people(faces.names)
    chosen = np.array([i for i, person in enumerate(faces.names) if person not in held_out])
    log(f"where {teacher_recognizer.name} sees {len(faces)} faces")
    targets = targets_of(teacher_recognizer, faces, chosen, recipe.width, out / "faces")
    state = out / f"{name}.state"
    schedule = Schedule(steps) if start is None else going_on(steps)
    network, _ = train(recipe, faces, schedule, targets, state, start=start_network, device=device, log=log)
    teachers_before = () if start is None else manifest()[start].teachers
    details = taught_by(list(dict.fromkeys([teacher_recognizer.name, *teachers_before]))) | {
        "architecture": recipe.architecture,
        "licence": "Apache-2.0",
        "input": recipe.input,
        "training_data": "LFW deep-funneled without every tenth person",
    }
    log(str(publish(name, network, recipe.template, faces, out, details)))


def _network_to_start_from(name: str, architecture: str) -> nn.Module:
    recognizer = load_recognizer(name)
    if manifest()[name].architecture != architecture:
        raise UsageError(f"{name} is no {architecture}: training cannot start from it")
    return recognizer.network


def _load_teacher(name: str, device: str) -> Recognizer:
    if name in DOWNLOADS and name not in manifest():
        raise CheckpointError(f"the teacher is not on this machine: deid weights fetch {name}")
    return load_recognizer(name, device)


def publish(
    name: str, network: nn.Module, template: Template, faces: FaceSet, out: Path, details: Mapping[str, str]
) -> Verification:
    """Save a finished network as float16 with its decoys, and the manifest entry with figures of the saved numbers.

    network: is rounded to float16 in place.
    template: how its faces are aligned.
    faces: to measure on, and to fit the decoys to.
    out: a folder that exists.
    details: what the entry says besides: architecture, licence, input, training data, and teacher if there was one.
    """
    state = network.state_dict()
    halves = {key: value.half().contiguous() if value.is_floating_point() else value for key, value in state.items()}
    network.load_state_dict({key: value.to(state[key].dtype) for key, value in halves.items()})
    held_out = held_out_people(faces.names)
    figures = evaluate(network, faces, held_out, template)
    weights, decoys = out / f"{name}.safetensors", out / f"{name}-decoys.safetensors"
    save_file(halves, weights)
    first_faces = _first_faces(faces, held_out)
    save_file(fit_gaussian(embeddings_of(network, faces, first_faces, template)), decoys)
    by_person = zip(FARS, figures.thresholds_by_person, strict=True)
    thresholds = ", ".join(f'"{_far(far)}" = {threshold:.4f}' for far, threshold in by_person)
    detail_lines = "\n".join(f'{key} = "{value}"' for key, value in details.items())
    (out / f"{name}.toml").write_text(f"""\
[recognizers.{name}]
file = "{weights.name}"
sha256 = "{file_sha256(weights)}"
{detail_lines}
decoys_file = "{decoys.name}"
decoys_sha256 = "{file_sha256(decoys)}"
decoys_seed = {DECOYS_SEED}
thresholds = {{ {thresholds} }}
figures = "held-out LFW, {len(held_out)} people, {figures.genuine_pairs} genuine and {figures.impostor_pairs} \
impostor pairs: {figures}"
""")
    return figures


def _first_faces(faces: FaceSet, held_out: set[str]) -> np.ndarray:
    """The index of the first face of every training person, (N,)."""
    first: dict[str, int] = {}
    for i, name in enumerate(faces.names):
        if name not in held_out:
            first.setdefault(name, i)
    return np.array(list(first.values()))


def _far(far: float) -> str:
    mantissa, exponent = f"{far:.0e}".split("e")
    return f"{mantissa}e{int(exponent)}"
