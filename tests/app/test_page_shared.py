"""What all tabs share."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from deid.app.page import from_this_computer


@pytest.mark.parametrize(
    ("host", "client", "expected"),
    [
        ("127.0.0.1:7860", "127.0.0.1", True),
        ("localhost:7860", "127.0.0.1", True),
        ("[::1]:7860", "::1", True),
        ("192.168.0.7:7860", "192.168.0.9", False),  # over the network
        ("127.0.0.1:7860", "192.168.0.9", False),  # that says otherwise
        ("evil.example:7860", "127.0.0.1", False),  # a name that a foreign page made up for this computer
        ("localhost.evil.example", "127.0.0.1", False),
        ("", "127.0.0.1", False),
        ("127.0.0.1:7860", None, False),
    ],
)
def test_who_sits_at_this_computer(host: str, client: str | None, expected: bool) -> None:
    request = SimpleNamespace(headers={"host": host}, client=SimpleNamespace(host=client) if client else None)
    assert from_this_computer(cast(Any, request)) is expected
