"""The page around a service."""

import gradio as gr

from . import about_tab, audit_tab, folder_tab, people_tab, photo_tab
from .service import Service
from .sessions import COOKIE

TITLE = "deid – photos that people still read and face recognizers cannot"


def build_app(service: Service) -> gr.Blocks:
    """The whole page. Nothing of it loads a recognizer before it is open in a browser."""
    with gr.Blocks(title=TITLE, analytics_enabled=False) as page:
        gr.Markdown(
            "# deid\nPhotos that people still read and face recognizers cannot, **with proof on the saved file**."
        )
        with gr.Tab("Photo"):
            photo_tab.build(service)
        with gr.Tab("Folder"):
            finished, audit = folder_tab.build(service)
            audit_tab.build_below_folder(service, finished, audit)
        with gr.Tab("Audit"):
            audit_tab.build(service)
        with gr.Tab("People"):
            people_tab.build(service)
        with gr.Tab("About"):
            about_tab.build()

        def leave(request: gr.Request) -> None:
            service.sessions.end(request.cookies.get(COOKIE, ""), request.session_hash or "")

        page.unload(leave)
    return page
