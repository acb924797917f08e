import pytest
import torch

from deid.training.verification import verify


def test_verification_of_four_faces_by_hand() -> None:
    # a, a at 0°, 30°; b, b at 90°, 180°: genuine cosines 0.87 and 0; impostors 0, -1, 0.5, -0.87
    angles = torch.deg2rad(torch.tensor([0.0, 30, 90, 180]))
    figures = verify(torch.stack([angles.cos(), angles.sin()], 1), ("a", "a", "b", "b"))
    assert (figures.genuine_pairs, figures.impostor_pairs) == (2, 4)
    assert figures.impostor_mean == pytest.approx((0 - 1 + 0.5 - 0.8660) / 4, abs=1e-4)
    assert figures.true_accept_rates == (0.5, 0.5)
    assert figures.accuracy == pytest.approx(0.75)


def test_every_person_weighs_the_same_whatever_the_number_of_photos() -> None:
    # Three alike photos of one, three unlike ones of another (0 of 3 pairs), strangers far away.
    angles = torch.deg2rad(torch.tensor([0.0, 1, 2, 120, 180, 240, 300]))
    figures = verify(torch.stack([angles.cos(), angles.sin()], 1), tuple("aaabbbc"))
    assert figures.true_accept_rates[1] == pytest.approx(3 / 6)
    assert figures.rates_by_person[1] == pytest.approx((1 + 0) / 2)
    more = verify(torch.stack([angles.cos(), angles.sin()], 1)[[0, 1, 2, 0, 1, 3, 4, 5, 6]], tuple("aaaaabbbc"))
    assert more.true_accept_rates[1] == pytest.approx(10 / 13)
    assert more.rates_by_person[1] == pytest.approx((1 + 0) / 2)


def test_a_threshold_by_person_does_not_hang_on_whose_photos_are_many() -> None:
    people = torch.randn(40, 8, generator=torch.Generator().manual_seed(0))
    names = [f"p{i:02d}" for i in range(40)]
    twice, often = (
        verify(torch.cat([people, people[:1].repeat(more, 1)]), (*names, *names[:1] * more)) for more in (1, 60)
    )
    assert often.thresholds_by_person == pytest.approx(twice.thresholds_by_person)
    assert often.thresholds != pytest.approx(twice.thresholds)
    unit = torch.nn.functional.normalize(people)
    strangers = (unit @ unit.T)[tuple(torch.triu_indices(40, 40, 1))]
    above = int((strangers > twice.thresholds_by_person[0]).sum())
    assert above == int(0.01 * len(strangers))
