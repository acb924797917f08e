"""What the page says, for people who know nothing of recognizers and must not be misled."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from deid.commands.output import HIDDEN, listed
from deid.types import FaceResult, PhotoResult, counted_possible

if TYPE_CHECKING:
    from deid.protection.progress import Step  # it loads torch

    from .handlers import FoundPhoto

METHODS = {
    "k-a3": "K-A³ – the faint pattern that is hardest to see (recommended)",
    "i-fgvm": "I-FGVM – an older, simpler pattern, mostly a bit more visible",
    "blur": "Blur – hides the face from people too; recognizers often see through it",
    "pixelate": "Pixelate – the same with a mosaic",
}
PROFILES = {
    "robust": (
        "Robust: must also hold after recompression, at half size and with a small crop, and must not match one to one "
        "(recommended)"
    ),
    "transfer": (
        "Transfer: the same against four recognizers and far beyond, so that others match less often, which nobody "
        "promises – more to see"
    ),
    "paper": (
        "Paper: least noise, several times faster – one to one it mostly still matches, and recompressing may undo it"
    ),
}
FALLBACKS = {"": "Make no file and say why (recommended)", "blur": "Blur it", "pixelate": "Pixelate it"}
FALLBACK = "Such faces are mostly cut off by the photo's edge, or small. The others keep their faint pattern."
# What was looked at before a photo counted as protected.
CHECKED = {
    "robust": "in the saved file, and after a recompression, at half size and with a small crop",
    "transfer": "in the saved file, and after a recompression, at half size and with a small crop",
    "paper": "in the saved file only: recompressing or resizing it may undo the protection",
}
K_LEVEL = (
    "Your true name lands on a random place from 2nd to K+1st among the recognizer's guesses (with Transfer there or "
    "further down, with a blur or a mosaic anywhere). A larger K spreads it wider and shows a little more."
)
AUDITS = {
    "met": "The promised conditions are met",
    "violated": "The promised conditions are VIOLATED",
    "inconclusive": "Too few photos to decide",
}
NO_VERDICT = "The report gives no verdict that this program knows"
HIDING = ("blur", "pixelate")  # from people as well
ORDINALS = ("", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
CLASSES = {
    "surrogate": "attacked",
    "related": "not attacked, but related to what was: they share training",
    "independent": "not attacked, and independent of what was",
    "unknown": "nobody attacked it, or its origin is not known",
}


def ordinal(rank: int) -> str:
    """1 → first, 11 → 11th."""
    if rank < len(ORDINALS):
        return ORDINALS[rank]
    ending = "th" if 10 <= rank % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(rank % 10, "th")
    return f"{rank:,}{ending}"


def number(count: int) -> str:
    """Small numbers in words."""
    words = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    return words[count] if count < len(words) else f"{count:,}"


def found(photo: "FoundPhoto") -> str:
    """Who is in a photo, and what to do about it."""
    if count := len(photo.boxes):
        faces = "one face" if count == 1 else f"{count} faces"
        return f"{faces} found. Choose which to protect, then press Protect."
    if count := len(photo.possible):
        are, one = ("is", "it") if count == 1 else ("are", "one")
        return f"no detector is sure of any face. There {are} {_possible(count)}: click {one} to protect it."
    return "no face was found, so there is nothing to protect. If there is one all the same, add it by hand."


def possible_left_on_picture(count: int) -> str:
    """Beside the picture; empty if there is none."""
    if not count:
        return ""
    are, they, one = ("is", "it is", "it") if count == 1 else ("are", "they are", "one")
    return (
        f"{counted_possible(count)} {are} left as {they}: click {one} to protect it as well. No detector is sure of "
        "what is in a dashed frame."
    )


def left_possible(count: int) -> str:
    """In a result; empty if there is none."""
    if not count:
        return ""
    return f"{_possible(count).capitalize()} left as {'it was' if count == 1 else 'they were'}."


def left_possible_in(photos_with: Sequence[PhotoResult]) -> str:
    """«3 possible faces in 2 photos left as they are.»; empty if there is none."""
    counts = [len(photo.possible) for photo in photos_with if photo.possible]
    if not counts:
        return ""
    where = f"{len(counts)} photo{'' if len(counts) == 1 else 's'}"
    return f"{counted_possible(sum(counts))} in {where} left as {'it is' if sum(counts) == 1 else 'they are'}."


def headline(result: PhotoResult) -> str:
    """The verdict in one line."""
    failed = sum(face.outcome == "failed" for face in result.faces)
    worked = sum(face.rank_after is not None for face in result.faces)
    if result.outcome == "protected":
        left = len(result.faces) - worked
        rest = f" {number(left).capitalize()} left as {'it was' if left == 1 else 'they were'}." if left else ""
        verb = "hidden from" if result.method in HIDING else "protected against"
        if hidden := [HIDDEN[face.fallback] for face in result.faces if face.fallback is not None]:
            rest = f" {number(len(hidden)).capitalize()} had to be {hidden[0]}.{rest}"
        if result.possible:
            rest += f" {left_possible(len(result.possible))}"
        return f"{_faces(worked).capitalize()} {verb} {listed(list(result.weights))}, checked in the saved file.{rest}"
    if result.outcome == "failed":
        return f"Not protected: {number(failed)} of {_faces(worked)} could not be verified, so no file was made."
    if result.outcome == "no-face" and result.possible:
        return (
            f"No detector is sure of any face in this photo, so no file was made. {left_possible(len(result.possible))}"
        )
    if result.outcome == "no-face":
        return "No face was found in this photo, so there is nothing to protect and no file was made."
    return "This file could not be read as a photo."


def face_sentence(face: FaceResult, name: str, k_level: int, size: int | None) -> str:
    """What happened to one face. name: its number, and how it was chosen; size: identities the recognizer knows."""
    if face.rank_after is None or face.rank_before is None:
        return f"**Face {name}** was left as it was: recognizers see it as before."
    among = f" of {size:,}" if size else ""
    if face.outcome == "failed":
        why = "it did not pass everything that this profile checks"
        if face.rank_after == 1:
            why = f"a recognizer that knew this person still puts them first{among}"
        return f"**Face {name}** is **not protected**: {why}."
    before = f"put them {ordinal(face.rank_before)} before"
    if face.outcome == "not-recognized":
        before += " already (it did not recognize this person even in the original)"
    text = f"**Face {name}**: a recognizer that knew this person {before}; now **{ordinal(face.rank_after)}**{among}."
    if face.fallback is not None:
        text += f" The method could not protect it, so it is **{HIDDEN[face.fallback]}** instead; its place is chance."
    elif face.k is None:
        text += " The place is chance: this method does not control it."
    elif face.rank_after <= k_level + 1:
        text += f" They are still among its first {number(k_level + 1)} guesses, by design."
    if face.matches_at_far_1e_2 is True:
        text += " Compared one to one with your own photo it **still says match**."
    elif face.matches_at_far_1e_2 is False:
        text += " Compared one to one with your own photo it no longer says match."
    return text


def other_sentence(name: str, kind: str, rank: int, before: int, size: int, matches: bool | None) -> str:
    """What a recognizer that was not attacked makes of one face."""
    first = f"{'still puts' if before == 1 else 'puts'} them **first**" if rank == 1 else f"puts them {ordinal(rank)}"
    text = f"**{name}** ({CLASSES[kind]}) {first} of {size:,}"
    if matches is not None:
        text += " and, one to one, " + ("still says match" if matches else "no longer says match")
    return text + (": **not protected against it**." if rank == 1 or matches else ".")


def duration(seconds: float) -> str:
    """For people: the nearest minute, or seconds of a short one."""
    return f"{max(1, round(seconds))} s" if seconds < 90 else f"{round(seconds / 60)} min"


def photos(count: int) -> str:
    return f"{number(count)} {'photo' if count == 1 else 'photos'}"


def place_in_line(ahead: int) -> str:
    """While others' jobs come first."""
    return f"In line: {number(ahead)} {'job comes' if ahead == 1 else 'jobs come'} first."


