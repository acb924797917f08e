"""A report's verdict and its first screen: one sentence a question, for someone who knows nothing of recognizers."""

from typing import Any, Literal

from deid.audit.classes import CLASSES
from deid.handling import AS_PUBLISHED

Json = dict[str, Any]
Verdict = Literal["met", "violated", "inconclusive"]

THREAT_MODEL = (
    "Somebody runs a face recognizer over a published photo and looks the face up in a gallery of identities, or "
    "compares it one to one with a photo. In the hardest case, which the main figures assume, they own the very photo "
    "that was protected; «from another photo» means that they own a different one of the same person."
)
NOT_COVERED = (
    "People who know the person, and what else identifies a photo: clothes, place, bodies, names, other photos.",
    "Recognizers that are not listed here, and those trained on protected photos of these people.",
    "Photos that were changed after they were published in other ways than those listed.",
)
RANKS_ARE_SPREAD = (
    "The true identity is still among the first {last} candidates, by construction: K-anonymity as measured here "
    "spreads it over ranks, it does not hide it from whoever looks at a list of {last}. This is not Sweeney's 1/k "
    "against every adversary."
)

# Findings that break what a published set promises; the others are worth knowing.
GRAVE = ("missing", "unreadable", "unchanged", "not a version", "swapped", "changed since")


def verdict_of(document: Json) -> Verdict:
    """The worst over the sets, their recognizers and galleries, and their findings."""
    verdicts = [verdict for one in document["sets"] for verdict in set_verdicts(one)]
    if "violated" in verdicts:
        return "violated"
    return "inconclusive" if "inconclusive" in verdicts or not verdicts else "met"


def set_verdicts(one: Json) -> list[Verdict]:
    verdicts: list[Verdict] = ["violated" for finding in one["counts"]["findings"] if finding["kind"] in GRAVE]
    for figures in one["figures"]["recognizers"].values():
        if not figures["galleries"] or figures["control"]["state"] == "failed":
            verdicts.append("inconclusive")
        for gallery in figures["galleries"].values():
            verdicts += gallery_verdicts(gallery)
    return verdicts


def gallery_verdicts(gallery: Json) -> list[Verdict]:
    if "this_set" not in gallery or gallery["this_set"] is None:  # withheld, or no face
        return ["violated" if gallery["handlings"][AS_PUBLISHED]["first"]["value"] else "inconclusive"]
    this_set, process = gallery["this_set"], gallery["process"]
    verdicts = [this_set["condition_5"], this_set["condition_6"], process["condition_5"], process["condition_6"]]
    # Somebody who is always at one rank is betrayed even where others make up for it.
    return verdicts + (["violated"] if gallery["within_person"]["verdict"] == "violated" else [])


def first_screen(one: Json, recognizers: Json, K: int) -> list[Json]:
    """[{question, answer, evidence}] of one set."""
    figures = one["figures"]["recognizers"]
    return [
        _put_first(figures, recognizers),
        _spread(figures, recognizers, K),
        _match(figures, recognizers),
        _independent(figures, recognizers),
        _complete(one["counts"]),
        _cost(one["figures"]["quality"]),
    ]


def worst_first(recognizers: Json, figures: Json) -> list[str]:
    """Names of recognizers, the one that puts most published faces first at the top; classes break ties."""

    def key(name: str) -> tuple[float, int]:
        first = _worst_first_share(figures[name])
        return -(first["value"] or 0.0 if first else 0.0), CLASSES.index(recognizers[name]["class"])

    return sorted(figures, key=key)


def _worst_first_share(figures: Json) -> Json | None:
    """The share at rank 1 in the gallery where it is largest."""
    shares = [gallery["handlings"][AS_PUBLISHED]["first"] for gallery in figures["galleries"].values()]
    return max(shares, key=lambda one: one["value"] or 0.0, default=None)


