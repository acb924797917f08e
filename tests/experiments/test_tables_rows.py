"""Rows where the truth is known: linear classifiers of photos, and likeness against an outside oracle."""

from dataclasses import replace

import numpy as np
import pytest
import pytorch_msssim
import torch
from torch import Tensor, nn

from deid.anonymity.groups import draw_groups, seeded_rng
from deid.experiments.tables import figures
from deid.experiments.tables.departures import LADDER, cross_entropies
from deid.experiments.tables.methods import METHODS
from deid.experiments.tables.pieces import Row
from deid.experiments.tables.summary import summary_of
from deid.experiments.tables.task import Task, ranks_of, task_of, true_first

SIDE, CLASSES = 32, 7


def classifier(seed: int = 0) -> nn.Module:
    """Orthogonal weights on gray photos: every order of the classes is near."""
    generator = torch.Generator().manual_seed(seed)
    weights, _ = torch.linalg.qr(torch.randn(SIDE * SIDE, CLASSES, generator=generator))
    network = nn.Sequential(nn.Flatten(), nn.Linear(SIDE * SIDE, CLASSES, bias=False))
    network[1].weight.data = 4 * weights.T
    return network.eval().requires_grad_(False)


def task_with(n: int, K: int) -> Task:
    network = classifier()
    photos = ((torch.rand(n, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(1)) * 255).round() / 255).clamp(
        0.1, 0.9
    )
    labels = network(photos).argmax(1)
    return task_of(network, network, photos, labels, torch.tensor(draw_groups(n, K, seeded_rng(0))))


def test_the_true_class_changes_places_with_the_first() -> None:
    logits = torch.arange(8.0).reshape(2, 4)
    assert true_first(logits, torch.tensor([2, 0])).tolist() == [[2, 1, 0, 3], [4, 5, 6, 7]]


def test_others_are_ranked_as_the_clean_photos_say() -> None:
    task = task_with(6, 3)
    logits = true_first(task.network(task.photos), task.labels)
    assert (logits[:, 0] == task.network(task.photos).amax(1)).all()
    assert (logits.gather(1, task.others).diff(dim=1) <= 0).all()
    assert task.ranks(task.photos).tolist() == [1] * 6
    assert (task.targets != -1).sum(1).tolist() == (task.groups - 1).tolist()


@pytest.mark.parametrize("K", [1, 5])
def test_k_a3_puts_every_photo_at_its_rank_in_eight_bits(K: int) -> None:
    task = task_with(20, K)
    attacked = METHODS["k-a3"].run(task)
    published = (attacked.faces * 255).round() / 255
    assert torch.equal(task.ranks(published), task.groups)
    assert float(figures.mse(task.photos, published).mean()) < 1e-3
    assert bool((attacked.evaluations > 0).all())


@pytest.mark.parametrize("method", ["i-fgvm", "l-bfgs", "deepfool", "p-fgvm", "pgd"])
def test_rivals_get_photos_off_the_first_rank(method: str) -> None:
    task = task_with(3, 1)
    assert bool((task.ranks(METHODS[method].run(task).faces) > 1).all())
    if f"{method}-8" in METHODS:
        published = (METHODS[f"{method}-8"].run(task).faces * 255).round() / 255
        assert bool((task.ranks(published) > 1).all())


@pytest.mark.parametrize("method", LADDER)
def test_every_step_of_the_ladder_takes_photos_to_k_or_beyond(method: str) -> None:
    task = task_with(4, 3)
    ranks = task.ranks(METHODS[method].run(task).faces)
    assert bool((ranks >= task.groups).all())
    assert method in ("literal", "hinge") or torch.equal(ranks, task.groups)


def test_the_papers_objective_is_a_sum_of_cross_entropies() -> None:
    logits = torch.tensor([[1.0, 2.0, 3.0]])
    loss = cross_entropies(torch.tensor([[2, 1], [1, -1]]))(logits, torch.zeros(1), torch.tensor([0]))
    of_each = -logits.log_softmax(1)[0]
    assert float(loss) == pytest.approx(float(of_each[2] + of_each[1]))
    alone = cross_entropies(torch.tensor([[2, 1], [1, -1]]))(logits, torch.zeros(1), torch.tensor([1]))
    assert float(alone) == pytest.approx(float(of_each[1]))


@pytest.mark.parametrize("method", ["blur", "mosaic"])
def test_obfuscation_keeps_the_mean_of_a_flat_photo(method: str) -> None:
    network = classifier()
    flat = torch.full((1, 3, 30, 34), 0.4)
    task = Task(network, network, flat, *[torch.zeros(1, dtype=torch.int64)] * 3)
    assert torch.allclose(METHODS[method].run(task).faces, flat, atol=1e-6)


