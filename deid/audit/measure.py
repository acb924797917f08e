"""One original and its published versions: what every recognizer sees in them, and what protection cost the eye."""

import hashlib
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from pytorch_msssim import ms_ssim, ssim
from torch import Tensor

from deid.audit.handling import HANDLINGS
from deid.audit.matching import match_faces, same_photo, thumbnail
from deid.checkpoints import Recognizer
from deid.faces.align import LIGHTCNN_TEMPLATE, align_face
from deid.faces.detect import Face, detect_faces
from deid.images import ImageError, Photo, read_photo
from deid.losses.cw_ssim import cw_ssim
from deid.protector import EMBED_BATCH


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

    def embed(self, recognizer: Recognizer, faces: Sequence[Tensor]) -> np.ndarray:
        """Unit embeddings (N, D) of aligned faces."""
        started = time.perf_counter()
        with torch.no_grad():
            parts = torch.stack(list(faces)).to(recognizer.device).split(EMBED_BATCH)
            embeddings = torch.cat([recognizer.embed(part) for part in parts]).cpu().numpy()
        spent = time.perf_counter() - started
        self.recognizers[recognizer.name] = self.recognizers.get(recognizer.name, 0.0) + spent
        return embeddings


def measure_original(path: Path, recognizers: Sequence[Recognizer], device: str, pace: Pace) -> Original:
    """Never raises for a bad photo."""
    sha256, photo = _read(path)
    if photo is None:
        return Original(sha256, "unreadable")
    faces = detect_faces(photo.pixels, device=device)
    if not faces:
        return Original(sha256, "faceless", pixels=photo.pixels)
    embeddings = {r.name: pace.embed(r, [align_face(photo.pixels, f.landmarks, r.template) for f in faces])
                  for r in recognizers}  # fmt: skip
    clean = tuple(CleanFace(f, {name: e[i] for name, e in embeddings.items()}) for i, f in enumerate(faces))
    return Original(sha256, "", clean, photo.pixels)


def measure_published(
    path: Path, original: Original, recognizers: Sequence[Recognizer], device: str, pace: Pace
) -> Published:
    """What was published for a readable original, looked at as it is and after every handling. Never raises."""
    sha256, photo = _read(path)
    if photo is None:
        return Published(sha256, "unreadable")
    small = thumbnail(photo.pixels)
    before = original.pixels
    if before is None:
        return Published(sha256, "", thumbnail=small)
    height, width = photo.pixels.shape[:2]
    scale = (width / before.shape[1], height / before.shape[0])
    # Another shape is another picture: a crop may be cut anywhere.
    if abs(math.log(scale[0] / scale[1])) > 0.02 or not same_photo(thumbnail(before), small):
        return Published(sha256, "not a version", thumbnail=small)
    there = detect_faces(photo.pixels, device=device)
    matches = match_faces([_scaled(clean.face, scale) for clean in original.faces], there)
    faces = []
    for clean, match in zip(original.faces, matches, strict=True):
        landmarks = match.landmarks if match else _scaled(clean.face, scale).landmarks
        faces.append(_face(photo.pixels, landmarks, match is not None, before, clean, scale, recognizers, pace))
    return Published(
        sha256,
        "" if there or not original.faces else "faceless",
        tuple(faces),
        len(there) - sum(match is not None for match in matches),
        photo.pixels.shape == before.shape and bool((photo.pixels == before).all()),
        small,
    )


def _face(
    pixels: np.ndarray,
    landmarks: np.ndarray,
    found: bool,
    before: np.ndarray,
    clean: CleanFace,
    scale: tuple[float, float],
    recognizers: Sequence[Recognizer],
    pace: Pace,
) -> PublishedFace:
    aligned: dict[str, list[Tensor]] = {r.name: [] for r in recognizers}
    for handle in HANDLINGS.values():
        handled = handle(pixels)
        ratio = (handled.shape[1] / pixels.shape[1], handled.shape[0] / pixels.shape[0])
        points = (landmarks + 0.5) * ratio - 0.5
        for r in recognizers:
            aligned[r.name].append(align_face(handled, points, r.template))
    embeddings = {r.name: pace.embed(r, aligned[r.name]) for r in recognizers}
    return PublishedFace(found, embeddings, _quality(before, pixels, clean.face.landmarks, scale))


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


def _read(path: Path) -> tuple[str, Photo | None]:
    """SHA-256 and pixels of a file; an empty hash for one that cannot be opened."""
    try:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return sha256, read_photo(path)
    except ImageError:
        return sha256, None
    except OSError:
        return "", None
