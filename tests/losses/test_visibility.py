"""Where a change of a face is seen least: on faces whose structure is written down here, and on a real one."""

import numpy as np
import pytest
import torch
from pytorch_msssim import ssim
from torch import Tensor

from deid.faces.align import align_face
from deid.faces.templates import LIGHTCNN_TEMPLATE
from deid.losses.visibility import (
    SLOW_SHARE,
    WINDOW,
    Visibility,
    blurred,
    least_contrast,
    visibility_for_ssim,
    visibility_of,
)

# Eyes, nose and corners of the mouth in LightCNN's frame; eyes and mouth are 48 pixels apart.
POINTS = torch.tensor([[47.0, 40.0], [81.0, 40.0], [64.0, 64.0], [50.0, 88.0], [78.0, 88.0]])
CENTER, UNIT = (64, 64), 48
SKIN, HALF_AXES = (64, 52), (0.91, 1.23)  # between the eyes; of the oval, in units of 48 pixels
ONE = torch.tensor([0])


def random(seed: int, count: int = 1, size: int = 128) -> Tensor:
    return torch.randn(count, 1, size, size, generator=torch.Generator().manual_seed(seed))


def flat() -> Tensor:
    return torch.full((1, 1, 128, 128), 0.5)


def textured() -> Tensor:
    return (0.5 + 0.08 * random(9)).clamp(0, 1)


