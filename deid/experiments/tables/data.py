"""The photos of the papers' tables, read from a folder of the user's; nothing is fetched."""

import gzip
import hashlib
import io
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from deid.errors import UsageError, reason_of

SEED = 0  # of every split and sample
TEST_EVERY = 5  # photos, where a set comes in one piece: 80 % to train on


@dataclass(frozen=True, eq=False)
class Photos:
    """pixels: uint8 (N, C, H, W), gray or RGB; labels: int64 (N,), from 0."""

    pixels: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, rows: np.ndarray) -> "Photos":
        return Photos(self.pixels[rows], self.labels[rows])

    @property
    def digest(self) -> str:
        """Of all photos and their labels."""
        return hashlib.sha256(self.pixels.tobytes() + self.labels.tobytes()).hexdigest()[:16]

    def as_tensor(self) -> Tensor:
        """(N, C, H, W) in [0, 1]."""
        return torch.from_numpy(self.pixels).float() / 255


@dataclass(frozen=True, eq=False)
class Data:
    """classes: their names, in the order of the labels."""

    train: Photos
    test: Photos
    classes: tuple[str, ...]


def read_yale(folder: Path) -> Data:
    """Extended Yale B, cropped: a folder of PNG or PGM pictures a person. Luma at 128 × 128, as LightCNN takes it.

    Ambient pictures may be of the whole scene: the paper's 2,452 have them so. 80/20 by picture.
    Raises UsageError where there are no two people, or a picture cannot be read.
    """
    people = sorted(path for path in folder.glob("yaleB*") if path.is_dir())
    files = [
        (label, file)
        for label, person in enumerate(people)
        for file in sorted(person.iterdir())
        if file.suffix.lower() in (".png", ".pgm")
    ]
    if len({label for label, _ in files}) < 2:
        raise UsageError(f"{folder}: no cropped Extended Yale B (folders yaleB01, … with PNG or PGM pictures)")
    pixels = [_picture(file.read_bytes(), str(file), "L", (128, 128)) for _, file in files]
    photos = Photos(np.stack(pixels), np.array([label for label, _ in files]))
    return _split(photos, tuple(person.name for person in people))


def read_mnist(folder: Path) -> Data:
    """MNIST in its own form (IDX, gzip): both parts, or where there is one alone, it 80/20.

    Raises UsageError where there is neither, or one is malformed.
    """
    parts = [_mnist_part(folder, part) for part in ("train", "t10k") if (folder / _idx_name(part, "labels")).is_file()]
    digits = tuple(map(str, range(10)))
    if not parts:
        raise UsageError(f"{folder}: no MNIST ({_idx_name('t10k', 'images')} and {_idx_name('t10k', 'labels')})")
    return Data(parts[0], parts[1], digits) if len(parts) == 2 else _split(parts[0], digits)


def read_zipped(folder: Path) -> Data:
    """CIFAR-10 and GTSRB: train.zip and test.zip, in each CLASS/NAME.jpg or .png of 32 × 32 pixels. RGB.

    Raises UsageError where one is missing, malformed, or of other classes than the other.
    """
    train, classes = _zipped_part(folder / "train.zip")
    test, others = _zipped_part(folder / "test.zip")
    if classes != others:
        raise UsageError(f"{folder}: train.zip and test.zip are not of the same classes")
    return Data(train, test, classes)


def sample(photos: Photos, count: int) -> np.ndarray:
    """Rows of `count` of the photos, (count,) in ascending order, as many of each class as can be; seeded."""
    rows = np.argsort(_place_in_class(photos.labels), kind="stable")[:count]
    return np.sort(rows)


def _split(photos: Photos, classes: tuple[str, ...]) -> Data:
    """Every fifth photo to test on, the photos being in random order within each class."""
    order = np.lexsort((_place_in_class(photos.labels), photos.labels))
    is_test = np.zeros(len(photos), bool)
    is_test[order[::TEST_EVERY]] = True
    return Data(photos[~is_test], photos[is_test], classes)


def _place_in_class(labels: np.ndarray) -> np.ndarray:
    """Each photo's place in a random order of its class, from 0: (N,)."""
    rng, places = np.random.default_rng(SEED), np.empty(len(labels), int)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        places[rng.permutation(rows)] = np.arange(len(rows))
    return places


def _idx_name(part: str, what: str) -> str:
    return f"{part}-{what}-idx{3 if what == 'images' else 1}-ubyte.gz"


def _mnist_part(folder: Path, part: str) -> Photos:
    pixels, labels = (_idx(folder / _idx_name(part, what)) for what in ("images", "labels"))
    if pixels.ndim != 3 or labels.shape != pixels.shape[:1] or labels.max(initial=0) > 9:
        raise UsageError(f"{folder}: the {part} pictures and labels of MNIST do not belong together")
    return Photos(pixels[:, None], labels.astype(np.int64))


def _idx(file: Path) -> np.ndarray:
    """An array of unsigned bytes in LeCun's IDX format: 0, 0, 8, dimensions; their sizes; the bytes."""
    try:
        data = gzip.decompress(file.read_bytes())
        if data[:3] != b"\0\0\x08":
            raise ValueError("no IDX file of unsigned bytes")
        start = 4 + 4 * data[3]
        return np.frombuffer(data, np.uint8, offset=start).reshape(np.frombuffer(data[4:start], ">u4"))
    except (OSError, EOFError, ValueError, IndexError) as error:
        raise UsageError(f"{file}: {reason_of(error)}") from error


def _zipped_part(file: Path) -> tuple[Photos, tuple[str, ...]]:
    try:
        with zipfile.ZipFile(file) as archive:
            names = sorted(name for name in archive.namelist() if name.lower().endswith((".jpg", ".png")))
            pixels = [_picture(archive.read(name), f"{file}: {name}", "RGB") for name in names]
    except (OSError, zipfile.BadZipFile) as error:
        raise UsageError(f"{file}: {reason_of(error)}") from error
    classes = tuple(sorted({name.split("/")[0] for name in names}))
    if len(classes) < 2 or any(name.count("/") != 1 for name in names):
        raise UsageError(f"{file}: no pictures called CLASS/NAME.jpg or CLASS/NAME.png")
    _same_size(pixels, file)
    labels = np.array([classes.index(name.split("/")[0]) for name in names])
    return Photos(np.stack(pixels), labels), classes


def _same_size(pixels: Iterable[np.ndarray], file: Path) -> None:
    sizes = {picture.shape[1:] for picture in pixels}
    if sizes != {(32, 32)}:
        raise UsageError(f"{file}: pictures of {sorted(sizes)} pixels, not of 32 × 32")


def _picture(data: bytes, name: str, mode: str, size: tuple[int, int] | None = None) -> np.ndarray:
    """uint8 (C, H, W); size: (width, height) that it is brought to."""
    try:
        picture = Image.open(io.BytesIO(data)).convert(mode)
    except (OSError, SyntaxError) as error:
        raise UsageError(f"{name}: {reason_of(error)}") from error
    if size is not None and picture.size != size:
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    pixels = np.asarray(picture)
    return pixels[None] if mode == "L" else pixels.transpose(2, 0, 1)
