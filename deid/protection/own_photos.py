"""`--mine`: other photos of the person whom a photo shows, as an adversary may have enrolled them.

A protection that leads away from one picture's features need not lead away from the person's: it is to lead away from
what all of a person's photos have in common (OPOM: Zhong and Deng, IEEE TPAMI 45, 2023).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from deid.errors import ImageError, UsageError
from deid.faces.detect import detect_faces
from deid.images.photo import read_photo
from deid.recognizers.gallery import Enrollment
from deid.recognizers.recognizer import Recognizer, embed_faces

MINE = "your other photos"  # the name of their enrollment
FAR = "1e-3"  # at which a face is taken for the person's


@dataclass(frozen=True, eq=False)
class OwnPhotos:
    """What recognizers make of a person's photos. Private: it identifies the person.

    embeddings: of each surrogate, (n, D), a photo each; nobody's, where the user named no photos.
    thresholds: of each surrogate, from which similarity on a face is taken for the person's.
    """

    embeddings: tuple[Tensor, ...] = ()
    thresholds: tuple[float, ...] = ()

    @property
    def sha256(self) -> str | None:
        """Of all embeddings; None without any."""
        if not self.embeddings:
            return None
        return hashlib.sha256(b"".join(of.cpu().numpy().tobytes() for of in self.embeddings)).hexdigest()

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

    Raises UsageError for a folder without a readable photo of a face.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder with photos of you")
    found: list[list[Tensor]] = [[] for _ in recognizers]  # of each recognizer, (faces, D) a photo, the largest first
    for file in sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")):
        try:
            pixels = read_photo(file).pixels
        except ImageError:
            continue
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
    return OwnPhotos(embeddings, tuple(recognizer.thresholds.get(FAR, 1.0) for recognizer in recognizers))


def shared_faces(photos: Sequence[Tensor]) -> list[int]:
    """Of each photo which of its faces (faces, D) is like one in most of the others; the first where they tie."""
    chosen = []
    for photo in photos:
        likeness = [(photo @ other.T).amax(1) for other in photos if other is not photo]
        # The median over the others: a stranger in two photos is not shared by most.
        shared = torch.stack(likeness).median(0).values if likeness else torch.zeros(len(photo))
        chosen.append(int(shared.argmax()))
    return chosen
