"""`deid train lightcnn9`: from a folder of people to weights, decoys and their manifest entry."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from deid.file_hash import file_sha256
from deid.training.augment import plain_view
from deid.training.data import FaceSet, held_out_people, prepare
from deid.training.decoys import fit_gaussian
from deid.training.distill import Schedule, crops_of, evaluate, train
from deid.training.verification import FARS, Verification

DECOYS_SEED = 20261121


def train_lightcnn9(people: Path, out: Path, *, steps: int, device: str, log: Callable[[str], None]) -> None:
    """Train (or go on training) and write lightcnn9.safetensors, its decoys and lightcnn9.toml to `out`.

    people: a folder with a folder a person. The faces are found once and kept in `out`/faces.
    """
    device = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    out.mkdir(parents=True, exist_ok=True)
    faces = prepare(people, out / "faces")
    network, _ = train(faces, Schedule(steps), out / "lightcnn9.state", device=device, log=log)
    log(str(publish(network, faces, out)))


def publish(network: nn.Module, faces: FaceSet, out: Path) -> Verification:
    """Save a folded network as float16 with its decoys, and the manifest entry with figures of the saved numbers."""
    halves = {key: value.half().contiguous() for key, value in network.state_dict().items()}
    network.load_state_dict({key: value.float() for key, value in halves.items()})
    held_out = held_out_people(faces.names)
    figures = evaluate(network, faces, held_out)
    save_file(halves, out / "lightcnn9.safetensors")
    save_file(fit_gaussian(_one_face_each(network, faces, held_out)), out / "lightcnn9-decoys.safetensors")
    thresholds = ", ".join(f'"{_far(far)}" = {t:.4f}' for far, t in zip(FARS, figures.thresholds, strict=True))
    (out / "lightcnn9.toml").write_text(f"""\
[recognizers.lightcnn9]
architecture = "lightcnn9"
file = "lightcnn9.safetensors"
sha256 = "{file_sha256(out / "lightcnn9.safetensors")}"
licence = "Apache-2.0"
input = "luma 128×128, eye line horizontal, eye center (64, 40), eye to mouth 48 px"
training_data = "LFW deep-funneled without every tenth person"
teacher = "dlib-resnet"
decoys_file = "lightcnn9-decoys.safetensors"
decoys_sha256 = "{file_sha256(out / "lightcnn9-decoys.safetensors")}"
decoys_seed = {DECOYS_SEED}
thresholds = {{ {thresholds} }}
figures = "held-out LFW, {len(held_out)} people, {figures.genuine_pairs} genuine and {figures.impostor_pairs} \
impostor pairs: {figures}"
""")
    return figures


@torch.no_grad()
def _one_face_each(network: nn.Module, faces: FaceSet, held_out: set[str]) -> Tensor:
    """Embeddings (N, 256) of the first face of every training person."""
    first: dict[str, int] = {}
    for i, name in enumerate(faces.names):
        if name not in held_out:
            first.setdefault(name, i)
    indices = np.array(list(first.values()))
    parts = np.array_split(indices, len(indices) // 32 + 1)
    return torch.cat([network(plain_view(crops_of(faces, part)[0])) for part in parts])


def _far(far: float) -> str:
    mantissa, exponent = f"{far:.0e}".split("e")
    return f"{mantissa}e{int(exponent)}"
