"""The loop of rounds in a fake world whose truth is known: a linear recognizer, a codec and a detector that misbehave.

Two faces of smooth noise stand side by side in a photo, upright in LightCNN's frame, so that nothing is resampled.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from deid.errors import Cancelled
from deid.faces.chain import FaceChain, View
from deid.faces.face import Face
from deid.faces.templates import LIGHTCNN_TEMPLATE
from deid.images.photo import Photo
from deid.protection import rounds, verification
from deid.protection.criteria import shortcoming
from deid.protection.enrollment import FoundFace
from deid.protection.profiles import PROFILES, Profile
from deid.protection.progress import Step
from deid.protection.protector import Protector
from deid.protection.rounds import BATCH, batches, run_rounds
from deid.protection.surrogates import Surrogate
from deid.protection.task import PhotoTask, task_of
from deid.recognizers.gallery import Gallery
from deid.recognizers.recognizer import Recognizer, embed_faces
from deid.types import Options

SIDE = 160
LEFT = (0, SIDE + 20)  # of the two faces
CORNER = 16  # of the template within a face's square


class Linear(nn.Module):
    """Differences between regions, turned: no unit of it is a pixel, and an embedding is as linear as it can be."""

    def __init__(self) -> None:
        super().__init__()
        rotation, _ = torch.linalg.qr(torch.randn(64, 64, generator=torch.Generator().manual_seed(1)))
        self.register_buffer("rotation", rotation)

    def forward(self, faces: Tensor) -> Tensor:
        regions = F.adaptive_avg_pool2d(faces, 8).flatten(1)
        return (regions - regions.mean(1, keepdim=True)) @ self.rotation


@pytest.fixture(scope="module")
def surrogate() -> Surrogate:
    decoys = F.normalize(torch.randn(300, 64, generator=torch.Generator().manual_seed(2)))
    recognizer = Recognizer("linear", Linear().eval(), LIGHTCNN_TEMPLATE, "0" * 64, {"1e-2": 0.9}, decoys)
    return Surrogate(recognizer, Gallery(decoys))


@pytest.fixture(scope="module")
def photo() -> Photo:
    rng = np.random.default_rng(3)
    coarse = torch.from_numpy(rng.uniform(0.47, 0.53, (1, 1, 10, 22))).float()  # so faint that little moves it
    smooth = F.interpolate(coarse, (SIDE, 2 * SIDE + 20), mode="bicubic")[0, 0]
    noisy = smooth.numpy() + 0.02 * rng.standard_normal(smooth.shape)
    return Photo(np.repeat((255 * noisy.clip(0, 1)).astype(np.uint8)[:, :, None], 3, 2))


# Eyes, nose and corners of the mouth in LightCNN's frame.
UPRIGHT = np.array([[47.0, 40.0], [81.0, 40.0], [64.0, 64.0], [50.0, 88.0], [78.0, 88.0]])


def faces() -> list[Face]:
    corners = [np.array([left + CORNER, CORNER]) for left in LEFT]
    return [Face((x + 24.0, y + 14.0, x + 104.0, y + 114.0), UPRIGHT + (x, y), 1.0) for x, y in corners]  # noqa: RUF005


@dataclass(frozen=True, eq=False)
class World(PhotoTask):
    """A task whose files show what `codec` makes of them: (round from 1, pixels as pasted) → pixels of the file."""

    codec: Callable[[int, np.ndarray], np.ndarray] = lambda round_, pixels: pixels

    def encoded(self, pixels: np.ndarray) -> tuple[bytes, Photo]:
        return f"round {self.progress.round}".encode(), Photo(self.codec(self.progress.round, pixels))


@pytest.fixture
def world(photo: Photo, surrogate: Surrogate, monkeypatch: pytest.MonkeyPatch) -> Callable[..., World]:
    """Makes a world. moved: by how many pixels the detector finds faces elsewhere in a saved file."""

    def make(
        ks: Sequence[int] = (3, 4),
        codec: Callable[[int, np.ndarray], np.ndarray] = lambda round_, pixels: pixels,
        moved: tuple[float, float] = (0, 0),
        profile: Profile | None = None,
        watcher: Callable[[Step], None] = lambda step: None,
    ) -> World:
        there = [Face(face.box, face.landmarks + np.array(moved), 1.0) for face in faces()]
        looks = [{"MTCNN": face.landmarks} for face in there]
        monkeypatch.setattr(verification, "detect_again", lambda pixels, faces, device: there)
        monkeypatch.setattr(verification, "looks_at", lambda pixels, faces, **sizes: looks)
        monkeypatch.setattr(rounds, "looks_at", lambda pixels, faces, **sizes: [{} for _ in faces])
        embeddings = embed_faces(surrogate.recognizer, photo.pixels, [face.landmarks for face in faces()])
        found = [FoundFace(face, embedding, None) for face, embedding in zip(faces(), embeddings, strict=True)]
        protector = Protector(Options(profile="paper"), "cpu", (surrogate,))
        task = task_of(photo, found, ks, protector, "PNG", watcher)
        return World(**vars(replace(task, profile=profile or task.profile, upright=(True,) * len(found))), codec=codec)

    return make


def rank_at(pixels: np.ndarray, landmarks: np.ndarray, clean: Tensor, surrogate: Surrogate) -> int:
    """Of the true identity, from pixels alone, without the program's own look."""
    (seen,) = embed_faces(surrogate.recognizer, pixels, [landmarks])
    return 1 + int((surrogate.recognizer.decoys @ seen > clean @ seen).sum())


