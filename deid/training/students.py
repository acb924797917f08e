"""The recognizers that can be trained here."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from deid.faces.templates import LIGHTCNN_TEMPLATE, MOBILEFACENET_TEMPLATE, Template
from deid.recognizers import lightcnn, mobilefacenet


@dataclass(frozen=True)
class Recipe:
    """How one is trained and published.

    architecture: as the manifest calls it.
    template: how its faces are aligned.
    width: of its embeddings.
    feature_side: of the features that `embedding` takes.
    build: the untrained network, with batch normalization.
    feature_map: its part that takes faces of any size (N, C, S, S) to features.
    embedding: its part that takes features of the side `feature_side` to embeddings (N, width).
    finish: makes the trained network the published one.
    resume: the other way round, with some faces (N, C, S, S) whose statistics it takes.
    shift: adds a vector (width,) to every embedding of a published network.
    input: what it is shown, in words.
    teacher: the recognizer it learns from.
    """

    architecture: str
    template: Template
    width: int
    feature_side: int
    build: Callable[[], nn.Module]
    feature_map: Callable[[Any, Tensor], Tensor]
    embedding: Callable[[Any, Tensor], Tensor]
    finish: Callable[[Any], None]
    resume: Callable[[Any, Tensor], None]
    shift: Callable[[Any, Tensor], None]
    input: str
    teacher: str


def _lightcnn9() -> lightcnn.LightCNN9:
    network = lightcnn.LightCNN9()
    lightcnn.add_batch_norm(network)
    return network


def _resume_lightcnn9(network: lightcnn.LightCNN9, faces: Tensor) -> None:
    lightcnn.unfold_batch_norm(network, faces)
    # What a finished first layer finds are edges, whoever the teacher is.
    network.features[0].filter.requires_grad_(False)


RECIPES = {
    "lightcnn9": Recipe(
        architecture="lightcnn9",
        template=LIGHTCNN_TEMPLATE,
        width=lightcnn.EMBEDDING_SIZE,
        feature_side=8,
        build=_lightcnn9,
        feature_map=lambda network, faces: network.features(faces),
        embedding=lambda network, features: network.fc1(features.flatten(1)),
        finish=lightcnn.fold_batch_norm,
        resume=_resume_lightcnn9,
        shift=lightcnn.shift_embeddings,
        input="luma 128×128, eye line horizontal, eye center (64, 40), eye to mouth 48 px",
        teacher="mobilenet-vggface2",
    ),
    # Of another architecture, of color and of a tighter crop: for attacks beside LightCNN-9.
    "mobilefacenet-lfw": Recipe(
        architecture="mobilefacenet",
        template=MOBILEFACENET_TEMPLATE,
        width=mobilefacenet.EMBEDDING_SIZE,
        feature_side=7,
        build=mobilefacenet.MobileFaceNet,
        feature_map=lambda network, faces: network.feature_map(faces),
        embedding=lambda network, features: network.embedding(features),
        finish=lambda network: None,
        resume=lambda network, faces: None,
        shift=lambda network, by: network.bn.bias.add_(by),
        input="RGB 112×112, five landmarks to MOBILEFACENET_TEMPLATE",
        teacher="mobilenet-vggface2",
    ),
}


class Student(nn.Module):
    """A recognizer under training, with the map from where the teacher sees a face to where it is to see it."""

    def __init__(self, recipe: Recipe, teacher_width: int) -> None:
        super().__init__()
        self.recipe = recipe
        self.recognizer = recipe.build()
        self.from_teacher = nn.Linear(teacher_width, recipe.width, bias=False)
        nn.init.orthogonal_(self.from_teacher.weight)

    def forward(self, faces: Tensor) -> Tensor:
        """Embeddings (N, width) of faces (N, C, S, S) of any size: a small one's features are stretched."""
        features = self.recipe.feature_map(self.recognizer, faces)
        side = self.recipe.feature_side
        if features.shape[-1] != side:
            features = F.interpolate(features, size=(side, side), mode="bilinear", align_corners=False)
        return self.recipe.embedding(self.recognizer, features.contiguous())
