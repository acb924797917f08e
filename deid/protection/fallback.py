"""Faces of a photo blurred or pixelated: because that is the method, or where the attack did not protect them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from deid.faces.chain import FaceChain
from deid.faces.obfuscation import OBFUSCATIONS, STRENGTHS, STRONGEST
from deid.faces.paste import FEATHER, paste
from deid.faces.templates import LIGHTCNN_TEMPLATE
from deid.images.photo import Photo
from deid.protection.profiles import PROFILES, Profile
from deid.protection.protector import FoundFace, Protector
from deid.protection.rounds import Attempt, attack_rows, chain_of, encoded, holds, profile_of, shortcoming
from deid.protection.timing import Costs
from deid.protection.verification import look_again

# Eyes, nose and corners of the mouth in LightCNN's frame.
UPRIGHT = np.array([[47.0, 40.0], [81.0, 40.0], [64.0, 64.0], [50.0, 88.0], [78.0, 88.0]])


def obfuscate(photo: Photo, found: Sequence[FoundFace], protector: Protector, format: str) -> Attempt:
    """Blur or pixelate the chosen faces, as strongly as the options say; one look at the encoded file, no round."""
    method, strength = protector.options.method, protector.options.strength
    strengths = dict.fromkeys(range(len(found)), STRENGTHS[method] if strength is None else strength)
    chain = chain_of(photo, found, protector.surrogates)
    clean = chain.clean_faces()
    untouched = Attempt(b"", (), (0,) * len(found), clean, clean - clean, Costs())
    return _hidden(photo, found, untouched, method, strengths, protector, format)


def fall_back(
    photo: Photo,
    found: Sequence[FoundFace],
    ks: Sequence[int],
    attempt: Attempt,
    method: str,
    protector: Protector,
    format: str,
) -> Attempt:
    """The attempt with every face that it does not protect blurred or pixelated, the more the longer one still fails.

    A face that fails or leaves its k only now, beside a hidden one, is attacked once more, and hidden if it fails all
    the same. What is left of one that fails even at the greatest strength is attacked: to be recognized no more is
    enough then, and nothing limits how much may be seen. (Where most of an aligned face lies outside the photo, a
    recognizer finds even its blur alike. Nothing detects that any more, so the alignment stays.)
    """
    profile, strengths, again = profile_of(protector.options), dict[int, float](), set[int]()

    def at_k() -> set[int]:
        """Faces that stand, as they are published, where the profile wants them."""
        looks = enumerate(attempt.looks)
        return {row for row, look in looks if holds(look.published, ks[row], profile, strict=True)}

    at_first = at_k()
    while True:
        failing = {row for row, look in enumerate(attempt.looks) if shortcoming(look, profile)}
        lost = failing | (at_first - at_k())
        beside = sorted(lost - strengths.keys() - again) if strengths else []
        weak = [row for row in sorted(failing - set(beside)) if strengths.get(row) != STRONGEST]
        if weak:
            strengths |= {
                row: min(2 * strengths[row], STRONGEST) if row in strengths else STRENGTHS[method] for row in weak
            }
            attempt = _hidden(photo, found, attempt, method, strengths, protector, format)
        elif beside:
            again |= set(beside)
            attempt = _attacked(photo, found, ks, attempt, beside, profile, method, protector, format)
        elif failing:
            free, anywhere = replace(profile, exact=False, limit=None, widening=0.0), [2] * len(found)
            return _attacked(photo, found, anywhere, attempt, sorted(failing), free, method, protector, format)
        else:
            return attempt


def upright_in(box: Sequence[float]) -> np.ndarray:
    """Landmarks (5, 2) of an upright face whose mask covers all of a box (x0, y0, x1, y1).

    Those found of a face that the photo's edge cuts off are guesses, and a mask by them may leave an eye in sight.
    """
    x0, y0, x1, y1 = box
    scale = max(x1 - x0, y1 - y0) / (1 - 2 * FEATHER) / LIGHTCNN_TEMPLATE.size
    return np.array([(x0 + x1) / 2, (y0 + y1) / 2]) + (UPRIGHT - LIGHTCNN_TEMPLATE.size / 2) * scale


def _hidden(
    photo: Photo,
    found: Sequence[FoundFace],
    attempt: Attempt,
    method: str,
    strengths: dict[int, float],
    protector: Protector,
    format: str,
) -> Attempt:
    """The attempt encoded with these faces, by their rows, hidden instead, and looked at again."""
    options, costs = protector.options, attempt.costs
    chain = chain_of(photo, found, protector.surrogates, attempt.clean.shape[1])
    attempt = replace(attempt, hidden=dict(strengths))
    pixels = _pixels(photo, found, attempt, chain, method, options.fallback is not None)
    with costs.timed("codec"):
        data, saved = encoded(photo, pixels, format, options)
    faces, enrollments = [f.face for f in found], protector.enrollments_of(photo, found)
    looks = look_again(saved, faces, enrollments, protector.surrogates, chain, PROFILES[options.profile].checks, costs)
    return replace(attempt, data=data, looks=tuple(looks))


def _attacked(
    photo: Photo,
    found: Sequence[FoundFace],
    ks: Sequence[int],
    attempt: Attempt,
    rows: Sequence[int],
    profile: Profile,
    method: str,
    protector: Protector,
    format: str,
) -> Attempt:
    """The attempt with these rows attacked anew, each as it is shown now: hidden, or clean beside a hidden one."""
    chain = chain_of(photo, found, protector.surrogates, attempt.clean.shape[1])
    noise = attempt.noise.clone()
    noise[list(rows)] = 0
    shown = replace(photo, pixels=_pixels(photo, found, replace(attempt, noise=noise), chain, method, box=True))
    enrollments = protector.enrollments_of(photo, found)
    after = attack_rows(shown, found, ks, rows, enrollments, profile, protector, format, attempt.costs)
    noise[list(rows)] = after.noise[list(rows)]
    evaluations = tuple(map(sum, zip(attempt.evaluations, after.evaluations, strict=True)))
    return replace(attempt, data=after.data, looks=after.looks, noise=noise, evaluations=evaluations)


def _pixels(
    photo: Photo, found: Sequence[FoundFace], attempt: Attempt, chain: FaceChain, method: str, box: bool
) -> np.ndarray:
    """The attempt's photo, before it is encoded. box: hide all of the box in which a face was found, too."""
    pixels = photo.pixels.copy()
    with attempt.costs.timed(method):
        for row, strength in attempt.hidden.items():
            face = found[row].face
            OBFUSCATIONS[method](pixels, face.landmarks, strength=strength)
            if box:
                OBFUSCATIONS[method](pixels, upright_in(face.box), strength=strength)
    with attempt.costs.timed("codec"):
        for row, (patch, transform) in enumerate(zip(chain.patches, chain.transforms, strict=True)):
            if row not in attempt.hidden:
                paste(pixels, attempt.noise[row], transform, patch.region)
    return pixels
