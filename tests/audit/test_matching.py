from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from deid.audit.matching import match_faces, match_files, same_photo, thumbnail
from deid.faces.face import Face
from deid.images.handlings import HANDLINGS


def paths(*names: str) -> list[Path]:
    return [Path(name) for name in names]


class TestFiles:
    def test_the_same_path_counts_first_and_then_the_same_stem(self):
        pairs = match_files(
            paths("a/1.jpg", "a/2.heic", "b/1.jpg", "b/3.png"), paths("a/1.jpg", "a/2.jpg", "b/1.png", "c/3.png")
        )
        assert pairs == {
            Path("a/1.jpg"): Path("a/1.jpg"),
            Path("a/2.heic"): Path("a/2.jpg"),
            Path("b/1.jpg"): Path("b/1.png"),
        }

    def test_an_ambiguous_stem_matches_nothing(self):
        assert match_files(paths("1.heic"), paths("1.jpg", "1.png")) == {}

    def test_a_published_file_belongs_to_one_original(self):
        pairs = match_files(paths("1.heic", "1.jpg"), paths("1.jpg"))
        assert pairs == {Path("1.jpg"): Path("1.jpg")}
        assert len(match_files(paths("1.heic", "1.tif"), paths("1.jpg"))) == 1

    @given(st.lists(st.sampled_from(["a.jpg", "a.png", "b.jpg", "c/a.jpg", "c/b.tif"]), unique=True), st.randoms())
    def test_the_order_does_not_matter_where_names_are_unique(self, names: list[str], random: Any):
        originals, published = paths(*names), paths("a.jpg", "b.png", "c/b.png", "c/a.jpg")
        unique = len({path.with_suffix("") for path in originals}) == len(originals)
        shuffled = match_files(random.sample(originals, len(originals)), random.sample(published, 4))
        if unique:
            assert shuffled == match_files(originals, published)
        assert set(shuffled.values()) <= set(published)
        assert len(set(shuffled.values())) == len(shuffled)


def face(*box: float) -> Face:
    return Face(box, np.zeros((5, 2)), 1.0)  # type: ignore[arg-type]


class TestFaces:
    def test_by_overlap_largest_first(self):
        originals = [face(0, 0, 10, 10), face(8, 0, 18, 10)]
        # The first published face overlaps both, the second one more; the other overlaps the first alone.
        published = [face(6, 0, 16, 10), face(1, 0, 11, 10)]
        assert match_faces(originals, published) == [published[1], published[0]]

    def test_half_overlapping_boxes_are_one_face_and_barely_overlapping_ones_are_not(self):
        # Moved by 4 of 10 they share 6 of 14; by 5, a third.
        assert match_faces([face(0, 0, 10, 10)], [face(4, 0, 14, 10)]) != [None]
        assert match_faces([face(0, 0, 10, 10)], [face(5, 0, 15, 10)]) == [None]

    def test_one_published_face_stands_for_one_original_face(self):
        only = face(1, 0, 11, 10)
        assert match_faces([face(0, 0, 10, 10), face(1, 0, 11, 10)], [only]) == [None, only]
        assert match_faces([], [only]) == []
        assert match_faces([face(0, 0, 10, 10)], []) == [None]


class TestSamePhoto:
    @pytest.mark.parametrize("handling", list(HANDLINGS))
    def test_every_handling_leaves_it_the_same_photo(self, astronaut: np.ndarray, handling: str):
        assert same_photo(thumbnail(astronaut), thumbnail(HANDLINGS[handling](astronaut)))

    def test_so_do_noise_a_hidden_face_gray_and_another_size(self, astronaut: np.ndarray):
        noise = np.random.default_rng(0).normal(0, 12, astronaut.shape)
        hidden = astronaut.copy()
        hidden[80:200, 180:280] = hidden[80:200, 180:280].mean((0, 1)).astype(np.uint8)
        gray = np.asarray(Image.fromarray(astronaut).convert("L"))
        small = np.asarray(Image.fromarray(astronaut).resize((100, 100)))
        for version in (np.clip(astronaut + noise, 0, 255).astype(np.uint8), hidden, gray, small, astronaut // 2):
            assert same_photo(thumbnail(astronaut), thumbnail(version))

    def test_another_picture_a_mirrored_one_and_a_negative_are_not(self, astronaut: np.ndarray):
        from skimage.data import camera, coffee

        for other in (camera(), coffee(), astronaut[:, ::-1], 255 - astronaut):
            assert not same_photo(thumbnail(astronaut), thumbnail(np.ascontiguousarray(other)))

    def test_pictures_of_one_color_are_compared_by_it(self):
        black, gray = (np.full((32, 32), value, np.uint8) for value in (0, 128))
        assert same_photo(black, black + 3)
        assert not same_photo(black, gray)

    @pytest.mark.shared_data
    def test_portraits_of_two_people_are_not_one_photo(self, shared_data: Path):
        photos = sorted((shared_data / "lfw").glob("*/*_0001.jpg"))[::120]
        small = [thumbnail(np.asarray(Image.open(photo))) for photo in photos]
        pairs = [(a, b) for i, a in enumerate(small) for b in small[:i]]
        assert len(pairs) > 500
        assert not any(same_photo(a, b) for a, b in pairs)
