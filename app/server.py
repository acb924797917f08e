"""The page's server: this computer only by default, nothing from elsewhere, every browser its own files."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.middleware import Middleware

from .addresses import Addresses
from .guard import Guard
from .service import Service
from .uploads import MAX_BYTES

if TYPE_CHECKING:  # it reads the environment that `serve` sets
    import gradio as gr

CSS = """
.faces img { max-height: 32rem; }
/* Above the picture, not on it: what lies below could be a face. */
.faces [data-testid=block-label], .strengths [data-testid=block-label] { position: static; width: fit-content; }
.faces [data-testid=block-label] { max-width: calc(100% - 3rem); }
/* As high as its pictures. */
.strengths .grid-wrap { height: auto !important; min-height: 0 !important; max-height: none !important; }
.strengths .grid-container { padding-top: 0 !important; }
.strengths .thumbnail-item { height: auto !important; }
.report { width: 100%; height: 80vh; border: 1px solid var(--border-color-primary); border-radius: 8px; }
/* Never wider than the screen: a wide table scrolls in its own frame. */
.gradio-container { max-width: min(1280px, 100vw) !important; margin: auto; }
.status-line { display: flex; gap: .75em; align-items: center; padding: .5em .75em; min-height: 2.5em;
  border-radius: 8px; background: var(--background-fill-secondary); border: 1px solid var(--border-color-primary); }
.hint:empty { display: none; }
.hint { padding: .25em .75em; }
.status-line.alert { border-color: #dc2626; border-left-width: 6px; }
.status-line progress { width: 5em; flex: none; }
@media (max-width: 640px) {
  .status-line { flex-wrap: wrap; }
  .gradio-container .main { padding: 1rem; }
  [role="tab"] { padding: 0 .6rem !important; }
  .strengths .grid-container { grid-template-columns: repeat(2, 1fr) !important; }
}
"""
# Gradio gives every picture an empty alternative text, and all upload buttons one name. Here each is called by its
# frame's label, which tells what it shows now.
NAMES = """<script>
const NAMED = ".block img, .block button[aria-dropeffect], .strengths button";
new MutationObserver(() => document.querySelectorAll(NAMED).forEach(element => {
  const frame = element.closest(".block");
  const label = frame.querySelector("[data-testid=block-label]")?.textContent.trim();
  const which = [...frame.querySelectorAll("img")].indexOf(element);
  const compared = frame.classList.contains("compared") && ["The photo before", "The photo after"][which];
  const shown = element.closest(".strengths button")?.querySelector(".caption-label")?.textContent.trim();
  const attribute = element.tagName === "IMG" ? "alt" : "aria-label";
  const named = attribute === "alt" ? label : `${label}: click to choose, or drop here`;
  const name = compared || (shown && `Preview: ${shown}`) || named;
  if (label && element.getAttribute(attribute) !== name) element.setAttribute(attribute, name);
})).observe(document, {childList: true, subtree: true, characterData: true});
</script>"""


@dataclass(frozen=True)
class Serving:
    """A server that runs. close: stops it and deletes every session's files."""

    url: str
    blocks: "gr.Blocks"
    service: Service

    def close(self) -> None:
        self.blocks.close(verbose=False)
        self.service.sessions.close()

    def wait(self) -> None:
        """Until the process is interrupted."""
        try:
            while True:
                time.sleep(3600)
        finally:
            self.close()


def serve(
    service: Service,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    auth: tuple[str, str] | None = None,
    names: Sequence[str] = (),
) -> Serving:
    """Start the server and return. Raises OSError for a port in use.

    host: what it listens on, and the name that browsers may call it by.
    port: None takes a free one from 7860 on.
    auth: a user's name and password.
    names: further ones that browsers may call it by, such as a proxy's.
    """
    # Gradio and its server read these when they are imported and when its components are made.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    # Who asks is who connects: a header could name anybody, so behind a proxy everybody waits in one line to log in.
    os.environ["FORWARDED_ALLOW_IPS"] = "none"
    os.environ["GRADIO_TEMP_DIR"] = str(service.sessions.root)
    import gradio as gr

    from .build import build_app

    blocks = build_app(service)
    guard = Middleware(Guard, sessions=service.sessions, addresses=Addresses(host, frozenset(names)))
    system = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
    _, url, _ = blocks.queue(default_concurrency_limit=None).launch(
        server_name=host,
        server_port=port,
        auth=[auth] if auth else None,
        share=False,
        quiet=True,
        prevent_thread_lock=True,
        show_error=False,
        max_file_size=MAX_BYTES,
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
        num_workers=0,  # further servers would not ask the guard
        enable_monitoring=False,
        app_kwargs={"middleware": [guard], "docs_url": None, "redoc_url": None},
    )
    return Serving(url, blocks, service)


def warning(host: str, auth: tuple[str, str] | None) -> str:
    """What to say before anybody on the network can use the page; empty where nobody can."""
    if auth or host in ("127.0.0.1", "localhost", "::1"):
        return ""
    return (
        f"warning: with --host {host} everybody who reaches this computer can use the page, and photos travel "
        "unencrypted: add --auth USER:PASSWORD, and a proxy with HTTPS, whose name --name says"
    )


def say_where(url: str, seconds: float) -> str:
    return f"the page is at {url} (up in {seconds:.1f} s); Ctrl-C ends it and deletes its files"
