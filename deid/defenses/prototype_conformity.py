"""Prototype conformity: features pulled to their class's prototype and pushed from those of others (PCL).

Mustafa, Khan, Hayat, Goecke, Shen, Shao, ICCV 2019. The paper has prototypes at several layers; here they are at the
last, of whose features the logits are made.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Conforming(nn.Module):
    """A network in two parts, with prototypes that are trained along.

    body: inputs → features (N, D); head: features → logits (N, M), its last layer.
    """

    def __init__(self, body: nn.Module, head: nn.Linear) -> None:
        super().__init__()
        self.body, self.head = body, head
        self.prototypes = nn.Parameter(torch.randn(head.out_features, head.in_features))

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.body(inputs))


@dataclass(frozen=True)
class PrototypeConformity:
    """Cross-entropy + weight × `conformity`, of a `Conforming` network; raises TypeError for another."""

    weight: float

    def __call__(self, network: nn.Module, inputs: Tensor, labels: Tensor, rng: np.random.Generator) -> Tensor:
        if not isinstance(network, Conforming):
            raise TypeError("prototype conformity is of a network with prototypes")
        features = network.body(inputs)
        conforming = conformity(features.float(), labels, network.prototypes)
        return F.cross_entropy(network.head(features).float(), labels) + self.weight * conforming


def conformity(features: Tensor, labels: Tensor, prototypes: Tensor) -> Tensor:
    """L_PC, a batch's mean, a scalar: ‖f − w_y‖ − 1/(M − 1) Σ_{j≠y} (‖f − w_j‖ + ‖w_y − w_j‖), L2.

    features: (n, D); labels: (n,); prototypes: (M, D), w.
    """
    others = len(prototypes) - 1
    to_prototypes = torch.cdist(features, prototypes)
    own = to_prototypes.gather(1, labels[:, None])[:, 0]
    to_others = to_prototypes.sum(1) - own
    among = torch.cdist(prototypes, prototypes).sum(1)[labels]
    return (own - (to_others + among) / others).mean()
