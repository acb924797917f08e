"""One original and its published versions: what every recognizer sees in them, and what protection cost the eye."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from pytorch_msssim import ms_ssim, ssim
from torch import Tensor

from deid.audit.matching import match_faces, same_photo, thumbnail
from deid.errors import ImageError
from deid.faces.align import align_face, align_patch, patch_around, transform_to
from deid.faces.detect import Face, detect_each
from deid.faces.templates import LIGHTCNN_TEMPLATE, Template
from deid.images.handlings import HANDLINGS
from deid.images.photo import Photo, read_photo
from deid.losses.cw_ssim import cw_ssim
from deid.recognizers.recognizer import EMBED_BATCH, Recognizer
from deid.storage.hashes import file_sha256


@dataclass(frozen=True, eq=False)
class CleanFace:
    """A face of an original. embeddings: recognizer → (D,) float32 unit vector."""

    face: Face
    embeddings: Mapping[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Original:
    """An original as measured. problem: why it cannot be audited, else empty; pixels: None if unreadable."""

    sha256: str
    problem: str = ""
    faces: tuple[CleanFace, ...] = ()
    pixels: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class PublishedFace:
    """A face after protection. found: whether the detector sees it where it was, else it is looked at there all the
    same; embeddings: recognizer → (handlings, D) float32; quality: SSIM, CW-SSIM, MS-SSIM and PSNR (dB) of the
    aligned face.
    """

    found: bool
    embeddings: Mapping[str, np.ndarray]
    quality: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Published:
    """A published version of an original: a face for each of the original's. problem: a finding's kind, else empty."""

    sha256: str
    problem: str = ""
    faces: tuple[PublishedFace, ...] = ()
    new_faces: int = 0  # found there and not in the original
    unchanged: bool = False
    thumbnail: np.ndarray | None = None  # uint8 (32, 32)


@dataclass
class Pace:
    """Seconds spent inside the recognizers, to compare with what a whole audit took."""

    recognizers: dict[str, float] = field(default_factory=dict)

    def embed(self, recognizer: Recognizer, faces: Tensor) -> np.ndarray:
        """Unit embeddings (N, D) of aligned faces (N, C, S, S)."""
        started = time.perf_counter()
        with torch.no_grad():
            parts = faces.to(recognizer.device).split(EMBED_BATCH)
            embeddings = torch.cat([recognizer.embed(part) for part in parts]).cpu().numpy()
        spent = time.perf_counter() - started
        self.recognizers[recognizer.name] = self.recognizers.get(recognizer.name, 0.0) + spent
        return embeddings


def measure_photo(
    path: Path, published: Sequence[Path], recognizers: Sequence[Recognizer], device: str, pace: Pace
) -> tuple[Original, list[Published]]:
    """An original, and what was published for it, as it is and after every handling. Never raises for a bad photo."""
    (sha256, photo), *versions = (_read(file) for file in (path, *published))
    if photo is None:
        return Original(sha256, "unreadable"), [_unmeasured(*version) for version in versions]
    before = photo.pixels
    problems = [_problem(before, version) for _, version in versions]
    alike = [version for (_, version), problem in zip(versions, problems, strict=True) if version and not problem]
    clean_faces, *faces = detect_each([before, *(version.pixels for version in alike)], device=device)
    original = _original(sha256, before, clean_faces, recognizers, pace)
    faces_of = iter(faces)
    return original, [
        _unmeasured(*version, problem)
        if problem or version[1] is None
        else _published(version[0], version[1].pixels, next(faces_of), original, before, recognizers, pace)
        for version, problem in zip(versions, problems, strict=True)
    ]


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
    sha256: str, pixels: np.ndarray, faces: Sequence[Face], recognizers: Sequence[Recognizer], pace: Pace
) -> Original:
    if not faces:
        return Original(sha256, "faceless", pixels=pixels)
    embeddings = {
        r.name: pace.embed(r, torch.stack([align_face(pixels, face.landmarks, r.template) for face in faces]))
        for r in recognizers
    }
    clean = tuple(CleanFace(face, {name: e[i] for name, e in embeddings.items()}) for i, face in enumerate(faces))
    return Original(sha256, "", clean, pixels)


def _published(
    sha256: str,
    pixels: np.ndarray,
    there: Sequence[Face],
    original: Original,
    before: np.ndarray,
    recognizers: Sequence[Recognizer],
    pace: Pace,
) -> Published:
    scale = _scale(before, pixels)
    matches = match_faces([_scaled(clean.face, scale) for clean in original.faces], there)
    handled = [handle(pixels) for handle in HANDLINGS.values()]
    faces = []
    for clean, match in zip(original.faces, matches, strict=True):
        landmarks = match.landmarks if match else _scaled(clean.face, scale).landmarks
        embeddings = {r.name: pace.embed(r, _aligned(handled, landmarks, r.template)) for r in recognizers}
        quality = _quality(before, pixels, clean.face.landmarks, scale)
        faces.append(PublishedFace(match is not None, embeddings, quality))
    return Published(
        sha256,
        "" if there or not original.faces else "faceless",
        tuple(faces),
        len(there) - sum(match is not None for match in matches),
        pixels.shape == before.shape and bool((pixels == before).all()),
        thumbnail(pixels),
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
    before: np.ndarray, after: np.ndarray, landmarks: np.ndarray, scale: tuple[float, float]
) -> dict[str, float]:
    """Of the aligned luma face, at the original's landmarks in both, so that only pixels are compared."""
    there = (landmarks + 0.5) * scale - 0.5
    x = align_face(before, landmarks, LIGHTCNN_TEMPLATE)[None]
    y = align_face(after, there, LIGHTCNN_TEMPLATE)[None]
    error = max(float((x - y).square().mean()), 1e-12)
    return {
        "ssim": ssim(x, y, data_range=1, win_size=7).item(),
        "cw_ssim": float(cw_ssim(x, y)),
        "ms_ssim": ms_ssim(x, y, data_range=1, win_size=7).item(),
        "psnr": min(99.0, -10 * math.log10(error)),
    }


def _scaled(face: Face, scale: tuple[float, float]) -> Face:
    """A face of the original in the pixels of a published photo that may be larger or smaller."""
    x0, y0, x1, y1 = face.box
    box = (x0 * scale[0], y0 * scale[1], x1 * scale[0], y1 * scale[1])
    return Face(box, (face.landmarks + 0.5) * scale - 0.5, face.probability)


def glance(path: Path) -> tuple[str, np.ndarray | None]:
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
