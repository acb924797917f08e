"""The verdict on a gallery, in what order a report shows recognizers, and what every report has to say."""

from typing import Any, Literal

from deid.audit.findings import FIRST_ELSEWHERE
from deid.images.handlings import AS_PUBLISHED
from deid.recognizers.kinship import CLASSES

Json = dict[str, Any]
Verdict = Literal["met", "violated", "too few", "inconclusive"]
ORDER: tuple[Verdict, ...] = ("violated", "too few", "inconclusive", "met")  # the worst first

THREAT_MODEL = (
    "Somebody runs a face recognizer over a published photo and looks the face up in a gallery of identities, or "
    "compares it one to one with a photo. In the hardest case, which the main figures assume, they own the very photo "
    "that was protected; «from another photo» means that they own a different one of the same person."
)
LOOKS = (
    "A few pixels of alignment may decide. What is said of ranks, and of faces after handling, is said of the faces as "
    "this audit's own search aligns them. «At any look» adds, in the file as published, where other programs may find "
    "them: with either detector, in the picture reduced to usual sizes, cut out of it, where the original has them, "
    "and on white and on black where there is transparency; there the worst look counts. This set meets condition (5) "
    "only if no face is at rank 1 at any look."
)
NOT_COVERED = (
    "Possible faces, of which the search is not sure: they are counted, and not audited.",
    "People who know the person, and what else identifies a photo: clothes, place, bodies, names, other photos.",
    "Recognizers behind defenses, and photos filtered before they are looked up, but for the defenses that are listed "
    "as asked: no verdict is of these.",
    "Recognizers that are not listed here, and those trained on protected photos of these people.",
    "Photos that were changed after they were published in other ways than those listed.",
)
RANKS_ARE_SPREAD = (
    "Where the true identity still stands in the list of the recognizer that was attacked: with the profile paper "
    "among the first {last} candidates, by construction; with the default, stranger, at its rank k or anywhere below, "
    "down to the end of the list. K-anonymity as measured here spreads people over ranks, it does not hide them from "
    "whoever looks at a list of {last}, or reads a list from its end. This is not Sweeney's 1/k against every "
    "adversary. How many stand among the first {last} and among the last {last} in these photos, and how many a "
    "one-to-one comparison still matches, is measured above."
)

# Findings that break what a published set promises; the others are worth knowing.
GRAVE = ("unreadable", "unchanged", "original published", "not a version", "swapped", "changed since")
# Which photos these are is for the private part alone: it tells where to look for who is recognized.
PRIVATE_KINDS = (FIRST_ELSEWHERE,)
# Perhaps somebody's face, but not audited.
NOT_AUDITED = ("extra", "second version", "not compared", "missing")


def gallery_verdicts(gallery: Json) -> list[Verdict]:
    if "withheld" in gallery:
        return ["violated" if gallery["any_look"]["value"] else "too few"]
    if gallery["this_set"] is None:  # no face
        return ["inconclusive"]
    this_set, process = gallery["this_set"], gallery["process"]
    verdicts = [this_set["condition_5"], this_set["condition_6"], process_verdict(process)]
    # Somebody who is always at one rank is betrayed even where others make up for it.
    within = gallery["within_person"]
    return verdicts + (["violated"] if within and within["verdict"] == "violated" else [])


def process_verdict(process: Json) -> Verdict:
    """On both conditions; what fewer persons leave open than would decide is no doubt about the process."""
    verdicts = process["condition_5"], process["condition_6"]
    worst = next(verdict for verdict in ORDER if verdict in (*verdicts, "met"))
    few = worst == "inconclusive" and process["persons"] < process["deciding_persons"]
    return "too few" if few else worst


def worst_first(recognizers: Json, figures: Json) -> list[str]:
    """Names of recognizers, the one that puts most published faces first at the top; classes break ties."""

    def key(name: str) -> tuple[float, int]:
        first = worst_share(figures[name])
        return -(first["value"] or 0.0 if first else 0.0), CLASSES.index(recognizers[name]["class"])

    return sorted(figures, key=key)


def worst_share(figures: Json, handling: str = AS_PUBLISHED) -> Json | None:
    """Of one recognizer, the share at rank 1 in the gallery where it is largest; None without a gallery."""
    shares = [gallery["handlings"][handling]["first"] for gallery in figures["galleries"].values()]
    return max(shares, key=lambda share: share["value"] or 0.0, default=None)


def worst_at_any_look(figures: Json) -> Json | None:
    """The same, of the faces at rank 1 at any look."""
    shares = [gallery["any_look"] for gallery in figures["galleries"].values()]
    return max(shares, key=lambda share: share["value"] or 0.0, default=None)
