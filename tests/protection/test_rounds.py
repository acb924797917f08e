"""The loop of rounds in a fake world whose truth is known: a linear recognizer, a codec and a detector that misbehave.

Two faces of smooth noise stand side by side in a photo, upright in LightCNN's frame, so that nothing is resampled.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deid.errors import Cancelled
from deid.faces.chain import FaceChain, View
from deid.faces.face import Face
from deid.faces.templates import LIGHTCNN_TEMPLATE
from deid.images.photo import Photo
from deid.losses.visibility import visibility_of
from deid.methods import methods_of
from deid.protection import rounds, verification
from deid.protection.attempt import Attempt
from deid.protection.criteria import shortcoming
from deid.protection.enrollment import FoundFace
from deid.protection.profiles import PROFILES, Profile
from deid.protection.progress import Step
from deid.protection.protector import Protector
from deid.protection.rounds import BATCH, run_rounds
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
    """Makes a world. moved: by how many pixels the detector finds faces elsewhere in a saved file; asked: a profile's
    name; places: where in the list each face is to stand.
    """

    def make(
        ks: Sequence[int] = (3, 4),
        codec: Callable[[int, np.ndarray], np.ndarray] = lambda round_, pixels: pixels,
        moved: tuple[float, float] = (0, 0),
        profile: Profile | None = None,
        watcher: Callable[[Step], None] = lambda step: None,
        asked: str = "paper",
        places: Sequence[float] | None = None,
    ) -> World:
        there = [Face(face.box, face.landmarks + np.array(moved), 1.0) for face in faces()]
        looks = [{"MTCNN": face.landmarks} for face in there]
        monkeypatch.setattr(verification, "detect_again", lambda pixels, faces, device: there)
        monkeypatch.setattr(verification, "looks_at", lambda pixels, faces, **sizes: looks)
        monkeypatch.setattr(rounds, "looks_at", lambda pixels, faces, **sizes: [{} for _ in faces])
        embeddings = embed_faces(surrogate.recognizer, photo.pixels, [face.landmarks for face in faces()])
        found = [FoundFace(face, embedding, None) for face, embedding in zip(faces(), embeddings, strict=True)]
        protector = Protector(Options(profile=asked), profile or PROFILES[asked], "cpu", (surrogate,))
        task = task_of(photo, found, ks, protector, "PNG", watcher)
        task = replace(task, upright=(True,) * len(found), places=tuple(places or task.places))
        return World(**vars(task), codec=codec)

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
    assert all(0 < evaluations < task.profile.steps[0] for evaluations in attempt.evaluations)
    (pixels,) = files
    for found, k in zip(task.found, task.ks, strict=True):
        assert rank_at(pixels, found.face.landmarks, found.embedding, surrogate) == k


@pytest.mark.parametrize("method", [name for name in methods_of("rival") if name != "l-bfgs"])  # a face at a time
def test_rivals_go_the_same_way_and_are_checked_alike(
    world: Callable[..., World], surrogate: Surrogate, method: str
) -> None:
    files: list[np.ndarray] = []
    task = world(codec=lambda round_, pixels: files.append(pixels) or pixels)
    options = Options(profile="paper", method=method, seed=3)
    task = replace(task, protector=replace(task.protector, options=options))
    attempt, again = run_rounds(task), run_rounds(task)
    assert attempt.attacks == ((method,), (method,))
    assert torch.equal(attempt.noise, again.noise), "a seed repeats"
    assert [check.published.ranks for check in attempt.checks] == [((3,),), ((4,),)]
    for found, k in zip(task.found, task.ks, strict=True):
        assert rank_at(files[-1], found.face.landmarks, found.embedding, surrogate) == k


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


@pytest.mark.parametrize("asked", ["paper", "stranger"])
def test_a_face_that_held_is_left_as_it_is(world: Callable[..., World], photo: Photo, asked: str) -> None:
    """The left face's perturbation is lost in the first file. The right one is not touched again."""
    files: list[np.ndarray] = []

    def codec(round_: int, pixels: np.ndarray) -> np.ndarray:
        files.append(pixels.copy())
        if round_ == 1:
            pixels = pixels.copy()
            pixels[:, :SIDE] = photo.pixels[:, :SIDE]
        return pixels

    attempt = run_rounds(world(codec=codec, asked=asked))
    assert attempt.data == b"round 2"
    if asked == "paper":
        assert [check.published.ranks for check in attempt.checks] == [((3,),), ((4,),)]
    assert [check.published.worst_rank >= k for check, k in zip(attempt.checks, (3, 4), strict=True)] == [True, True]
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

    profile = replace(PROFILES["paper"], steps=(16,) * 3)
    task = world(codec=codec, profile=profile)
    attempt = run_rounds(task)
    assert attempt.data == b"round 1"
    assert [check.published.ranks for check in attempt.checks] == [((1,),), ((4,),)]
    assert shortcoming(attempt.checks[0], profile)
    assert not shortcoming(attempt.checks[1], profile)
    assert attempt.evaluations[0] > profile.steps[0], "those of the later rounds count as well"


