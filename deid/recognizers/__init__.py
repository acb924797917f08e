"""Recognizers: networks from an aligned face to an embedding."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from deid.faces.align import (
    DLIB_TEMPLATE,
    FACENET_TEMPLATE,
    LIGHTCNN_TEMPLATE,
    MOBILEFACENET_TEMPLATE,
    MOBILENET_TEMPLATE,
    Template,
)
from deid.recognizers.dlib_resnet import DlibResNet
from deid.recognizers.lightcnn import LightCNN9, LightCNN29, LightCNN29V2
from deid.recognizers.mobilefacenet import MobileFaceNet
from deid.recognizers.mobilenet import MobileNet


@dataclass(frozen=True)
class Architecture:
    """How to build a network, and how its faces are aligned. `classifier`: checkpoint keys that may be dropped.

    reduces: whether its gradients keep their direction in bfloat16 (`Recognizer.embed_roughly`). They do not where
    channels are convolved one by one (cosine 0.84 for MobileNet, from 0.96 for the others), and no time is saved there.
    """

    build: Callable[[], nn.Module]
    template: Template
    classifier: tuple[str, ...] = ()
    reduces: bool = True


def _facenet() -> nn.Module:
    from deid.recognizers.facenet import FaceNet  # brings torchvision, seconds for who uses another network

    return FaceNet()


_CLASSIFIER = ("fc2.weight", "fc2.bias")

RECOGNIZERS: dict[str, Architecture] = {
    "lightcnn9": Architecture(LightCNN9, LIGHTCNN_TEMPLATE, _CLASSIFIER),
    "lightcnn29": Architecture(LightCNN29, LIGHTCNN_TEMPLATE, _CLASSIFIER),
    "lightcnn29v2": Architecture(LightCNN29V2, LIGHTCNN_TEMPLATE, _CLASSIFIER),
    "dlib-resnet": Architecture(DlibResNet, DLIB_TEMPLATE),
    "mobilefacenet": Architecture(MobileFaceNet, MOBILEFACENET_TEMPLATE, reduces=False),
    "mobilenet": Architecture(MobileNet, MOBILENET_TEMPLATE, reduces=False),
    "facenet": Architecture(_facenet, FACENET_TEMPLATE, ("logits.weight", "logits.bias")),
}
