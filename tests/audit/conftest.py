import pytest
from fakes import Looking, stand_in


@pytest.fixture
def looking(monkeypatch: pytest.MonkeyPatch) -> Looking:
    return stand_in(monkeypatch)
