"""What the page keeps between two photos."""

import pytest

from deid.app import handlers
from deid.app.protectors import protector_for
from deid.recognizers import checkpoints
from deid.types import Options


def test_every_protector_has_the_same_recognizers_and_none_is_loaded_after_warming_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    handlers.warm_up()
    monkeypatch.setattr(checkpoints, "load_recognizer", lambda name, device: pytest.fail(f"{name} was loaded again"))
    first, second = protector_for(Options()), protector_for(Options(k_level=3, method="blur", profile="paper"))
    assert first.recognizer is second.recognizer
    assert (first.options.k_level, second.options.k_level) == (5, 3)
