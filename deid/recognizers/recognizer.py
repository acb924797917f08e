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
from deid.recognizers.precision import bfloat16_autocast, bfloat16_copy, has_bfloat16

EMBED_BATCH = 16  # larger batches are slower on a CPU


@dataclass(frozen=True)
class Recognizer:
    """A loaded recognizer: aligned faces (N, C, S, S) in [0, 1] as `template` says → unit embeddings (N, D).

    name: in the manifest.
    network: in eval mode, frozen.
    template: how its faces are aligned.
    sha256: of the weights' file.
    thresholds: cosine at a false-accept rate, keyed "1e-2" and "1e-3", on people outside training (may be empty).
    decoys: unit embeddings of synthetic identities (1000, D), or none (0, 0); they lie on the network's device.
    bfloat16: see `Architecture`.
    """

    name: str
    network: nn.Module
    template: Template
    sha256: str
    thresholds: Mapping[str, float]
    decoys: Tensor
    bfloat16: bool = False

    def embed(self, faces: Tensor) -> Tensor:
        """Unit embeddings (N, D) in float32, differentiable."""
        return _embedded(self.network, faces)

    def embed_roughly(self, faces: Tensor) -> Tensor:
        """As `embed`, for an attack's gradients: where bfloat16 is faster, in that. No check may rest on it."""
        if self.attacked is self.network:
            return self.embed(faces)
        with bfloat16_autocast(self.device):
            return _embedded(self.attacked, faces)

    @cached_property
    def attacked(self) -> nn.Module:
        """The network that `embed_roughly` runs."""
        return bfloat16_copy(self.network) if self.bfloat16 and has_bfloat16(self.device) else self.network

    @property
    def device(self) -> torch.device:
        """Where the network runs."""
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
