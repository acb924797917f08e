"""One photo's work: everything that its rounds, its verification and its fallback share."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from deid.anonymity.groups import secret_rng, seeded_rng
from deid.faces.chain import FaceChain
from deid.faces.orientation import LOOKS_UPRIGHT, upright_scores
from deid.faces.paste import paste
from deid.images.photo import Photo, decode_photo, encode_photo
from deid.protection.enrollment import FoundFace, enrollments_by_surrogate
from deid.protection.profiles import Profile
from deid.protection.progress import Progress, Watcher, nobody_watches
from deid.protection.protector import Protector
from deid.protection.surrogates import Surrogate
from deid.protection.timing import Timing
from deid.recognizers.gallery import Enrollment


@dataclass(frozen=True, eq=False)
class PhotoTask:
    """Made by `task_of`. N is the number of chosen faces.

    photo: as it was read.
    found: the chosen faces.
    ks: the rank group of each.
    upright: whether each looks like a face the right way up, as it is aligned.
    places: where in the first surrogate's list each face is to stand, as a share of it in [0, 1], drawn in secret;
        who asks for exactly k does not look at them.
    enrollments: for each surrogate those of each face, its own one last.
    profile: the protector's, unless a fallback asks for less.
    file_format: of the output, as Pillow names it.
    protector: options and networks.
    chain: of the chosen faces of this photo, each with its own alignment as its only view.
    timing, progress: where seconds go, and who watches.
    """

    photo: Photo
    found: tuple[FoundFace, ...]
    ks: tuple[int, ...]
    upright: tuple[bool, ...]
    places: tuple[float, ...]
    enrollments: Sequence[Sequence[list[Enrollment]]]
    profile: Profile
    file_format: str
    protector: Protector
    chain: FaceChain
    timing: Timing
    progress: Progress

    @property
    def surrogates(self) -> tuple[Surrogate, ...]:
        return self.protector.surrogates

    def of_photo(self, photo: Photo) -> "PhotoTask":
        """The same work on another version of the photo; who is in it stays as the clean photo says."""
        return replace(self, photo=photo, chain=_chain_of(photo, self.found, self.surrogates))

    def paste_into(self, pixels: np.ndarray, noise: Tensor, rows: Sequence[int]) -> np.ndarray:
        """Lay the perturbations (N, 1, S, S) of these faces on a photo's pixels, in place; the pixels."""
        for row in rows:
            paste(pixels, noise[row], self.chain.transforms[row], self.chain.patches[row].region)
        return pixels

    def encoded(self, pixels: np.ndarray) -> tuple[bytes, Photo]:
        """The file of the photo with these pixels instead of its own, and what is read from it."""
        options = self.protector.options
        data = encode_photo(
            replace(self.photo, pixels=pixels),
            file_format=self.file_format,
            quality=options.quality,
            keep_metadata=options.keep_metadata,
            keep_position=options.keep_position,
        )
        return data, decode_photo(data)


def task_of(
    photo: Photo,
    found: Sequence[FoundFace],
    ks: Sequence[int],
    protector: Protector,
    file_format: str,
    watcher: Watcher = nobody_watches,
) -> PhotoTask:
    """ks: of each face; an obfuscation has none."""
    surrogates = protector.surrogates
    landmarks = [f.face.landmarks for f in found]
    return PhotoTask(
        photo=photo,
        found=tuple(found),
        ks=tuple(ks),
        upright=tuple(score >= LOOKS_UPRIGHT for score in upright_scores(photo.pixels, landmarks)),
        places=_drawn_places(photo, len(found), protector),
        enrollments=enrollments_by_surrogate(photo, found, surrogates, protector.own_photos),
        profile=protector.profile,
        file_format=file_format,
        protector=protector,
        chain=_chain_of(photo, found, surrogates),
        timing=Timing(),
        progress=Progress(len(found), watcher),
    )


def _drawn_places(photo: Photo, count: int, protector: Protector) -> tuple[float, ...]:
    """Evenly from behind the first K of the list to its end: no place tells more of who stands there than another."""
    options = protector.options
    rng = secret_rng() if options.seed is None else seeded_rng(zlib.crc32(photo.pixels.tobytes()) ^ options.seed)
    return tuple(rng.uniform(options.k_level / len(protector.gallery), 1) for _ in range(count))


def _chain_of(photo: Photo, found: Sequence[FoundFace], surrogates: Sequence[Surrogate]) -> FaceChain:
    landmarks = [f.face.landmarks for f in found]
    first, *others = [surrogate.recognizer.template for surrogate in surrogates]
    return FaceChain([photo.pixels] * len(found), landmarks, first, surrogates[0].recognizer.device, others=others)