def test_only_the_rows_asked_for_are_changed(world: Callable[..., World], photo: Photo) -> None:
    files: list[np.ndarray] = []
    attempt = run_rounds(world(codec=lambda round_, pixels: files.append(pixels) or pixels), [1])
    assert np.array_equal(files[-1][:, :SIDE], photo.pixels[:, :SIDE])
    assert attempt.checks[1].published.ranks == ((4,),)
    assert attempt.evaluations[0] == 0
    assert attempt.attacks == ((), ("k-a3",))


@pytest.mark.parametrize("asked", ["paper", "stranger"])
def test_a_watcher_ends_a_round_at_once(world: Callable[..., World], asked: str) -> None:
    steps: list[Step] = []

    def watcher(step: Step) -> None:
        steps.append(step)
        if len(steps) == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        run_rounds(world(watcher=watcher, asked=asked))
    assert [step.evaluations for step in steps] == [1, 2]


def test_of_a_crowd_so_many_are_attacked_at_a_time(
    world: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    parts: list[list[int]] = []
    monkeypatch.setattr(rounds, "_attack", lambda run, rows, round_: parts.append(list(rows)))
    monkeypatch.setattr(rounds, "_failed", lambda task, checks: [[]] * (2 * BATCH + 3))
    monkeypatch.setattr(rounds, "_begin", lambda task: None)
    monkeypatch.setattr(rounds, "_saved", lambda run: (done, None))
    monkeypatch.setattr(rounds, "_look_at", lambda task, saved, rows, open_rows: ([], True))
    task = world()
    done = Attempt(b"", (), (), (), torch.empty(0), torch.empty(0))
    monkeypatch.setattr(rounds, "score", lambda *attempts: 0)
    run_rounds(task, range(2 * BATCH + 3))
    assert [len(part) for part in parts] == [BATCH, BATCH, 3]
    assert [row for part in parts for row in part] == list(range(2 * BATCH + 3))


STRANGER = PROFILES["stranger"]


def test_by_default_a_face_stands_at_k_or_below_and_matches_nowhere(
    world: Callable[..., World], surrogate: Surrogate
) -> None:
    files: list[np.ndarray] = []
    task = world(codec=lambda round_, pixels: files.append(pixels) or pixels, asked="stranger", places=[0.4, 0.7])
    attempt = run_rounds(task)
    assert attempt.data == b"round 1"
    assert attempt.attacks == (("feature-level",), ("feature-level",))
    assert attempt.evaluations == (STRANGER.steps[0],) * 2, "no rank ends it"
    for found, k, check in zip(task.found, task.ks, attempt.checks, strict=True):
        rank = rank_at(files[-1], found.face.landmarks, found.embedding, surrogate)
        assert check.published.ranks == ((rank,),)
        assert rank >= k
        assert not any(seen.matches for seen in check.observations)
        assert {seen.handling for seen in check.observations} == set(STRANGER.handlings)


def test_the_later_the_place_that_was_drawn_the_farther_down_a_face_stands(world: Callable[..., World]) -> None:
    ranks = []
    for place in (0.1, 1.0):
        attempt = run_rounds(world(ks=(2, 2), asked="stranger", places=[place] * 2))
        ranks.append([check.published.worst_rank for check in attempt.checks])
    for near, far in zip(*ranks, strict=True):
        assert near < far - 60
        assert far > 0.8 * 300


def test_every_round_may_show_more_and_reach_farther(
    world: Callable[..., World], photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The left face always comes out clean."""
    attacks: list[dict[str, Any]] = []
    shown: list[dict[str, Any]] = []
    attack_of, seen_of = rounds.feature_level, visibility_of

    def attack(*, budget: float) -> Any:
        attacks.append({"budget": budget})
        real = attack_of(budget=budget)

        def noted(*arguments: Any, **settings: Any) -> Any:
            attacks[-1] |= {name: settings[name] for name in ("steps", "limit")} | {"faces": len(arguments[1])}
            attacked = real(*arguments, **settings)
            change = (attacked.faces - arguments[1]).abs()
            assert bool((change <= settings["limit"] * settings["visibility"].limit + 1e-6).all())
            return attacked

        return noted

    def seen(faces: Tensor, landmarks: Any, **settings: Any) -> Any:
        shown.append(settings)
        return seen_of(faces, landmarks, **settings)

    def codec(round_: int, pixels: np.ndarray) -> np.ndarray:
        pixels = pixels.copy()
        pixels[:, :SIDE] = photo.pixels[:, :SIDE]
        return pixels

    monkeypatch.setattr(rounds, "feature_level", attack)
    monkeypatch.setattr(rounds, "visibility_of", seen)
    profile = replace(STRANGER, steps=(4, 3, 2))
    attempt = run_rounds(world(codec=codec, profile=profile, asked="stranger"))
    assert attempt.evaluations == (9, 4)
    assert [each["faces"] for each in attacks] == [2, 1, 1]
    assert [each["steps"] for each in attacks] == [4, 3, 2]
    for name, those in (("budget", attacks), ("limit", attacks), ("features", shown), ("reach", shown)):
        assert [each[name] for each in those] == [getattr(profile.in_round(round_), name) for round_ in range(3)]
        assert those[0][name] == getattr(STRANGER, name)


def test_no_more_is_looked_at_than_it_takes_to_go_on(
    world: Callable[..., World], photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The left face always comes out clean, and the right one holds from the first round on."""
    looked: list[int] = []
    real = rounds.verify

    def verify(*arguments: Any, **settings: Any) -> Any:
        checks = real(*arguments, **settings)
        looked.append(len({seen.handling for seen in checks[0].observations}))
        return checks

    def codec(round_: int, pixels: np.ndarray) -> np.ndarray:
        pixels = pixels.copy()
        pixels[:, :SIDE] = photo.pixels[:, :SIDE]
        return pixels

    monkeypatch.setattr(rounds, "verify", verify)
    profile = replace(STRANGER, steps=(30, 2, 2))
    attempt = run_rounds(world(codec=codec, profile=profile, asked="stranger"))
    everything = len(STRANGER.handlings)
    # Of both faces at first; then of the left one as published, which is enough; at last of the best attempt, all.
    assert looked[:3] == [everything, 1, 1]
    assert len({seen.handling for seen in attempt.checks[1].observations}) == everything
    assert shortcoming(attempt.checks[0], profile)
    assert not shortcoming(attempt.checks[1], profile)


def test_where_each_surrogate_wants_the_faces(world: Callable[..., World], surrogate: Surrogate) -> None:
    """In the list that is reported, where it was drawn to; in the others in the lower half, or beyond."""
    task = world(asked="stranger", places=[0.2, 0.7])
    two = replace(task.protector, surrogates=(surrogate, surrogate))
    task = World(**vars(replace(task, protector=two, enrollments=task.enrollments * 2)))
    first, second = rounds._likeness_goals(task, np.random.default_rng(0))
    assert first.places.tolist() == pytest.approx([0.2, 0.7])
    assert second.places.tolist() == pytest.approx([0.6, 0.85])
    assert (first.exactly, second.exactly) == (True, False)
    assert first.enrollments is task.enrollments[0]
    assert first.toward_stranger == second.toward_stranger == STRANGER.toward_stranger


@pytest.mark.parametrize("exact", [True, False])
def test_without_a_budget_ranks_are_attacked_exactly_or_not(
    world: Callable[..., World], surrogate: Surrogate, exact: bool
) -> None:
    files: list[np.ndarray] = []
    profile = replace(PROFILES["paper"], exact=exact, limit=None)
    task = world(codec=lambda round_, pixels: files.append(pixels) or pixels, profile=profile)
    attempt = run_rounds(task)
    assert attempt.attacks == (("k-a3",), ("k-a3",))
    for found, k in zip(task.found, task.ks, strict=True):
        rank = rank_at(files[-1], found.face.landmarks, found.embedding, surrogate)
        assert rank == k if exact else rank >= k
