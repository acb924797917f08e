"""What all tabs share."""

from html import escape

import gradio as gr

from deid.app.service import Service
from deid.app.sessions import COOKIE, Session


def session_of(service: Service, request: gr.Request) -> Session:
    """The session that a request comes from. Raises Refused."""
    return service.sessions.of(request.cookies.get(COOKIE, ""), request.session_hash or "")


def said(text: str, *, busy: bool = False, alert: bool = False) -> str:
    """A line of status, read out by screen readers; with a moving bar while something runs."""
    bar = '<progress aria-label="working"></progress>' if busy else ""
    role, kind = ("alert", " alert") if alert else ("status", "")
    return f'<div role="{role}" class="said{kind}">{bar}<span>{escape(text)}</span></div>'
