"""Documents of audits that never happened, from counts made by hand, through the program's own `assemble`."""

from collections.abc import Sequence
from typing import Any

from deid.audit.report.document import assemble
from deid.audit.sets import FIRST_CANDIDATES, WHOLE_LIST
from deid.images.handlings import AS_PUBLISHED, HANDLINGS

Json = dict[str, Any]
K = 5
SPREAD = {"2": 20, "3": 20, "4": 20, "5": 20, "6": 20}
# Four hundred faces, evenly over a list of 1,001: four at every tenth rank, none at the first and none at the last.
EVERYWHERE = {str(rank): 4 for rank in range(10, 1001, 10)}
SIZE = 1001
FAR_AWAY = {"40": 30, "400": 20}
KNOWN = {"1": 48, "3": 2}
STRANGE = {"1": 2, "9": 18, "90": 30}
# What would break a page, or run in it, that does not escape names; the dot stands in the way of a path.
NASTY = "<script>alert('x')</script> & \"net.v1\""


def gallery(ranks: Json, other: Json = FAR_AWAY, control: Json = KNOWN) -> Json:
    """ranks: of the faces as published; after handling one of ten comes back to rank 1."""
    n = sum(ranks.values())
    back = {"1": n // 10, "2": n - n // 10}
    handled = {name: ranks if name == AS_PUBLISHED else back for name in HANDLINGS}
    return {
        "size": SIZE,
        "open_set_threshold": 0.65,
        "handlings": {
            name: {"ranks": tally, "ranks_other": other, "missed": n - n // 10} for name, tally in handled.items()
        },
        "any_look": {"first": ranks.get("1", 0), "n": n},
        "control": {"ranks": control, "missed": min(7, sum(control.values()))},
        "from_the_end": {
            "places": from_the_end(ranks),
            "places_other": from_the_end(other),
            "control": from_the_end(control),
        },
        "one_per_person": ranks,
        "within_person": [[1, 1, 0, 0, 0], [2, 1, 1, 1, 0]],
    }


def from_the_end(ranks: Json) -> Json:
    return {str(SIZE + 1 - int(rank)): n for rank, n in ranks.items()}


def counts_of(ranks: Json, *, control: Json = KNOWN, matches: int = 60) -> Json:
    """The counts of a recognizer with two galleries and two thresholds."""
    n, others = sum(ranks.values()), sum(control.values())
    one_to_one = {
        far: {
            "far": far,
            "threshold": threshold,
            "handlings": {
                name: {"n": n, "matches": min(n, matches // part), "n_other": others, "matches_other": others // 4}
                for name in HANDLINGS
            },
            "any_look": {"n": n, "matches": min(n, matches // part)},
            "control": {"n": others, "matches": control.get("1", 0)},
        }
        for far, threshold, part in (("1e-2", 0.5136, 1), ("1e-3", 0.6163, 2))
    }
    return {
        "faces": n,
        "persons": n,
        "galleries": {
            "shipped decoys": gallery(ranks, control=control),
            "fresh decoys": gallery(ranks, control=control),
        },
        "one_to_one": one_to_one,
        "linked": {far: {"far": far, "pairs": 40, "protected": 9, "clean": 38} for far in one_to_one},
        "histograms": {
            "genuine": {"0.50": 10, "0.62": 25, "0.70": 15},
            "impostor": {"-0.10": 200, "0.00": 500, "0.12": 90, "0.50": 3},
            "protected": {"0.30": n // 4, "0.44": n // 2, "0.60": n // 4},
        },
        "defenses": {},
    }


def counts_without_gallery(faces: int) -> Json:
    """The counts of a recognizer without decoys or threshold."""
    nothing = {name: {} for name in ("galleries", "one_to_one", "linked", "histograms", "defenses")}
    return {"faces": faces, "persons": faces, **nothing}


def published(
    label: str, recognizers: Json, findings: list[Json] | None = None, spread_over: str = FIRST_CANDIDATES
) -> Json:
    n = max(counts["faces"] for counts in recognizers.values())
    counts = {
        "photos": {"originals": n, "published": n, "audited": n},
        "faces": n,
        "spread_over": spread_over,
        "further_looks": 5 * n,
        "first_elsewhere": {"faces": 0, "photos": 0},
        "second_look": {"faces": 3, "photos": 2},
        "possible": {"faces": 1, "photos": 1},
        "persons": n,
        "recognizers": recognizers,
        "quality": {
            "ssim": {"0.921": 1, "0.963": n - 1},
            "cw_ssim": {"0.926": 1, "0.967": n - 1},
            "ms_ssim": {"0.967": 1, "0.983": n - 1},
            "psnr": {"33.7": 1, "38.4": n - 2, "inf": 1},
        },
        "findings": findings or [],
    }
    files = [
        {"id": f"{label}{at}", "sha256": f"{at:064x}", "pair_sha256": f"{1000 + at:064x}"} for at in range(1, n + 1)
    ]
    return {"label": label, "counts": counts, "files": [*files, {"id": f"{label}0", "sha256": "", "pair_sha256": ""}]}


def description(of_class: str, **more: Any) -> Json:
    about = {
        "class": of_class,
        "architecture": "lightcnn9",
        "sha256": "ab" * 32,
        "training_data": "faces of somebody",
        "teacher": None,
        "thresholds": {"1e-2": 0.5136, "1e-3": 0.6163},
        "thresholds_from": "shipped with the weights (45 clean impostor pairs here)",
        "galleries": {"shipped decoys": 1001, "fresh decoys": 1001},
    }
    return about | more


def document(recognizers: Json, sets: list[Json], defenses: Sequence[str] = ()) -> Json:
    configuration = {
        "k_level": K,
        "seed": 0,
        "handlings": list(HANDLINGS),
        "looks": ["where it was in the original", "CenterFace"],
        "enrolled_people": False,
        "defenses": list(defenses),
        "methods": ["k-a3", "blur"][: len(sets)],
        "cw_ssim": {"scales": 4, "orientations": 4, "window": 7, "kappa": 0.0001},
        "ssim": {"window": 7, "image": "aligned luma face, 128×128"},
        "persons": "guessed from the clean photos",
    }
    made = {"date": "2026-03-01", "versions": {"face-deid": "0.1.0", "torch": "2.15.0"}, "seconds": 12.5}
    return assemble(configuration, recognizers, sets, made)


def plain() -> Json:
    """One set, one independent recognizer, every condition met."""
    return document({"net": description("independent")}, [published("A", {"net": counts_of(SPREAD)})])


def everywhere(ranks: Json | None = None) -> Json:
    """One set whose faces may stand anywhere in a list."""
    counts = counts_of(ranks or EVERYWHERE)
    return document({"net": description("independent")}, [published("A", {"net": counts}, spread_over=WHOLE_LIST)])


def few_anywhere() -> Json:
    """Four of them, at both ends: too few for a distribution over ranks to be shared."""
    return everywhere({"1": 1, "2": 1, "1000": 1, "1001": 1})


def small() -> Json:
    """One set of twelve faces: what is shared of it withholds its distribution over ranks."""
    ranks = {"1": 1, "2": 3, "3": 3, "5": 3, "77": 2}
    recognizers = {"net": description("surrogate", teacher="another")}
    return document(recognizers, [published("A", {"net": counts_of(ranks, matches=9)})])


def defended() -> Json:
    """Two sets before two defenses: one recovers people in the first set, and nobody was asked about in the second."""
    configured = {"net": description("independent")}
    recovered, detected = outcomes(success=5, failed=40, detected=5), outcomes(detected=50)
    clean, nobody = outcomes(failed=49, detected=1), outcomes()
    first = counts_of(SPREAD) | {
        "defenses": {
            "jpeg": {
                "this photo": defended_counts(recovered, clean, undefended=outcomes(success=50)),
                "another photo": defended_counts(detected, clean, undefended=outcomes(success=50)),
            },
            NASTY: {"another photo": defended_counts(outcomes(success=50), outcomes(success=50), identities=12)},
        }
    }
    second = counts_of(SPREAD) | {
        "defenses": {
            name: {knows: defended_counts(nobody, nobody) for knows in asked}
            for name, asked in first["defenses"].items()
        }
    }
    return document(configured, [published("A", {"net": first}), published("B", {"net": second})], ["jpeg", NASTY])


def outcomes(success: int = 0, failed: int = 0, detected: int = 0) -> Json:
    return {"success": success, "failed": failed, "detected": detected}


def defended_counts(asked: Json, clean: Json, undefended: Json | None = None, identities: int = SIZE) -> Json:
    return {
        "persons": sum(asked.values()),
        "left_out": 3,
        "identities": identities,
        "learned": 30,
        "published": asked,
        "clean": clean,
        "undefended": undefended or asked,
        "undefended_clean": clean,
    }


def troubled() -> Json:
    """Two sets: a control that failed, a recognizer that could not be asked, findings, names that need escaping."""
    recognizers = {
        "net": description("surrogate"),
        NASTY: description("related", training_data="<i>faces</i>"),
        "mute": description("unknown", thresholds={}, thresholds_from="none", galleries={}),
    }
    findings = [
        {"kind": "unchanged", "id": "A<b>1</b>", "detail": "pixel for pixel the original"},
        {"kind": "recompressed", "id": "A2", "detail": "JPEG of quality 50: perhaps <not> as it was protected"},
    ]
    tail = {"1": 3, **SPREAD, **{str(rank): 1 for rank in range(10, 25)}}
    many = {"1": 40, "2": 20, "3": 58}
    first = {"net": counts_of(tail), NASTY: counts_of(many, control=STRANGE), "mute": counts_without_gallery(118)}
    second = {"net": counts_of({"1": 118}), NASTY: counts_of(many, control={}), "mute": counts_without_gallery(118)}
    return document(recognizers, [published("A", first, findings), published("B & <i>C</i>", second)])
