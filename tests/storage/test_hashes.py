from pathlib import Path

import pytest

from deid.storage.hashes import file_sha256


def test_a_known_hash(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"abc")
    assert file_sha256(file) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2
    with pytest.raises(OSError, match="No such file"):
        file_sha256(tmp_path / "missing")
