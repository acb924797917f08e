"""Every recognizer shows its layers, and logits of the last one, with gradients down to the pixels."""

import pytest
import torch
from torch.nn import functional as F

from deid.audit.classifier import SCALE, classifier_of
from deid.recognizers import RECOGNIZERS
from deid.recognizers.recognizer import Recognizer


@pytest.mark.parametrize("name", RECOGNIZERS)
def test_layers_end_with_the_embedding_of_which_the_logits_are_made(name: str) -> None:
    architecture = RECOGNIZERS[name]
    torch.manual_seed(0)
    network, template = architecture.build().eval().requires_grad_(False), architecture.template
    recognizer = Recognizer(name, network, template, "", {}, torch.zeros(0, 0))
    faces = torch.rand(1, template.channels, template.size, template.size, requires_grad=True)
    size = recognizer.embed(faces).shape[1]
    prototypes = F.normalize(torch.randn(3, size))
    classifier = classifier_of(recognizer, architecture.layers, prototypes)
    layers = classifier.layers(faces)
    assert [layer.ndim for layer in layers] == [2, 2, 2]
    assert all(layer.shape[1] <= 8192 for layer in layers)
    assert torch.allclose(SCALE * layers[-1] @ prototypes.T, classifier.logits(faces), atol=1e-4)
    (gradient,) = torch.autograd.grad(layers[0].sum(), faces)
    assert gradient.abs().sum() > 0
    assert not any(module._forward_hooks for module in network.modules())
