"""`deid ui` before it serves."""

import importlib.util
from typing import Any

import pytest

from deid.app import guard, server
from deid.commands import ui as command
from deid.commands.main import run


def test_without_gradio_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "gradio" else find(name, *rest)
    )
    assert run(["ui"]) == 2
    hint = "in this program's folder, run pip install --editable '.[ui]'"
    assert capsys.readouterr().err == f"deid: the page needs Gradio: {hint}\n"


@pytest.mark.parametrize("auth", ["user", "user:", ":password"])
def test_auth_is_a_user_and_a_password(auth: str, capsys: Any) -> None:
    assert run(["ui", "--auth", auth]) == 2
    assert "USER:PASSWORD" in capsys.readouterr().err


def test_a_password_may_hold_colons() -> None:
    assert command.parse_auth("user:pass:word") == ("user", "pass:word")
    assert command.parse_auth(None) is None


def test_who_opens_it_to_the_network_without_a_password_is_warned() -> None:
    assert "--auth" in server.warning("0.0.0.0", None)
    assert server.warning("0.0.0.0", ("user", "password")) == ""
    assert server.warning("127.0.0.1", None) == ""


@pytest.mark.parametrize(
    ("tag", "kept"),
    [
        ('<link rel="preconnect" href="https://fonts.googleapis.com" />', False),
        ('<script src="https://cdnjs.cloudflare.com/ajax/libs/iframe-resizer/4.3.1/x.js" async></script>', False),
        ('<meta property="og:image" content="https://example.org/a.jpg" />', False),
        ('<meta name="viewport" content="width=device-width" />', True),
        ('<link rel="stylesheet" href="./assets/index.css">', True),
        ('<link rel="stylesheet" href="http://127.0.0.1:7860/theme.css">', True),
        ('<script type="module" src="./assets/index.js"></script>', True),
    ],
)
def test_what_names_another_host_is_dropped(tag: str, kept: bool) -> None:
    assert guard.FOREIGN.sub("", f"<head>{tag}</head>") == (f"<head>{tag}</head>" if kept else "<head></head>")
