"""What every attack keeps to, whichever it is."""

from typing import Any

import pytest
import torch
from attacks.classifiers import drawn_labels, linear, small_network
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from deid.attacks import ATTACKS, OBJECTIVES
from deid.attacks.carlini_wagner import carlini_wagner
from deid.attacks.classification import classified_as, lead_of, logit_difference, misclassified
from deid.attacks.contract import Attacked, Logits
from deid.losses.visibility import Visibility

# K-A³ sees faces of more than 96 pixels alone: see `test_ranking_attacks`.
NAMES = [name for name in ATTACKS if name != "k-a3"]
DRAWING = ["pgd", "pgd-l2", "one-pixel"]
FACES = torch.rand(6, 1, 12, 12, generator=torch.Generator().manual_seed(2))
NETWORK = small_network(FACES)
LABELS = NETWORK(FACES).argmax(1)
STEPS = {"carlini-wagner": 90, "l-bfgs": 45, "one-pixel": 3}


def attack(name: str, faces: Tensor = FACES, labels: Tensor = LABELS, logits_fn: Any = None, **more: Any) -> Attacked:
    targeted = name in ("jsma", "l-bfgs")
    targets = (labels + 1) % 10
    asked = {
        "objective": OBJECTIVES[name](targets) if targeted else OBJECTIVES[name](),
        "criterion": classified_as(targets) if targeted else misclassified(labels),
        "steps": STEPS.get(name, 30),
        "seed": 7,
        **more,
    }
    return ATTACKS[name](logits_fn or (lambda x, rows: NETWORK(x)), faces, labels, **asked)


def is_done(name: str, faces: Tensor) -> Tensor:
    said = NETWORK(faces).argmax(1)
    return said == (LABELS + 1) % 10 if name in ("jsma", "l-bfgs") else said != LABELS


def test_all_attacks_have_an_objective() -> None:
    assert list(OBJECTIVES) == list(ATTACKS)


@pytest.mark.parametrize("name", NAMES)
def test_faces_stay_faces_and_who_is_done_is_told_truly(name: str) -> None:
    attacked = attack(name)
    assert attacked.faces.shape == FACES.shape
    assert float(attacked.faces.min()) >= 0
    assert float(attacked.faces.max()) <= 1
    assert torch.equal(attacked.met, is_done(name, attacked.faces))
    assert bool(attacked.met.any())


@pytest.mark.parametrize("name", NAMES)
def test_in_8_bits_who_is_done_is_told_of_what_a_file_holds(name: str) -> None:
    attacked = attack(name, eight_bits=True)
    levels = attacked.faces * 255
    assert torch.allclose(levels, levels.round(), atol=1e-3)
    assert torch.equal(attacked.met, is_done(name, levels.round() / 255))
    assert int(attacked.met.sum()) >= int(attack(name).met.sum()) - 1


@pytest.mark.parametrize("name", NAMES)
def test_a_face_that_is_done_is_left_alone_and_the_others_are_not_kept_from_it(name: str) -> None:
    """Two of six are done from the start, as the criterion says."""
    done = torch.tensor([False, True, False, False, True, False])
    to_do = classified_as((LABELS + 1) % 10) if name in ("jsma", "l-bfgs") else misclassified(LABELS)
    attacked = attack(name, criterion=lambda faces, logits: done | to_do(faces, logits))
    assert torch.equal(attacked.faces[done], FACES[done])
    assert not attacked.evaluations[done].any()
    assert bool(attacked.met[done].all())
    assert not torch.equal(attacked.faces[~done], FACES[~done])


@pytest.mark.parametrize("name", [name for name in NAMES if name not in DRAWING])
def test_a_face_fares_as_it_does_alone(name: str) -> None:
    together, alone = attack(name), attack(name, FACES[2:3], LABELS[2:3])
    assert torch.allclose(together.faces[2:3], alone.faces, atol=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_repeats(name: str) -> None:
    once, again, other = attack(name), attack(name), attack(name, seed=8)
    assert torch.equal(once.faces, again.faces)
    assert torch.equal(once.faces, other.faces) == (name not in DRAWING)
    if name in DRAWING:
        assert not torch.equal(attack(name, seed=None).faces, attack(name, seed=None).faces), "nobody can know it"


@pytest.mark.parametrize("name", NAMES)
def test_rows_tell_which_faces_are_seen(name: str) -> None:
    """Each face has a network of its own: one that adds nothing to it."""

    def of_its_own(x: Tensor, rows: Tensor) -> Tensor:
        assert len(x) == len(rows)
        return NETWORK(x) + torch.nn.functional.one_hot((LABELS[rows] + 1) % 10, 10) * (rows == 3)[:, None] * 100

    attacked = attack(name, logits_fn=of_its_own)
    assert torch.equal(attacked.faces[3], FACES[3]), "this one is classified otherwise from the start"
    assert bool(attacked.met[3])


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("deepfool", "one-pixel")])
def test_no_more_gradients_than_asked_for(name: str) -> None:
    never = lambda faces, logits: torch.zeros(len(faces), dtype=torch.bool)  # noqa: E731
    for steps in (0, 1, 5):
        attacked = attack(name, steps=steps, criterion=never)
        assert bool((attacked.evaluations <= steps).all())
        assert not attacked.met.any()
        if not steps:
            assert torch.equal(attacked.faces, FACES)


