import pytest
from audit.fake_photos import Looking, stand_in


@pytest.fixture
def looking(monkeypatch: pytest.MonkeyPatch) -> Looking:
    return stand_in(monkeypatch)
