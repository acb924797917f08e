"""What a run needs, loaded once: the recognizer, its gallery, the enrolled people."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from deid.anonymity.groups import MAX_K
from deid.attacks import ATTACKS
from deid.errors import ImageError, UsageError
from deid.faces.detect import Face, detect_faces
from deid.faces.obfuscation import OBFUSCATIONS, STRONGEST, WEAKEST
from deid.images.photo import Photo, read_photo
from deid.protection.profiles import PROFILES
from deid.protection.surrogates import Surrogate
from deid.recognizers.checkpoints import load_recognizer
from deid.recognizers.gallery import Enrollment, Gallery, build_gallery, match_person
from deid.types import Options


@dataclass(frozen=True, eq=False)
class FoundFace:
    """A clean face: where it is, its embedding (D,), and the enrolled person it matches, if any."""

    face: Face
    embedding: Tensor
    person: str | None


class Protector:
    """Loaded once a run. Raises UsageError for options that make no sense, CheckpointError for missing weights.

    beside: further surrogates, by name; the profile's by default.
    """

    def __init__(self, options: Options, *, beside: Sequence[str] | None = None) -> None:
        if not 1 <= options.k_level <= MAX_K:
            raise UsageError(f"K must be between 1 and {MAX_K}, not {options.k_level}")
        if options.method not in ATTACKS | OBFUSCATIONS:
            raise UsageError(f"no method called {options.method}: there are {', '.join(ATTACKS | OBFUSCATIONS)}")
        if options.strength is not None and options.method not in OBFUSCATIONS:
            raise UsageError(f"strength is for {' and '.join(OBFUSCATIONS)}, not for {options.method}")
        if options.fallback is not None and options.fallback not in OBFUSCATIONS:
            raise UsageError(f"no fallback called {options.fallback}: there are {', '.join(OBFUSCATIONS)}")
        if options.fallback is not None and options.method in OBFUSCATIONS:
            raise UsageError(f"a fallback is for {' and '.join(ATTACKS)}, not for {options.method}")
        if options.max_visibility is not None and options.method in OBFUSCATIONS:
            raise UsageError(f"max-visibility is for {' and '.join(ATTACKS)}, not for {options.method}")
        if options.max_visibility is not None and not 0 < options.max_visibility < math.inf:
            raise UsageError(f"max-visibility must be above 0, not {options.max_visibility:g}")
        if options.strength is not None and not WEAKEST <= options.strength <= STRONGEST:
            raise UsageError(f"strength must be between {WEAKEST:g} and {STRONGEST:g}, not {options.strength:g}")
        if options.profile not in PROFILES:
            raise UsageError(f"no profile called {options.profile}: there are {', '.join(PROFILES)}")
        if not 1 <= options.quality <= 100:
            raise UsageError(f"quality must be between 1 and 100, not {options.quality}")
        _chosen_numbers(options.faces)
        self.options = options
        self.device = device_for(options.device)
        self.recognizer = load_recognizer(options.recognizer, self.device)
        if not len(self.recognizer.decoys):
            raise UsageError(f"{options.recognizer} has no decoys, so no gallery to hide in: choose another recognizer")
        self.gallery = build_gallery(self.recognizer.decoys, self._enroll(options.people) if options.people else {})
        beside = PROFILES[options.profile].beside if beside is None else beside
        others = [load_recognizer(name, self.device) for name in beside if name != options.recognizer]
        self._beside = [Surrogate(other, Gallery(other.decoys)) for other in others]
        self.versions = {name: version(name) for name in ("face-deid", "torch", "facenet-pytorch")}

    def embed(self, pixels: np.ndarray, landmarks: Sequence[np.ndarray]) -> Tensor:
        """Unit embeddings (N, D) of the faces at these landmarks (5, 2) of a photo's pixels."""
        return Surrogate(self.recognizer, self.gallery).embed(pixels, landmarks)

    @property
    def surrogates(self) -> list[Surrogate]:
        """What the attack works against; the first is the one whose ranks are reported."""
        return [Surrogate(self.recognizer, self.gallery), *self._beside]

    def find(self, photo: Photo) -> list[FoundFace]:
        """The faces of a photo, left to right."""
        faces = detect_faces(photo.pixels, device=self.device)
        if not faces:
            return []
        embeddings = self.embed(photo.pixels, [face.landmarks for face in faces])
        threshold = self.recognizer.thresholds.get("1e-3", 1.0)
        people = [match_person(embedding, self.gallery, threshold) for embedding in embeddings]
        return [FoundFace(*found) for found in zip(faces, embeddings, people, strict=True)]

    def choose(self, found: Sequence[FoundFace]) -> list[int]:
        """Indices of the faces that `options.faces` asks for. Raises UsageError for a number that is not there."""
        wanted = self.options.faces
        if wanted == "all":
            return list(range(len(found)))
        if wanted == "largest":
            return [max(range(len(found)), key=lambda i: found[i].face.area)] if found else []
        numbers = _chosen_numbers(wanted)
        if max(numbers) > len(found):
            raise UsageError(f"there is no face {max(numbers)}: the photo has {len(found)}")
        return sorted({number - 1 for number in numbers})

    def enrollments(self, found: FoundFace) -> list[Enrollment]:
        """The conditions a face must meet: its own enrollment and, where it has one, its person's."""
        if found.person is None:
            return [Enrollment("itself", found.embedding)]
        row = self.gallery.row_of(found.person)
        return [
            Enrollment(found.person, self.gallery.prototypes[row], (row,)),
            Enrollment("itself", found.embedding, (row,)),
        ]

    def enrollments_of(self, photo: Photo, found: Sequence[FoundFace]) -> list[list[list[Enrollment]]]:
        """For each surrogate the enrollments of each face, its own one last. Only the first knows people."""
        landmarks = [f.face.landmarks for f in found]
        own = [
            [[Enrollment("itself", embedding)] for embedding in other.embed(photo.pixels, landmarks)]
            for other in self._beside
        ]
        return [[self.enrollments(f) for f in found], *own]

    def _enroll(self, folder: Path) -> dict[str, Tensor]:
        """Embeddings (n, D) of each person: the largest face of each photo of the person's folder."""
        if not folder.is_dir():
            raise UsageError(f"{folder} is not a folder with a folder for each person")
        self.gallery = Gallery(self.recognizer.decoys)  # `find` looks people up; nobody is enrolled yet
        people = {}
        for person in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
            embeddings = []
            for file in sorted(path for path in person.iterdir() if path.is_file() and not path.name.startswith(".")):
                try:
                    found = self.find(read_photo(file))
                except ImageError:
                    continue
                if found:
                    embeddings.append(max(found, key=lambda f: f.face.area).embedding)
            if not embeddings:
                raise UsageError(f"no face found in any photo of {person}")
            people[person.name] = torch.stack(embeddings)
        if not people:
            raise UsageError(f"{folder} has no folder with photos of a person in it")
        return people


def device_for(wanted: str) -> str:
    """auto, cpu or cuda → where networks run. Raises UsageError."""
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if wanted not in ("cpu", "cuda"):
        raise UsageError(f"device must be auto, cpu or cuda, not {wanted}")
    if wanted == "cuda" and not torch.cuda.is_available():
        raise UsageError("device cuda was asked for, and there is none here")
    return wanted


def _chosen_numbers(faces: str) -> list[int]:
    if faces in ("all", "largest"):
        return []
    numbers = [int(part) for part in faces.split(",") if part.strip().isdecimal()]
    if len(numbers) != len(faces.split(",")) or min(numbers) < 1:
        raise UsageError(f"faces must be all, largest or numbers such as 1,3, not {faces}")
    return numbers
