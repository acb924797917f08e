"""The report as a document: put together, its shared part, its digest, its signature, its check."""

import base64
import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from deid.audit.report.figures import FACES_PER_RANK, figures_of
from deid.audit.report.first_screen import first_screen
from deid.audit.report.published_files import Place, changed_files
from deid.audit.report.reasons import judged
from deid.audit.report.summary import LOOKS, NOT_COVERED, PRIVATE_KINDS, RANKS_ARE_SPREAD, THREAT_MODEL
from deid.errors import CheckpointError
from deid.recognizers.checkpoints import manifest, verify
from deid.types import finite

Json = dict[str, Any]
PROGRAM = "face-deid audit "
# 1 knew no looks but its own, 2 read lists from their start alone, 3 asked no defenses, 4 bound no photo to its name
FORMAT = f"{PROGRAM}5"
FILES_BESIDE = "files_beside"  # of the private part
_SEALED = ("digest", "signature")  # what is computed last, from all the rest


def assemble(configuration: Json, recognizers: Json, sets: list[Json], made: Json) -> Json:
    """The document from counts: figures, verdicts, sentences and digest are derived. sets: {label, counts, files}.

    First screen and verdict are made from what the shared part tells: both parts answer a question alike.
    """
    K = configuration["k_level"]
    derived, everybody = [], []
    for published_set in sets:
        figures = figures_of(published_set["counts"], K)
        counts = _withheld(published_set["counts"], K)
        told = {**published_set, "counts": counts}
        told["figures"] = figures if counts is published_set["counts"] else figures_of(counts, K)
        everybody.append(told)
        derived.append({**published_set, "figures": figures, "first_screen": first_screen(told, recognizers, K)})
    verdict, because = judged(everybody, K)
    document = {
        "format": FORMAT,
        "threat_model": THREAT_MODEL,
        "looks": LOOKS,
        "not_covered": list(NOT_COVERED),
        "ranks_are_spread": RANKS_ARE_SPREAD.format(last=K + 1),
        "configuration": configuration,
        "configuration_sha256": sha256_of(configuration),
        "recognizers": recognizers,
        "sets": derived,
        "made": made,
        "verdict": verdict,
        "because": because,
    }
    return sealed(document)


def shared_part(document: Json) -> Json:
    """The document for others: without a pmf where a set has too few faces for one, and without who is first."""
    K = document["configuration"]["k_level"]
    sets = _counted(document)
    for published_set in sets:
        findings = [line for line in published_set["counts"]["findings"] if line["kind"] not in PRIVATE_KINDS]
        published_set["counts"] = _withheld({**published_set["counts"], "findings": findings}, K)
    return assemble(document["configuration"], document["recognizers"], sets, document["made"])


def _counted(document: Json) -> list[Json]:
    """Of each set what is not derived."""
    return [{key: published_set[key] for key in ("label", "counts", "files")} for published_set in document["sets"]]


def _withheld(counts: Json, K: int) -> Json:
    """Counts of a set as everybody is told them: under so many faces no rank but the first."""
    if counts["faces"] >= FACES_PER_RANK * K:
        return counts
    return {**counts, "recognizers": {name: _coarse(of) for name, of in counts["recognizers"].items()}}


def _coarse(counts: Json) -> Json:
    """Counts of one recognizer that tell of no rank but the first."""
    galleries = {
        name: gallery
        if "withheld" in gallery
        else {
            "size": gallery["size"],
            "withheld": "too few faces for a distribution over ranks",
            "handlings": {
                handling: {"first": handled["ranks"].get("1", 0), "n": sum(handled["ranks"].values())}
                for handling, handled in gallery["handlings"].items()
            },
            "any_look": gallery["any_look"],
        }
        for name, gallery in counts["galleries"].items()
    }
    return {**counts, "galleries": galleries}


def sealed(document: Json) -> Json:
    """With the SHA-256 of everything else."""
    rest = finite({key: value for key, value in document.items() if key not in _SEALED})
    return {**rest, "digest": sha256_of(rest)}


def sha256_of(value: Any) -> str:
    return hashlib.sha256(_canonical(value)).hexdigest()


def _canonical(value: Any) -> bytes:
    return json.dumps(
        finite(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def signed(document: Json, key_file: Path) -> Json:
    """With an Ed25519 signature of the digest. Raises UsageError for a file that is no such private key."""
    from deid.audit.report import signatures

    signature, public = signatures.sign(document["digest"].encode(), key_file)
    encoded = {"algorithm": "Ed25519", "public_key": base64.b64encode(public).decode()}
    return {**document, "signature": {**encoded, "value": base64.b64encode(signature).decode()}}


def with_files(document: Json, hashes: Mapping[str, str]) -> Json:
    """The whole document with the SHA-256 of the files beside it, by name."""
    return sealed({**document, FILES_BESIDE: dict(hashes)})


def differences(document: Json, published: Iterable[Place] | None) -> list[str]:
    """What of a report differs from what its own counts, the weights here and the files here give; one line each.

    published: the folders of published files as they are now; None leaves them unchecked.
    """
    if document.get("format") != FORMAT:
        return [f"format: {document.get('format')!r} is not {FORMAT!r}"]
    try:
        again = assemble(document["configuration"], document["recognizers"], _counted(document), document["made"])
        files = changed_files(document["sets"], published) if published is not None else []
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        return [f"the counts are not those of a report ({type(error).__name__}: {error})"]
    lines = [
        f"{where}: the report says {_short(reported)}, its own counts give {_short(derived)}"
        for where, reported, derived in _unequal(document, again)
        if where.split(".")[0] not in (*_SEALED, FILES_BESIDE)
    ]
    if document.get("digest") != sealed(document)["digest"]:
        lines.append("digest: the report was edited after it was made")
    if "signature" in document:
        from deid.audit.report import signatures

        problem = signatures.problem_of(document["signature"], str(document.get("digest")).encode())
        lines += [f"signature: {problem}"] if problem else []
    return lines + _changed_weights(document) + files


def _unequal(a: Any, b: Any, where: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Paths of the values in which two JSON documents differ."""
    if isinstance(a, dict) and isinstance(b, dict):
        for key in [*a, *(key for key in b if key not in a)]:
            yield from _unequal(a.get(key), b.get(key), f"{where}.{key}" if where else str(key))
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            yield from _unequal(x, y, f"{where}[{i}]")
    elif isinstance(a, float) and isinstance(b, float):
        # Another machine's library may round the last digit otherwise.
        if not math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12):
            yield where, a, b
    elif a != b:
        yield where, a, b


def weights_elsewhere(document: Json) -> list[str]:
    """Recognizers of a report whose weights are not on this machine, so that nobody can check them here."""
    recognizers, entries = document.get("recognizers"), manifest()
    return [name for name in recognizers if name not in entries] if isinstance(recognizers, dict) else []


def _changed_weights(document: Json) -> list[str]:
    lines = []
    entries = manifest()
    for name, recognizer in document["recognizers"].items():
        if name not in entries:
            continue
        if entries[name].sha256 != recognizer["sha256"]:
            lines.append(f"weights of {name}: the report was made with others (SHA-256 {recognizer['sha256'][:16]}…)")
        else:
            try:
                verify(entries[name])
            except CheckpointError as error:
                lines.append(f"weights of {error}")
    return lines


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:77]}…"
