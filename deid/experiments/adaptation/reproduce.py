"""The adversary who filters, and the one who adapts: trained on protected photos, asked about other people.

A recognizer is asked about a protected photo of a held-out person, with another photo of the person enrolled, or with
the very photo: plain, after each filter, after a denoiser, and fine-tuned. Denoiser and fine-tuning learn from photos
of other people that this program protected, which everybody who has the program can make.
"""

from pathlib import Path
from typing import Any

from deid.defenses.filters import FILTERS
from deid.defenses.fine_tuning import FROZEN
from deid.defenses.registry import DEFENSES
from deid.errors import UsageError
from deid.experiments.adaptation.looks import Look, figures_of
from deid.experiments.adaptation.people import asked_people, training_photos
from deid.experiments.adaptation.photos import protected_faces
from deid.experiments.adaptation.table import as_table, plot
from deid.experiments.adaptation.training import DENOISER, FINE_TUNING, fine_tuned, trained_denoiser
from deid.experiments.results import check_installed, check_names, note, write_results
from deid.protection.profiles import PROFILES
from deid.protection.protector import load_protector
from deid.recognizers.checkpoints import load_recognizer, manifest
from deid.recognizers.kinship import class_of
from deid.types import Options


def reproduce_adaptation(people: Path, out: Path, *, pairs: int, count: int, profile: str, device: str) -> str:
    """The table as Markdown; with its JSON, its plot, the photos and the trained networks it is written to `out`.

    people: a folder a person (LFW).
    pairs: training people, a protected photo each, to learn from.
    count: held-out people to ask about, at most.
    profile: of PROFILES.
    device: that protects; networks are trained and asked on the CPU.

    Raises UsageError for another profile, for too few people, without matplotlib and scikit-image, and where `out`
    holds what was made otherwise.
    """
    check_names("profile", [profile], PROFILES)
    check_installed(dict.fromkeys(("matplotlib", "skimage"), "reproduce"))
    document = _measure(people, out / profile, pairs, count, profile, device)
    table = as_table(document)
    write_results(out, f"adaptation-{profile}", document, table, {f"adaptation-{profile}.svg": plot(document)})
    return table


def _measure(people: Path, folder: Path, pairs: int, count: int, profile: str, device: str) -> dict[str, Any]:
    """The document that is written to adaptation-PROFILE.json."""
    photos = training_photos(people)[:pairs]
    protector = load_protector(Options(profile=profile, write_unverified=True, device=device))
    asked = asked_people(people, count, folder / "asked", protector, note)
    learned = protected_faces(photos, folder / "pairs", protector, note)
    if len(learned) < 2:
        raise UsageError(f"{people}: {len(learned)} people to learn from are too few")
    entries = {name: entry for name, entry in manifest().items() if entry.path.is_file()}
    recognizers = {name: load_recognizer(name) for name in entries}
    denoiser, sha256 = trained_denoiser(learned, [recognizers[name] for name in FROZEN], folder, DENOISER, note)
    tuned = [fine_tuned(recognizers[name], learned, folder, FINE_TUNING, note) for name in FROZEN]
    everyone = list(recognizers.values())
    looks = [
        Look("plain", everyone, lambda crops: crops),
        *(Look(DEFENSES[name].title, everyone, filter_) for name, filter_ in FILTERS.items()),
        Look("denoiser, trained on pairs", everyone, denoiser, sha256),
        Look("fine-tuned on pairs", tuned, lambda crops: crops),
    ]
    rows = []
    for look in looks:
        note(f"{profile}, {look.title}")
        rows.append({"title": look.title, "recognizers": figures_of(look, asked)})
    surrogates = [entries[surrogate.recognizer.name] for surrogate in protector.surrogates]
    return {
        "profile": profile,
        "pairs": len(learned),
        "people": len(asked.protected),
        "verified": asked.verified,
        "enrolled": len(asked.other) + len(asked.further),
        "classes": {name: class_of(entry, surrogates) for name, entry in entries.items()},
        "rows": rows,
    }
