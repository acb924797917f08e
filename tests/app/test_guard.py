"""What gets past the guard before Gradio, and what is refused before its body is read."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from deid.app import guard, uploads
from deid.app.guard import Guard
from deid.app.sessions import COOKIE, Sessions, new_token

UPLOAD = "/gradio_api/upload"


@pytest.fixture
def sessions() -> Iterator[Sessions]:
    sessions = Sessions()
    yield sessions
    sessions.close()


def answer(sessions: Sessions, path: str, headers: dict[str, str], method: str = "POST") -> tuple[int, str, int]:
    """Status, text, and how often the body was asked for."""
    sent: list[Any] = []
    reads = 0

    async def receive() -> Any:
        nonlocal reads
        reads += 1
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        sent.append(message)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"taken"})

    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": path, "headers": raw}
    with ThreadPoolExecutor(1) as thread:  # tests in a browser keep a loop running in this one
        thread.submit(asyncio.run, Guard(app, sessions)(scope, receive, send)).result()
    return sent[0]["status"], sent[1]["body"].decode(), reads


def browser_cookie() -> dict[str, str]:
    return {"cookie": f"{COOKIE}={new_token()}"}


@pytest.mark.parametrize("path", [UPLOAD, f"{UPLOAD}/"])
def test_an_upload_within_the_limits_is_taken(sessions: Sessions, path: str) -> None:
    assert answer(sessions, path, {**browser_cookie(), "content-length": "1000"}) == (200, "taken", 1)


def test_an_upload_of_unknown_size_is_refused(sessions: Sessions) -> None:
    status, text, reads = answer(sessions, UPLOAD, {**browser_cookie(), "transfer-encoding": "chunked"})
    assert (status, reads) == (411, 0)
    assert "how large" in text


def test_an_upload_that_is_too_large_is_refused(sessions: Sessions) -> None:
    status, text, reads = answer(sessions, UPLOAD, {**browser_cookie(), "content-length": str(uploads.MAX_BYTES + 1)})
    assert (status, reads) == (413, 0)
    assert "more than 8 GB together" in text


def test_an_upload_that_would_fill_the_disk_is_refused(sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    free = SimpleNamespace(free=uploads.KEPT_FREE + 1_000_000)
    monkeypatch.setattr(uploads.shutil, "disk_usage", lambda folder: free)
    assert answer(sessions, UPLOAD, {**browser_cookie(), "content-length": "10"})[0] == 200
    status, text, reads = answer(sessions, UPLOAD, {**browser_cookie(), "content-length": "500000000"})
    assert (status, reads) == (507, 0)
    assert "no room" in text


@pytest.mark.parametrize("headers", [{}, {"cookie": f"{COOKIE}=x"}])
def test_a_page_of_another_site_uploads_nothing(sessions: Sessions, headers: dict[str, str]) -> None:
    status, text, reads = answer(sessions, UPLOAD, {**headers, "content-length": "10"})
    assert (status, reads) == (403, 0)
    assert "cookies" in text


def test_what_is_no_upload_is_small(sessions: Sessions) -> None:
    path = "/gradio_api/process_recording"
    assert answer(sessions, path, {"content-length": "10"})[0] == 200
    status, _, reads = answer(sessions, path, {"content-length": str(guard.MAX_MESSAGE + 1)})
    assert (status, reads) == (413, 0)
    assert answer(sessions, "/gradio_api/upload_progress", {}, "GET")[0] == 200
