"""What protected photos lost is said by the commands: once for each kind of loss."""

from dataclasses import replace

from deid.commands.summaries import folder_summary, photo_summary
from deid.types import FaceResult, FolderResult, PhotoResult

FACE = FaceResult((0, 0, 1, 1), "itself", "protected", k=2, rank_before=1, rank_after=2)
PHOTO = PhotoResult("a.jpg", "out/a.jpg", "protected", "paper", "k-a3", 5, (FACE,), weights={"lightcnn9": "0"})


def noted(name: str, *notes: str) -> PhotoResult:
    return replace(PHOTO, input=name, message=f"{name}: {'; '.join(notes)}" if notes else "")


def test_of_one_photo() -> None:
    assert "note: a map was removed; 16 bits became 8" in photo_summary(
        noted("a.jpg", "a map was removed", "16 bits became 8"), 1001
    )
    assert not any(line.startswith("note:") for line in photo_summary(PHOTO, 1001))


def test_of_a_folder() -> None:
    photos = (*(noted(f"{i}.jpg", "a map was removed") for i in range(3)), noted("b.png", "16 bits became 8"), PHOTO)
    skipped = replace(PHOTO, outcome="skipped", message="done before")
    result = FolderResult((*photos, skipped), {"protected": 5, "skipped": 1}, {}, 5)
    lines = folder_summary(result)
    assert [line for line in lines if line.startswith("note:")] == [
        "note: a map was removed (3 photos)",
        "note: 16 bits became 8 (1 photo)",
    ]
