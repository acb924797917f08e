"""What the commands say of results: of a photo's faces, of a folder's photos, and what no summary may leave out."""

import shlex
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence

from deid.commands.words import counted, faces_line, listed, recognizer_line
from deid.methods import EXACT, STRONGEST
from deid.types import DONE_BEFORE, EXCLUDED, FaceResult, FolderResult, LeftOut, Options, PhotoResult, counted_possible

HIDDEN = {"blur": "blurred", "pixelate": "pixelated"}
NOT_LISTED = "a face that is not listed here was not found: it is as it was"
MOST_NAMES = 5  # of photos in one line
UNPROTECTED = "it is not protected"  # of a face, in a summary
_ORDER = ("protected", DONE_BEFORE, "failed", "no-face", "unreadable", EXCLUDED, "skipped")


def photo_summary(
    result: PhotoResult, gallery: int | None, *, sure: float = Options.sure, mine: bool = False
) -> list[str]:
    """Of each face what came of it and what each recognizer makes of it, where the file is, and last how many possible
    faces are left; nothing for a photo without any.

    gallery: how many identities the ranks are among; None leaves that out.
    sure: as the search was told.
    mine: whether other photos of a person were named.
    """
    if not result.faces:
        return _left_possible(result, sure)
    lines = []
    for number, face in enumerate(result.faces, 1):
        lines.append(f"face {number}: {_face_line(face, gallery, result)}")
        lines += [f"  {line}" for line in _recognizer_lines(face, gallery, result)]
    lines += _of_mine([result]) if mine else []
    if result.output is None:
        return [*lines, f"nothing was written{_way_out(result)}", *_left_possible(result, sure)]
    verified = (
        f"saved and verified, as profile {result.profile} asks" if result.profile in EXACT else "saved and verified"
    )
    state = "written although not verified" if result.outcome == "failed" else verified
    return [*lines, f"{state}: {result.output}", NOT_LISTED, *_notes([result]), *_left_possible(result, sure)]


def _notes(results: Sequence[PhotoResult]) -> list[str]:
    """What protected photos lost that their files held, a line for each kind of loss."""
    notes = Counter(
        result.message.removeprefix(f"{result.input}: ")
        for result in results
        if result.outcome == "protected" and result.message
    )
    if len(results) == 1:
        return [f"note: {note}" for note in notes]
    return [f"note: {note} ({count} photo{'' if count == 1 else 's'})" for note, count in notes.items()]


def _of_mine(results: Sequence[PhotoResult]) -> list[str]:
    """Whether the photos of --mine were of use."""
    faces = [face.mine for result in results for face in result.faces]
    if not any(faces):
        return ["--mine: no face is like those in your other photos, so they changed nothing"]
    count = "1 face was" if sum(faces) == 1 else f"{sum(faces)} faces were"
    return [f"--mine: {count} led away from your other photos as well"]


def _way_out(result: PhotoResult) -> str:
    """What helps where a face failed; empty where none did."""
    if all(face.outcome != "failed" for face in result.faces):
        return ""
    if _uncontrolled([result]):
        return f"; a higher --blur-size, up to {STRONGEST:g}, hides more, --except leaves one out"
    if any(face.fallback for face in result.faces):
        return "; --except leaves one out"
    return "; --fallback hides a face that cannot be protected, --except leaves one out"


def _left_possible(result: PhotoResult, sure: float) -> list[str]:
    """How many possible faces of a photo are left and what to do about them, in a line; none where there are none."""
    if not (count := len(result.possible)):
        return []
    are, them, one = ("it is", "it", "it") if count == 1 else ("they are", "them", "one")
    return [
        f"{counted_possible(count)} left as {are}: look at {them} "
        f"({command_for('faces', shlex.quote(result.input), sure)} shows {them}, --faces 'all,?1' takes {one} in)"
    ]


def command_for(command: str, photo: str, sure: float) -> str:
    """What finds the same faces of a photo, by the same numbers."""
    return f"deid {command} {photo}" + (f" --sure {sure:g}" if sure != Options.sure else "")


