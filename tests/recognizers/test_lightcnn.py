import copy

import pytest
import torch
from torch import nn

from deid.recognizers.lightcnn import (
    LightCNN9,
    LightCNN29,
    LightCNN29V2,
    MaxFeatureMap,
    PositiveBatchNorm,
    add_batch_norm,
    fold_batch_norm,
    unfold_batch_norm,
)


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def test_lightcnn9_has_the_published_names_shapes_and_size() -> None:
    state = LightCNN9(classes=79077).state_dict()
    assert state["features.0.filter.weight"].shape == (96, 1, 5, 5)
    assert state["features.2.conv_a.filter.weight"].shape == (96, 48, 1, 1)
    assert state["features.2.conv.filter.weight"].shape == (192, 48, 3, 3)
    assert state["features.7.conv.filter.weight"].shape == (256, 128, 3, 3)
    assert state["fc1.filter.weight"].shape == (512, 8192)
    assert state["fc2.weight"].shape == (79077, 256)
    assert {name.split(".")[1] for name in state if name.startswith("features")} == {"0", "2", "4", "6", "7"}
    assert parameters(LightCNN9()) == pytest.approx(5.48e6, rel=1e-3)


def test_lightcnn29_has_the_published_names_and_shapes() -> None:
    state = LightCNN29(classes=10).state_dict()
    assert state["conv1.filter.weight"].shape == (96, 1, 5, 5)
    assert state["block2.1.conv2.filter.weight"].shape == (192, 96, 3, 3)
    assert state["group3.conv.filter.weight"].shape == (256, 192, 3, 3)
    assert state["fc.filter.weight"].shape == (512, 8192)
    assert "fc2.bias" in state
    second = LightCNN29V2(classes=10).state_dict()
    assert second["fc.weight"].shape == (256, 8192)
    assert "fc2.bias" not in second


@pytest.mark.parametrize("build", [LightCNN9, LightCNN29, LightCNN29V2])
def test_faces_in_embeddings_out_and_memory_format_does_not_matter(build: type[nn.Module]) -> None:
    torch.manual_seed(0)
    network = build().eval()
    faces = torch.rand(2, 1, 128, 128)
    plain = network(faces)
    network.to(memory_format=torch.channels_last)
    assert plain.shape == (2, 256)
    assert torch.allclose(plain, network(faces.contiguous(memory_format=torch.channels_last)), atol=1e-5)


def test_max_feature_map_is_the_maximum_of_the_halves_with_its_gradient() -> None:
    layer = MaxFeatureMap(nn.Conv2d(2, 6, 3, padding=1)).double()
    x = torch.rand(2, 2, 5, 5, dtype=torch.float64, requires_grad=True)
    halves = layer.filter(x)
    assert torch.equal(layer(x), torch.maximum(halves[:, :3], halves[:, 3:]))
    assert torch.autograd.gradcheck(layer, x)


def test_pooling_first_finds_what_the_published_order_finds() -> None:
    layer = MaxFeatureMap(nn.Conv2d(2, 6, 3, padding=1), pool=True)
    x = torch.rand(2, 2, 8, 8)
    halves = layer.filter(x)
    assert torch.equal(layer(x), nn.functional.max_pool2d(torch.maximum(halves[:, :3], halves[:, 3:]), 2))


def test_unfolding_keeps_the_function_and_normalizes() -> None:
    torch.manual_seed(0)
    network, faces = LightCNN9().eval(), torch.rand(8, 1, 128, 128)
    unfolded = copy.deepcopy(network)
    unfold_batch_norm(unfolded, faces)
    assert torch.allclose(unfolded(faces), network(faces), atol=1e-5)
    norms = [module for module in unfolded.modules() if isinstance(module, PositiveBatchNorm)]
    assert len(norms) == 10
    assert not any(norm.training for norm in norms)
    # While it trains, the statistics of these faces are those it has.
    assert torch.allclose(unfolded.train()(faces), network(faces), atol=0.2 * float(network(faces).detach().std()))
    fold_batch_norm(unfolded.eval())
    assert unfolded.state_dict().keys() == network.state_dict().keys()


def test_folding_keeps_the_function() -> None:
    torch.manual_seed(0)
    network = LightCNN9()
    add_batch_norm(network)
    network.train()
    for _ in range(3):
        network(torch.rand(4, 1, 128, 128))
    for module in network.modules():
        if isinstance(module, PositiveBatchNorm):
            nn.init.uniform_(module.weight, -1, 1)
            nn.init.uniform_(module.bias, -1, 1)
    network.eval()
    folded = copy.deepcopy(network)
    fold_batch_norm(folded)
    faces = torch.rand(3, 1, 128, 128)
    assert folded.state_dict().keys() == LightCNN9().state_dict().keys()
    assert torch.allclose(network(faces), folded(faces), atol=1e-5)
