"""What gets past the guard before Gradio, and what is refused before its body is read."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect

from deid.app import guard, uploads
from deid.app.addresses import Addresses
from deid.app.guard import Guard
from deid.app.sessions import COOKIE, Sessions, new_token

UPLOAD = "/gradio_api/upload"


@pytest.fixture
def sessions() -> Iterator[Sessions]:
    sessions = Sessions()
    yield sessions
    sessions.close()


def answer(
    sessions: Sessions,
    path: str,
    headers: dict[str, str],
    method: str = "POST",
    *,
    bodies: Sequence[bytes] = (b"",),
    came: list[int] | None = None,
    meanwhile: Callable[[], None] = lambda: None,
) -> tuple[int, str, int]:
    """Status, text, and how often the body was asked for.

    bodies: the body's parts; came: gets the sizes of those that reach the page; meanwhile: called when they are there.
    """
    sent: list[Any] = []
    reads = 0

    async def receive() -> Any:
        nonlocal reads
        reads += 1
        return {"type": "http.request", "body": bodies[reads - 1], "more_body": reads < len(bodies)}

    async def send(message: Any) -> None:
        sent.append(message)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            more = message["more_body"]
            if came is not None:
                came.append(len(message["body"]))
        meanwhile()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"taken"})

    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
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


@pytest.mark.parametrize("path", [UPLOAD, "/login", "/gradio_api/queue/join"])
@pytest.mark.parametrize("method", ["POST", "PUT", "GET"])
def test_a_length_beside_chunks_is_not_believed(sessions: Sessions, path: str, method: str) -> None:
    headers = {**browser_cookie(), "content-length": "10", "transfer-encoding": "chunked"}
    assert answer(sessions, path, headers, method)[::2] == (411, 0)


@pytest.mark.parametrize("length", ["-1", "+5", "1e3", "", "9" * 5000, "\u00b2"])
def test_a_length_is_a_number(sessions: Sessions, length: str) -> None:
    assert answer(sessions, UPLOAD, {**browser_cookie(), "content-length": length})[::2] == (411, 0)


@pytest.mark.parametrize("path", [UPLOAD, "/login"])
def test_bytes_beyond_the_announced_ones_reach_no_parser(sessions: Sessions, path: str) -> None:
    came: list[int] = []
    status, text, reads = answer(sessions, path, {**browser_cookie(), "content-length": "10"}, bodies=[b"x" * 9] * 99,
                                 came=came)  # fmt: skip
    assert (status, reads) == (400, 2)
    assert "longer than it said" in text
    assert came == [9]
    assert uploads.COMING.bytes == 0


def test_uploads_under_way_share_the_disk(sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    free = SimpleNamespace(free=uploads.KEPT_FREE + 1000)
    monkeypatch.setattr(uploads.shutil, "disk_usage", lambda folder: free)
    beside: list[int] = []

    def meanwhile() -> None:
        headers = {**browser_cookie(), "content-length": "600"}
        beside.append(answer(sessions, UPLOAD, headers)[0])
        beside.append(uploads.room_on_disk(sessions.root))

    headers = {**browser_cookie(), "content-length": "600"}
    assert answer(sessions, UPLOAD, headers, bodies=[b"x" * 100], meanwhile=meanwhile)[0] == 200
    assert beside == [507, 1000 - 500]
    assert uploads.room_on_disk(sessions.root) == 1000


@pytest.mark.parametrize("path", ["/gradio_api/file=a\0b", "/\0", "/assets/a\0.js"])
def test_an_address_with_a_nul_is_a_bad_one(sessions: Sessions, path: str) -> None:
    assert answer(sessions, path, browser_cookie(), "GET")[0] == 400


@pytest.mark.parametrize(
    "foreign", ['prefs={"theme":"dark"}', "a/b=1", "a b; c", "=", 'x="unclosed', "\xff=\xfe", "$Version=1", ",,,"]
)
@pytest.mark.parametrize("first", [True, False])
def test_foreign_cookies_are_harmless(sessions: Sessions, foreign: str, first: bool) -> None:
    ours = browser_cookie()["cookie"]
    cookie = f"{foreign}; {ours}" if first else f"{ours}; {foreign}"
    assert answer(sessions, UPLOAD, {"cookie": cookie, "content-length": "10"})[0] == 200
    assert answer(sessions, UPLOAD, {"cookie": foreign, "content-length": "10"})[0] == 403


@pytest.mark.parametrize(
    ("host", "origin", "expected"),
    [
        ("127.0.0.1:7860", "http://127.0.0.1:7860", 200),
        ("localhost:7860", "http://LOCALHOST:7860", 200),
        ("[::1]:7860", "http://[::1]:7860", 200),
        ("localhost", "http://localhost:80", 200),
        ("localhost", "https://localhost", 200),
        ("localhost:9999", None, 200),  # a tunnel, or no browser
        ("127.0.0.1:7860", "http://127.0.0.1:19999", 403),
        ("127.0.0.1:7860", "http://localhost:7860", 403),
        ("127.0.0.1:7860", "https://127.0.0.1", 403),
        ("127.0.0.1:7860", "http://127.0.0.1:7860.evil.example", 403),
        ("127.0.0.1:7860", "http://127.0.0.1:7860@evil.example", 403),
        ("127.0.0.1:7860", "null", 403),
        ("127.0.0.1:7860", "", 403),
        ("evil.example:7860", "http://evil.example:7860", 403),
        ("127.0.0.1.evil.example", None, 403),
        ("192.168.1.5:7860", None, 403),
        ("[::1", None, 403),
        ("", None, 403),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_only_its_own_page_drives_it(
    sessions: Sessions, host: str, origin: str | None, expected: int, method: str
) -> None:
    headers = {"host": host, "content-length": "0"} | ({} if origin is None else {"origin": origin})
    assert answer(sessions, "/gradio_api/queue/join", headers, method)[0] == expected


def test_it_answers_to_what_it_was_started_for() -> None:
    def answers(addresses: Addresses, host: str) -> bool:
        return not addresses.problem_of(Headers({"host": host}))

    everywhere = Addresses("0.0.0.0")
    assert answers(everywhere, "192.168.1.5:7860")
    assert answers(everywhere, "localhost:7860")
    assert not answers(everywhere, "photos.example.org")
    named = Addresses("127.0.0.1", frozenset({"Photos.example.org"}))
    assert answers(named, "photos.example.org")
    assert not answers(named, "192.168.1.5")
    assert answers(Addresses("newsroom.lan"), "newsroom.lan:7860")
    two = Headers(raw=[(b"host", b"localhost"), (b"host", b"evil.example")])
    assert everywhere.problem_of(two)


def test_nothing_speaks_through_a_websocket(sessions: Sessions) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    asked = Guard(None, sessions)({"type": "websocket", "path": "/", "headers": []}, None, send)  # type: ignore[arg-type]
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, asked).result()
    assert [message["type"] for message in sent] == ["websocket.close"]


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
