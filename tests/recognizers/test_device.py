import pytest
import torch

from deid.errors import UsageError
from deid.recognizers.device import device_for


def test_auto_takes_cuda_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert [device_for(choice) for choice in ("auto", "cpu", "cuda")] == ["cuda", "cpu", "cuda"]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert [device_for(choice) for choice in ("auto", "cpu")] == ["cpu", "cpu"]


def test_what_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="there is none here"):
        device_for("cuda")
    with pytest.raises(UsageError, match="must be auto, cpu or cuda, not tpu"):
        device_for("tpu")
