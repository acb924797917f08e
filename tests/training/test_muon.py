import torch

from deid.training.muon import Muon, orthogonalized


def test_orthogonalized_momentum_has_singular_values_near_one() -> None:
    generator = torch.Generator().manual_seed(0)
    for shape in ((8, 40), (40, 8), (16, 16)):
        matrix = torch.randn(shape, generator=generator)
        left, values, right = torch.linalg.svd(matrix, full_matrices=False)
        found = torch.linalg.svdvals(orthogonalized(matrix))
        assert found.shape == values.shape
        assert float(found.min()) > 0.6
        assert float(found.max()) < 1.3
        # The singular vectors are kept: what is found agrees in direction with U V*.
        agreement = float((orthogonalized(matrix) * (left @ right)).sum()) / len(values)
        assert agreement > 0.8


def test_muon_descends_and_moves_a_convolution_by_its_rate() -> None:
    weight = torch.nn.Parameter(torch.ones(4, 3, 3, 3))
    optimizer = Muon([weight], lr=0.1)
    before = float(weight.detach().square().sum())
    weight.square().sum().backward()
    optimizer.step()
    assert float(weight.detach().square().sum()) < before
    # All rows are alike: one singular value, so the step's Frobenius norm is about the rate (× 0.7 to 1.2).
    assert 0.06 < float((weight.detach() - 1).norm()) < 0.13
