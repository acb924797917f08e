"""Faces of a photo blurred or pixelated: because that is the method, or where the attack did not protect them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from deid.costs import Costs
from deid.faces.align import LIGHTCNN_TEMPLATE
from deid.faces.paste import FEATHER, paste
from deid.images import Photo
from deid.looks import look_again
from deid.obfuscation import OBFUSCATIONS, STRENGTHS, STRONGEST
from deid.profiles import PROFILES
from deid.protector import FoundFace, Protector
from deid.rounds import Attempt, chain_of, encoded, shortcoming

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
    photo: Photo, found: Sequence[FoundFace], attempt: Attempt, method: str, protector: Protector, format: str
) -> Attempt:
    """The attempt with every face that it does not protect blurred or pixelated, the more the longer one still fails.

    A face that fails only now, beside a hidden one, is hidden as well. Some may fail even at the greatest strength.
    """
    profile, strengths = PROFILES[protector.options.profile], dict[int, float]()
    while True:
        weak = {
            row: min(2 * strengths[row], STRONGEST) if row in strengths else STRENGTHS[method]
            for row, look in enumerate(attempt.looks)
            if shortcoming(look, profile) and strengths.get(row) != STRONGEST
        }
        if not weak:
            return attempt
        strengths |= weak
        attempt = _hidden(photo, found, attempt, method, strengths, protector, format)


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
    pixels = photo.pixels.copy()
    with costs.timed(method):
        for row, strength in strengths.items():
            face = found[row].face
            OBFUSCATIONS[method](pixels, face.landmarks, strength=strength)
            if options.fallback is not None:
                OBFUSCATIONS[method](pixels, upright_in(face.box), strength=strength)
    with costs.timed("codec"):
        for row, (patch, transform) in enumerate(zip(chain.patches, chain.transforms, strict=True)):
            if row not in strengths:
                paste(pixels, attempt.noise[row], transform, patch.region)
        data, saved = encoded(photo, pixels, format, options)
    faces, enrollments = [f.face for f in found], protector.enrollments_of(photo, found)
    looks = look_again(saved, faces, enrollments, protector.surrogates, chain, PROFILES[options.profile].checks, costs)
    return replace(attempt, data=data, looks=tuple(looks), hidden=strengths)
