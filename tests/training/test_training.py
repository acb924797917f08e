import hashlib
import shutil
import tomllib
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from deid import cli
from deid.checkpoints import RECOGNIZERS, Entry, draw_decoys, load_recognizer
from deid.faces.align import DLIB_TEMPLATE, LIGHTCNN_TEMPLATE, MOBILEFACENET_TEMPLATE, to_luma
from deid.faces.detect import detect_faces
from deid.maintenance import Trainable
from deid.recognizers.lightcnn import LightCNN9
from deid.training import augment, distill
from deid.training.augment import aligned_view, light, mirror, new_faces, student_view
from deid.training.command import publish
from deid.training.data import CROP, MARGIN, FaceSet, cut, held_out_people
from deid.training.decoys import fit_gaussian
from deid.training.muon import Muon, orthogonalized
from deid.training.students import RECIPES, Student
from deid.training.verification import verify


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


def test_every_tenth_person_is_held_out_whatever_the_order() -> None:
    names = [f"person{i:03d}" for i in range(100)]
    held_out = held_out_people(names)
    assert held_out == held_out_people(reversed(names * 2))
    assert len(held_out) == 10


def test_teacher_and_student_look_at_the_same_face(faces: FaceSet) -> None:
    crops, landmarks = distill.crops_of(faces, np.arange(4))
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


def test_mirroring_twice_is_nothing_and_swaps_the_eyes(faces: FaceSet) -> None:
    crops, landmarks = distill.crops_of(faces, np.arange(2))
    chosen = np.array([True, False])
    once, points = mirror(crops, landmarks, chosen)
    assert points[0, 0, 0] == pytest.approx(CROP - 1 - landmarks[0, 1, 0])
    assert torch.equal(once[1], crops[1])
    twice, back = mirror(once, points, chosen)
    assert torch.equal(twice, crops)
    assert back == pytest.approx(landmarks)


def test_new_faces_have_their_landmarks_where_they_went() -> None:
    """Eight black faces with white dots for landmarks: the dots move, the landmarks with them."""
    points = np.array([[75.0, 72], [117, 72], [96, 95], [80, 120], [112, 120]])
    crops = torch.zeros(8, 3, CROP, CROP)
    for x, y in points.astype(int):
        crops[:, :, y - 2 : y + 3, x - 2 : x + 3] = 1
    faces, landmarks = new_faces(crops, np.stack([points] * 8), np.random.default_rng(0))
    assert faces.shape == crops.shape
    assert np.abs(landmarks - points).max() > 3
    for face, found in zip(faces, landmarks, strict=True):
        columns, rows = found.round().astype(int).T
        assert float(face[0, rows, columns].min()) > 0.9


def test_new_faces_are_made_of_the_two_they_come_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(augment, "BEND", 0.0)
    crops = torch.rand(6, 3, CROP, CROP, generator=torch.Generator().manual_seed(0))
    landmarks = np.random.default_rng(0).uniform(60, 130, (6, 5, 2))
    monkeypatch.setattr(augment, "BLENDED", 0.0)
    same, points = new_faces(crops, landmarks, np.random.default_rng(1))
    assert torch.allclose(same, crops, atol=1e-4)
    assert points == pytest.approx(landmarks)
    monkeypatch.setattr(augment, "BLENDED", 1.0)
    mixed, points = new_faces(crops, landmarks, np.random.default_rng(1))
    other = np.random.default_rng(1).permutation(6)
    assert (points >= np.minimum(landmarks, landmarks[other])).all()
    assert (points <= np.maximum(landmarks, landmarks[other])).all()
    changed = [float((new - old).abs().mean()) for new, old in zip(mixed, crops, strict=True)]
    assert min(change for change, i in zip(changed, range(6), strict=True) if other[i] != i) > 0.02


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
    faces: FaceSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distill, "SAVE_EVERY", 2)
    schedule = distill.Schedule(steps=4, batch=4)
    lines: list[str] = []
    whole, figures = distill.train(RECIPES["lightcnn9"], faces, schedule, tmp_path / "whole", log=lines.append)

    class StopError(Exception):
        pass

    def stop_at_two(line: str) -> None:
        if line.startswith("step 2"):
            raise StopError

    with pytest.raises(StopError):
        distill.train(RECIPES["lightcnn9"], faces, schedule, tmp_path / "parts", log=stop_at_two)
    parts, _ = distill.train(RECIPES["lightcnn9"], faces, schedule, tmp_path / "parts", log=lines.append)
    assert "resumed at step 2 of 4" in lines
    for key, value in whole.state_dict().items():
        assert torch.allclose(value, parts.state_dict()[key], atol=1e-4), key
    assert whole.state_dict().keys() == LightCNN9().state_dict().keys()
    assert figures.genuine_pairs == 2


