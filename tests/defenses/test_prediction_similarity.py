"""A guard: a planted attack is noticed, honest use is not, its memory is bounded, users are apart."""

from pathlib import Path

import matplotlib.cbook
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from deid.defenses.contract import ADVERSARIAL, Defended
from deid.defenses.prediction_similarity import Guard, Settings
from deid.errors import UsageError
from deid.images.handlings import HANDLINGS, cropped

SIDE = 64


def classify(photos: Tensor) -> Tensor:
    """Two classes and a third: by how light the upper half is beside the lower."""
    upper, lower = photos[:, :, : SIDE // 2].mean((1, 2, 3)), photos[:, :, SIDE // 2 :].mean((1, 2, 3))
    return 20 * torch.stack([upper - lower, lower - upper, torch.full_like(upper, -1.0)], 1)


def random_photos(n: int, seed: int = 0) -> Tensor:
    """Unrelated to each other: (n, 1, 64, 64), each of coarse noise."""
    coarse = torch.rand(n, 1, 16, 16, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, size=(SIDE, SIDE), mode="bilinear")


def nearly(photo: Tensor, n: int, size: float = 0.02, seed: int = 0) -> Tensor:
    """n versions of one photo (1, C, H, W), with a little noise each."""
    noise = torch.randn(n, *photo.shape[1:], generator=torch.Generator().manual_seed(seed))
    return (photo + size * noise).clamp(0, 1)


def raised(guard: Guard, photos: Tensor, user: str = "anna") -> list[int]:
    """Which of the photos raise an alarm."""
    return [at for at, alarm in enumerate(guard(photos, user=user).alarms) if alarm is not None]


def test_the_query_after_many_near_duplicates_raises_an_alarm() -> None:
    guard = Guard(classify, Settings(many=5))
    queries = nearly(random_photos(1), 9)
    assert raised(guard, queries) == [5, 6, 7, 8]
    alarm = guard(nearly(random_photos(1), 1, seed=1), user="anna").alarms[0]
    assert alarm is not None
    assert (alarm.reason, alarm.near) == ("near-duplicates", 9)
    assert 0.8 < alarm.similarity < 1


def test_a_query_that_was_answered_is_not_answered_again_after_the_alarm() -> None:
    guard, queries = Guard(classify, Settings(many=5)), nearly(random_photos(1), 6)
    assert raised(guard, queries) == [5]
    assert raised(guard, queries[:1]) == [0]


def test_confidence_that_keeps_falling_raises_an_alarm_before_there_are_many() -> None:
    texture = 0.4 + 0.2 * random_photos(1)[:, :, : SIDE // 2]
    less = torch.linspace(0, 0.05, 6)[:, None, None, None]
    queries = torch.cat([texture + 0.08 - less, texture + less], 2)
    patient = Settings(many=20, falls=4)
    guard = Guard(classify, patient)
    answered = guard(queries, user="anna")
    assert [at for at, alarm in enumerate(answered.alarms) if alarm] == [4, 5]
    assert answered.alarms[4] is not None
    assert answered.alarms[4].reason == "falling confidence"
    back_and_forth = queries[torch.tensor([0, 3, 1, 4, 2, 5])]
    assert raised(Guard(classify, patient), back_and_forth) == []


def test_unrelated_photos_and_the_very_same_again_raise_none() -> None:
    guard = Guard(classify)
    assert raised(guard, random_photos(150)) == []
    assert raised(guard, random_photos(1, seed=1).repeat(100, 1, 1, 1)) == []
    frames = nearly(random_photos(1, seed=2), 3)
    assert raised(guard, frames.repeat(40, 1, 1, 1)) == []


def test_users_are_apart() -> None:
    guard = Guard(classify, Settings(many=5))
    queries = nearly(random_photos(1), 12)
    assert raised(guard, queries[:5], "anna") == raised(guard, queries[5:10], "ben") == []
    assert raised(guard, queries[10:11], "anna") == [0]
    assert raised(guard, queries[11:], "chris") == []


def test_who_asks_after_long_is_forgotten() -> None:
    guard, queries = Guard(classify, Settings(many=5, memory=8, users=2)), nearly(random_photos(1), 20)
    assert raised(guard, queries[:5]) == []
    assert raised(guard, random_photos(8, seed=1)) == []
    assert raised(guard, queries[5:10]) == []
    assert raised(guard, queries[10:11]) == [0]
    guard(random_photos(1), user="ben")
    guard(random_photos(1), user="chris")
    assert raised(guard, queries[11:16]) == []


def test_answers_in_each_way_to_respond() -> None:
    queries = nearly(random_photos(1), 7)
    logits = classify(queries)
    first, second = logits.topk(2, 1).indices.T
    alarm, block, mislead = (
        Guard(classify, Settings(response=response, many=5))(queries, user="anna")
        for response in ("alarm", "block", "mislead")
    )
    assert [answered is None for answered in alarm.alarms] == [True] * 5 + [False] * 2
    assert torch.equal(alarm.scores[:, :-1], logits)
    assert torch.equal(alarm.labels, first)
    assert block.labels.tolist() == [*first[:5].tolist(), ADVERSARIAL, ADVERSARIAL]
    assert torch.equal(mislead.labels, torch.cat([first[:5], second[5:]]))
    assert torch.equal(mislead.scores[:, :-1].sort(1).values, logits.sort(1).values)


def test_a_guarded_classifier_is_a_defended_one() -> None:
    guard = Guard(classify, Settings(many=5))
    defended = Defended(lambda photos: guard(photos, user="anna").scores)
    assert defended.answers(nearly(random_photos(1), 7)).tolist()[5:] == [ADVERSARIAL, ADVERSARIAL]


def test_gradients_pass_where_the_classifier_has_them() -> None:
    x = random_photos(2).requires_grad_(True)
    Guard(classify)(x, user="anna").scores[:, 0].sum().backward()
    assert x.grad is not None
    assert float(x.grad.abs().sum()) > 0


POOL = torch.cat([nearly(random_photos(1, seed=8), 6), random_photos(4, seed=9)])
ASKED = st.lists(st.tuples(st.integers(0, 5), st.integers(0, len(POOL) - 1)), max_size=40)


@settings(max_examples=25)
@given(ASKED, st.integers(1, 3), st.integers(3, 6))
def test_memory_is_bounded_and_holds_the_latest(asked: list[tuple[int, int]], users: int, memory: int) -> None:
    guard = Guard(classify, Settings(many=3, falls=3, memory=memory, users=users))
    for user, photo in asked:
        guard(POOL[photo : photo + 1], user=user)
    remembered = guard.remembered()
    latest = list(dict.fromkeys(user for user, _ in reversed(asked)))[:users]
    assert list(remembered) == latest[::-1]
    assert all(1 <= count <= memory for count in remembered.values())


@settings(max_examples=25)
@given(st.lists(st.integers(0, len(POOL) - 1), min_size=1, max_size=20), st.integers(1, 19))
def test_answers_depend_on_the_order_of_the_queries_alone(asked: list[int], cut: int) -> None:
    """The same in one batch, in two, and again."""
    photos, quick = POOL[torch.tensor(asked)], Settings(many=3, falls=3, memory=6)
    whole = Guard(classify, quick)(photos, user="anna")
    guard = Guard(classify, quick)
    parts = [guard(part, user="anna") for part in (photos[:cut], photos[cut:]) if len(part)]
    assert whole.alarms == tuple(alarm for part in parts for alarm in part.alarms)
    assert torch.equal(whole.labels, torch.cat([part.labels for part in parts]))


@pytest.mark.parametrize("photos", [
    torch.zeros(1, SIDE, SIDE), torch.zeros(0, 1, SIDE, SIDE), torch.zeros(1, 1, SIDE, SIDE, dtype=torch.uint8),
    torch.full((1, 1, SIDE, SIDE), 1.1), torch.full((1, 1, SIDE, SIDE), torch.nan),
])  # fmt: skip
def test_what_is_no_photo_is_refused_and_not_remembered(photos: Tensor) -> None:
    guard = Guard(classify)
    with pytest.raises(UsageError, match=r"in \[0, 1\]"):
        guard(photos, user="anna")
    assert guard.remembered() == {}


@pytest.mark.parametrize("logits", [
    torch.zeros(1), torch.zeros(2, 3), torch.zeros(1, 1), torch.full((1, 3), torch.nan),
])  # fmt: skip
def test_a_classifier_that_answers_otherwise_is_refused(logits: Tensor) -> None:
    with pytest.raises(UsageError, match="logits"):
        Guard(lambda photos: logits)(random_photos(1), user="anna")


@pytest.mark.parametrize("bad", [
    {"near": 0.0}, {"bits": 65}, {"fall": 1.5}, {"many": 0}, {"many": 129}, {"falls": 129}, {"users": 0},
])  # fmt: skip
def test_settings_that_make_no_sense_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        Settings(**bad)  # type: ignore[arg-type]


def as_photos(pictures: list[np.ndarray]) -> Tensor:
    """Of one size, (n, 3, 128, 128), as an upload page would scale them."""
    scaled = [np.asarray(Image.fromarray(picture).resize((128, 128))) for picture in pictures]
    return torch.from_numpy(np.stack(scaled)).permute(0, 3, 1, 2).float() / 255


def versions(pixels: np.ndarray) -> list[np.ndarray]:
    """Recompressed, smaller, blurred, and cropped a little at a time."""
    return [*(change(pixels) for change in HANDLINGS.values()), cropped(pixels), cropped(cropped(pixels))]


def by_halves(photos: Tensor) -> Tensor:
    upper, lower = photos[:, :, :64].mean((1, 2, 3)), photos[:, :, 64:].mean((1, 2, 3))
    return 20 * torch.stack([upper - lower, lower - upper], 1)


def test_real_photos_in_their_versions_raise_none_and_an_attack_on_one_does(astronaut: np.ndarray) -> None:
    with Image.open(matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)) as image:
        hopper = np.asarray(image.convert("RGB"))
    guard = Guard(by_halves)
    for pixels in (astronaut, hopper, astronaut[:256, 100:356]):
        assert raised(guard, as_photos(versions(pixels))) == []
    queries = nearly(as_photos([hopper]), 30, size=0.01)
    first = raised(guard, queries)[0]
    assert first <= guard.settings.many


@pytest.mark.shared_data
def test_several_photos_of_one_person_raise_none(shared_data: Path) -> None:
    guard = Guard(by_halves)
    photos = sorted((shared_data / "lfw" / "Colin_Powell").glob("*.jpg"))[:100]
    assert len(photos) == 100
    assert raised(guard, as_photos([np.asarray(Image.open(photo)) for photo in photos])) == []
