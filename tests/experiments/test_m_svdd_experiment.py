"""The whole experiment, of a small network and made-up photos."""

import json
from pathlib import Path

import pytest
import torch
from experiments.made_up import patterned
from safetensors.torch import load_file
from torch import nn

from deid.errors import UsageError
from deid.experiments.m_svdd import attacked as m_svdd_attacked
from deid.experiments.m_svdd import networks as m_svdd_networks
from deid.experiments.m_svdd import reproduce as m_svdd
from deid.experiments.m_svdd.attacked import ROWS, title_of
from deid.experiments.m_svdd.networks import features_of, variants
from deid.experiments.m_svdd.papers import PAPER, PaperNetwork, PaperRow
from deid.experiments.m_svdd.reproduce import Setting, reproduce_m_svdd
from deid.experiments.tables.data import Data
from deid.experiments.tables.figures import ssim
from deid.experiments.tables.layers import last_layers, with_last
from deid.experiments.tables.table import Table
from deid.experiments.tables.training import Recipe
from deid.training.distill import Schedule

CLASSES = 4


def data() -> Data:
    return Data(patterned(60, 1, CLASSES), patterned(16, 2, CLASSES), tuple("abcd"))


def network() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 16), nn.ReLU(), nn.Linear(16, CLASSES))


TABLE = Table("tiny", lambda folder: data(), {"one": Recipe(network, Schedule(80, batch=16))}, ("SSIM", ssim), {})
PRINTED = PaperNetwork(
    (97.0, 98.0, 96.0, 93.0), (1.04, 1.0), {"1-a3": PaperRow(94.55, 7.74e-4, {1.04: (42.8, 18.8, 38.4)})}
)


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(m_svdd, "SETTINGS", {"tiny": Setting(TABLE, 8, ("deepfool", "1-a3", "adaptive"))})
    monkeypatch.setattr(m_svdd, "PAPER", {"tiny": {"one": PRINTED}})
    monkeypatch.setattr(m_svdd_networks, "HEAD_STEPS", 50)


def test_a_table_is_written_and_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = reproduce_m_svdd("tiny", tmp_path, tmp_path)
    assert {file.name for file in tmp_path.glob("*.*")} == {
        "one.safetensors", "one-m-svdd.safetensors", "m-svdd-tiny.json", "m-svdd-tiny.md", "m-svdd-tiny.svg",
    }  # fmt: skip
    assert (tmp_path / "m-svdd-tiny.md").read_text() == table
    one = json.loads((tmp_path / "m-svdd-tiny.json").read_text())["networks"]["one"]
    assert list(one["clean"]) == list(one["rows"]["deepfool"]["in_float"]) == ["β = 1.04", "β = 1", "O_c", "O_d"]
    assert one["accuracies"]["W̃-LC"] == 1
    for outcomes in (one["clean"]["O_d"], one["rows"]["deepfool"]["in_float"]["β = 1"]):
        assert sum(share["value"] for share in outcomes.values()) == pytest.approx(1)
    knowing, blind = (one["rows"][row]["at_8_bits"]["O_d"]["success"]["value"] for row in ("adaptive", "deepfool"))
    assert knowing >= blind
    assert knowing > 0.5
    assert "| here | 100.00 | 100.00 |" in table
    assert "| paper | 97.00 | 98.00 | 96.00 | 93.00 |" in table
    (line,) = [line for line in table.splitlines() if line.startswith("| 1-A³ | 8 |") and "| β = 1.04 |" in line]
    assert line.endswith("| 94.55 | 7.74 | 42.80 (18.80, 38.40) |")

    def fails(*arguments: object) -> None:
        raise AssertionError("everything was kept")

    monkeypatch.setattr(m_svdd_attacked, "_measured", fails)
    monkeypatch.setattr(m_svdd_networks, "learned_units", fails)
    monkeypatch.setattr(m_svdd_networks, "_teach", fails)
    assert reproduce_m_svdd("tiny", tmp_path, tmp_path) == table


def test_fine_tuning_moves_the_features_and_leaves_the_units(tmp_path: Path) -> None:
    four = variants("one", TABLE.networks["one"], data(), tmp_path, lambda text: None)
    before = features_of(with_last(four.before.network, nn.Identity()), data().test)
    after = features_of(with_last(four.after.network, nn.Identity()), data().test)
    assert not torch.equal(before, after)
    assert [len(detector.betas) for detector in four.detectors.values()] == [CLASSES] * 2
    kept = load_file(tmp_path / "one-m-svdd.safetensors")
    assert torch.equal(kept["3.radii"], four.detectors["O_c"].units.radii)
    assert isinstance(last_layers(four.after.network)[-1], nn.Linear)


def test_what_there_is_not_is_said_before_anything_is_trained(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="tiny"):
        reproduce_m_svdd("yael", tmp_path, tmp_path)
    with pytest.raises(UsageError, match="deepfool"):
        reproduce_m_svdd("tiny", tmp_path, tmp_path, rows=["deepfoul"])
    assert not list(tmp_path.glob("*.safetensors"))


def test_the_papers_outcomes_sum_up_and_stand_beside_rows_that_there_are() -> None:
    for networks in PAPER.values():
        for paper in networks.values():
            assert paper.rows.keys() <= ROWS.keys()
            for row in paper.rows.values():
                assert tuple(row.outcomes) == paper.betas
                for outcomes in row.outcomes.values():
                    assert sum(outcomes) == pytest.approx(100, abs=0.03)
    assert [title_of(row) for row in ("c-w", "9-a3")] == ["C&W, 5 × 200 steps", "9-A³"]
