"""One original and its published versions: what every recognizer sees in them, and what protection cost the eye."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from pytorch_msssim import ms_ssim, ssim
from torch import Tensor

from deid.audit.matching import match_faces, same_photo, thumbnail
from deid.audit.second_looks import found_plainly, second_looks, shining_through
from deid.errors import ImageError
from deid.faces.align import align_face, align_patch, patch_around, transform_to
from deid.faces.detect import detect, detect_faces
from deid.faces.face import Face, scaled
from deid.faces.templates import LIGHTCNN_TEMPLATE, Template
from deid.images.handlings import HANDLINGS
from deid.images.photo import Photo, read_photo
from deid.losses.cw_ssim import cw_ssim
from deid.losses.psnr import psnr
from deid.recognizers.recognizer import Recognizer, embed_aligned
from deid.storage.hashes import file_sha256


@dataclass(frozen=True, eq=False)
class CleanFace:
    """A face of an original.

    embeddings: recognizer → (D,) float32 unit vector.
    plain: whether a usual program's one look finds it, see `found_plainly`; told of originals with a version.
    """

    face: Face
    embeddings: Mapping[str, np.ndarray]
    plain: bool = True


@dataclass(frozen=True, eq=False)
class Original:
    """An original as measured.

    problem: why it cannot be audited (unreadable, faceless), else empty.
    pixels: uint8 (H, W, 3) or (H, W); None if unreadable.
    possible: how many places the search is not sure of; they are counted, and not audited.
    """

    sha256: str
    problem: str = ""
    faces: tuple[CleanFace, ...] = ()
    pixels: np.ndarray | None = None
    possible: int = 0


@dataclass(frozen=True, eq=False)
class PublishedFace:
    """A face after protection.

    found: whether the detector sees it where it was; else it is looked at there all the same.
    landmarks: (5, 2), pixels of the published photo.
    embeddings: recognizer → (handlings, D) float32.
    quality: SSIM, CW-SSIM, MS-SSIM and PSNR (dB) of the aligned face.
    looks: names of the further looks at the face as published.
    at_looks: recognizer → (looks, D) float32.
    """

    found: bool
    landmarks: np.ndarray
    embeddings: Mapping[str, np.ndarray]
    quality: Mapping[str, float]
    looks: tuple[str, ...] = ()
    at_looks: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Published:
    """A published version of an original.

    problem: a finding's kind, else empty.
    faces: one for each of the original's.
    new_faces: how many are found here and not in the original.
    shining_through: how many more are found on white or on black, where it is transparent.
    unchanged: whether it has the original's pixels.
    thumbnail: uint8 (32, 32); None if unreadable.
    """

    sha256: str
    problem: str = ""
    faces: tuple[PublishedFace, ...] = ()
    new_faces: int = 0
    shining_through: int = 0
    unchanged: bool = False
    thumbnail: np.ndarray | None = None


@dataclass
class Stopwatch:
    """Seconds spent inside the recognizers, to compare with what a whole audit took."""

    seconds: float = 0.0

    def embed(self, recognizer: Recognizer, faces: Tensor) -> np.ndarray:
        """Unit embeddings (N, D) of aligned faces (N, C, S, S)."""
        started = time.perf_counter()
        embeddings = embed_aligned(recognizer, faces).cpu().numpy()
        self.seconds += time.perf_counter() - started
        return embeddings


def measure_photo(
    path: Path, published: Sequence[Path], recognizers: Sequence[Recognizer], device: str, stopwatch: Stopwatch
) -> tuple[Original, list[Published]]:
    """An original, and what was published for it, as it is and after every handling. Never raises for a bad photo.

    path: the original's file; published: of its versions, one of each published set.
    """
    (sha256, photo), *versions = (_read(file) for file in (path, *published))
    if photo is None:
        return Original(sha256, "unreadable"), [_unmeasured(*version) for version in versions]
    before = photo.pixels
    problems = [_problem(before, version) for _, version in versions]
    sound = [version for (_, version), problem in zip(versions, problems, strict=True) if version and not problem]
    searched = detect(before, device=device)
    plain = found_plainly(before, searched.faces, device=device) if sound else [True] * len(searched.faces)
    original = _original(
        Original(sha256, pixels=before, possible=len(searched.possible)), searched.faces, plain, recognizers, stopwatch
    )
    measured = []
    for (sha256, version), problem in zip(versions, problems, strict=True):
        if version is None or problem:
            measured.append(_unmeasured(sha256, version, problem))
        else:
            measured.append(_published(sha256, version, original, before, recognizers, device, stopwatch))
    return original, measured


def _unmeasured(sha256: str, photo: Photo | None, problem: str = "") -> Published:
    if photo is None:
        return Published(sha256, "unreadable")
    return Published(sha256, problem, thumbnail=thumbnail(photo.pixels))


def _problem(before: np.ndarray, version: Photo | None) -> str:
    """Why a published photo cannot be a version of its original, or an empty text."""
    if version is None:
        return "unreadable"
    across, down = _scale(before, version.pixels)
    # Another shape is another picture: a crop may be cut anywhere.
    if abs(math.log(across / down)) > 0.02 or not same_photo(thumbnail(before), thumbnail(version.pixels)):
        return "not a version"
    return ""


def _scale(before: np.ndarray, after: np.ndarray) -> tuple[float, float]:
    """Pixels of a published photo a pixel of its original, across and down."""
    return after.shape[1] / before.shape[1], after.shape[0] / before.shape[0]


def _original(
    photo: Original, faces: Sequence[Face], plain: Sequence[bool], recognizers: Sequence[Recognizer], watch: Stopwatch
) -> Original:
    """The original with its faces. plain: of each whether a usual program finds it."""
    if not faces or photo.pixels is None:
        return replace(photo, problem="faceless")
    pixels = photo.pixels
    embeddings = {
        recognizer.name: watch.embed(
            recognizer, torch.stack([align_face(pixels, face.landmarks, recognizer.template) for face in faces])
        )
        for recognizer in recognizers
    }
    clean = tuple(
        CleanFace(face, {name: rows[i] for name, rows in embeddings.items()}, plain[i]) for i, face in enumerate(faces)
    )
    return replace(photo, faces=clean)


def _published(
    sha256: str,
    photo: Photo,
    original: Original,
    before: np.ndarray,
    recognizers: Sequence[Recognizer],
    device: str,
    stopwatch: Stopwatch,
) -> Published:
    """photo: the published one; before: the original's pixels."""
    pixels = photo.pixels
    detected = detect_faces(pixels, device=device)
    scale = _scale(before, pixels)
    expected = [scaled(clean.face, *scale) for clean in original.faces]
    matches = match_faces(expected, detected)
    own = [(match or place).landmarks for match, place in zip(matches, expected, strict=True)]
    handled = [handle(pixels) for handle in HANDLINGS.values()]
    looks = second_looks(photo, own, expected, device=device)
    faces = []
    for i, clean in enumerate(original.faces):
        embeddings = {
            recognizer.name: stopwatch.embed(
                recognizer,
                torch.cat(
                    [
                        _aligned(handled, own[i], recognizer.template),
                        *(align_face(look.pixels, look.landmarks, recognizer.template)[None] for look in looks[i]),
                    ]
                ),
            )
            for recognizer in recognizers
        }
        faces.append(
            PublishedFace(
                matches[i] is not None,
                own[i],
                {name: rows[: len(handled)] for name, rows in embeddings.items()},
                _quality(before, clean.face.landmarks, pixels, expected[i].landmarks),
                tuple(look.name for look in looks[i]),
                {name: rows[len(handled) :] for name, rows in embeddings.items()},
            )
        )
    return Published(
        sha256=sha256,
        problem="" if detected or not original.faces else "faceless",
        faces=tuple(faces),
        new_faces=len(detected) - sum(match is not None for match in matches),
        shining_through=shining_through(photo, [*expected, *detected], device=device),
        unchanged=pixels.shape == before.shape and bool((pixels == before).all()),
        thumbnail=thumbnail(pixels),
    )


