"""What the program is asked and what it answers: frozen records, the same ones as JSON and in Python."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from deid.methods import method_for, profile_for

Outcome = Literal["protected", "failed", "no-face", "unreadable", "skipped"]
FaceOutcome = Literal["protected", "failed", "not-recognized", "skipped"]
# Messages of photos that are `skipped`.
DONE_BEFORE, EXCLUDED = "done before", "excluded"
RecognizerClass = Literal["surrogate", "related", "independent", "unknown"]


@dataclass(frozen=True)
class Options:
    """How to protect.

    k_level: K, the anonymity level.
    method: of `methods.METHODS`; None: the profile's own.
    strength: how much an attack may show, 0 to 1.
    blur_size: of blur and pixelate, in pixels of a 128-pixel face; None: the method's own.
    fallback: blur or pixelate, for faces that the method cannot protect; None: write nothing.
    profile: of `protection.profiles.PROFILES`; None: the default, or what the method can reach.
    recognizer: whose ranks are reported.
    faces: "all", "largest", or numbers left to right such as "1,3"; "?1" takes in the first possible face.
    excluded: numbers of faces to leave as they are.
    boxes: faces that no detector sees: "x0,y0,x1,y1", with "@90", "@180" or "@270" where the top of the head points
        right, down or left.
    sure: the detector's score, in [0, 1], from which on something is a face and not only a possible one.
    people: a folder with a folder of photos for each known person.
    mine: a folder of other photos of the person to protect.
    seed: makes the draw of k repeatable; it is secret without.
    quality: of a JPEG, WebP, HEIC or AVIF output, 1 to 100; None: 95, or a JPEG's own if that is higher, and lossless
        for a lossless WebP.
    keep_metadata: camera, dates and exposure, and the date of the file.
    keep_position: also where the photo was taken; needs keep_metadata.
    device: auto, cpu or cuda.
    """

    k_level: int = 5
    method: str = None  # type: ignore[assignment]  # always known once made
    strength: float = 0.5
    blur_size: float | None = None
    fallback: str | None = None
    profile: str = None  # type: ignore[assignment]
    recognizer: str = "lightcnn9"
    faces: str = "all"
    excluded: str = ""
    boxes: tuple[str, ...] = ()
    sure: float = 0.5
    people: Path | None = None
    mine: Path | None = None
    seed: int | None = None
    quality: int | None = None
    keep_metadata: bool = False
    keep_position: bool = False
    overwrite: bool = False
    write_unverified: bool = False
    device: str = "auto"

    def __post_init__(self) -> None:
        profile = self.profile or profile_for(self.method)
        object.__setattr__(self, "profile", profile)
        object.__setattr__(self, "method", self.method or method_for(profile))


@dataclass(frozen=True)
class Opinion:
    """What one recognizer makes of a face in the saved file, as it is published.

    kind: what it is to those that were attacked; `class` in JSON.
    rank_before, rank_after: in its gallery, 1 = recognized.
    matches: whether a comparison one to one with the clean face accepts it, at FAR 1e-2; None where nobody measured
        from which similarity on two faces do.
    """

    name: str
    kind: RecognizerClass
    rank_before: int
    rank_after: int
    matches: bool | None = None

    @property
    def recognizes(self) -> bool:
        return self.rank_after == 1 or self.matches is True

    def to_json(self) -> dict[str, Any]:
        return {("class" if key == "kind" else key): value for key, value in asdict(self).items()}


@dataclass(frozen=True)
class FaceResult:
    """One face of one photo. Private: ranks and `k` reveal the draw. Values are None for a face left alone.

    box: (x0, y0, x1, y1) in pixels of the upright photo.
    identity: the enrolled person, or the face's own enrollment.
    k: the rank group; None for a face that is blurred or pixelated.
    exact: whether it stands at k after every handling that its profile checks.
    rank_before, rank_after: in the gallery of `identity`, 1 = recognized.
    similarity_before, similarity_after: cosines with the prototype of `identity`.
    matches_at_far_1e_2: whether a comparison one to one accepts the saved face.
    ssim, cw_ssim, psnr: of the aligned face before and in the saved file; psnr in dB.
    gradient_evaluations: in all rounds.
    attack: what really perturbed it, or the obfuscation; several in the order in which they ran, joined by commas.
    fallback: by what the face was hidden because the method did not protect it.
    recognizers: what each that was asked makes of it, the worst first.
    mine: whether it was taken for the person of `Options.mine`, and led away from their other photos as well.
    """

    box: tuple[float, float, float, float]
    identity: str
    outcome: FaceOutcome
    k: int | None = None
    exact: bool = False
    rank_before: int | None = None
    rank_after: int | None = None
    similarity_before: float | None = None
    similarity_after: float | None = None
    matches_at_far_1e_2: bool | None = None
    ssim: float | None = None
    cw_ssim: float | None = None
    psnr: float | None = None
    gradient_evaluations: int = 0
    attack: str | None = None
    fallback: str | None = None
    recognizers: tuple[Opinion, ...] = ()
    mine: bool = False

    def to_json(self) -> dict[str, Any]:
        record = asdict(self)
        record["box"] = [round(float(v), 2) for v in self.box]
        record["recognizers"] = [opinion.to_json() for opinion in self.recognizers]
        return {("matches_at_far_1e-2" if key == "matches_at_far_1e_2" else key): v for key, v in record.items()}


@dataclass(frozen=True)
class PossibleFace:
    """What no detector is sure of, left as it is. box: as a face's; score: CenterFace's, in [0, 1]."""

    box: tuple[float, float, float, float]
    score: float

    def to_json(self) -> dict[str, Any]:
        return {"box": [round(float(v), 2) for v in self.box], "score": round(self.score, 3)}


def counted_possible(count: int) -> str:
    """«1 possible face», «2 possible faces»."""
    return f"{count} possible face{'' if count == 1 else 's'}"


@dataclass(frozen=True)
class PhotoResult:
    """One photo.

    output: None unless a file was written.
    possible: the likeliest first; «?1» is the first of those that a search finds.
    method: the one asked for; what ran is in each face's `attack`.
    weights: recognizer attacked → SHA-256.
    message: one line for the user.
    timing: what took how many seconds; not part of the JSON.
    """

    input: str
    output: str | None
    outcome: Outcome
    profile: str
    method: str
    k_level: int
    faces: tuple[FaceResult, ...] = ()
    possible: tuple[PossibleFace, ...] = ()
    seconds: float = 0.0
    versions: Mapping[str, str] = field(default_factory=dict)
    weights: Mapping[str, str] = field(default_factory=dict)
    message: str = ""
    timing: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "input": self.input,
            "output": self.output,
            "outcome": self.outcome,
            "profile": self.profile,
            "method": self.method,
            "k_level": self.k_level,
            "faces": [face.to_json() for face in self.faces],
            "possible": [face.to_json() for face in self.possible],
            "seconds": round(self.seconds, 3),
            "versions": dict(self.versions),
            "weights": dict(self.weights),
            "message": self.message,
        }


@dataclass(frozen=True)
class LeftOut:
    """What looks like a picture and was not done, or a folder that was not entered. reason: in a few words."""

    path: str
    reason: str
    is_folder: bool = False


@dataclass(frozen=True)
class FolderResult:
    """A run over a folder. pmf: rank → share, over the faces published there; report: where one was written."""

    photos: tuple[PhotoResult, ...]
    counts: Mapping[str, int]
    pmf: Mapping[str, float]
    k_level: int
    report: str | None = None
    left_out: tuple[LeftOut, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "photos": [photo.to_json() for photo in self.photos],
            "left_out": [{"path": left.path, "reason": left.reason} for left in self.left_out],
            "counts": dict(self.counts),
            "pmf": dict(self.pmf),
            "k_level": self.k_level,
            "report": self.report,
        }


def finite(value: Any) -> Any:
    """The same JSON value with null for infinity (the PSNR of an unchanged face) and NaN, as JSON has neither."""
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
