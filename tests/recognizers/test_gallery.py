import torch
from torch.nn import functional as F

from deid.anonymity.conditions import rank_of
from deid.recognizers.gallery import Enrollment, build_gallery, match_person

AXES = torch.eye(4)


def test_logits_put_the_true_identity_first_and_leave_the_same_person_aside() -> None:
    gallery = build_gallery(AXES[:2], {"ada": AXES[2:3]})
    embedding = F.normalize(torch.tensor([[0.1, 0.2, 0.9, 0.3]]))
    itself = gallery.logits(embedding, [Enrollment("itself", AXES[3])])
    assert itself.shape == (1, 4)
    assert int(rank_of(itself, 0)) == 2  # ada lies above
    aside = gallery.logits(embedding, [Enrollment("itself", AXES[3], (gallery.row_of("ada"),))])
    assert int(rank_of(aside, 0)) == 1
    assert aside[0, 3] == -torch.inf


def test_a_person_is_the_mean_of_their_photos_and_matches_only_above_the_threshold() -> None:
    gallery = build_gallery(AXES[:1], {"bo": torch.stack([AXES[1], AXES[2]])})
    assert torch.allclose(gallery.prototypes[1], F.normalize(torch.tensor([0.0, 1, 1, 0]), dim=0))
    assert match_person(AXES[1], gallery, 0.7) == "bo"
    assert match_person(AXES[1], gallery, 0.8) is None
    assert match_person(AXES[1], build_gallery(AXES[:1], {}), 0.0) is None
