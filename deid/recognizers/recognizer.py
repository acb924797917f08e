"""A loaded recognizer, and the embeddings it makes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deid.faces.align import align_face
from deid.faces.templates import Template
from deid.recognizers.precision import is_reduced, reduced, with_reduced_weights

EMBED_BATCH = 16  # larger batches are slower on a CPU


@dataclass(frozen=True)
class Recognizer:
    """A loaded recognizer: aligned faces (N, C, S, S) in [0, 1] as `template` says → unit embeddings (N, D).

    thresholds: cosine at a false-accept rate, keyed "1e-2" and "1e-3", on people outside training (may be empty).
    decoys: (1000, D) unit embeddings of synthetic identities. reduces: see `Architecture`.
    """

    name: str
    network: nn.Module
    template: Template
    sha256: str
    thresholds: Mapping[str, float]
    decoys: Tensor
    reduces: bool = False

    def embed(self, faces: Tensor) -> Tensor:
        return _embedded(self.network, faces)

    def embed_roughly(self, faces: Tensor) -> Tensor:
        """As `embed`, for an attack's gradients: where bfloat16 is faster, in that. No check may rest on it."""
        if self.attacked is self.network:
            return self.embed(faces)
        with reduced(self.device):
            return _embedded(self.attacked, faces)

    @cached_property
    def attacked(self) -> nn.Module:
        """The network that `embed_roughly` runs."""
        return with_reduced_weights(self.network) if self.reduces and is_reduced(self.device) else self.network

    @property
    def device(self) -> torch.device:
        return self.decoys.device

    @cached_property
    def spread(self) -> float:
        """How much strangers' similarities vary: the standard deviation over all pairs of decoys."""
        similarities = self.decoys @ self.decoys.T
        return float(similarities[similarities < 0.9999].std())


def _embedded(network: nn.Module, faces: Tensor) -> Tensor:
    # A CPU convolves a channels-last batch about twice as fast.
    return F.normalize(network(faces.contiguous(memory_format=torch.channels_last)).float())


@torch.no_grad()
def embed_aligned(recognizer: Recognizer, faces: Tensor) -> Tensor:
    """Unit embeddings (N, D) of aligned faces (N, C, S, S), a few at a time."""
    return torch.cat([recognizer.embed(part) for part in faces.to(recognizer.device).split(EMBED_BATCH)])


def embed_faces(recognizer: Recognizer, pixels: np.ndarray, landmarks: Sequence[np.ndarray]) -> Tensor:
    """Unit embeddings (N, D) of the faces at these landmarks (5, 2) of a photo's pixels."""
    faces = [align_face(pixels, points, recognizer.template) for points in landmarks]
    return embed_aligned(recognizer, torch.stack(faces))