def test_where_nothing_misbehaves_one_round_is_enough(world: Callable[..., World], surrogate: Surrogate) -> None:
    files: list[np.ndarray] = []
    task = world(codec=lambda round_, pixels: files.append(pixels) or pixels)
    attempt = run_rounds(task)
    assert attempt.data == b"round 1"
    assert [check.published.ranks for check in attempt.checks] == [((3,),), ((4,),)]
    assert attempt.attacks == (("k-a3",), ("k-a3",))
    assert all(0 < evaluations < task.profile.steps for evaluations in attempt.evaluations)
    (pixels,) = files
    for found, k in zip(task.found, task.ks, strict=True):
        assert rank_at(pixels, found.face.landmarks, found.embedding, surrogate) == k


def test_a_codec_that_flips_a_rank_is_taken_into_account(
    world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It darkens a part of the left face, whatever is there: the attack must expect it."""

    def codec(round_: int, pixels: np.ndarray) -> np.ndarray:
        darker = pixels.astype(int)
        darker[: SIDE // 2, : SIDE // 2] -= 12
        return darker.clip(0, 255).astype(np.uint8)

    remembered: dict[int, View] = {}
    real = FaceChain.add_view
    task = world(codec=codec)
    monkeypatch.setattr(
        FaceChain,
        "add_view",
        lambda chain, row, view, keep: remembered.update({row: view}) or real(chain, row, view, keep),
    )
    attempt = run_rounds(task)
    assert attempt.data > b"round 1"
    assert [check.published.ranks for check in attempt.checks] == [((3,),), ((4,),)]
    assert remembered.keys() == {0}, "the right face held at once: nothing is remembered of it"
    assert remembered[0].residual is not None
    assert [len(views) for views in task.chain.views] == [1, 1], "the task is as it was"


def test_a_face_that_held_is_left_as_it_is(world: Callable[..., World], photo: Photo) -> None:
    """The left face's perturbation is lost in the first file. The right one is not touched again."""
    files: list[np.ndarray] = []

    def codec(round_: int, pixels: np.ndarray) -> np.ndarray:
        files.append(pixels.copy())
        if round_ == 1:
            pixels = pixels.copy()
            pixels[:, :SIDE] = photo.pixels[:, :SIDE]
        return pixels

    task = world(codec=codec)
    attempt = run_rounds(task)
    assert attempt.data == b"round 2"
    assert [check.published.ranks for check in attempt.checks] == [((3,),), ((4,),)]
    assert np.array_equal(files[0][:, LEFT[1] :], files[1][:, LEFT[1] :])
    assert not np.array_equal(files[0][:, :SIDE], files[1][:, :SIDE])


def test_a_detector_that_moves_is_followed(world: Callable[..., World], surrogate: Surrogate) -> None:
    files: list[np.ndarray] = []
    task = world(codec=lambda round_, pixels: files.append(pixels) or pixels, moved=(5.0, -4.0))
    attempt = run_rounds(task)
    assert attempt.data > b"round 1"
    for found, k, check in zip(task.found, task.ks, attempt.checks, strict=True):
        moved = found.face.landmarks + np.array([5.0, -4.0])
        assert np.array_equal(check.published.landmarks, moved)
        assert rank_at(files[-1], moved, found.embedding, surrogate) == k


def test_a_face_that_never_holds_costs_all_rounds_and_the_best_attempt_is_kept(
    world: Callable[..., World], photo: Photo
) -> None:
    """The left face always comes out clean; the right one is ruined as well from the second file on."""

    def codec(round_: int, pixels: np.ndarray) -> np.ndarray:
        pixels = pixels.copy()
        pixels[:, : LEFT[1] if round_ == 1 else pixels.shape[1]] = photo.pixels[
            :, : LEFT[1] if round_ == 1 else pixels.shape[1]
        ]
        return pixels

    profile = replace(PROFILES["paper"], rounds=3, steps=6)
    task = world(codec=codec, profile=profile)
    attempt = run_rounds(task)
    assert attempt.data == b"round 1"
    assert [check.published.ranks for check in attempt.checks] == [((1,),), ((4,),)]
    assert shortcoming(attempt.checks[0], profile)
    assert not shortcoming(attempt.checks[1], profile)
    assert attempt.evaluations[0] > profile.steps, "those of the later rounds count as well"


def test_only_the_rows_asked_for_are_changed(world: Callable[..., World], photo: Photo) -> None:
    files: list[np.ndarray] = []
    attempt = run_rounds(world(codec=lambda round_, pixels: files.append(pixels) or pixels), [1])
    assert np.array_equal(files[-1][:, :SIDE], photo.pixels[:, :SIDE])
    assert attempt.checks[1].published.ranks == ((4,),)
    assert attempt.evaluations[0] == 0
    assert attempt.attacks == ((), ("k-a3",))


def test_a_watcher_ends_a_round_at_once(world: Callable[..., World]) -> None:
    steps: list[Step] = []

    def watcher(step: Step) -> None:
        steps.append(step)
        if len(steps) == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        run_rounds(world(watcher=watcher))
    assert [step.evaluations for step in steps] == [1, 2]


PRIORITIES = st.lists(st.frozensets(st.integers(0, 3)), min_size=80, max_size=80)


@settings(max_examples=30)
@given(st.lists(st.integers(0, 79), unique=True), PRIORITIES)
def test_faces_attacked_together_press_the_same_surrogates(rows: list[int], priorities: list[frozenset[int]]) -> None:
    parts = batches(rows, priorities)
    assert sorted(row for batch in parts for row in batch) == sorted(rows)
    for batch in parts:
        assert 0 < len(batch) <= BATCH
        assert len({priorities[row] for row in batch}) == 1


def test_faces_that_press_nothing_are_attacked_in_their_order() -> None:
    nothing = [frozenset[int]()] * (BATCH + 3)
    assert batches(range(BATCH + 3), nothing) == [list(range(BATCH)), list(range(BATCH, BATCH + 3))]