def folder_summary(result: FolderResult, *, sure: float = Options.sure, mine: bool = False) -> list[str]:
    """Counts, possible faces and pictures left out, every photo that is not protected, and what its faces have come to.

    sure: as the search was told.
    mine: whether other photos of a person were named.
    """
    outcomes = Counter(outcome_of(photo) for photo in result.photos)
    counts = ", ".join(f"{outcomes[name]} {name}" for name in _ORDER if outcomes[name])
    lines = [f"photos: {len(result.photos)}" + (f" ({counts})" if counts else "")]
    if names := [photo.input for photo in result.photos if photo.possible]:
        count = sum(len(photo.possible) for photo in result.photos)
        more = [f"{len(names) - MOST_NAMES} more"] if len(names) > MOST_NAMES else []
        lines[0] += (
            f"; {counted_possible(count)} in {len(names)} of them left as {'it is' if count == 1 else 'they are'}: "
            f"{listed([*names[:MOST_NAMES], *more])}"
        )
        lines.append(
            f"{command_for('faces', 'PHOTO', sure)} shows them, deid photo PHOTO --faces 'all,?1' takes one in"
        )
    lines += _left_out(result.left_out)
    lines += [problem for photo in result.photos if (problem := photo_problem(photo))]
    lines += _notes(result.photos)
    lines += _of_mine(result.photos) if mine else []
    if result.pmf:
        lines.append(_ranks_of(result))
    faces = [face for photo in result.photos for face in photo.faces]
    if ssim := [face.ssim for face in faces if face.ssim is not None]:
        lines.append(f"SSIM of the faces ({len(ssim)}): median {statistics.median(ssim):.3f}, worst {min(ssim):.3f}")
    if hidden := Counter(face.fallback for face in faces if face.fallback is not None):
        counts = ", ".join(f"{count} {HIDDEN[method]}" for method, count in hidden.items())
        lines.append(f"faces that {result.photos[0].method} could not protect: {counts} instead")
    compared = [face.matches_at_far_1e_2 for face in faces if face.matches_at_far_1e_2 is not None]
    if asked := counted(faces):
        lines.append(f"compared one to one with the clean photo, at FAR 1e-2: {asked}")
        everybody = dict.fromkeys(opinion.name for face in faces for opinion in face.recognizers)
        lines += [f"  {faces_line(name, faces)}" for name in everybody]
    elif compared:
        lines.append(
            "compared one to one with the clean photo, "
            f"{sum(compared)} of {len(compared)} faces still match at FAR 1e-2"
        )
    return lines


def _left_out(left_out: Sequence[LeftOut]) -> list[str]:
    """How many, all their names, and why, in a line; none where nothing is left out.

    «3 pictures and 1 folder left out: a.jxl and b.jxl (JPEG XL is not read); c.dng (camera raw is not read); d (a
    linked folder)».
    """
    if not left_out:
        return []
    folders = sum(left.is_folder for left in left_out)
    counts = [(len(left_out) - folders, "picture"), (folders, "folder")]
    counted_all = listed([f"{count} {noun}{'' if count == 1 else 's'}" for count, noun in counts if count])
    names: dict[str, list[str]] = {}
    for left in left_out:
        names.setdefault(left.reason, []).append(left.path)
    return [f"{counted_all} left out: " + "; ".join(f"{listed(paths)} ({reason})" for reason, paths in names.items())]


def outcome_of(result: PhotoResult) -> str:
    """In a word or two; of a photo that was skipped, why."""
    return result.message if result.message in (DONE_BEFORE, EXCLUDED) else result.outcome


def _ranks_of(result: FolderResult) -> str:
    """Where a folder's faces stand, in one line."""
    if result.photos[0].profile not in EXACT:
        # Anywhere in a list of a thousand.
        last = result.k_level + 1
        among = sum(share for rank, share in result.pmf.items() if int(rank) <= last)
        name = next(iter(result.photos[0].weights), Options().recognizer)
        return f"{name} puts {result.pmf.get('1', 0):.0%} of the faces first, {among:.0%} among its first {last}"
    shares = ", ".join(f"{rank}: {share:.0%}" for rank, share in result.pmf.items())
    level = "" if _uncontrolled(result.photos) else f", K = {result.k_level}"
    return f"share of the faces at each rank{level}: {shares}"


