import hashlib
import re
import shutil
import tomllib
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from deid.commands import main as cli
from deid.commands.train import Trainable
from deid.faces.align import to_luma
from deid.faces.detect import detect_faces
from deid.faces.templates import DLIB_TEMPLATE, LIGHTCNN_TEMPLATE, MOBILEFACENET_TEMPLATE
from deid.recognizers.checkpoints import RECOGNIZERS, load_recognizer, manifest
from deid.recognizers.lightcnn import LightCNN9
from deid.training import distill
from deid.training.augment import aligned_view, bent, blended, erased, light, mirror, student_view, tinted
from deid.training.data import CROP, MARGIN, FaceSet, crops_of, cut, held_out_people
from deid.training.muon import Muon, orthogonalized
from deid.training.recognizer import publish
from deid.training.students import RECIPES, Student
from deid.training.targets import Targets, targets_of
from deid.training.verification import embeddings_of, verify

BY_DLIB = ("--teacher", "dlib-resnet")
TRAINED_ON = np.array([i for i in range(24) if i // 2 not in (0, 10)])  # of the fixture's faces


@pytest.fixture(scope="module")
def faces() -> FaceSet:
    """Two dozen shades of one real face under twelve names."""
    from skimage.data import astronaut

    picture = np.asarray(astronaut())
    crop, landmarks = cut(picture, detect_faces(picture)[0].landmarks)
    crops = np.stack([np.roll(crop, i, axis=1) // (1 + i % 3) for i in range(24)])
    return FaceSet(crops, np.stack([landmarks.astype(np.float32)] * 24), tuple(f"p{i // 2:02d}" for i in range(24)))


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


def test_every_tenth_person_is_held_out_whatever_the_order() -> None:
    names = [f"person{i:03d}" for i in range(100)]
    held_out = held_out_people(names)
    assert held_out == held_out_people(reversed(names * 2))
    assert len(held_out) == 10


def test_teacher_and_student_look_at_the_same_face(faces: FaceSet) -> None:
    crops, landmarks = crops_of(faces, np.arange(4))
    rng = np.random.default_rng(0)
    # LightCNN's view is the middle of the crop, as it was cut.
    inner = to_luma(crops[:, :, MARGIN:-MARGIN, MARGIN:-MARGIN])
    assert torch.allclose(aligned_view(crops, landmarks, LIGHTCNN_TEMPLATE), inner, atol=1e-3)
    assert aligned_view(crops, landmarks, DLIB_TEMPLATE).shape == (4, 3, 150, 150)
    for template, side in ((LIGHTCNN_TEMPLATE, 64), (LIGHTCNN_TEMPLATE, 128), (MOBILEFACENET_TEMPLATE, 84)):
        view = student_view(crops, landmarks, template, rng, side)
        assert view.shape == (4, template.channels, side, side)
        assert float(view.min()) >= 0
        assert float(view.max()) <= 1
    lit = light(crops, rng)
    assert lit.shape == crops.shape
    assert not torch.equal(lit, crops)


def test_an_undisguised_view_is_nearer_to_the_plain_one(faces: FaceSet) -> None:
    crops, landmarks = crops_of(faces, np.arange(8))
    plain = aligned_view(crops, landmarks, LIGHTCNN_TEMPLATE)

    def away(disguised: bool) -> float:
        views = [
            student_view(crops, landmarks, LIGHTCNN_TEMPLATE, np.random.default_rng(seed), 128, disguised)
            for seed in range(4)
        ]
        return float((torch.stack(views) - plain).abs().mean())

    assert away(False) < away(True)


def test_mirroring_twice_is_nothing_and_swaps_the_eyes(faces: FaceSet) -> None:
    crops, landmarks = crops_of(faces, np.arange(2))
    chosen = np.array([True, False])
    once, points = mirror(crops, landmarks, chosen)
    assert points[0, 0, 0] == pytest.approx(CROP - 1 - landmarks[0, 1, 0])
    assert torch.equal(once[1], crops[1])
    twice, back = mirror(once, points, chosen)
    assert torch.equal(twice, crops)
    assert back == pytest.approx(landmarks)


def test_bent_faces_have_their_landmarks_where_they_went() -> None:
    """Eight black faces with white dots for landmarks: the dots move, the landmarks with them."""
    points = np.array([[75.0, 72], [117, 72], [96, 95], [80, 120], [112, 120]])
    crops = torch.zeros(8, 3, CROP, CROP)
    for x, y in points.astype(int):
        crops[:, :, y - 2 : y + 3, x - 2 : x + 3] = 1
    faces, landmarks = bent(crops, np.stack([points] * 8), np.random.default_rng(0))
    assert faces.shape == crops.shape
    assert np.abs(landmarks - points).max() > 2
    for face, found in zip(faces, landmarks, strict=True):
        columns, rows = found.round().astype(int).T
        assert float(face[0, rows, columns].min()) > 0.9


def test_a_blended_face_is_one_person_here_and_the_other_there() -> None:
    """Of a black and a white picture, one with its landmarks 10 pixels to the right."""
    points = np.array([[[75.0, 72], [117, 72], [96, 95], [80, 120], [112, 120]]] * 16)
    black, white = torch.zeros(16, 3, CROP, CROP), torch.ones(16, 3, CROP, CROP)
    blends, landmarks = blended(black, points, white, points + np.array([10, 0]), np.random.default_rng(0))
    assert blends.shape == black.shape
    assert float(blends.flatten(1).std(1).mean()) > 0.2
    assert 0.4 < float(blends.mean()) < 0.6
    for blend, before, found in zip(blends, points, landmarks, strict=True):
        columns, rows = (before + np.array([5, 0])).round().astype(int).T
        assert found == pytest.approx(before + 10 * blend[:2, rows, columns].numpy().T * (1, 0), abs=1e-4)
    same, where = blended(white, points, white, points, np.random.default_rng(0))
    assert torch.allclose(same, white)
    assert where == pytest.approx(points)


def test_a_tint_changes_colors_and_leaves_gray_as_light_as_it_was() -> None:
    generator = torch.Generator().manual_seed(0)
    gray = torch.rand(4, 1, 8, 8, generator=generator).expand(-1, 3, -1, -1)
    assert torch.allclose(to_luma(tinted(gray, np.random.default_rng(0))), gray[:, :1], atol=1e-5)
    colored = torch.rand(4, 3, 8, 8, generator=generator)
    lumas = to_luma(tinted(colored, np.random.default_rng(0)))
    assert float((lumas - to_luma(colored)).abs().mean()) > 0.02


def test_a_rectangle_is_missing_from_some_faces_only() -> None:
    faces = torch.rand(200, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    shown = erased(faces, np.random.default_rng(0))
    changed = (shown != faces).flatten(1).float().mean(1)
    assert 0.2 < float((changed > 0).float().mean()) < 0.4
    assert float(changed.max()) < 0.17  # 0.4² of the face at most
    of_one = shown[changed.argmax()]
    assert len(of_one[of_one != faces[changed.argmax()]].unique()) == 1


@pytest.fixture(scope="module")
def targets(faces: FaceSet, tmp_path_factory: pytest.TempPathFactory) -> Targets:
    return targets_of(load_recognizer("dlib-resnet"), faces, TRAINED_ON, 256, tmp_path_factory.mktemp("seen"))


def test_targets_are_where_the_teacher_sees_a_face_halfway_to_its_person(faces: FaceSet, targets: Targets) -> None:
    assert targets.goals.shape == (24, 2, 128)  # no wider than the teacher's embedding
    assert torch.allclose(targets.goals.norm(dim=2), torch.ones(24, 2), atol=1e-4)
    assert targets.prototypes.shape == (10, 128)
    held_out = held_out_people(faces.names)
    for i, name in enumerate(faces.names):
        assert (targets.persons[i] == -1) == (name in held_out)
    # Similarities are the teacher's own, around the mean of the training faces.
    teacher = load_recognizer("dlib-resnet")
    seen = torch.stack(
        [
            torch.nn.functional.normalize(embeddings_of(teacher.network, faces, np.arange(24), teacher.template, flip))
            for flip in (False, True)
        ],
        1,
    )
    centered = torch.nn.functional.normalize(seen - seen[TRAINED_ON].mean((0, 1)), dim=2)
    outside = np.setdiff1d(np.arange(24), TRAINED_ON)
    found = targets.goals[outside, 0] @ targets.goals[outside, 0].T
    assert torch.allclose(found, centered[outside, 0] @ centered[outside, 0].T, atol=0.02)
    for i in TRAINED_ON:
        own, person = targets.goals[i, 0], targets.prototypes[targets.persons[i]]
        assert float(own @ person) > float((own @ targets.prototypes.T).median())


def test_a_teacher_looks_once(faces: FaceSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    teacher = load_recognizer("dlib-resnet")
    first = targets_of(teacher, faces, TRAINED_ON, 16, tmp_path)
    monkeypatch.setattr(teacher.network, "forward", None)
    again = targets_of(teacher, faces, TRAINED_ON, 16, tmp_path)
    assert torch.equal(first.goals, again.goals)
    assert [file.suffix for file in tmp_path.iterdir()] == [".npy"]


def test_a_teacher_sees_further_faces_where_it_saw_the_stored_ones(faces: FaceSet, targets: Targets) -> None:
    held_out = np.flatnonzero(targets.persons < 0)
    for way in (0, 1):
        further = targets.see(*mirror(*crops_of(faces, held_out), np.full(len(held_out), bool(way))))
        assert torch.allclose(further, targets.goals[held_out, way], atol=0.05)


def test_half_a_batch_are_blends_of_nobody_in_particular(faces: FaceSet, targets: Targets) -> None:
    crops, landmarks, persons, goals = distill.training_batch(faces, targets, TRAINED_ON, 12, np.random.default_rng(0))
    assert len(crops) == len(landmarks) == len(persons) == len(goals) == 12
    assert (persons[:6] >= 0).all()
    assert (persons[6:] == -1).all()
    assert torch.allclose(goals.norm(dim=1), torch.ones(12), atol=1e-5)


def test_a_third_of_a_batch_are_further_photos_of_its_people(targets: Targets) -> None:
    for seed in range(20):
        picked = distill.draw_batch(targets, TRAINED_ON, 9, np.random.default_rng(seed))
        assert len(picked) == 9
        assert set(picked) <= set(TRAINED_ON)
        assert set(targets.persons[picked[6:]]) <= set(targets.persons[picked[:6]])


def test_the_loss_is_least_where_the_teacher_was(faces: FaceSet, targets: Targets) -> None:
    torch.manual_seed(0)
    student = Student(RECIPES["lightcnn9"], targets.width)
    picked = TRAINED_ON[:8]
    goals = targets.goals[picked, 0]
    with torch.no_grad():
        there = student.from_teacher(goals)
        noise = torch.randn(there.shape)
        losses = [
            float(distill.distillation_loss(student, there + strength * noise, targets, targets.persons[picked], goals))
            for strength in (0.0, 0.03, 0.1, 0.3)
        ]
    assert losses == sorted(losses)
    assert losses[0] < losses[-1] - 0.3


def test_faces_of_nobody_are_no_ones_photos(targets: Targets) -> None:
    """They have a place, but no person to be nearest to, and two of them are no pair of one person."""
    torch.manual_seed(0)
    student = Student(RECIPES["lightcnn9"], targets.width)
    persons, goals = np.array([0, 1, -1, -1]), torch.nn.functional.normalize(torch.randn(4, targets.width))
    found = torch.nn.functional.normalize(torch.randn(4, 256))
    with torch.no_grad():
        loss = distill.distillation_loss(student, found, targets, persons, goals)
        wanted, everyone = (torch.nn.functional.normalize(student.from_teacher(x)) for x in (goals, targets.prototypes))
    away = 1 - (found * wanted).sum(1).mean()
    logits = distill.SHARPNESS * found[:2] @ everyone.T
    nearest = (logits.logsumexp(1) - logits[[0, 1], [0, 1]]).mean()
    pairs = (found @ found.T - goals @ goals.T)[~torch.eye(4, dtype=torch.bool)].square().mean()
    assert float(loss) == pytest.approx(float(away + 0.5 * nearest + 4 * pairs), rel=1e-5)


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


def test_an_interrupted_training_ends_where_an_uninterrupted_one_does(
    faces: FaceSet, targets: Targets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distill, "SAVE_EVERY", 2)
    schedule = distill.Schedule(steps=4, batch=4)
    lines: list[str] = []
    whole, figures = distill.train(RECIPES["lightcnn9"], faces, schedule, targets, tmp_path / "whole", log=lines.append)

    class StopError(Exception):
        pass

    def stop_at_two(line: str) -> None:
        if line.startswith("step 2"):
            raise StopError

    with pytest.raises(StopError):
        distill.train(RECIPES["lightcnn9"], faces, schedule, targets, tmp_path / "parts", log=stop_at_two)
    parts, _ = distill.train(RECIPES["lightcnn9"], faces, schedule, targets, tmp_path / "parts", log=lines.append)
    assert "resumed at step 2 of 4" in lines
    for key, value in whole.state_dict().items():
        assert torch.allclose(value, parts.state_dict()[key], atol=1e-4), key
    assert whole.state_dict().keys() == LightCNN9().state_dict().keys()
    assert figures.genuine_pairs == 2


def test_training_goes_on_from_a_published_network_where_it_was(
    faces: FaceSet, targets: Targets, tmp_path: Path
) -> None:
    """With no step at all it comes out as it went in, with some halfway to where they led, but for the mean."""
    recipe, published = RECIPES["lightcnn9"], load_recognizer("lightcnn9")
    before = embeddings_of(published.network, faces, np.arange(24), recipe.template)
    start = load_recognizer("lightcnn9").network
    same, _ = distill.train(recipe, faces, distill.going_on(0), targets, tmp_path / "state", start=start)
    after = embeddings_of(same, faces, np.arange(24), recipe.template)
    moved = after - before
    assert torch.allclose(moved, moved[:1].expand_as(moved), atol=1e-3 * float(before.abs().max()))
    mean = after[TRAINED_ON].mean(0)
    spread = (after[TRAINED_ON] - mean).square().sum(1).mean().sqrt()
    assert float(mean.norm() / spread) == pytest.approx(distill.OFFSET, abs=1e-3)
    assert same.state_dict().keys() == LightCNN9().state_dict().keys()
    schedule = replace(distill.going_on(1), batch=8)
    for begin_with in (None, load_recognizer("lightcnn9").network):
        state = tmp_path / f"state-{begin_with is None}"
        went_on, _ = distill.train(recipe, faces, schedule, targets, state, start=begin_with)
    student = distill.Student(recipe, targets.width)
    student.load_state_dict(torch.load(tmp_path / "state-False", weights_only=True)["student"])
    plain = aligned_view(*crops_of(faces, np.flatnonzero(targets.persons >= 0)), recipe.template)
    for norm in (module for module in student.modules() if isinstance(module, torch.nn.BatchNorm2d)):
        norm.momentum = 1.0
    student.recognizer.train()(plain)
    recipe.finish(student.recognizer.eval())
    trained, begun = student.recognizer.state_dict(), published.network.state_dict()
    for key, value in went_on.state_dict().items():
        halfway = (trained[key] + begun[key]) / 2
        if key == "fc1.filter.bias":  # where the mean is set, in both halves alike
            first, second = (value - halfway).chunk(2)
            assert torch.allclose(first, second, rtol=1e-4, atol=1e-5)
            continue
        assert torch.allclose(value, halfway, rtol=1e-4, atol=1e-5), key
    assert not torch.allclose(trained["fc1.filter.weight"], begun["fc1.filter.weight"], rtol=1e-3)
    # All layers learn but the first: as many moments as an untrained network's, less its weight and bias.
    muon, adamw = zip(
        *(torch.load(tmp_path / f"state-{new}", weights_only=True)["optimizers"] for new in (True, False)), strict=True
    )
    assert [len(optimizer["state"]) for optimizer in muon] == [8, 8]
    from_nothing, going_on = (len(optimizer["state"]) for optimizer in adamw)
    assert going_on == from_nothing - 2


@pytest.mark.parametrize("name", RECIPES)
def test_a_shift_moves_every_embedding_alike(name: str) -> None:
    recipe = RECIPES[name]
    network = recipe.build()
    recipe.finish(network.eval())
    faces = torch.rand(3, recipe.template.channels, recipe.template.size, recipe.template.size)
    by = torch.randn(recipe.width)
    with torch.no_grad():
        before = network(faces)
        recipe.shift(network, by)
        assert torch.allclose(network(faces), before + by, atol=1e-4)


@pytest.mark.parametrize("name", RECIPES)
def test_a_student_is_the_network_it_will_be_published_as(name: str) -> None:
    """What training calls part by part, on whole faces, is what loads under the architecture's name."""
    torch.manual_seed(0)
    recipe = RECIPES[name]
    student = Student(recipe, 64).eval()
    side = recipe.template.size
    faces = torch.rand(2, recipe.template.channels, side, side)
    found = student(faces).detach()
    assert found.shape == (2, recipe.width)
    assert student(faces[..., : side // 2, : side // 2]).shape == (2, recipe.width)
    published = RECOGNIZERS[recipe.architecture].build().eval()
    recipe.finish(student.recognizer)
    published.load_state_dict(student.recognizer.state_dict())
    assert torch.allclose(published(faces), found, atol=1e-4)


def test_a_network_with_batch_normalization_is_published_whole(faces: FaceSet, tmp_path: Path) -> None:
    recipe = RECIPES["mobilefacenet-lfw"]
    details = {"architecture": recipe.architecture, "teacher": "nobody"}
    publish("mobilefacenet-lfw", recipe.build().eval(), recipe.template, faces, tmp_path, details)
    entry = tomllib.loads((tmp_path / "mobilefacenet-lfw.toml").read_text())["recognizers"]["mobilefacenet-lfw"]
    assert entry["teacher"] == "nobody"
    imported = RECOGNIZERS[entry["architecture"]].build()
    state = load_file(tmp_path / entry["file"])
    assert state["bn.running_var"].dtype == torch.float16
    imported.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in state.items()})


def test_the_command_line_knows_what_can_be_trained() -> None:
    assert list(Trainable) == list(RECIPES)


@pytest.mark.shared_data
def test_the_command_trains_and_publishes_weights_that_load(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two dozen people, three of them held out, one step: what is written is a whole entry of a manifest."""
    for person in two_photos_each(shared_data / "lfw", 24):
        shutil.copytree(person, tmp_path / "people" / person.name)
    out = tmp_path / "out"
    assert cli.run(["train", "lightcnn9", str(tmp_path / "people"), str(out), "--steps", "1", *BY_DLIB]) == 0
    untrained = first_loss(capsys)
    entry = tomllib.loads((out / "lightcnn9.toml").read_text())["recognizers"]["lightcnn9"]
    for file, sha256 in (("file", "sha256"), ("decoys_file", "decoys_sha256")):
        assert hashlib.sha256((out / entry[file]).read_bytes()).hexdigest() == entry[sha256]
    assert "3 people" in entry["figures"]
    network = LightCNN9()
    network.load_state_dict({key: value.float() for key, value in load_file(out / entry["file"]).items()})
    # Run again with more steps, it goes on from its state.
    state = torch.load(out / "lightcnn9.state", weights_only=True)
    assert state["step"] == 1
    assert cli.run(["train", "lightcnn9", str(tmp_path / "people"), str(out), "--steps", "2", *BY_DLIB]) == 0
    assert torch.load(out / "lightcnn9.state", weights_only=True)["step"] == 2
    # Or from weights that are published, of the same architecture.
    going_on = ["train", "lightcnn9", str(tmp_path / "people"), str(tmp_path / "more"), "--steps", "1", *BY_DLIB]
    assert cli.run([*going_on, "--start", "dlib-resnet"]) == 2
    assert "dlib-resnet is no lightcnn9" in capsys.readouterr().err
    shutil.copytree(out / "faces", tmp_path / "more" / "faces")
    assert cli.run([*going_on, "--start", "lightcnn9"]) == 0
    assert first_loss(capsys) < untrained, "what the teacher wants of it is near where it is already"
    entry = tomllib.loads((tmp_path / "more" / "lightcnn9.toml").read_text())["recognizers"]["lightcnn9"]
    assert entry["teacher"] == ", ".join(dict.fromkeys(["dlib-resnet", *manifest()["lightcnn9"].teachers]))
    # With another teacher it does not.
    command = ["train", "lightcnn9", str(tmp_path / "people"), str(out), "--steps", "3", "--teacher", "facenet-casia"]
    assert cli.run(command) == 2
    assert "another teacher" in capsys.readouterr().err
    assert torch.load(out / "lightcnn9.state", weights_only=True)["step"] == 2


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_device_that_is_not_here_is_said_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["train", "lightcnn9", str(tmp_path), str(tmp_path / "out"), "--device", "cuda"]) == 2
    assert "there is none here" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def first_loss(capsys: pytest.CaptureFixture[str]) -> float:
    return float(re.findall(r"loss ([\d.]+)", "".join(capsys.readouterr()))[-1])


def two_photos_each(lfw: Path, count: int) -> list[Path]:
    people = (path for path in sorted(lfw.iterdir()) if len(list(path.glob("*.jpg"))) == 2)
    return list(islice(people, count))


def test_too_few_people_to_train_on_is_said_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "people").mkdir()
    assert (
        cli.run(["train", "lightcnn9", str(tmp_path / "people"), str(tmp_path / "out"), "--steps", "1", *BY_DLIB]) == 2
    )
    assert "too few to train on" in capsys.readouterr().err
    assert not (tmp_path / "out" / "faces").exists()


def test_a_teacher_that_is_not_here_is_said_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    command = ["train", "lightcnn9", str(tmp_path), str(tmp_path / "out"), "--teacher", "facenet-vggface2"]
    assert cli.run(command) == 1
    assert "deid weights fetch facenet-vggface2" in capsys.readouterr().err