def test_a_mosaic_is_of_cells() -> None:
    ramp = torch.arange(128.0).expand(1, 1, 128, 128) / 127
    task = Task(classifier(), classifier(), ramp, *[torch.zeros(1, dtype=torch.int64)] * 3)
    row = METHODS["mosaic"].run(task).faces[0, 0, 0]
    assert len(row.unique()) == 13
    assert float(row[0]) == pytest.approx(float(ramp[0, 0, 0, :10].mean()), abs=1e-6)


class TestFigures:
    clean = torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    changed = (clean + 0.1 * torch.randn(2, 3, 128, 128, generator=torch.Generator().manual_seed(1))).clamp(0, 1)

    @pytest.mark.parametrize("figure", [figures.ssim, figures.ms_ssim, figures.cw_ssim])
    def test_equal_photos_are_alike(self, figure: figures.Figure) -> None:
        small = self.clean[..., :28, :28]
        assert torch.allclose(figure(small, small), torch.ones(2), atol=1e-5)
        assert bool((figure(small, self.changed[..., :28, :28]) < 1).all())

    def test_ms_ssim_is_pytorch_msssims_where_that_answers(self) -> None:
        weights = [weight / sum(figures.THREE_SCALES) for weight in figures.THREE_SCALES]
        theirs = pytorch_msssim.ms_ssim(
            self.clean, self.changed, data_range=1, win_size=7, size_average=False, weights=weights
        )
        assert torch.allclose(figures.ms_ssim(self.clean, self.changed), theirs, atol=2e-3)

    def test_the_error_is_a_pixels(self) -> None:
        assert figures.mse(self.clean, self.clean + 0.1).tolist() == pytest.approx([0.01, 0.01], rel=1e-4)


def row_with(ranks: list[int], groups: list[int]) -> Row:
    n = len(ranks)
    return Row(
        published=np.zeros((n, 1, 1, 1), np.uint8),
        groups=np.array(groups),
        ranks=np.array(ranks),
        ranks_in_float=np.array(ranks),
        **{name: np.full(n, 0.5) for name in ("likeness", "cw_ssim", "mse", "evaluations", "seconds")},
    )


def test_a_row_is_summed_up_as_counted_by_hand() -> None:
    row = row_with([2, 2, 3, 1], [2, 3, 3, 2])
    summary = summary_of(row, np.array([0, 0, 1, 1]), 4, [2], of_people=False)
    assert summary["success"]["value"] == 0.75
    assert summary["exact"]["value"] == 0.5
    assert [share["value"] for share in summary["pmf"].values()] == [0.25, 0.5, 0.25, 0]
    assert summary["condition_5"] == {"set": "violated", "process": "violated"}
    assert summary["condition_6"] == {"2": {"set": "met", "process": "inconclusive"}}


def test_photos_of_one_person_are_not_independent() -> None:
    ranks = [2, 3] * 200
    labels = np.repeat(np.arange(20), 20)
    of_people, others = (summary_of(row_with(ranks, ranks), labels, 4, [2], of_people=by) for by in (True, False))
    assert (of_people["independent"], others["independent"]) == (20, 400)
    assert of_people["condition_6"]["2"] == {"set": "met", "process": "inconclusive"}
    assert others["condition_6"]["2"] == {"set": "met", "process": "met"}


@pytest.mark.parametrize("labels", [[0, 1, 2], [2, 2, 0]])
def test_ranks_are_of_the_labels(labels: list[int]) -> None:
    network = nn.Sequential(nn.Flatten())
    logits = Tensor([[3.0, 2.0, 1.0]] * 3).reshape(3, 1, 1, 3)
    assert ranks_of(network, logits, torch.tensor(labels)).tolist() == [label + 1 for label in labels]


def test_what_a_rough_copy_is_wrong_about_is_made_good_on_the_network() -> None:
    task = task_with(8, 4)
    rough = classifier()
    rough[1].weight.data *= 1 + 0.2 * torch.randn(CLASSES, 1, generator=torch.Generator().manual_seed(2))
    followed = replace(task, rough=rough)
    published = (METHODS["k-a3"].run(followed).faces * 255).round() / 255
    assert torch.equal(followed.ranks(published), task.groups)
    alone = (METHODS["k-a3"].run(replace(task, network=rough, rough=rough)).faces * 255).round() / 255
    assert not torch.equal(task.ranks(alone), task.groups)
