"""`deid weights fetch` against a server of our own on this computer; nothing here asks another one."""

import hashlib
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import facenet_pytorch
import pytest
import torch

from deid.commands import main as cli
from deid.recognizers import fetch
from deid.recognizers.checkpoints import imported_folder, load_recognizer, manifest

NAME = "facenet-vggface2"


@dataclass
class Answer:
    """What the server says next."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Answer]:
    """A server at 127.0.0.1 that stands in for the release; downloads go to a temporary folder of the test."""
    answer = Answer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(answer.status)
            for name, value in ({"Content-Length": str(len(answer.body))} | answer.headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    point_to(monkeypatch, server.server_port)
    (tmp_path / "downloads").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "downloads"))
    yield answer
    assert not list((tmp_path / "downloads").iterdir())  # however it ended
    server.shutdown()
    server.server_close()
    thread.join()


def point_to(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    local = fetch.Download(f"http://127.0.0.1:{port}/v2.2.9/released.pt", "VGGFace2")
    monkeypatch.setitem(fetch.DOWNLOADS, NAME, local)


def error_line(capsys: pytest.CaptureFixture[str]) -> str:
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = (line for line in err.splitlines() if line.startswith("deid: "))
    assert "Traceback" not in err
    assert "internal error" not in err
    assert NAME not in manifest()
    assert not list(imported_folder().glob("*"))
    return line


def test_a_released_checkpoint_is_fetched_checked_and_kept(
    answer: Answer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    network = facenet_pytorch.InceptionResnetV1(classify=True, num_classes=5)
    torch.save(network.state_dict(), tmp_path / "state.pt")
    answer.body = (tmp_path / "state.pt").read_bytes()
    assert cli.run(["weights", "fetch", NAME]) == 0
    out, err = capsys.readouterr()
    sha256 = hashlib.sha256(answer.body).hexdigest()
    assert sha256 in out
    assert f"of {len(answer.body) >> 20}" in err
    entry = manifest()[NAME]
    assert entry.architecture == "facenet"
    assert entry.details["source"] == fetch.DOWNLOADS[NAME].url
    assert entry.details["source_sha256"] == sha256
    assert entry.details["training_data"].startswith("VGGFace2 (")
    assert torch.equal(load_recognizer(NAME).network.last_linear.weight, network.last_linear.weight)
    # A second time nothing is asked for.
    answer.status = 500
    assert cli.run(["weights", "fetch", NAME]) == 1
    assert f"{NAME} exist already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("status", "body", "headers", "message"),
    [
        (404, b"gone", {}, "the server answers 404 Not Found"),
        (503, b"", {}, "the server answers 503"),
        (200, b"<html>Please log in</html>", {}, "not a checkpoint of plain tensors"),
        (200, b"", {}, "not a checkpoint of plain tensors"),
        (200, b"half of it", {"Content-Length": "100", "Connection": "close"}, "10"),
        (302, b"", {"Location": "ftp://127.0.0.1:1/released.pt"}, "cannot be downloaded|not trusted"),
        (302, b"", {"Location": "file:///etc/hostname"}, "302"),
    ],
)
def test_what_goes_wrong_is_one_line(
    answer: Answer, capsys: pytest.CaptureFixture[str], status: int, body: bytes, headers: dict[str, str], message: str
) -> None:
    answer.status, answer.body, answer.headers = status, body, headers
    assert cli.run(["weights", "fetch", NAME]) == 1
    line = error_line(capsys)
    assert re.search(message, line)
    assert line.startswith(f"deid: {fetch.DOWNLOADS[NAME].url}")


def test_a_server_that_goes_on_for_ever_is_left(
    answer: Answer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "BLOCK", 1 << 10)
    monkeypatch.setattr(fetch, "MAX_BYTES", 1 << 20)
    answer.body = bytes(2 << 20)
    assert cli.run(["weights", "fetch", NAME]) == 1
    assert "is larger than 1 MiB" in error_line(capsys)


def test_a_server_that_says_nothing_is_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        point_to(monkeypatch, silent.getsockname()[1])
        assert cli.run(["weights", "fetch", NAME]) == 1
    assert "timed out" in error_line(capsys)


def test_no_network_is_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    point_to(monkeypatch, port)
    assert cli.run(["weights", "fetch", NAME]) == 1
    line = error_line(capsys)
    assert "cannot be downloaded" in line
    assert "refused" in line.lower()


def test_an_unknown_name_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["weights", "fetch", "nobody"]) == 2
    assert NAME in error_line(capsys)


def test_what_can_be_fetched_is_encrypted_on_the_way_and_named_in_the_help(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert all(download.url.startswith("https://") for download in fetch.DOWNLOADS.values())
    cli.run(["weights", "fetch", "--help"])
    out = capsys.readouterr().out
    assert all(name in out for name in fetch.DOWNLOADS)
