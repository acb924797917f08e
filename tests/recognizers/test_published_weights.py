"""The weights that others published and that ship."""

from pathlib import Path

import pytest
import torch
from recognizers.lfw_pairs import genuine_and_impostor, two_photos_each

from deid.errors import CheckpointError
from deid.recognizers.checkpoints import Entry, load_recognizer, manifest
from deid.recognizers.fetch import DOWNLOADS
from deid.recognizers.kinship import class_of
from deid.recognizers.training_data import TRAINING_DATA, stated
from deid.training.data import held_out_people

PEOPLE = 20


# Of all pairs of held-out people 0.970, 0.954 and 0.997 match.
@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["mobilenet-vggface2", "facenet-casia", "mobilefacenet-arcface"])
def test_people_that_nobody_tuned_on_are_told_apart(name: str, shared_data: Path) -> None:
    recognizer = load_recognizer(name)
    held_out = held_out_people(folder.name for folder in (shared_data / "lfw").iterdir())
    folders = (shared_data / "lfw" / name for name in held_out)
    faces = two_photos_each(folders, PEOPLE, recognizer.template)
    with torch.no_grad():
        genuine, impostor = genuine_and_impostor(torch.cat([recognizer.embed(part) for part in faces.split(16)]))
    threshold = recognizer.thresholds["1e-2"]
    assert len(genuine) == PEOPLE
    assert float((genuine >= threshold).float().mean()) >= 0.9
    assert float((impostor >= threshold).float().mean()) <= 0.03


def test_who_has_seen_the_same_people_is_related() -> None:
    entries = manifest()
    trained_on = stated(DOWNLOADS["facenet-vggface2"].training_data)
    vggface2 = Entry("facenet-vggface2", "facenet", Path(), "", {"training_data": trained_on})
    assert class_of(vggface2, [entries["mobilenet-vggface2"]]) == "related"
    assert class_of(vggface2, [entries["lightcnn9"]]) == "related", "its teacher has seen them"
    assert class_of(vggface2, [entries["dlib-resnet"], entries["facenet-casia"]]) == "independent"
    assert class_of(entries["mobilenet-vggface2"], [entries["lightcnn9"]]) == "related"
    attacked = [entries[name] for name in ("lightcnn9", "dlib-resnet", "mobilenet-vggface2", "mobilefacenet-arcface")]
    assert class_of(entries["facenet-casia"], attacked) == "independent"
    another = Entry("another", "mobilefacenet", Path(), "", {"training_data": stated("glint360k")})
    assert class_of(another, [entries["mobilefacenet-arcface"]]) == "related", "its photos contain the other's"
    assert class_of(another, [entries["lightcnn9"]]) == "independent"


def test_training_data_has_one_name_each() -> None:
    assert stated("MS-Celeb-1M, vggface2") == f"{TRAINING_DATA['ms-celeb-1m']}; {TRAINING_DATA['vggface2']}"
    assert stated("Other: my album") == "my album"
    with pytest.raises(CheckpointError, match=r"no training data called ms1m: there are ms-celeb-1m, .*'other: …'"):
        stated("ms1m")
    known = {data for text in TRAINING_DATA.values() for data in text.split("; ")}
    ours = "LFW deep-funneled without every tenth person"
    assert {entry.details["training_data"] for entry in manifest().values()} <= known | {ours}
