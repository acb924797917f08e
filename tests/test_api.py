from pathlib import Path

import pytest

import deid.audit.run
from deid import Options, audit, protect, protect_folder
from deid.errors import UsageError


def test_every_public_name_is_what_it_says_whatever_was_imported_before(tmp_path: Path) -> None:
    """`deid.audit` is a package as well, and Python binds that name anew whenever it is first imported."""
    missing = tmp_path / "none"
    with pytest.raises(UsageError, match="none"):
        audit(missing, [tmp_path], deid.audit.run.AuditOptions())
    with pytest.raises(UsageError, match="none"):
        protect_folder(missing, tmp_path / "out", Options())
    with pytest.raises(UsageError, match="K must be between"):
        protect(missing, tmp_path / "out.png", Options(k_level=0))


def test_a_name_that_is_not_there_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="nothing"):
        _ = deid.nothing