@pytest.mark.parametrize("name", RECIPES)
def test_a_student_is_the_network_it_will_be_published_as(name: str) -> None:
    """What training calls part by part, on whole faces, is what loads under the architecture's name."""
    torch.manual_seed(0)
    recipe = RECIPES[name]
    student = Student(recipe).eval()
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


def test_a_gaussian_is_recovered_from_its_samples(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    base = torch.nn.functional.normalize(torch.randn(5000, 8, generator=generator) + 0.5)
    fitted = fit_gaussian(3 * base)
    assert torch.allclose(fitted["mean"], base.mean(0), atol=1e-5)
    assert torch.allclose(fitted["factor"] @ fitted["factor"].T, torch.cov(base.T), atol=1e-5)


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["lightcnn9", "dlib-resnet", "mobilenet-vggface2", "facenet-casia"])
def test_decoys_have_the_similarities_of_real_strangers(name: str, shared_data: Path) -> None:
    """Held-out people against each other and against decoys: the same mean and spread, and no decoy nearer."""
    from PIL import Image

    from deid.faces.align import align_face
    from deid.training.data import central_face

    people = sorted(held_out_people(path.name for path in (shared_data / "lfw").iterdir() if path.is_dir()))[::4]
    recognizer = load_recognizer(name)
    aligned = []
    for person in people:
        pixels = np.asarray(Image.open(min((shared_data / "lfw" / person).glob("*.jpg"))).convert("RGB"))
        face = central_face(detect_faces(pixels), pixels.shape[:2])
        if face is not None:
            aligned.append(align_face(pixels, face.landmarks, recognizer.template))
    with torch.no_grad():
        real = torch.cat([recognizer.embed(part) for part in torch.stack(aligned).split(16)])
    strangers = (real @ real.T)[~torch.eye(len(real), dtype=torch.bool)]
    decoys = real @ recognizer.decoys.T
    spread = float(strangers.std())
    assert abs(float(decoys.mean() - strangers.mean())) < 0.25 * spread
    assert 0.75 < float(decoys.std()) / spread < 1.25
    share = len(real) / len(recognizer.decoys)
    nearest_stranger = float(torch.quantile(strangers, 1 - 1e-4))
    assert float(torch.quantile(decoys.flatten(), 1 - 1e-4 * share)) < nearest_stranger + spread


def test_an_entry_without_a_gaussian_has_no_decoys() -> None:
    assert len(draw_decoys(Entry("x", next(iter(RECOGNIZERS)), Path(), "", {}))) == 0


@pytest.mark.shared_data
def test_the_command_trains_and_publishes_weights_that_load(shared_data: Path, tmp_path: Path) -> None:
    """Two dozen people, three of them held out, one step: what is written is a whole entry of a manifest."""
    for person in two_photos_each(shared_data / "lfw", 24):
        shutil.copytree(person, tmp_path / "people" / person.name)
    out = tmp_path / "out"
    assert cli.run(["train", "lightcnn9", str(tmp_path / "people"), str(out), "--steps", "1"]) == 0
    entry = tomllib.loads((out / "lightcnn9.toml").read_text())["recognizers"]["lightcnn9"]
    for file, sha256 in (("file", "sha256"), ("decoys_file", "decoys_sha256")):
        assert hashlib.sha256((out / entry[file]).read_bytes()).hexdigest() == entry[sha256]
    assert "3 people" in entry["figures"]
    network = LightCNN9()
    network.load_state_dict({key: value.float() for key, value in load_file(out / entry["file"]).items()})
    # Run again with more steps, it goes on from its state.
    state = torch.load(out / "lightcnn9.state", weights_only=True)
    assert state["step"] == 1
    assert cli.run(["train", "lightcnn9", str(tmp_path / "people"), str(out), "--steps", "2"]) == 0
    assert torch.load(out / "lightcnn9.state", weights_only=True)["step"] == 2


def two_photos_each(lfw: Path, count: int) -> list[Path]:
    people = (path for path in sorted(lfw.iterdir()) if len(list(path.glob("*.jpg"))) == 2)
    return list(islice(people, count))


def test_too_few_people_to_train_on_is_said_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "people").mkdir()
    assert cli.run(["train", "lightcnn9", str(tmp_path / "people"), str(tmp_path / "out"), "--steps", "1"]) == 2
    assert "too few to train on" in capsys.readouterr().err
    assert not (tmp_path / "out" / "faces").exists()
