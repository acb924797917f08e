"""The page's server: this computer only by default, nothing from elsewhere, every browser its own files."""

import os
import re
import time
from dataclasses import dataclass
from http.cookies import SimpleCookie
from pathlib import Path

from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deid.app.service import Service
from deid.app.sessions import COOKIE, Sessions, is_token, new_token

MAX_UPLOAD = "300mb"
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
CSS = """
.faces img { max-height: 32rem; }
.report { width: 100%; height: 80vh; border: 1px solid var(--border-color-primary); border-radius: 8px; }
.gradio-container { max-width: 1280px !important; margin: auto; }
/* A wide table scrolls in its own frame, whatever it is nested in. */
.rows { max-width: calc(100vw - 4rem); }
.said { display: flex; gap: .75em; align-items: center; padding: .5em .75em; border-radius: 8px; min-height: 2.5em;
  background: var(--background-fill-secondary); border: 1px solid var(--border-color-primary); }
.said.alert { border-color: #dc2626; border-left-width: 6px; }
.said progress { width: 5em; flex: none; }
@media (max-width: 640px) {
  .said { flex-wrap: wrap; }
  .gradio-container .main { padding: 1rem; }
  [role="tab"] { padding: 0 .6rem !important; }
}
"""
# Gradio gives every picture an empty alternative text, and all upload buttons one name. Here each is called by its
# frame's label, which tells what it shows now.
NAMES = """<script>
new MutationObserver(() => document.querySelectorAll(".block img, .block button[aria-dropeffect]").forEach(one => {
  const frame = one.closest(".block");
  const label = frame.querySelector("[data-testid=block-label]")?.textContent.trim();
  const which = [...frame.querySelectorAll("img")].indexOf(one);
  const compared = frame.classList.contains("compared") && ["The photo before", "The photo after"][which];
  const attribute = one.tagName === "IMG" ? "alt" : "aria-label";
  const name = compared || (attribute === "alt" ? label : `${label}: click to choose, or drop here`);
  if (label && one.getAttribute(attribute) !== name) one.setAttribute(attribute, name);
})).observe(document, {childList: true, subtree: true, characterData: true});
</script>"""


@dataclass(frozen=True)
class Serving:
    """A server that runs. close: stops it and deletes every session's files."""

    url: str
    blocks: object
    service: Service

    def close(self) -> None:
        self.blocks.close(verbose=False)  # type: ignore[attr-defined]
        self.service.sessions.close()

    def wait(self) -> None:
        """Until the process is interrupted."""
        try:
            while True:
                time.sleep(3600)
        finally:
            self.close()


def serve(
    service: Service, *, host: str = "127.0.0.1", port: int | None = None, auth: tuple[str, str] | None = None
) -> Serving:
    """Start the server and return. port: None takes a free one from 7860 on. Raises OSError for a port in use."""
    # Gradio reads these when it is imported and when its components are made.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["GRADIO_TEMP_DIR"] = str(service.sessions.root)
    import gradio as gr

    from deid.app.build import build_app

    blocks = build_app(service)
    system = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
    _, url, _ = blocks.queue(default_concurrency_limit=None).launch(
        server_name=host,
        server_port=port,
        auth=[auth] if auth else None,
        share=False,
        quiet=True,
        prevent_thread_lock=True,
        show_error=False,
        max_file_size=MAX_UPLOAD,
        theme=gr.themes.Default(primary_hue="blue", font=system, font_mono=["ui-monospace", "monospace"]).set(
            # White on the default hue is too faint to read.
            button_primary_background_fill="*primary_600",
            button_primary_background_fill_dark="*primary_600",
        ),
        css=CSS,
        head=NAMES,
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        mcp_server=False,
        enable_monitoring=False,
        app_kwargs={"middleware": [Middleware(Guard, sessions=service.sessions)], "docs_url": None, "redoc_url": None},
    )
    return Serving(url, blocks, service)


def warning(host: str, auth: tuple[str, str] | None) -> str:
    """What to say before anybody on the network can use the page; empty where nobody can."""
    if auth or host in ("127.0.0.1", "localhost", "::1"):
        return ""
    return (
        f"warning: with --host {host} everybody who reaches this computer can use the page, and photos travel "
        "unencrypted: add --auth USER:PASSWORD, and a proxy with HTTPS"
    )


class Guard:
    """Gives every browser its cookie, serves files to their owner alone, and cleans the page of other hosts."""

    def __init__(self, app: ASGIApp, sessions: Sessions) -> None:
        self.app, self.sessions = app, sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        browser = _cookie_of(scope)
        asked = FILE.search(scope["path"])
        if asked and not self.sessions.may_read(browser, Path(asked[1])):
            await PlainTextResponse("not yours", status_code=403)(scope, receive, send)
            return
        await self.app(scope, receive, _Cleaned(send, browser))


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


def say_where(url: str, seconds: float) -> str:
    return f"the page is at {url} (up in {seconds:.1f} s); Ctrl-C ends it and deletes its files"
