"""What all tabs share."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from deid.app.page import from_this_computer


@pytest.mark.parametrize(
    ("host", "origin", "client", "expected"),
    [
        ("127.0.0.1:7860", "http://127.0.0.1:7860", "127.0.0.1", True),
        ("localhost:7860", "http://localhost:7860", "127.0.0.1", True),
        ("[::1]:7860", "http://[::1]:7860", "::1", True),
        ("192.168.0.7:7860", "http://192.168.0.7:7860", "192.168.0.9", False),  # over the network
        ("127.0.0.1:7860", "http://127.0.0.1:7860", "192.168.0.9", False),  # that says otherwise
        # A name that a foreign page made up for this computer.
        ("evil.example:7860", "http://evil.example:7860", "127.0.0.1", False),
        ("localhost.evil.example", "http://localhost.evil.example", "127.0.0.1", False),
        ("127.0.0.1:7860", "https://photos.example", "127.0.0.1", False),  # through a proxy on this computer
        ("127.0.0.1:7860", "null", "127.0.0.1", False),
        ("127.0.0.1:7860", "", "127.0.0.1", False),
        ("", "", "127.0.0.1", False),
        ("127.0.0.1:7860", "http://127.0.0.1:7860", None, False),
    ],
)
def test_who_sits_at_this_computer(host: str, origin: str, client: str | None, expected: bool) -> None:
    headers = {"host": host, "origin": origin}
    request = SimpleNamespace(headers=headers, client=SimpleNamespace(host=client) if client else None)
    assert from_this_computer(cast(Any, request)) is expected