def limits(results: Sequence[PhotoResult]) -> list[str]:
    """What no summary may leave out, in one line; no line where nothing that was worked on is out in the world."""
    published = [result for result in results if result.outcome != "failed" or result.output is not None]
    worked = [(face, result) for result in published for face in result.faces if face.rank_after is not None]
    if not worked:
        return []
    weights = list(worked[0][1].weights)
    groups = Counter(_where_it_stands(face, result) for face, result in worked)
    failed, protected = groups[UNPROTECTED], len(worked) - groups[UNPROTECTED]
    if not protected:
        text = "No face is protected: recognizers may still match."
    else:
        of = "protection of the others" if failed else "protection"
        text = f"{_told(groups)}; {of} is against {listed(weights)}, other recognizers may still match."
    if any(face.recognizers for face, _ in worked):
        text += " To match: compared one to one with the clean photo, at FAR 1e-2."
    return [text]


def _where_it_stands(face: FaceResult, result: PhotoResult) -> str:
    """What is true of one face that was worked on."""
    if face.outcome == "failed":
        return UNPROTECTED
    if face.k is None:
        return f"ranks are not controlled by {face.fallback or result.method}"
    if result.profile not in EXACT:
        return f"where {next(iter(result.weights))} is to put the true identity is drawn over its whole list"
    last = result.k_level + 1
    if (face.rank_after or 0) > last:
        return f"the true identity is beyond the first {last} candidates"
    return f"the true identity is still among the first {last} candidates, by design"


def _told(groups: Mapping[str, int]) -> str:
    """What is true of all faces once, else of how many each."""
    if len(groups) == 1:
        return next(text[:1].upper() + text[1:] for text in groups)
    count = sum(groups.values())
    # What is not protected comes first.
    order = sorted((text for text, n in groups.items() if n), key=lambda text: text != UNPROTECTED)
    return "; ".join(
        f"{'Of' if not at else 'of'} {groups[text]}{f' of {count} faces' if not at else ''} {text}"
        for at, text in enumerate(order)
    )


def photo_problem(result: PhotoResult) -> str:
    """Why a photo is not protected, in one line with its name; empty where nothing is wrong."""
    if result.outcome in ("protected", "skipped"):
        return ""
    reasons = {"no-face": "no face was found", "failed": "a face could not be verified as protected"}
    return result.message or f"{result.input}: {reasons.get(result.outcome, result.outcome)}"


def _uncontrolled(results: Sequence[PhotoResult]) -> bool:
    """Whether no chosen face has a rank group k: so it is with blur and pixelate."""
    return all(face.k is None for result in results for face in result.faces)


def _face_line(face: FaceResult, gallery: int | None, result: PhotoResult) -> str:
    if face.outcome == "skipped" or face.rank_after is None:
        return "left as it was"
    parts = [counted([face]) or _ranks(face, gallery, result)]
    if face.outcome == "failed" and face.recognizers:  # what failed may be the file after a handling
        parts[0] = f"as published {parts[0]}"
    if face.fallback is not None:
        parts.insert(0, HIDDEN[face.fallback] + " instead")
    if face.outcome == "failed":
        parts.insert(0, "NOT PROTECTED")
    if face.outcome == "not-recognized":
        parts.insert(0, "not recognized even when clean")
    if face.fallback is None and face.attack not in (None, result.method):  # a profile may run another attack first
        parts.append(f"by {face.attack}")
    if face.ssim is not None:
        parts.append(f"SSIM {face.ssim:.3f}")
    if face.matches_at_far_1e_2 is not None and not face.recognizers:
        verb = "still matches" if face.matches_at_far_1e_2 else "no longer matches"
        parts.append(f"compared one to one with the clean photo it {verb} at FAR 1e-2")
    return ", ".join(parts)


def _ranks(face: FaceResult, gallery: int | None, result: PhotoResult) -> str:
    """By the recognizer whose ranks are reported."""
    text = f"rank {face.rank_before} → {face.rank_after}" + (f" of {gallery:,}" if gallery else "")
    if face.k is None or result.profile not in EXACT:
        return text
    if face.rank_after != face.k:
        return f"{text} (asked for {face.k})"
    return text if face.exact else f"{text}, elsewhere after handling"


def _recognizer_lines(face: FaceResult, gallery: int | None, result: PhotoResult) -> list[str]:
    """One for each recognizer that was asked, the worst first."""
    reported = next(iter(result.weights), "")
    size = f" of {gallery:,}" if gallery else ""
    lines = []
    for opinion in face.recognizers:
        ranks = f"rank {opinion.rank_before} → {opinion.rank_after}{size}"
        if opinion.name == reported:  # this one was told where to put them
            ranks = _ranks(face, gallery, result)
        lines.append(recognizer_line(opinion, ranks, of=face.recognizers))
    return lines
