"""The command `deid ui`."""

import importlib.util
import signal
import sys
import time
from typing import Annotated

import typer

from deid.commands import output
from deid.errors import UsageError, how_to_install


def ui(
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Who may connect; this computer alone without.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int | None, typer.Option(min=1, max=65535, metavar="N", help="The first free from 7860.")] = None,
    auth: Annotated[str | None, typer.Option(metavar="USER:PASSWORD", help="Ask for these first.")] = None,
    name: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A proxy's name for the page; may be repeated.")
    ] = None,
) -> None:
    """The web page: upload a photo, choose faces, see the proof.

    Runs until Ctrl-C, which deletes everything that was uploaded.
    """
    credentials = parse_auth(auth)
    if importlib.util.find_spec("gradio") is None:
        raise UsageError(f"the page needs Gradio: {how_to_install('ui')}")
    # Whoever ends the process with a plain kill wants the uploads deleted as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    started = time.perf_counter()
    from deid.app import server
    from deid.app.service import Service

    if warned := server.warning(host, credentials):
        output.complain(warned)
    try:
        serving = server.serve(Service(), host=host, port=port, auth=credentials, names=name or ())
    except OSError as error:
        raise UsageError(f"the page cannot be served at {host}: {error}") from None
    output.say(server.say_where(serving.url, time.perf_counter() - started))
    serving.wait()


def parse_auth(text: str | None) -> tuple[str, str] | None:
    """USER:PASSWORD; the password may hold colons. Raises UsageError."""
    if text is None:
        return None
    user, colon, password = text.partition(":")
    if not (user and colon and password):
        raise UsageError("--auth takes USER:PASSWORD")
    return user, password
