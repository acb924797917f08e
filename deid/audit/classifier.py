"""A recognizer and the identities it knows, as the classifier that a defense is put before."""

import torch
from torch import Tensor
from torch.nn import functional as F

from deid.defenses.contract import Classifier
from deid.recognizers.recognizer import Recognizer

# Of the logits: a cosine alone is too flat for a softmax (CosFace; Wang and others, CVPR 2018, section 3.3).
SCALE = 30.0
GRID = 2  # an inner layer's maps are averaged over so many parts across and down


def classifier_of(recognizer: Recognizer, layers: tuple[str, ...], prototypes: Tensor) -> Classifier:
    """Logits: scale × cosine to each identity.

    layers: modules of the network, the inner one first, whose outputs (N, C, H, W) are shown as (N, C · GRID²); the
        last layer is the unit embedding (N, D).
    prototypes: (M, D) unit vectors.
    """
    prototypes = prototypes.to(recognizer.device)

    def shown(faces: Tensor) -> tuple[Tensor, ...]:
        seen: dict[str, Tensor] = {}

        def keep(name: str) -> torch.utils.hooks.RemovableHandle:
            module = recognizer.network.get_submodule(name)
            return module.register_forward_hook(lambda _module, _inputs, output: seen.update({name: output}))

        hooks = [keep(name) for name in layers]
        try:
            embeddings = recognizer.embed(faces)
        finally:
            for hook in hooks:
                hook.remove()
        return (*(F.adaptive_avg_pool2d(seen[name], GRID).flatten(1) for name in layers), embeddings)

    return Classifier(lambda faces: SCALE * recognizer.embed(faces) @ prototypes.T, shown)
