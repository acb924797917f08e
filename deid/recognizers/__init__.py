"""Recognizers: networks from an aligned face to an embedding, by name."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

from deid.faces.templates import (
    DLIB_TEMPLATE,
    FACENET_TEMPLATE,
    LIGHTCNN_TEMPLATE,
    MOBILEFACENET_TEMPLATE,
    MOBILENET_TEMPLATE,
    Template,
)
from deid.recognizers import dlib_resnet
from deid.recognizers.facenet import FaceNet
from deid.recognizers.lightcnn import LightCNN9, LightCNN29, LightCNN29V2
from deid.recognizers.margin_mobilefacenet import MarginMobileFaceNet
from deid.recognizers.mobilefacenet import MobileFaceNet
from deid.recognizers.mobilenet import MobileNet


@dataclass(frozen=True)
class Architecture:
    """How to build a network, how to read its weights, and how its faces are aligned.

    build: the network, untrained; what it does not keep in its state dict lies on the CPU, also under another
        `torch.device`.
    template: where its aligned faces have their landmarks.
    layers: two of its modules whose outputs (N, C, H, W) a defense may look at, the inner one first.
    classifier: keys of the training classes' layer, which a checkpoint may hold and the network has not.
    reader: reads weights in a format of their own; None: safetensors with the parameters of `build`.
    installed_file: where an installed package keeps the weights, so that nobody imports them; None: in a folder.
    bfloat16: whether its gradients keep their direction in bfloat16 (`Recognizer.embed_roughly`); depthwise
        convolutions lose it.
    """

    build: Callable[[], nn.Module]
    template: Template
    layers: tuple[str, str]
    classifier: tuple[str, ...] = ()
    reader: Callable[[Path], nn.Module] | None = None
    installed_file: Callable[[], Path] | None = None
    bfloat16: bool = True

    def load(self, path: Path) -> nn.Module:
        """The network with the weights of this file, loaded strictly."""
        if self.reader is not None:
            return self.reader(path)
        with torch.device("meta"):  # its own initial weights would be drawn for nothing
            network = self.build()
        # A file may hold float16; counters (of a batch normalization) are integers and stay so. Copies: what is loaded
        # does not change with the file.
        state = {
            key: value.to(torch.float32 if value.is_floating_point() else value.dtype, copy=True)
            for key, value in load_file(path).items()
        }
        network.load_state_dict(state, assign=True)
        return network


_CLASSIFIER = ("fc2.weight", "fc2.bias")

RECOGNIZERS: dict[str, Architecture] = {
    "lightcnn9": Architecture(LightCNN9, LIGHTCNN_TEMPLATE, ("features.4", "features.7"), _CLASSIFIER),
    "lightcnn29": Architecture(LightCNN29, LIGHTCNN_TEMPLATE, ("group2", "group4"), _CLASSIFIER),
    "lightcnn29v2": Architecture(LightCNN29V2, LIGHTCNN_TEMPLATE, ("group2", "group4"), _CLASSIFIER),
    "dlib-resnet": Architecture(
        dlib_resnet.DlibResNet,
        DLIB_TEMPLATE,
        ("blocks.6", "blocks.12"),
        reader=dlib_resnet.load,
        installed_file=dlib_resnet.weights_file,
    ),
    "mobilefacenet": Architecture(MobileFaceNet, MOBILEFACENET_TEMPLATE, ("features.9", "conv2"), bfloat16=False),
    "margin-mobilefacenet": Architecture(
        MarginMobileFaceNet, MOBILEFACENET_TEMPLATE, ("blocks.9", "widen"), bfloat16=False
    ),
    "mobilenet": Architecture(MobileNet, MOBILENET_TEMPLATE, ("blocks.6", "blocks.12"), bfloat16=False),
    "facenet": Architecture(FaceNet, FACENET_TEMPLATE, ("repeat_2", "block8"), ("logits.weight", "logits.bias")),
}