def progress(step: "Step", names: Sequence[str]) -> str:
    """How an attack goes. names: of the chosen faces, in the order of the step's ranks."""
    shown = step.working or range(len(step.ranks))
    now = ", ".join(f"{names[face]} {_place(step.ranks[face])}" for face in shown)
    share = f"{step.settled} of {len(names)} faces settled · " if len(names) > 1 else ""
    what = f"step {step.evaluations}" if step.working else "looking at the saved file"
    return f"Protecting: {share}round {step.round}, {what} · now {now}"


def _place(rank: int | None) -> str:
    return "…" if rank is None else ordinal(rank)


def still_recognized_by(names: Sequence[str]) -> str:
    """A warning that belongs under the headline; empty if there is nobody to name."""
    if not names:
        return ""
    return f"**Still recognized by {listed(names)}**, which {'was' if len(names) == 1 else 'were'} not attacked."


def still_matched_by(names: Sequence[str]) -> str:
    """The same of recognizers that were attacked: they rank the right person lower, and that may be all."""
    if not names:
        return ""
    say = "says" if len(names) == 1 else "say"
    return f"**Compared one to one with your own photo, {listed(names)} still {say} match.**"


def why_not(result: PhotoResult) -> str:
    """Why a photo was not protected, and what can be done."""
    hides = result.method in HIDING or any(face.fallback for face in result.faces)
    return (
        f"Why: {result.message}. Try again (the draw is new each time), a larger version of the photo, "
        + ("" if hides else "let what cannot be protected be blurred (Settings), ")
        + "or another profile or method."
    )


def limits(result: PhotoResult) -> str:
    """What a protected photo was checked for, and what it does not cover."""
    text = f"This was checked {CHECKED[result.profile]}. Whatever else is done to the photo can undo it."
    if result.method in HIDING:
        return text
    return (
        f"{text} The place was checked among made-up strangers: among others the right person may come first again. It "
        "does not hide you from people: that is the point."
    )


def _faces(count: int) -> str:
    return f"{number(count)} {'face' if count == 1 else 'faces'}"


def _possible(count: int) -> str:
    return f"{number(count)} possible {'face' if count == 1 else 'faces'}"


DRAWN = "A drawn face that is left out is gone; draw it again if need be."
SETTINGS = (
    "The settings file tells the place drawn for each face and what was measured. Keep it to yourself: "
    "whoever has it can undo the protection."
)
