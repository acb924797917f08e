"""The tab for people whom the recognizer is to know: its components, and what each of them does."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from . import people, words
from .page import error_message, from_this_computer, session_of, status_line
from .service import Service
from .sessions import Refused, Session

Update = dict[Any, Any]
TEXT = (
    "Optional. Without it every face is protected against a recognizer that has **this very photo**. With a few other "
    "photos of a person it also holds against a recognizer that has those. Kept for this open page alone, unless you "
    "save it below."
)
ME = "Your face is then led away from what all of these photos have in common, for every recognizer that is attacked."
SAVED = (
    "Saved people are offered to every page that is opened **on this computer**, until you delete them here. Their "
    "photos lie, without metadata, in your own data folder, and only your account can read them."
)


@dataclass(frozen=True, eq=False)
class PeopleTab:
    """The components; the methods are what happens when one is used."""

    service: Service
    name: gr.Textbox
    upload: gr.File
    enroll: gr.Button
    forget: gr.Button
    me: gr.Radio
    status: gr.HTML
    kept: gr.Accordion
    save: gr.Button
    saved: gr.CheckboxGroup
    use: gr.Button
    delete: gr.Button

    def on_enroll(self, name: str, files: list[str] | None, request: gr.Request) -> Iterator[Update]:
        yield {self.status: status_line("Looking for the face …", busy=True)}
        try:
            session = session_of(self.service, request)
            if not files:
                raise Refused("Choose a few photos of this person first.")
            claimed = [self.service.sessions.claim(Path(file), session) for file in files]
            self.service.ensure_warm()
            count = people.take_person(session, name, claimed, self.service)
        except Exception as error:  # whatever it is, the page must not stand still
            yield {self.status: status_line(error_message(error), alert=True), self.upload: None}
            return
        text = f"{' '.join(name.split())}: {words.photos(count)}. {people.describe_enrolled(session)}"
        yield {self.status: status_line(text), self.upload: None, self.name: "", **self.enrolled(session)}

    def on_forget(self, request: gr.Request) -> Update:
        session = session_of(self.service, request)
        people.forget_people(session)
        return {self.status: status_line(people.describe_enrolled(session)), **self.enrolled(session)}

    def on_me(self, name: str, request: gr.Request) -> Update:
        try:
            people.is_me(session_of(self.service, request), name)
        except Exception as error:  # whatever it is, the page must not stand still
            return {self.status: status_line(error_message(error), alert=True)}
        text = f"{name} is you: your face is led away from all of these photos." if name else "None of them is you."
        return {self.status: status_line(text)}

    def enrolled(self, session: Session) -> Update:
        """Who can be chosen as oneself."""
        names = people.names_of(session)
        choices = [("none of them", ""), *((name, name) for name in names)]
        return {self.me: gr.update(choices=choices, value=people.my_name(session), visible=bool(names))}

    def on_load(self, request: gr.Request) -> Update:
        """A page was opened: its session begins, and who sits at this computer is offered the saved people."""
        try:
            session_of(self.service, request)
        except Refused:  # every other handler says why
            return {self.kept: gr.update(visible=False)}
        return {self.kept: gr.update(visible=from_this_computer(request)), **self.saved_choices(request)}

    def on_save(self, request: gr.Request) -> Update:
        def save(session: Session) -> str:
            if not (names := people.save_people(session)):
                raise Refused("Nobody is enrolled: enroll somebody first.")
            return f"Saved on this computer: {', '.join(names)}."

        return self.changed(request, save)

    def on_use(self, names: list[str], request: gr.Request) -> Update:
        def use(session: Session) -> str:
            people.enroll_saved(session, chosen(names))
            return people.describe_enrolled(session)

        return self.changed(request, use)

    def on_delete(self, names: list[str], request: gr.Request) -> Update:
        def delete(session: Session) -> str:
            people.delete_saved(chosen(names))
            return f"Deleted from this computer: {', '.join(names)}. {people.describe_enrolled(session)}"

        return self.changed(request, delete)

    def changed(self, request: gr.Request, change: Callable[[Session], str]) -> Update:
        """Do something with saved people and say so; only for who sits at this computer, since they are theirs."""
        try:
            if not from_this_computer(request):
                raise Refused("Saved people are only for pages that are opened on the computer that keeps them.")
            text = change(session_of(self.service, request))
        except Exception as error:  # whatever it is, the page must not stand still
            return {self.status: status_line(error_message(error), alert=True)}
        session = session_of(self.service, request)
        return {self.status: status_line(text), **self.saved_choices(request), **self.enrolled(session)}

    def saved_choices(self, request: gr.Request) -> Update:
        names = people.saved_people() if from_this_computer(request) else []
        return {self.saved: gr.update(choices=names, value=[])}


def build(service: Service) -> None:
    """Inside a tab of the page."""
    tab = layout(service)
    tab.enroll.click(
        tab.on_enroll, [tab.name, tab.upload], [tab.name, tab.upload, tab.me, tab.status], concurrency_limit=1,
        show_progress="hidden",
    )  # fmt: skip
    tab.forget.click(tab.on_forget, None, [tab.me, tab.status], show_progress="hidden")
    tab.me.input(tab.on_me, tab.me, [tab.status], show_progress="hidden")
    gr.on(None, tab.on_load, None, [tab.kept, tab.saved], show_progress="hidden")
    for button, handler, inputs in (
        (tab.save, tab.on_save, None), (tab.use, tab.on_use, tab.saved), (tab.delete, tab.on_delete, tab.saved),
    ):  # fmt: skip
        button.click(handler, inputs, [tab.status, tab.saved, tab.me], show_progress="hidden")


def layout(service: Service) -> PeopleTab:
    """The components, where they stand."""
    gr.Markdown(TEXT)
    name = gr.Textbox(label="Name", max_length=people.MAX_NAME_LENGTH)
    upload = gr.File(label="Photos of this person alone", file_count="multiple", height=140)
    with gr.Row():
        enroll = gr.Button("Enroll", variant="primary")
        forget = gr.Button("Forget everybody in this page")
    me = gr.Radio([], label="Which of them are you?", info=ME, visible=False)
    status = gr.HTML(status_line("Nobody is enrolled."), padding=False)
    with gr.Accordion("People saved on this computer", open=False, visible=False) as kept:
        gr.Markdown(SAVED)
        save = gr.Button("Save everybody enrolled here on this computer")
        saved = gr.CheckboxGroup(label="Saved people")
        with gr.Row():
            use = gr.Button("Enroll the chosen in this page")
            delete = gr.Button("Delete the chosen from this computer", variant="stop")
    return PeopleTab(service, name, upload, enroll, forget, me, status, kept, save, saved, use, delete)


def chosen(names: list[str]) -> list[str]:
    """Raises Refused for none."""
    if not names:
        raise Refused("Choose at least one of the saved people first.")
    return names