@pytest.mark.parametrize("name", NAMES)
def test_no_pixel_passes_the_limit(name: str) -> None:
    limits = 0.1 * torch.rand(FACES.shape, generator=torch.Generator().manual_seed(3))
    shown = Visibility(torch.ones_like(FACES), torch.ones_like(FACES), limits)
    attacked = attack(name, visibility=shown, limit=0.5)
    assert bool(((attacked.faces - FACES).abs() <= 0.5 * limits + 1e-6).all())


@pytest.mark.parametrize("name", NAMES)
def test_who_watches_is_told_and_may_end_it(name: str) -> None:
    told: list[list[int]] = []

    def on_step(rows: Tensor, logits: Logits) -> None:
        assert isinstance(logits, Tensor)
        assert len(logits) == len(rows)
        told.append(rows.tolist())
        if len(told) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attack(name, on_step=on_step)
    assert told[0] == list(range(6))


@pytest.mark.parametrize("name", ["l-bfgs", "carlini-wagner"])
def test_who_looks_for_the_least_needs_to_know_of_what(name: str) -> None:
    with pytest.raises(ValueError, match="needs one"):
        attack(name, criterion=None)


@pytest.mark.parametrize("name", ["pgd", "pgd-l2"])
def test_a_face_that_was_perturbed_goes_on_from_there(name: str) -> None:
    start = (FACES + 0.01).clamp(0, 1)
    never = lambda faces, logits: torch.zeros(len(faces), dtype=torch.bool)  # noqa: E731
    once, again = (attack(name, start=start, steps=1, criterion=never, seed=seed).faces for seed in (1, 2))
    assert torch.equal(once, again), "nothing is drawn for it"
    fresh = [attack(name, start=FACES, steps=1, criterion=never, seed=seed).faces for seed in (1, 2)]
    assert not torch.equal(*fresh)


def test_a_confident_attack_goes_farther() -> None:
    made, leads = carlini_wagner(searches=3, first_c=0.1), []
    for confidence in (0.0, 1.0):
        attacked = made(
            lambda x, rows: NETWORK(x), FACES, LABELS, objective=logit_difference(confidence=confidence),
            criterion=misclassified(LABELS, 0.9 * confidence), steps=180,
        )  # fmt: skip
        leads.append(-lead_of(NETWORK(attacked.faces), LABELS))
    assert bool(((leads[0] > 0) & (leads[0] < 0.5)).all())
    assert bool((leads[1] > 0.9).all())


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    name=st.sampled_from(["i-fgvm", "p-fgvm", "fgsm", "bim", "pgd", "pgd-l2", "deepfool", "jsma"]),
    count=st.integers(1, 4),
    shape=st.tuples(st.sampled_from([1, 3]), st.integers(5, 9), st.integers(5, 9)),
    eight_bits=st.booleans(),
)
def test_faces_of_any_shape_and_number(name: str, count: int, shape: tuple[int, int, int], eight_bits: bool) -> None:
    network, (labels, nearest) = linear(4, shape), drawn_labels(count, 4)
    faces = network.faces_at(0.1, labels, nearest, 2)
    attacked = ATTACKS[name](
        network, faces, labels, steps=10, seed=0, eight_bits=eight_bits, criterion=misclassified(labels),
        objective=OBJECTIVES[name](nearest) if name == "jsma" else OBJECTIVES[name](),
    )  # fmt: skip
    assert attacked.faces.shape == faces.shape
    assert bool(((attacked.faces >= 0) & (attacked.faces <= 1)).all())
    assert torch.equal(attacked.met, network(attacked.faces).argmax(1) != labels)
