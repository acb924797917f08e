"""The tab for people the recognizer is to know: enrolled from a few photos, for this open page alone."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from deid.app import words
from deid.app.page import reason_of, said, session_of
from deid.app.service import Service
from deid.app.sessions import Refused, Session
from deid.app.uploads import unpack

TEXT = (
    "Optional. Without it every face is protected against a recognizer that has **this very photo**. With a few other "
    "photos of a person it also holds against a recognizer that has those. Kept for this open page alone."
)
LONGEST_NAME = 60


def build(service: Service) -> None:
    """Inside a tab of the page."""
    gr.Markdown(TEXT)
    name = gr.Textbox(label="Name", max_length=LONGEST_NAME)
    upload = gr.File(label="Photos of this person alone", file_count="multiple", height=140)
    with gr.Row():
        enroll = gr.Button("Enroll", variant="primary")
        forget = gr.Button("Forget everybody")
    status = gr.HTML(said("Nobody is enrolled."), padding=False)

    def on_enroll(who: str, files: list[str] | None, request: gr.Request) -> Iterator[dict[Any, Any]]:
        yield {status: said("Looking for the face …", busy=True)}
        try:
            session = session_of(service, request)
            if not files:
                raise Refused("Choose a few photos of this person first.")
            claimed = [service.sessions.claim(Path(file), session) for file in files]
            service.be_warm()
            count = take_person(session, who, claimed, service)
        except Exception as error:  # whatever it is, the page must not stand still
            yield {status: said(reason_of(error), alert=True), upload: None}
            return
        yield {status: said(f"{who.strip()}: {words.photos(count)}. {everybody(session)}"), upload: None, name: ""}

    def on_forget(request: gr.Request) -> str:
        session = session_of(service, request)
        shutil.rmtree(session.folder / "people", ignore_errors=True)
        return said(everybody(session))

    enroll.click(on_enroll, [name, upload], [name, upload, status], concurrency_limit=1, show_progress="hidden")
    forget.click(on_forget, None, status, show_progress="hidden")


def take_person(session: Session, name: str, files: Sequence[Path], service: Service) -> int:
    """A folder of this name with the photos that show a face. Raises Refused for a bad name or no face at all."""
    name = " ".join(name.split())
    if not name or name.startswith(".") or len(name) > LONGEST_NAME or any(c in name for c in "/\\:\0"):
        raise Refused("A name of letters is needed, as it shall stand in the results.")
    unpacked = unpack(files, session.new_folder())
    good = [path for path in sorted(unpacked.folder.rglob("*")) if path.is_file() and _shows_a_face(path, service)]
    if not good:
        raise Refused("No face was found in these photos.")
    person = session.folder / "people" / name
    person.mkdir(parents=True, exist_ok=True)
    for path in good:
        path.rename(person / f"{len(list(person.iterdir()))}{path.suffix}")
    return len(good)


def people_of(session: Session) -> Path | None:
    """The folder of enrolled people, None while there is nobody."""
    folder = session.folder / "people"
    return folder if folder.is_dir() and any(folder.iterdir()) else None


def everybody(session: Session) -> str:
    people = people_of(session)
    names = sorted(path.name for path in people.iterdir()) if people else []
    return f"Enrolled: {', '.join(names)}." if names else "Nobody is enrolled."


def _shows_a_face(path: Path, service: Service) -> bool:
    from deid.image_errors import ImageError

    try:
        found = service.find_faces(path)
    except ImageError:
        return False
    for made in {found.view, found.preview} - {path}:
        made.unlink(missing_ok=True)
    return bool(found.boxes)