def _aligned(versions: Sequence[np.ndarray], landmarks: np.ndarray, template: Template) -> Tensor:
    """One face, at landmarks of the first version, in versions that may have other sizes: (versions, C, S, S)."""
    faces = []
    for shape, group in groupby(versions, key=lambda pixels: pixels.shape[:2]):
        ratio = (shape[1] / versions[0].shape[1], shape[0] / versions[0].shape[0])
        transform = transform_to(template, (landmarks + 0.5) * ratio - 0.5)
        patches = [patch_around(pixels, transform, template.size) for pixels in group]
        # Of one size and one transform the patches are cut alike, so they are warped together.
        faces.append(align_patch(torch.stack([patch.pixels for patch in patches]), patches[0], transform, template))
    return torch.cat(faces)


def _quality(
    before: np.ndarray, landmarks: np.ndarray, after: np.ndarray, landmarks_after: np.ndarray
) -> dict[str, float]:
    """Of the aligned luma face, at the original's landmarks in both photos, so that only pixels are compared."""
    x = align_face(before, landmarks, LIGHTCNN_TEMPLATE)[None]
    y = align_face(after, landmarks_after, LIGHTCNN_TEMPLATE)[None]
    return {
        "ssim": ssim(x, y, data_range=1, win_size=7).item(),
        "cw_ssim": float(cw_ssim(x, y)),
        "ms_ssim": ms_ssim(x, y, data_range=1, win_size=7).item(),
        "psnr": psnr(x, y).item(),
    }


def hash_and_thumbnail(path: Path) -> tuple[str, np.ndarray | None]:
    """SHA-256 and thumbnail, uint8 (32, 32), of a photo that is compared with no original; see `_read`."""
    sha256, photo = _read(path)
    return sha256, None if photo is None else thumbnail(photo.pixels)


def _read(path: Path) -> tuple[str, Photo | None]:
    """SHA-256 and pixels of a file; an empty hash for one that cannot be opened."""
    try:
        sha256 = file_sha256(path)
        return sha256, read_photo(path)
    except ImageError:
        return sha256, None
    except OSError:
        return "", None