def _put_first(figures: Json, recognizers: Json) -> Json:
    parts = []
    for name in worst_first(recognizers, figures):
        first = _worst_first_share(figures[name])
        if first is None or not first["n"]:
            parts.append(f"{_named(name, recognizers)} could not be asked")
            continue
        part = f"{_named(name, recognizers)} puts {_percent(first)} of the faces first"
        if figures[name]["control"]["state"] == "failed":
            part += ", but does not know these people even in clean photos: this proves nothing"
        parts.append(part)
    return {"question": "Do recognizers still put the person first?", "answer": _sentence(parts)}


def _spread(figures: Json, recognizers: Json, K: int) -> Json:
    parts = []
    for name in worst_first(recognizers, figures):
        verdicts = [v for gallery in figures[name]["galleries"].values() for v in gallery_verdicts(gallery)]
        if not verdicts:
            continue
        said = "violated" if "violated" in verdicts else "inconclusive" if "inconclusive" in verdicts else "met"
        parts.append(f"{said} for {_named(name, recognizers)}")
    return {
        "question": f"Is the true identity off rank 1 and spread evenly, at most 1/{K} a rank?",
        "answer": _sentence(parts) if parts else "No recognizer with a gallery could be asked.",
    }


def _match(figures: Json, recognizers: Json) -> Json:
    parts = []
    for name in worst_first(recognizers, figures):
        if "1e-2" not in figures[name]["one_to_one"]:
            parts.append(f"{_named(name, recognizers)} has no threshold")
            continue
        protection = figures[name]["one_to_one"]["1e-2"]["handlings"][AS_PUBLISHED]["main"]
        if protection["n"]:
            matched = {"value": 1 - protection["value"], "low": 1 - protection["high"], "high": 1 - protection["low"]}
            matched["n"] = protection["n"]
            parts.append(f"{_named(name, recognizers)} still matches {_percent(matched)}")
    return {
        "question": "Does a one-to-one comparison with the original still match (at one false match in a hundred)?",
        "answer": _sentence(parts) if parts else "No face could be compared.",
    }


def _independent(figures: Json, recognizers: Json) -> Json:
    independent = [name for name, one in recognizers.items() if one["class"] == "independent"]
    asked = [name for name in independent if figures[name]["galleries"] or figures[name]["one_to_one"]]
    unknown = [name for name, one in recognizers.items() if one["class"] == "unknown"]
    if asked:
        answer = f"Yes: {', '.join(asked)}."
    elif independent:
        answer = (
            f"No. {', '.join(independent)} would be one, but there are too few people here to make decoys or a "
            "threshold, and none came with its weights."
        )
    elif unknown:
        answer = (
            "Unknown: nobody told what these photos were protected against or what a recognizer was trained on, so "
            "treat every recognizer as possibly attacked."
        )
    else:
        answer = (
            "No. The recognizers asked were attacked themselves or are related to one that was; what others make of "
            "these photos is not known."
        )
    return {"question": "Was a recognizer asked that had nothing to do with the protection?", "answer": answer}


def _complete(counts: Json) -> Json:
    kinds: dict[str, int] = {}
    for finding in counts["findings"]:
        kinds[finding["kind"]] = kinds.get(finding["kind"], 0) + 1
    audited = f"{counts['photos']['audited']} of {counts['photos']['originals']} photos were audited"
    found = ", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items()))
    return {"question": "Is everything there?", "answer": f"{audited}; findings: {found or 'none'}."}


def _cost(quality: Json) -> Json:
    ssim = quality["ssim"]
    answer = "No face could be compared."
    if ssim["n"]:
        values = f"median {ssim['value']:.3f}, worst {ssim['worst']:.3f}"
        answer = f"SSIM of the faces: {values} (1 is no difference), N = {ssim['n']}."
    return {"question": "How much do the photos differ from the originals?", "answer": answer}


def _named(name: str, recognizers: Json) -> str:
    return f"{name} ({recognizers[name]['class']})"


def _percent(one: Json) -> str:
    return f"{100 * one['value']:.1f} % ({100 * one['low']:.1f}–{100 * one['high']:.1f}, N = {one['n']})"


def _sentence(parts: list[str]) -> str:
    text = "; ".join(parts)
    return text[:1].upper() + text[1:] + "."
