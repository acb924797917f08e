"""`--mine`: other photos of the person whom a photo shows, as an adversary may have enrolled them.

A protection that leads away from one picture's features need not lead away from the person's: it is to lead away from
what all of a person's photos have in common (OPOM: Zhong and Deng, IEEE TPAMI 45, 2023).
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from deid.errors import ImageError, UsageError
from deid.faces.detect import detect_faces
from deid.images.formats import PROTECTED, picture_suffixes
from deid.images.kinds import looks_like_picture
from deid.images.photo import read_photo
from deid.recognizers.gallery import Enrollment
from deid.recognizers.recognizer import Recognizer, embed_faces
from deid.storage.hashes import file_sha256

MINE = "your other photos"  # the name of their enrollment
FAR = "1e-3"  # at which a face is taken for the person's


@dataclass(frozen=True, eq=False)
class OwnPhotos:
    """What recognizers make of a person's photos. Private: it identifies the person.

    embeddings: of each surrogate, (n, D), a photo each; nobody's, where the user named no photos.
    thresholds: of each surrogate, from which similarity on a face is taken for the person's.
    sha256: of the photos' files, whatever their names; empty without any.
    """

    embeddings: tuple[Tensor, ...] = ()
    thresholds: tuple[float, ...] = ()
    sha256: str = ""

    def are_of(self, faces: Sequence[Tensor]) -> bool:
        """Whether a face, (D,) as each surrogate sees it, is this person's: most of them say so."""
        if not self.embeddings:
            return False
        says = [
            float(face @ F.normalize(own.mean(0), dim=0)) >= threshold
            for face, own, threshold in zip(faces, self.embeddings, self.thresholds, strict=True)
        ]
        return 2 * sum(says) > len(says)

    def enrollments(self) -> list[Enrollment]:
        """One for each surrogate: the mean of the person's photos."""
        return [Enrollment(MINE, F.normalize(own.mean(0), dim=0)) for own in self.embeddings]


def read_own_photos(folder: Path, recognizers: Sequence[Recognizer], device: str) -> OwnPhotos:
    """Of each photo in the folder the face that most of the photos share, or its only or largest one.

    Raises UsageError for a folder without photos, a photo that cannot be read, and where none shows a face.
    """
    files = sorted(photos_of(folder))
    if not files:
        raise UsageError(f"no photo in {folder} (folders in it are not looked into)")
    found: list[list[Tensor]] = [[] for _ in recognizers]  # of each recognizer, (faces, D) a photo, the largest first
    for file in files:
        try:
            pixels = read_photo(file).pixels
        except ImageError as error:
            raise UsageError(f"{file}, one of your other photos, cannot be read: {error}") from error
        faces = sorted(detect_faces(pixels, device=device), key=lambda face: -face.area)
        if faces:
            for of_photos, recognizer in zip(found, recognizers, strict=True):
                of_photos.append(embed_faces(recognizer, pixels, [face.landmarks for face in faces]))
    if not found[0]:
        raise UsageError(f"no face found in any photo of {folder}")
    chosen = shared_faces(found[-1])
    embeddings = tuple(
        torch.stack([of_photo[at] for of_photo, at in zip(of_photos, chosen, strict=True)]) for of_photos in found
    )
    thresholds = tuple(recognizer.thresholds.get(FAR, 1.0) for recognizer in recognizers)
    digests = sorted(file_sha256(file) for file in files)
    return OwnPhotos(embeddings, thresholds, hashlib.sha256("".join(digests).encode()).hexdigest())


def photos_of(folder: Path) -> Iterator[Path]:
    """The photos in a person's folder, by their names, without those that this program wrote beside them.

    Raises UsageError for what is no folder.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder with photos of you")
    for path in folder.iterdir():
        if path.name.startswith(".") or path.stem.endswith(PROTECTED):
            continue
        if path.suffix.lower() in picture_suffixes() or looks_like_picture(path):
            yield path


def shared_faces(photos: Sequence[Tensor]) -> list[int]:
    """Of each photo which of its faces (faces, D) is like one in most of the others; the first where they tie."""
    chosen = []
    for photo in photos:
        likeness = [(photo @ other.T).amax(1) for other in photos if other is not photo]
        # The median over the others: a stranger in two photos is not shared by most.
        shared = torch.stack(likeness).median(0).values if likeness else torch.zeros(len(photo))
        chosen.append(int(shared.argmax()))
    return chosen
