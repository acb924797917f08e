"""What stands before Gradio: only this page's own requests, bounded ones, every browser its own files, and a page that
names no other host.
"""

import re
from pathlib import Path

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from . import uploads
from .addresses import Addresses
from .bodies import Counted
from .login import Login
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
LENGTH = re.compile("[0-9]{1,18}")  # what a body's may be
TOO_LONG = "the request is longer than it said"


class Guard:
    """Gives every browser its cookie, serves files to their owner alone, bounds what comes in, and cleans the page.

    addresses: under which the page answers.
    """

    def __init__(self, app: ASGIApp, sessions: Sessions, addresses: Addresses | None = None) -> None:
        self.app, self.sessions, self.addresses = app, sessions, addresses or Addresses()
        self.login = Login()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":  # nothing here speaks it, so nothing here would count what comes
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        browser = _cookie_of(scope)
        status, reason = self._refusal(scope, browser)
        if status:
            await PlainTextResponse(reason, status_code=status)(scope, receive, send)
            return
        length = int(Headers(scope=scope).get("content-length", 0))
        if not _is_upload(scope):
            await self._pass_on(scope, Counted(receive, length), _Cleaned(send, browser))
            return
        with uploads.COMING.announced(length) as arrived:
            await self._pass_on(scope, Counted(receive, length, arrived), _Cleaned(send, browser))

    async def _pass_on(self, scope: Scope, body: Counted, cleaned: "_Cleaned") -> None:
        async def send(message: Message) -> None:
            # What is said of a body that was cut off is not the reason.
            if answered or not body.too_long:
                answered.append(message)
                await cleaned(message)

        answered: list[Message] = []
        try:
            if scope["method"] == "POST" and scope["path"].rstrip("/").endswith("/login"):
                await self.login(self.app, scope, body, send)
            else:
                await self.app(scope, body, send)
        except Exception:
            if answered or not body.too_long:
                raise
        if body.too_long and not answered:
            await PlainTextResponse(TOO_LONG, status_code=400)(scope, body, cleaned)

    def _refusal(self, scope: Scope, browser: str) -> tuple[int, str]:
        """Status and reason for a request that gets no further, before its body is read; 0 for any other."""
        headers = Headers(scope=scope)
        if "transfer-encoding" in headers:  # its length would be believed by one program and not by the next
            return 411, "the request does not say how large it is"
        if "\0" in scope["path"] or b"%00" in scope.get("query_string", b""):
            return 400, "no address holds a NUL"
        if problem := self.addresses.problem_of(headers):
            return 403, problem
        file = FILE.search(scope["path"])
        if file and not self.sessions.may_read(browser, Path(file[1])):
            return 403, "not yours"
        lengths = set(headers.getlist("content-length"))
        if not lengths and scope["method"] != "POST":
            return 0, ""
        if len(lengths) != 1 or not LENGTH.fullmatch(length := lengths.pop()):
            return 411, "the request does not say how large it is"
        return self._refusal_of_body(scope, browser, int(length))

    def _refusal_of_body(self, scope: Scope, browser: str, length: int) -> tuple[int, str]:
        if not _is_upload(scope):
            return (413, "the request is too large") if length > MAX_MESSAGE else (0, "")
        if not is_token(browser):  # such as from a page of another site, which sends no cookie of ours
            return 403, NO_COOKIE
        if length > uploads.MAX_BYTES:
            return (
                413,
                f"these files are more than {uploads.size_text(uploads.MAX_BYTES)} together: choose fewer at once",
            )
        if length > uploads.room_on_disk(self.sessions.root):
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


def _is_upload(scope: Scope) -> bool:
    return bool(scope["method"] == "POST" and scope["path"].rstrip("/").endswith("/upload"))


def _cookie_of(scope: Scope) -> str:
    """As Gradio reads it: whatever cookies other programs on this computer have set."""
    return HTTPConnection(scope).cookies.get(COOKIE, "")
