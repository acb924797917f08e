import gzip
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from deid.errors import UsageError
from deid.experiments.tables.data import Photos, read_mnist, read_yale, read_zipped, sample


def picture(size: tuple[int, int], kind: str = "PNG", mode: str = "RGB", value: int = 7) -> bytes:
    with io.BytesIO() as file:
        Image.new(mode, size, value if mode == "L" else (value, 0, 0)).save(file, kind)
        return file.getvalue()


def write_idx(file: Path, values: np.ndarray) -> None:
    sizes = np.array(values.shape, ">u4").tobytes()
    file.write_bytes(gzip.compress(b"\0\0\x08" + bytes([values.ndim]) + sizes + values.astype(np.uint8).tobytes()))


def write_mnist(folder: Path, part: str, n: int) -> None:
    write_idx(folder / f"{part}-images-idx3-ubyte.gz", np.arange(n * 784).reshape(n, 28, 28) % 251)
    write_idx(folder / f"{part}-labels-idx1-ubyte.gz", np.arange(n) % 10)


def write_zip(file: Path, names: list[str], size: tuple[int, int] = (32, 32)) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, picture(size, "JPEG" if name.endswith("jpg") else "PNG"))


class TestMnist:
    def test_one_part_is_split_and_every_class_with_it(self, tmp_path: Path) -> None:
        write_mnist(tmp_path, "t10k", 100)
        data = read_mnist(tmp_path)
        assert (len(data.train), len(data.test)) == (80, 20)
        assert set(np.bincount(data.test.labels)) == {2}
        first = data.train.pixels[:, 0, 0, :2].astype(int)
        assert data.train.pixels.shape == (80, 1, 28, 28)
        assert (first[:, 1] == (first[:, 0] + 1) % 251).all(), "rows of pixels stay together"

    def test_both_parts_are_taken_as_they_are(self, tmp_path: Path) -> None:
        write_mnist(tmp_path, "t10k", 10)
        write_mnist(tmp_path, "train", 30)
        data = read_mnist(tmp_path)
        assert (len(data.train), len(data.test)) == (30, 10)
        assert data.train.labels.tolist() == [digit % 10 for digit in range(30)]

    def test_what_is_missing_or_malformed_is_said(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="no MNIST"):
            read_mnist(tmp_path)
        write_mnist(tmp_path, "t10k", 10)
        images = tmp_path / "t10k-images-idx3-ubyte.gz"
        whole = images.read_bytes()
        for broken in (whole[:50], b"no gzip", gzip.compress(b"\0\0\x09\x01\0\0\0\0"), gzip.compress(b"")):
            images.write_bytes(broken)
            with pytest.raises(UsageError, match="t10k-images"):
                read_mnist(tmp_path)
        write_idx(images, np.zeros((9, 28, 28)))
        with pytest.raises(UsageError, match="belong together"):
            read_mnist(tmp_path)
        images.unlink()
        with pytest.raises(UsageError, match="t10k-images"):
            read_mnist(tmp_path)

    @pytest.mark.shared_data
    def test_the_ten_thousand_digits(self, shared_data: Path) -> None:
        data = read_mnist(shared_data / "mnist")
        assert (len(data.train), len(data.test)) == (8000, 2000)
        every = np.bincount(data.train.labels) + np.bincount(data.test.labels)
        assert every.tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009], "LeCun's test set"
        assert (np.abs(np.bincount(data.test.labels) - every / 5) <= 1).all()


class TestZipped:
    def test_classes_are_folders(self, tmp_path: Path) -> None:
        write_zip(tmp_path / "train.zip", ["b/0.png", "a/1.jpg", "a/0.jpg"])
        write_zip(tmp_path / "test.zip", ["a/9.jpg", "b/9.png"])
        data = read_zipped(tmp_path)
        assert data.classes == ("a", "b")
        assert data.train.labels.tolist() == [0, 0, 1]
        assert data.train.pixels.shape == (3, 3, 32, 32)
        assert data.train.pixels[2, :, 0, 0].tolist() == [7, 0, 0], "channels come first"

    @pytest.mark.parametrize(
        ("names", "size", "said"),
        [
            (["a/0.png"], (32, 32), "CLASS/NAME"),
            (["a/0.png", "b.png"], (32, 32), "CLASS/NAME"),
            ([], (32, 32), "CLASS/NAME"),
            (["a/0.png", "b/0.png"], (31, 32), "32 × 32"),
            (["a/0.png", "c/0.png"], (32, 32), "same classes"),
        ],
    )
    def test_what_is_malformed_is_said(
        self, tmp_path: Path, names: list[str], size: tuple[int, int], said: str
    ) -> None:
        write_zip(tmp_path / "train.zip", ["a/0.png", "b/0.png"])
        write_zip(tmp_path / "test.zip", names, size)
        with pytest.raises(UsageError, match=said):
            read_zipped(tmp_path)

    def test_a_missing_or_broken_file_is_said(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"train\.zip"):
            read_zipped(tmp_path)
        (tmp_path / "train.zip").write_bytes(b"no zip")
        with pytest.raises(UsageError, match=r"train\.zip"):
            read_zipped(tmp_path)
        with zipfile.ZipFile(tmp_path / "train.zip", "w") as archive:
            archive.writestr("a/0.png", b"no picture")
        with pytest.raises(UsageError, match=r"a/0\.png"):
            read_zipped(tmp_path)


class TestYale:
    def test_all_pictures_are_brought_to_lightcnns_size(self, tmp_path: Path) -> None:
        for person in ("yaleB01", "yaleB02"):
            (tmp_path / person).mkdir()
            for number in range(5):
                size, kind = ((640, 480), "png") if number == 4 else ((168, 192), "pgm")
                mode = "PPM" if kind == "pgm" else "PNG"
                (tmp_path / person / f"{person}_{number}.{kind}").write_bytes(picture(size, mode, "L", 10 * number))
            (tmp_path / person / f"{person}.info").write_text("not a picture")
        data = read_yale(tmp_path)
        assert data.classes == ("yaleB01", "yaleB02")
        assert (len(data.train), len(data.test)) == (8, 2)
        assert data.train.pixels.shape == (8, 1, 128, 128)
        values = [*data.train.pixels[:, 0, 0, 0], *data.test.pixels[:, 0, 0, 0]]
        assert sorted(values) == [0, 0, 10, 10, 20, 20, 30, 30, 40, 40]

    def test_what_is_missing_or_malformed_is_said(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="Extended Yale B"):
            read_yale(tmp_path)
        for person in ("yaleB01", "yaleB02"):
            (tmp_path / person).mkdir()
            (tmp_path / person / "a.png").write_bytes(b"no picture")
        with pytest.raises(UsageError, match=r"yaleB01.a\.png"):
            read_yale(tmp_path)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.data())
def test_a_sample_has_as_many_of_each_class_as_can_be(labels: list[int], data: st.DataObject) -> None:
    photos = Photos(np.zeros((len(labels), 1, 1, 1), np.uint8), np.array(labels))
    count = data.draw(st.integers(1, len(labels)))
    rows = sample(photos, count)
    assert len(set(rows)) == count
    assert (np.sort(rows) == rows).all()
    assert (rows == sample(photos, count)).all()
    taken, there = np.bincount(photos.labels[rows], minlength=5), np.bincount(photos.labels, minlength=5)
    assert (taken[taken < there] >= taken.max() - 1).all(), "only who has no more has fewer"
