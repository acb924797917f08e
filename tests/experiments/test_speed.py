"""The table of speed: what it counts, and a run with foolbox's attacks cut short."""

from pathlib import Path

import foolbox.attacks as theirs
import pytest
import torch
from torch import nn

from deid.errors import UsageError
from deid.experiments import speed
from deid.experiments.speed import YARDSTICK, CountedGradients


def test_of_a_network_s_faces_those_are_counted_to_which_a_gradient_comes() -> None:
    counted = CountedGradients(nn.Flatten())
    faces = torch.rand(3, 1, 2, 2)
    counted(faces)
    assert counted.faces == 0
    x = faces.clone().requires_grad_(True)
    with torch.no_grad():
        counted(x)
    logits = counted(x)
    assert counted.faces == 0, "nobody has asked for a gradient yet"
    torch.autograd.grad(logits[:, 0].sum(), x, retain_graph=True)
    torch.autograd.grad(logits[:, 1].sum(), x)
    assert counted.faces == 6
    assert torch.equal(logits, faces.flatten(1))


@pytest.mark.shared_data
def test_every_row_is_measured_on_the_same_faces(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = {"attack": theirs.L2CarliniWagnerAttack(binary_search_steps=1, steps=3), "epsilon": None}
    monkeypatch.setattr(speed, "_foolbox_attacks", lambda: {YARDSTICK: quick})
    table = speed.reproduce_speed(shared_data / "lfw", count=1).splitlines()
    rows = {
        cells[1].strip(): [cell.strip() for cell in cells[2:]] for line in table if len(cells := line.split("|")) > 2
    }
    assert [title for title in rows if title.startswith(("K-A³", "I-FGVM"))] == [
        "K-A³, not first",
        "I-FGVM, not first",
        "K-A³, exactly at k (K = 5)",
        "I-FGVM, exactly at k (K = 5)",
    ]
    for title, (misclassified, *_) in rows.items():
        if title.startswith(("K-A³", "I-FGVM")):
            assert misclassified == "100", title
    assert rows["K-A³, exactly at k (K = 5)"][2] == "100"
    assert 1 <= float(rows[YARDSTICK][5]) <= 3, "its gradients were counted"
    assert rows[YARDSTICK][7] == "1/1"


def test_nobody_held_out_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no face of a held-out person"):
        speed.reproduce_speed(tmp_path, count=1)
