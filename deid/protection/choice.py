"""Which faces of one photo are to be protected: found ones, possible ones that are taken in, boxes drawn by hand."""

from collections.abc import Mapping, Sequence

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
    Raises UsageError for a number or a box that the photo does not have, and for a face that is chosen twice.
    """
    options, people = protector.options, protector.find(photo)
    taken = chosen_possible(options, people.possible)
    further = [people.possible[i] for i in taken]
    boxes = [_drawn(photo, drawn, protector.device) for drawn in hand_boxes(options)]
    further += boxes
    # Of a photo without any face that is said instead, not that it lacks the numbers asked for.
    chosen = chosen_faces(options, [f.face for f in people.faces]) if people.faces or further else []
    found = [*people.faces, *embedded(photo.pixels, further, protector.surrogates[0])]
    by_number = {f"face {i + 1}": people.faces[i].face for i in chosen}
    _refuse_twice(boxes, by_number | {f"possible face ?{i + 1}": people.possible[i] for i in taken})
    chosen += range(len(people.faces), len(found))
    left = [face for i, face in enumerate(people.possible) if i not in taken and same_face(face, boxes) is None]
    return found, chosen, left


def _refuse_twice(boxes: Sequence[Face], others: Mapping[str, Face]) -> None:
    """No box is around one of the others, by their names, or around another box."""
    others = dict(others)
    for face in boxes:
        box = f"the box {','.join(f'{edge:g}' for edge in face.box)}"
        for name, other in others.items():
            if same_face(face, [other]) is not None:
                raise UsageError(f"{box} is around {name}, which is chosen as well: leave one of them out")
        others[box] = face


def _drawn(photo: Photo, drawn: HandBox, device: str) -> Face:
    width, height = photo.size
    x0, y0, x1, y1 = drawn.box
    box = (max(x0, 0.0), max(y0, 0.0), min(x1, float(width)), min(y1, float(height)))
    if box[2] - box[0] < SMALLEST_BOX or box[3] - box[1] < SMALLEST_BOX:
        raise UsageError(f"the box {x0:g},{y0:g},{x1:g},{y1:g} is too small, or not in the photo of {width}×{height}")
    return face_in(photo.pixels, box, drawn.turn, device=device)
