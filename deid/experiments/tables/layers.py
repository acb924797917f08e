"""The tables' networks as defenses see them: features, and a last layer that makes logits of them."""

from collections.abc import Callable
from copy import deepcopy

import torch
from torch import Tensor, nn

from deid.defenses.contract import Classifier
from deid.experiments.tables.networks import FaceClassifier


def last_layers(network: nn.Module) -> nn.Sequential:
    """What ends with the layer that makes logits of features."""
    layers = network.upper if isinstance(network, FaceClassifier) else network
    if not isinstance(layers, nn.Sequential):
        raise TypeError("the tables' networks are sequences of layers")
    return layers


def with_last(network: nn.Module, layer: nn.Module) -> nn.Module:
    """A frozen copy with another last layer."""
    changed = deepcopy(network)
    last_layers(changed)[-1] = layer
    return changed.eval().requires_grad_(False)


def classifier_of(network: nn.Module) -> Classifier:
    """Of a network whose last layer is linear. Raises TypeError for another."""
    if not isinstance(last_layers(network)[-1], nn.Linear):
        raise TypeError("the last layer of a table's network is linear")
    body = _channels_last(with_last(network, nn.Identity()))
    return Classifier(_channels_last(network), lambda photos: (body(photos),))


def _channels_last(network: nn.Module) -> Callable[[Tensor], Tensor]:
    """A CPU convolves such a batch about twice as fast."""
    return lambda photos: network(photos.contiguous(memory_format=torch.channels_last)).float()
