import hashlib
from pathlib import Path

import pytest

from deid.storage.hashes import file_sha256, pair_sha256


def test_a_known_hash(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"abc")
    assert file_sha256(file) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2
    with pytest.raises(OSError, match="No such file"):
        file_sha256(tmp_path / "missing")


def test_a_pair_is_of_the_name_a_zero_byte_and_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"data")
    assert pair_sha256(Path("a", "b.jpg"), tmp_path / "x") == hashlib.sha256(b"a/b.jpg\0data").hexdigest()
    assert pair_sha256(Path("a"), tmp_path / "x") != pair_sha256(Path("b"), tmp_path / "x")