def striped() -> Tensor:
    """Smooth on the left, stripes of two pixels on the right."""
    face = flat()
    face[..., 64:] += 0.4 * ((torch.arange(64) // 2 % 2) - 0.5)
    return face


def seen(faces: Tensor, *, features: float = 1.0, reach: float = 1.0, points: Tensor = POINTS) -> Visibility:
    return visibility_of(faces, [points] * len(faces), features=features, reach=reach)


def inner(a: Tensor, b: Tensor) -> float:
    return float((a.double() * b.double()).sum())


def distance_from_center() -> Tensor:
    """In units of the oval's half axes."""
    y, x = torch.meshgrid(torch.arange(128.0), torch.arange(128.0), indexing="ij")
    return ((x - CENTER[0]) / (HALF_AXES[0] * UNIT)).hypot((y - CENTER[1]) / (HALF_AXES[1] * UNIT))


def fine_share(change: Tensor) -> float:
    """Of a change's energy, what is of waves shorter than ten pixels."""
    spectrum = torch.fft.fft2(change[0, 0].double()).abs().square()
    frequency = torch.fft.fftfreq(128).double()
    return float(spectrum[frequency[:, None].hypot(frequency[None]) > 0.1].sum() / spectrum.sum())


@pytest.fixture(scope="module")
def face(astronaut: np.ndarray, astronaut_landmarks: np.ndarray) -> Tensor:
    return align_face(astronaut, astronaut_landmarks, LIGHTCNN_TEMPLATE)[None]


def fine_part(visibility: Visibility, gradient: Tensor) -> Tensor:
    """What is followed without the slow changes, blurred by half a pixel there and back; nobody tells its length."""
    return visibility.room * blurred(visibility.fine * blurred(visibility.room * gradient, 0.5), 0.5)


def slow_part(visibility: Visibility, gradient: Tensor) -> Tensor:
    """What is followed without the fine ones: a blur there and back, each as wide."""
    return visibility.room * blurred(blurred(visibility.room * gradient, 4.0), 4.0)


def unit(change: Tensor) -> Tensor:
    return change / change.square().mean().sqrt().clamp(min=1e-12)


PICTURES = pytest.mark.parametrize("picture", [flat, textured, striped])


@PICTURES
@pytest.mark.parametrize("features", [0.0, 0.5, 1.0])
def test_fine_and_slow_changes_follow_the_gradient_half_as_much_slow_as_fine(picture, features: float) -> None:
    visibility = seen(picture(), features=features)
    for seed in range(3):
        gradient = random(seed)
        expected = unit(fine_part(visibility, gradient)) + SLOW_SHARE * unit(slow_part(visibility, gradient))
        assert torch.allclose(visibility.least_seen(gradient, ONE), expected, atol=1e-4)
    assert SLOW_SHARE == 0.5


@PICTURES
@pytest.mark.parametrize("part", [fine_part, slow_part])
def test_each_part_is_a_symmetric_positive_semidefinite_operator(picture, part) -> None:
    visibility = seen(picture(), features=0.5)
    for seed in range(5):
        a, b = random(seed), random(seed + 50)
        most = (inner(a, part(visibility, a)) * inner(b, part(visibility, b))) ** 0.5  # Cauchy and Schwarz
        assert inner(a, part(visibility, a)) >= 0
        assert inner(a, part(visibility, b)) == pytest.approx(inner(part(visibility, a), b), abs=0.01 * most + 1e-6)
        assert abs(inner(a, part(visibility, b))) <= most + 1e-6


@PICTURES
def test_a_change_goes_the_gradient_s_way_however_long_that_is(picture) -> None:
    visibility = seen(picture(), features=0.5)
    for seed in range(5):
        gradient = random(seed)
        change = visibility.least_seen(gradient, ONE)
        assert inner(gradient, change) > 0
        assert torch.allclose(visibility.least_seen(1000 * gradient, ONE), change, atol=1e-4)
        assert torch.allclose(visibility.least_seen(-gradient, ONE), -change, atol=1e-4)


def test_where_no_gradient_is_nothing_is_asked_for() -> None:
    assert not seen(textured()).least_seen(torch.zeros(1, 1, 128, 128), ONE).any()


def test_nothing_outside_the_oval_changes() -> None:
    visibility = seen(textured(), features=0.5)
    distance = distance_from_center()
    outside, inside = distance > 1.13, distance < 0.87
    change = visibility.least_seen(random(3), ONE)
    for of_face in (change, visibility.room, visibility.limit):
        assert not of_face[0, 0][outside].any()
        assert of_face[0, 0][inside].abs().gt(0).float().mean() > 0.99
    assert outside.float().mean() > 0.3
    assert bool((visibility.room[0, 0][distance < 1.12] > 0).all()), "and its edge is soft"
    assert 0 < float(visibility.room[0, 0, 64, 64 + round(0.91 * 48)]) < 1


def test_the_oval_may_reach_farther() -> None:
    for reach in (0.8, 1.0, 1.4):
        room, distance = seen(textured(), features=0.5, reach=reach).room[0, 0], distance_from_center() / reach
        assert not room[distance > 1.13].any()
        assert bool((room[distance < 0.87] > 0).all())
        for x, y in POINTS[:3].int().tolist():
            assert float(room[y, x]) == pytest.approx(0.5), "eyes and nose do not grow with it"


def test_the_oval_goes_with_the_face() -> None:
    turned = torch.stack([POINTS[:, 1], 128 - POINTS[:, 0]], 1) / 2 + 30  # on its side, half as large
    room = seen(textured(), points=turned).room[0, 0]
    center = ((turned[0] + turned[1]) / 2 + (turned[3] + turned[4]) / 2) / 2
    y, x = torch.meshgrid(torch.arange(128.0), torch.arange(128.0), indexing="ij")
    assert not room[(x - center[0]).hypot(y - center[1]) > 1.13 * 1.23 * 24].any()
    assert float(room[int(center[1]), int(center[0])]) == 1


def test_smooth_skin_takes_slow_changes_only() -> None:
    gradient = random(4)
    smooth, rough = (seen(picture).least_seen(gradient, ONE) for picture in (flat(), textured()))
    assert float(smooth.abs().max()) > 0
    assert fine_share(smooth) < 0.01
    assert fine_share(rough) > 0.5, "which structure hides"
    half = seen(striped()).least_seen(gradient, ONE)
    left, right = half.clone(), half.clone()
    left[..., 60:], right[..., :64] = 0, 0
    assert fine_share(left) < 0.1, "what is cut off by hand"
    assert fine_share(right) > 0.5


def test_an_edge_hides_nothing_on_the_smooth_skin_beside_it() -> None:
    edged = flat()
    edged[..., :64], edged[..., 64:] = 0.3, 0.7
    visibility, smooth = seen(edged), seen(flat())
    window = torch.nn.functional.unfold(edged, WINDOW, padding=WINDOW // 2).std(1).reshape(128, 128)
    assert float(window[64, 61:67].min()) > 0.1, "in every window there is much contrast"
    for name in ("limit", "fine", "room"):
        of_edged, of_smooth = (getattr(each, name)[0, 0, 3:-3] for each in (visibility, smooth))
        assert torch.allclose(of_edged, of_smooth, atol=1e-5), name


def striped_by(levels: float) -> Visibility:
    face = flat()
    face[..., 64:] += 2 * levels * ((torch.arange(64) // 2 % 2) - 0.5)
    return seen(face)


def test_structure_that_goes_on_has_more_room_than_smooth_skin_up_to_a_point() -> None:
    """8 gray levels × (0.9 + σ / 0.05), and of σ no more counts than 0.06; a fine change is hidden by its square, up to
    0.12.
    """
    for levels in (0.05, 0.1, 0.2):
        visibility, contrast = striped_by(levels), min(levels, 0.12)
        assert float(visibility.limit[0, 0, SKIN[1], 50]) == pytest.approx(0.9 * 8 / 255, rel=1e-3)
        assert float(visibility.limit[0, 0, SKIN[1], 78]) == pytest.approx(
            (0.9 + min(levels, 0.06) / 0.05) * 8 / 255, rel=0.03
        )
        assert float(visibility.fine[0, 0, SKIN[1], 50]) == pytest.approx(0, abs=1e-6)
        hidden = (2 * contrast**2 + 0.03**2) ** 0.5 * (contrast / 0.12) ** 2
        assert float(visibility.fine[0, 0, SKIN[1], 78]) == pytest.approx(hidden, rel=0.09)


def test_the_least_contrast_is_that_of_the_smoothest_window_around_a_pixel() -> None:
    face = textured()
    contrast = least_contrast(face)
    for y, x in ((20, 30), (64, 64), (100, 41)):
        windows = [
            float(face[0, 0, v - 3 : v + 4, u - 3 : u + 4].std(correction=0))
            for v in range(y - 3, y + 4)
            for u in range(x - 3, x + 4)
        ]
        assert float(contrast[0, 0, y, x]) == pytest.approx(min(windows), rel=1e-3)


@pytest.mark.parametrize("features", [0.0, 0.5, 1.0])
def test_eyes_mouth_and_nostrils_change_less(features: float) -> None:
    visibility, all_alike = (seen(textured(), features=each) for each in (features, 1.0))
    for x, y in (*POINTS[:3].int().tolist(), [64, 88]):  # eyes, nose, the mouth's middle
        assert float(visibility.room[0, 0, y, x]) == pytest.approx(features)
        assert float(visibility.limit[0, 0, y, x]) == pytest.approx(features * float(all_alike.limit[0, 0, y, x]))
    for x, y in (SKIN, (40, 66), (88, 66), (64, 110)):  # between the eyes, cheeks, chin
        assert float(visibility.room[0, 0, y, x]) == 1
    assert bool((visibility.room <= all_alike.room).all())


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [112, 128, 150])
def test_every_face_has_maps_of_its_own(channels: int, size: int) -> None:
    generator = torch.Generator().manual_seed(1)
    faces = torch.rand(3, channels, size, size, generator=generator)
    points = [POINTS * size / 128 + shift for shift in (0, 3, -4)]
    visibility = visibility_of(faces, points, features=0.5)
    for name in ("room", "fine", "limit"):
        assert getattr(visibility, name).shape == (3, 1, size, size)
        assert bool((getattr(visibility, name) >= 0).all())
    assert float(visibility.room.max()) <= 1
    gradients = torch.randn(2, 1, size, size, generator=generator)
    changes = visibility.least_seen(gradients, torch.tensor([2, 0]))
    assert changes.shape == gradients.shape
    for at, row in enumerate((2, 0)):
        alone = visibility_of(faces[row : row + 1], [points[row]], features=0.5)
        for name in ("room", "fine", "limit"):
            assert torch.equal(getattr(visibility, name)[row], getattr(alone, name)[0])
        change = alone.least_seen(gradients[at : at + 1], ONE)
        assert torch.allclose(changes[at], change[0], atol=1e-5), "no face's change depends on another's"


def test_what_follows_a_gradient_by_it_goes_farther_for_the_same_loss_of_ssim(face: Tensor) -> None:
    gradient = random(6)
    visibility, gained = seen(face), []
    inside = visibility.room * gradient
    for change in (inside, fine_part(visibility, gradient)):
        change = change / change.square().mean().sqrt()
        scale = 0.02
        for _ in range(6):
            fallen = 1 - ssim(face, (face + scale * change), data_range=1, win_size=7).item()
            scale *= (0.05 / fallen) ** 0.5
        gained.append(scale * inner(gradient, change))
    assert gained[1] > 1.1 * gained[0]


def test_a_blur_keeps_what_is_even_and_spreads_a_point_as_a_gaussian_does() -> None:
    assert torch.allclose(blurred(torch.full((2, 3, 40, 40), 0.3), 4.0), torch.full((2, 3, 40, 40), 0.3), atol=1e-6)
    point = torch.zeros(1, 1, 81, 81)
    point[0, 0, 40, 40] = 1
    spread = blurred(point, 4.0)[0, 0]
    assert float(spread.sum()) == pytest.approx(1, abs=1e-5)
    around = torch.arange(81.0) - 40
    for of_axis in (spread.sum(0), spread.sum(1)):
        assert float((of_axis * around).sum()) == pytest.approx(0, abs=1e-4)
        assert float((of_axis * around.square()).sum()) == pytest.approx(16, rel=0.05)


@pytest.mark.parametrize("shape", [(2, 1, 128, 128), (3, 3, 32, 32)])
def test_for_ssim_what_lowers_a_loss_as_far_costs_less(shape: tuple[int, ...]) -> None:
    """Beside the gradient itself, on photos that are smooth on the left and textured on the right."""
    generator = torch.Generator().manual_seed(3)
    photos = torch.full(shape, 0.5)
    photos[..., shape[-1] // 2 :] += 0.1 * torch.randn(photos[..., shape[-1] // 2 :].shape, generator=generator)
    gradient = torch.randn(shape, generator=generator)
    moves = (gradient, visibility_for_ssim(photos).least_seen(gradient, torch.arange(shape[0])))
    plain, least = (0.02 * move / (move * gradient).mean() for move in moves)
    assert float(ssim(photos, photos + least, data_range=1, win_size=7)) > float(
        ssim(photos, photos + plain, data_range=1, win_size=7)
    )
