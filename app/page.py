"""What all tabs share."""

import threading
import traceback
from collections.abc import Callable, Generator
from contextlib import closing
from html import escape
from typing import Any
from urllib.parse import urlsplit

import gradio as gr

from deid.errors import Cancelled, CheckpointError, ImageError, UsageError
from deid.methods import EXACT, profile_for
from deid.types import Options

from . import words
from .addresses import is_loopback
from .job_queue import JobQueue, Waiting
from .service import Service
from .sessions import COOKIE, Refused, Session


def session_of(service: Service, request: gr.Request) -> Session:
    """The session that a request comes from. Raises Refused."""
    return service.sessions.of(request.cookies.get(COOKIE, ""), request.session_hash or "")


def from_this_computer(request: gr.Request) -> bool:
    """Is the page open on the computer that runs it? Not so through a name of it, which any site can make up."""
    host = urlsplit(f"//{request.headers.get('host', '')}").hostname
    # A proxy on this computer asks in its own name; what the browser shows is in the origin.
    origin = urlsplit(request.headers.get("origin", "")).hostname
    return all(map(is_loopback, (host, origin, request.client.host if request.client else None)))


def error_message(error: Exception) -> str:
    """The error in one line for the user; a defect of the program goes to the terminal in full."""
    if isinstance(error, Refused | ImageError | UsageError | CheckpointError):
        return str(error)
    traceback.print_exception(error)
    return f"Internal error, please report: {type(error).__name__}: {error}"


def settings_fields() -> list[gr.components.Component]:
    """How to protect: the strength first, the rest folded, for the defaults are sensible.

    `options_from` takes their values. A method shows only what it goes by.
    """
    strength = gr.Slider(0, 1, Options.strength, step=0.05, label="Strength", info=words.STRENGTH)
    with gr.Accordion("Settings (good as they are)", open=False):
        method = gr.Radio(
            [(text, name) for name, text in words.METHODS.items()], value=Options().method, label="How to protect"
        )
        # A size for each: one that followed the method would be the other's until the page has answered.
        sizes = [
            gr.Slider(1, 40, words.BLUR_SIZES[name], step=1, label="Size", info=words.BLUR_SIZE, visible=False)
            for name in words.HIDING
        ]
        k_level = gr.Slider(1, 20, Options.k_level, step=1, label="K", info=words.K_LEVEL, visible=False)
        fallback = gr.Radio(
            [(text, name) for name, text in words.FALLBACKS.items()],
            value="",
            label="If a face cannot be protected",
            info=words.FALLBACK,
        )

    def on_method(name: str) -> list[Any]:
        hides = name in words.HIDING
        return [
            gr.update(visible=not hides),
            *(gr.update(visible=name == of) for of in words.HIDING),
            gr.update(visible=profile_for(name) in EXACT),
            gr.update(visible=not hides),
        ]

    method.input(on_method, method, [strength, *sizes, k_level, fallback], show_progress="hidden")
    return [strength, method, *sizes, k_level, fallback]


def options_from(strength: float, method: str, blur_size: float, mosaic_size: float, k: int, fallback: str) -> Options:
    """What is asked for by the values of `settings_fields`, of which a method takes some."""
    if method in words.HIDING:
        return Options(method=method, blur_size=float(blur_size if method == "blur" else mosaic_size))
    k = int(k) if profile_for(method) in EXACT else Options.k_level
    return Options(method=method, strength=float(strength), k_level=k, fallback=fallback or None)


def scroll_to(element: str, block: str) -> str:
    """JavaScript that brings an element of the page, by its id, into view where it is shown at all.

    block: where in the window, as `Element.scrollIntoView` has it.
    """
    return (
        f"() => {{ const shown = document.getElementById('{element}'); "
        f"if (shown && shown.offsetParent) shown.scrollIntoView({{behavior: 'smooth', block: '{block}'}}) }}"
    )


def status_line(text: str, *, busy: bool = False, alert: bool = False, share: float | None = None) -> str:
    """A line of status, read out by screen readers; while something runs with a bar, which moves or shows a share."""
    value = "" if share is None else f' value="{share:.3f}"'
    bar = f'<progress aria-label="progress"{value}></progress>' if busy else ""
    role, kind = ("alert", " alert") if alert else ("status", "")
    return f'<div role="{role}" class="status-line{kind}">{bar}<span>{escape(text)}</span></div>'


def run_job(
    jobs: JobQueue,
    session: Session,
    cancel: threading.Event,
    job: Callable[[Callable[[Any], None]], object],
    describe: Callable[[Any], str],
    update: Callable[[str, Any], dict[Any, Any]],
) -> Generator[dict[Any, Any], None, Any]:
    """Wait in line, then run `job(on_progress)`, showing how it goes; its result, None if cancelled.

    jobs: the line to wait in.
    session: whose job it is; what the job wrote is deleted if its page was closed meanwhile.
    cancel: asks the job to end.
    job: takes a function to report its progress to; raises Cancelled soon after `cancel` is set.
    describe: a status line for what was reported last, None before the first report.
    update: what changes on the page, for that line and what was reported last.
    """
    last_line, progress = "", None
    try:
        with closing(jobs.follow(job, cancel)) as states:
            while True:
                try:
                    state = next(states)
                except StopIteration as end:
                    return end.value
                except Cancelled:
                    return None
                if isinstance(state, Waiting):
                    line = status_line(words.place_in_line(state.ahead), busy=True)
                else:
                    progress = state.progress
                    line = describe(progress)
                if cancel.is_set():
                    line = status_line("Stopping …", busy=True)
                if line != last_line:
                    last_line = line
                    yield update(line, progress)
    finally:
        if session.over.is_set():
            session.delete()  # what the job wrote while it was asked to end
