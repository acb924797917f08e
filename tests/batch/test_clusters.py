import math

import numpy as np

from deid.batch.clusters import Cluster, assign


def at(degrees: float) -> np.ndarray:
    return np.array([math.cos(math.radians(degrees)), math.sin(math.radians(degrees))])


def test_a_face_joins_the_nearest_person_or_is_a_new_one() -> None:
    known = [Cluster(1, at(0), 1), Cluster(2, 2 * at(90), 2)]
    (near,) = assign([at(20)], known, threshold=0.9)
    assert (near.id, near.faces) == (1, 2)
    assert np.allclose(near.centroid, at(10))
    (new,) = assign([at(45)], known, threshold=0.9)
    assert (new.id, new.faces) == (3, 1)
    (joins,) = assign([at(84)], known, threshold=0.9)
    assert (joins.id, joins.faces) == (2, 3)


def test_two_faces_of_one_photo_are_two_people() -> None:
    first, second = assign([at(10), at(2)], [Cluster(5, at(0), 1)], threshold=0.9)
    assert (first.id, second.id) == (6, 5)  # the nearer one is the person
    assert [cluster.id for cluster in assign([at(0), at(0)], [], threshold=0.9)] == [1, 2]
    assert assign([], [], threshold=0.9) == []
