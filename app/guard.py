"""What stands before Gradio: every browser its own files, bounded uploads, and a page that names no other host."""

import re
from http.cookies import SimpleCookie
from pathlib import Path

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from . import uploads
from .sessions import COOKIE, NO_COOKIE, Sessions, is_token, new_token

# Even a page that asked for something from elsewhere would not get it.
POLICY = (
    "default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; frame-ancestors 'self'; form-action 'self'; "
    "base-uri 'self'; object-src 'none'"
)
# What Gradio's template says of and to other hosts: previews for social networks, fonts, scripts.
FOREIGN = re.compile(
    r"<meta\b(?=[^>]*(?:og:|twitter:))[^>]*>"
    r"|<link\b[^>]*href=\"https?://(?!127\.0\.0\.1|localhost)[^>]*>"
    r"|<script\b[^>]*src=\"https?://[^>]*>\s*</script>",
    re.IGNORECASE,
)
FILE = re.compile(r"/file[=/](.*)", re.DOTALL)  # the two addresses under which Gradio serves files
MAX_MESSAGE = 1 << 20  # bytes of a request that is no upload


class Guard:
    """Gives every browser its cookie, serves files to their owner alone, bounds what comes in, and cleans the page."""

    def __init__(self, app: ASGIApp, sessions: Sessions) -> None:
        self.app, self.sessions = app, sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        browser = _cookie_of(scope)
        status, reason = self._refusal(scope, browser)
        if status:
            await PlainTextResponse(reason, status_code=status)(scope, receive, send)
            return
        await self.app(scope, receive, _Cleaned(send, browser))

    def _refusal(self, scope: Scope, browser: str) -> tuple[int, str]:
        """Status and reason for a request that gets no further, before its body is read; 0 for any other."""
        file = FILE.search(scope["path"])
        if file and not self.sessions.may_read(browser, Path(file[1])):
            return 403, "not yours"
        if scope["method"] != "POST":
            return 0, ""
        length = Headers(scope=scope).get("content-length", "")
        if not length.isdecimal():
            return 411, "the request does not say how large it is"
        if not scope["path"].rstrip("/").endswith("/upload"):
            return (413, "the request is too large") if int(length) > MAX_MESSAGE else (0, "")
        if not is_token(browser):  # such as from a page of another site, which sends no cookie of ours
            return 403, NO_COOKIE
        if int(length) > uploads.MAX_BYTES:
            return (
                413,
                f"these files are more than {uploads.size_text(uploads.MAX_BYTES)} together: choose fewer at once",
            )
        if int(length) > uploads.room_on_disk(self.sessions.root):
            return 507, "the disk of the computer that runs this page has no room for these files"
        return 0, ""


class _Cleaned:
    """Passes a response on; a page is held back until it is whole, and cleaned."""

    def __init__(self, send: Send, browser: str) -> None:
        self.send, self.browser = send, browser
        self.start: Message | None = None
        self.body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["Content-Security-Policy"] = POLICY
            headers["Referrer-Policy"] = "no-referrer"
            if headers.get("content-type", "").startswith("text/html"):
                if not is_token(self.browser):
                    headers.append("Set-Cookie", f"{COOKIE}={new_token()}; Path=/; HttpOnly; SameSite=Strict")
                self.start = message
                return
        elif message["type"] == "http.response.body" and self.start is not None:
            self.body += message.get("body", b"")
            if message.get("more_body"):
                return
            page = FOREIGN.sub("", self.body.decode()).encode()
            MutableHeaders(scope=self.start)["Content-Length"] = str(len(page))
            await self.send(self.start)
            self.start = None
            message = {"type": "http.response.body", "body": page}
        await self.send(message)


def _cookie_of(scope: Scope) -> str:
    headers = dict(scope["headers"])
    cookie = SimpleCookie(headers.get(b"cookie", b"").decode("latin-1"))
    return cookie[COOKIE].value if COOKIE in cookie else ""
