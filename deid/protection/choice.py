"""Which faces of one photo are to be protected: found ones, possible ones that are taken in, boxes drawn by hand."""

from deid.errors import UsageError
from deid.faces.detect import face_in, same_face
from deid.faces.face import Face
from deid.images.photo import Photo
from deid.protection.enrollment import FoundFace, embedded
from deid.protection.options import HandBox, chosen_faces, chosen_possible, hand_boxes
from deid.protection.protector import Protector

SMALLEST_BOX = 8  # pixels a side: nobody recognizes a smaller face


def choose(photo: Photo, protector: Protector) -> tuple[list[FoundFace], list[int], list[Face]]:
    """All faces of a photo, indices of those to protect, and the possible faces that nobody took in or drew.

    Faces come left to right; then possible ones that are taken in, then boxes, in the order of the options.
    Raises UsageError for a number or a box that the photo does not have.
    """
    options, people = protector.options, protector.find(photo)
    taken = chosen_possible(options, people.possible)
    further = [people.possible[i] for i in taken]
    boxes = [_drawn(photo, drawn, protector.device) for drawn in hand_boxes(options)]
    further += boxes
    chosen = chosen_faces(options, [f.face for f in people.faces]) if people.faces else []
    found = [*people.faces, *embedded(photo.pixels, further, protector.surrogates[0])]
    chosen += range(len(people.faces), len(found))
    left = [face for i, face in enumerate(people.possible) if i not in taken and same_face(face, boxes) is None]
    return found, chosen, left


def _drawn(photo: Photo, drawn: HandBox, device: str) -> Face:
    width, height = photo.size
    x0, y0, x1, y1 = drawn.box
    box = (max(x0, 0.0), max(y0, 0.0), min(x1, float(width)), min(y1, float(height)))
    if box[2] - box[0] < SMALLEST_BOX or box[3] - box[1] < SMALLEST_BOX:
        raise UsageError(f"the box {x0:g},{y0:g},{x1:g},{y1:g} is too small, or not in the photo of {width}×{height}")
    return face_in(photo.pixels, box, drawn.turn, device=device)
