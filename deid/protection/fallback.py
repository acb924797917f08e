"""Faces of a photo blurred or pixelated: because that is the method, or where the attack did not protect them."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

import numpy as np

from deid.faces.obfuscation import OBFUSCATIONS, STRENGTHS
from deid.faces.orientation import upright_in
from deid.methods import STRONGEST
from deid.protection.attempt import Attempt
from deid.protection.criteria import holds, shortcoming
from deid.protection.rounds import run_rounds
from deid.protection.task import PhotoTask
from deid.protection.verification import verify


def obfuscate(task: PhotoTask) -> Attempt:
    """Blur or pixelate the chosen faces, as strongly as the options say; one look at the encoded file, no round."""
    method, size = task.protector.options.method, task.protector.options.blur_size
    strengths = dict.fromkeys(range(len(task.found)), STRENGTHS[method] if size is None else size)
    clean = task.chain.clean_faces()
    untouched = Attempt(b"", (), (0,) * len(clean), ((),) * len(clean), clean, clean - clean)
    return _hide(task, untouched, method, strengths)


def fall_back(task: PhotoTask, attempt: Attempt, method: str) -> Attempt:
    """The attempt with every face that it does not protect blurred or pixelated, the more the longer one still fails.

    A face that fails or leaves its k only now, beside a hidden one, is attacked once more, and hidden if it fails all
    the same. What is left of one that fails even at the greatest strength is attacked: to be recognized no more is
    enough then, and nothing limits how much may be seen. (Where most of an aligned face lies outside the photo, a
    recognizer finds even its blur alike. Nothing detects that any more, so the alignment stays.)
    """
    profile, ks = task.profile, task.ks
    strengths, attacked_anew = dict[int, float](), set[int]()

    def at_k() -> set[int]:
        """Faces that stand, as they are published, where the profile wants them."""
        checks = enumerate(attempt.checks)
        return {row for row, check in checks if holds(check.published, ks[row], profile)}

    at_first = at_k()
    while True:
        failing = {row for row, check in enumerate(attempt.checks) if shortcoming(check, profile)}
        lost = failing | (at_first - at_k())
        disturbed = sorted(lost - strengths.keys() - attacked_anew) if strengths else []
        weak = [row for row in sorted(failing - set(disturbed)) if strengths.get(row) != STRONGEST]
        if weak:
            strengths |= {
                row: min(2 * strengths[row], STRONGEST) if row in strengths else STRENGTHS[method] for row in weak
            }
            attempt = _hide(task, attempt, method, strengths)
        elif disturbed:
            attacked_anew |= set(disturbed)
            attempt = _attack_again(task, attempt, method, disturbed)
        elif failing:
            any_budget = None if profile.budget is None else 1.0
            anywhere = replace(
                profile, exact=False, limit=None, widening=0.0, budget=any_budget, features=1.0, reach=8.0
            )
            free = replace(task, profile=anywhere, ks=(2,) * len(ks))
            return _attack_again(free, attempt, method, sorted(failing))
        else:
            return attempt


def _hide(task: PhotoTask, attempt: Attempt, method: str, strengths: Mapping[int, float]) -> Attempt:
    """The attempt encoded with these faces, by their rows, hidden instead, and looked at again."""
    attacks = tuple((method,) if row in strengths else names for row, names in enumerate(attempt.attacks))
    attempt = replace(attempt, hidden=dict(strengths), attacks=attacks)
    # The method's own strength is meant for the aligned face; a fallback must leave nothing of the face in sight.
    pixels = _pixels(task, attempt, method, box=task.protector.options.fallback is not None)
    with task.timing.timed("codec"):
        data, saved = task.encoded(pixels)
    checks = list(verify(task, saved))
    for row in strengths:  # what is hidden is hidden whichever way up it was
        checks[row] = replace(checks[row], upright=True)
    return replace(attempt, data=data, checks=tuple(checks))


def _attack_again(task: PhotoTask, attempt: Attempt, method: str, rows: Collection[int]) -> Attempt:
    """The attempt with these faces attacked anew, each as it is shown now: hidden, or clean beside a hidden one."""
    noise = attempt.noise.clone()
    noise[list(rows)] = 0
    shown = replace(task.photo, pixels=_pixels(task, replace(attempt, noise=noise), method, box=True))
    after = run_rounds(task.of_photo(shown), list(rows))
    noise[list(rows)] = after.noise[list(rows)]
    attacks = list(attempt.attacks)
    for row in rows:  # a hidden face keeps its obfuscation below the attack
        attacks[row] = (*attacks[row], *after.attacks[row]) if row in attempt.hidden else after.attacks[row]
    return replace(
        attempt,
        data=after.data,
        checks=after.checks,
        noise=noise,
        evaluations=tuple(map(sum, zip(attempt.evaluations, after.evaluations, strict=True))),
        attacks=tuple(attacks),
    )


def _pixels(task: PhotoTask, attempt: Attempt, method: str, *, box: bool) -> np.ndarray:
    """The attempt's photo, before it is encoded. box: hide all of the box in which a face was found, too."""
    pixels = task.photo.pixels.copy()
    hide: Callable[..., None] = OBFUSCATIONS[method]
    with task.timing.timed(method):
        for row, strength in attempt.hidden.items():
            face = task.found[row].face
            hide(pixels, face.landmarks, strength=strength)
            if box:
                hide(pixels, upright_in(face.box), strength=strength)
    with task.timing.timed("codec"):
        return task.paste_into(
            pixels, attempt.noise, [row for row in range(len(attempt.noise)) if row not in attempt.hidden]
        )
