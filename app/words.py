"""What the page says, for people who know nothing of recognizers and must not be misled."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from deid.commands.summaries import HIDDEN
from deid.commands.words import counted, listed
from deid.methods import EXACT
from deid.types import FaceResult, Opinion, PhotoResult, counted_possible

if TYPE_CHECKING:
    from .handlers import FoundPhoto

METHODS = {
    "feature-level": (
        "Against strangers' recognizers – other light and shade on the face; must hold after recompression, at half "
        "size and with a small crop (recommended)"
    ),
    "blur": "Blur – hides the face from people too; recognizers often see through it",
    "pixelate": "Pixelate – the same with a mosaic",
    "k-a3": "The papers' experiment (K-A³) – against one recognizer alone; others still know the face",
    "i-fgvm": "The papers' experiment with an older pattern (I-FGVM)",
}
STRENGTH = (
    "Even at 0 the recognizers that are attacked must no longer match. More hides from more of those that are not, and "
    "shows more."
)
PREVIEW = "The largest face at three strengths, a preview that was not checked: click one to choose it"
CLEAN = "as it is"
BLUR_SIZES = {"blur": 4.0, "pixelate": 10.0}  # where nobody asks for another
BLUR_SIZE = "Of the blur or the mosaic, in 128ths of the face."
FALLBACKS = {"": "Make no file and say why (recommended)", "blur": "Blur it", "pixelate": "Pixelate it"}
FALLBACK = "Such faces are mostly cut off by the photo's edge, or small. The others are changed as usual."
# What was looked at before a photo counted as protected.
CHECKED = {
    "stranger": (
        "in the saved file, and after a recompression, at half size and with a small crop (recognizers that were not "
        "attacked: in the saved file alone)"
    ),
    "paper": "in the saved file only: recompressing or resizing it may undo the protection",
}
K_LEVEL = (
    "Your true name lands on a random place from 2nd to K+1st among the recognizer's guesses. A larger K spreads it "
    "wider and shows a little more."
)
AUDITS = {
    "met": "The promised conditions are met",
    "violated": "The promised conditions are VIOLATED",
    "too few": "Too few photos to judge",
    "inconclusive": "It cannot be said whether the promised conditions are met",
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
    """The verdict in one line: who still recognizes a face stands in it."""
    failed = sum(face.outcome == "failed" for face in result.faces)
    worked = [face for face in result.faces if face.rank_after is not None]
    if result.outcome == "protected":
        left = len(result.faces) - len(worked)
        rest = f" {number(left).capitalize()} left as {'it was' if left == 1 else 'they were'}." if left else ""
        if hidden := [HIDDEN[face.fallback] for face in result.faces if face.fallback is not None]:
            rest = f" {number(len(hidden)).capitalize()} had to be {hidden[0]}.{rest}"
        if result.possible:
            rest += f" {left_possible(len(result.possible))}"
        rest += f" Note: {result.message}." if result.message else ""
        asked = counted(worked) or f"checked against {listed(list(result.weights))}"
        return f"{asked[:1].upper()}{asked[1:]}. {_faces(len(worked)).capitalize()} checked in the saved file.{rest}"
    if result.outcome == "failed":
        return f"Not protected: {number(failed)} of {_faces(len(worked))} could not be verified, so no file was made."
    if result.outcome == "no-face" and result.possible:
        return (
            f"No detector is sure of any face in this photo, so no file was made. {left_possible(len(result.possible))}"
        )
    if result.outcome == "no-face":
        return "No face was found in this photo, so there is nothing to protect and no file was made."
    return "This file could not be read as a photo."


def face_sentence(face: FaceResult, name: str, result: PhotoResult, size: int | None) -> str:
    """What happened to one face. name: its number, and how it was chosen; size: identities the recognizer knows."""
    if face.rank_after is None or face.rank_before is None:
        return f"**Face {name}** was left as it was: recognizers see it as before."
    among = f" of {size:,}" if size else ""
    reported = next(iter(result.weights), "a recognizer")
    if face.outcome == "failed":
        why = "it did not pass everything that this profile checks"
        if face.rank_after == 1:
            why = f"{reported}, which knew this photo, still puts the person first{among}"
        return f"**Face {name}** is **not protected**: {why}."
    text = (
        f"**Face {name}**: {counted([face])}."
        if face.recognizers
        else f"**Face {name}**: {_places(face, reported, among)}."
    )
    if face.outcome == "not-recognized":
        text += f" {reported} did not recognize this person even in the original."
    if face.fallback is not None:
        text += (
            f" The method could not protect it, so it is **{HIDDEN[face.fallback]}** instead; its places are chance."
        )
    elif face.k is None:
        text += " The places are chance: this method does not control them."
    elif result.profile in EXACT and face.rank_after <= result.k_level + 1:
        text += f" They are still among {reported}'s first {number(result.k_level + 1)} guesses, by design."
    return text


def _places(face: FaceResult, reported: str, among: str) -> str:
    """Where nothing else is told."""
    text = (
        f"{reported} put them {ordinal(face.rank_before or 1)} before; now **{ordinal(face.rank_after or 1)}**{among}"
    )
    if face.matches_at_far_1e_2 is None:
        return text
    says = "it still matches" if face.matches_at_far_1e_2 else "it no longer matches"
    return f"{text}. Compared one to one with your own photo **{says}**"


def recognizer_sentence(opinion: Opinion, size: int, *, of: Sequence[Opinion]) -> str:
    """What one recognizer makes of a face. of: all that were asked about it."""
    attacked = any(other.kind == "surrogate" for other in of)
    who = f"**{opinion.name}**" + (f" ({CLASSES[opinion.kind]})" if attacked else "")
    still = opinion.rank_before == opinion.rank_after == 1
    place = "first" if opinion.rank_after == 1 else ordinal(opinion.rank_after)
    puts = f"{'still puts' if still else 'puts'} them {place} of {size:,}"
    if opinion.matches is not None:
        puts = f"{'**still matches**' if opinion.matches else 'no longer matches'} and {puts}"
    return f"{who} {puts}" + (": **not protected against it**." if opinion.recognizes else ".")


def at_strength(strength: float) -> str:
    """Under a picture."""
    return f"strength {strength:g}"


def photos(count: int) -> str:
    return f"{number(count)} {'photo' if count == 1 else 'photos'}"


def place_in_line(ahead: int) -> str:
    """While others' jobs come first."""
    return f"In line: {number(ahead)} {'job comes' if ahead == 1 else 'jobs come'} first."


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
    text = (
        f"This was checked {CHECKED[result.profile]}. Whatever else is done to the photo can undo it. To match: "
        "compared one to one with your own photo, so that one stranger in a hundred passes for you. Recognizers that "
        "are not named here were not asked: they may still match."
    )
    if result.method in HIDING:
        return text
    if result.profile not in EXACT and any(face.k is not None for face in result.faces):
        text += f" Where {next(iter(result.weights), 'the first')} is to put you is drawn over its whole list."
    return (
        f"{text} Places are among made-up strangers: among others the right person may come first again. It does not "
        "hide you from people: that is the point."
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
