"""A recognizer that has learned what protection does to faces.

It distills itself: its upper layers learn to see the protected photo of a person where the network before saw the
clean one, nearer to it than to anybody else's of the batch, and clean photos where they were. That needs one photo a
person and no classes, so what is learned is about protection and not about the people; and strangers stay apart.
"""

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deid.errors import UsageError
from deid.recognizers.recognizer import Recognizer

# Recognizer → its lower layers, which stay: what they find are edges and textures.
FROZEN: Mapping[str, tuple[str, ...]] = {
    "lightcnn9": ("features.0.", "features.2."),
    "mobilefacenet-arcface": ("stem.", "depthwise.", "pointwise.", *(f"blocks.{block}." for block in range(5))),
}
SHARPNESS = 16.0  # of the softmax over the batch's people
NEAREST = 0.2  # weight of that term


def trainable_copy(recognizer: Recognizer) -> nn.Module:
    """Its network with the upper layers ready to be trained. Raises UsageError for one that is not in FROZEN."""
    if recognizer.name not in FROZEN:
        raise UsageError(f"{recognizer.name} cannot be fine-tuned: choose {' or '.join(FROZEN)}")
    network = copy.deepcopy(recognizer.network)
    for name, weight in network.named_parameters():
        weight.requires_grad_(not name.startswith(FROZEN[recognizer.name]))
    return network


def distillation_loss(protected: Tensor, clean: Tensor, places: Tensor) -> Tensor:
    """Of unit embeddings (N, D) of N people: of their protected and clean photos now, and of the clean ones before."""
    at_place = 2 - (protected * places).sum(1).mean() - (clean * places).sum(1).mean()
    people = torch.arange(len(places), device=places.device)
    return at_place + NEAREST * F.cross_entropy(SHARPNESS * protected @ places.T, people)
