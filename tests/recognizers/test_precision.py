import tomllib
from collections.abc import Callable

import pytest
import torch
from torch.nn import functional as F

from deid.recognizers.checkpoints import load_recognizer
from deid.weights import shipped_folder

# Not `manifest()`: while tests are collected it would name what this machine's user imported, too.
SHIPPED = tomllib.loads((shipped_folder() / "manifest.toml").read_text())["recognizers"]


@pytest.mark.parametrize("name", SHIPPED)
def test_an_attack_s_gradients_keep_their_direction_in_bfloat16(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also on a CPU that would not take bfloat16 by itself."""
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True, raising=False)
    recognizer = load_recognizer(name)
    side, channels = recognizer.template.size, recognizer.template.channels
    torch.manual_seed(0)
    faces, others = torch.rand(2, 2, channels, side, side)
    toward = recognizer.embed(others)

    def gradient(embed: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        x = faces.clone().requires_grad_(True)
        return torch.autograd.grad((embed(x) * toward).sum(), x)[0].flatten(1)

    exact, rough = gradient(recognizer.embed), gradient(recognizer.embed_roughly)
    assert F.cosine_similarity(exact, rough).min() > 0.9
    assert torch.equal(exact, rough) != recognizer.bfloat16
    assert (recognizer.embed(faces) * recognizer.embed_roughly(faces)).sum(1).min() > 0.9999
