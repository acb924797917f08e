from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from deid.audit.findings import findings_of, quality_of_file
from deid.audit.matching import thumbnail


class TestJpegQuality:
    @pytest.mark.parametrize("quality", [25, 30, 49, 50, 51, 75, 84, 85, 90, 95, 98])
    def test_it_is_the_one_the_file_was_saved_with(self, tmp_path: Path, quality: int):
        Image.new("RGB", (16, 16)).save(tmp_path / "x.jpg", quality=quality)
        assert quality_of_file(tmp_path / "x.jpg") == pytest.approx(quality, abs=1)

    def test_gray_and_badly_named_files_have_one_too(self, tmp_path: Path):
        Image.new("L", (16, 16)).save(tmp_path / "x.png", "JPEG", quality=60)
        assert quality_of_file(tmp_path / "x.png") == pytest.approx(60, abs=1)

    def test_what_is_no_jpeg_has_none(self, tmp_path: Path):
        Image.new("L", (16, 16)).save(tmp_path / "x.jpg", "PNG")
        (tmp_path / "y.jpg").write_bytes(b"\xff\xd8\xff nothing")
        for name in ("x.jpg", "y.jpg", "missing.jpg"):
            assert quality_of_file(tmp_path / name) is None


def picture(seed: int) -> str:
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8), dtype=np.uint8)
    return thumbnail(np.kron(pixels, np.ones((8, 8), np.uint8))).tobytes().hex()


def original(seed: int, **changes: Any) -> dict[str, Any]:
    record = {
        "sha256": f"in {seed}", "problem": "", "faces": [{"box": [0, 0, 1, 1], "plain": True}],
        "possible": 0, "thumbnail": picture(seed),
    }  # fmt: skip
    return record | changes


def version(seed: int, **changes: Any) -> dict[str, Any]:
    record = {
        "sha256": f"out {seed}", "problem": "", "found": [True],
        "new_faces": 0, "shining_through": 0, "unchanged": False,
        "thumbnail": picture(seed), "jpeg_quality": 95,
    }  # fmt: skip
    return record | changes


def kinds(
    originals: dict[str, Any], published: dict[str, Any], extra: dict[str, Any] | None = None, recorded: Any = None
) -> list[tuple[str, str]]:
    extra = extra or {}
    ids = {path: path.upper() for path in [*originals, *extra]}
    return [(finding["id"], finding["kind"]) for finding in findings_of(originals, published, extra, ids, recorded)]


class TestFindings:
    def test_a_set_as_it_should_be_has_none(self):
        originals, published = {"a": original(1), "b": original(2)}, {"a": version(1), "b": version(2)}
        assert kinds(originals, published) == []
        assert kinds(originals, published, recorded={"a": "out 1", "b": "out 2"}) == []

    @pytest.mark.parametrize(
        ("changes", "kind"),
        [
            ({"problem": "unreadable"}, "unreadable"),
            ({"problem": "faceless", "found": [False]}, "faceless"),
            ({"found": [True, False]}, "face lost"),
            ({"unchanged": True}, "unchanged"),
            ({"new_faces": 1}, "new face"),
            ({"jpeg_quality": 50}, "recompressed"),
            ({"jpeg_quality": 84}, "recompressed"),
            ({"problem": "not a version", "thumbnail": picture(9)}, "not a version"),
        ],
    )
    def test_each_kind_of_trouble_with_a_published_photo_is_named(self, changes: dict[str, Any], kind: str):
        assert kinds({"a": original(1)}, {"a": version(1, **changes)}) == [("A", kind)]

    def test_quality_85_and_files_that_are_no_jpeg_are_as_they_should_be(self):
        for quality in (85, None):
            assert kinds({"a": original(1)}, {"a": version(1, jpeg_quality=quality)}) == []

    def test_a_missing_and_an_extra_photo(self):
        extra = {"x": {"sha256": "x", "thumbnail": picture(9)}, "y": {"sha256": "", "thumbnail": ""}}
        assert kinds({"a": original(1)}, {}, extra=extra) == [("A", "missing"), ("X", "extra"), ("Y", "extra")]

    def test_an_original_under_another_name_and_a_second_version_are_told_from_other_extras(self):
        originals = {"a": original(1), "b": original(2)}
        extra = {"x": {"sha256": "in 2", "thumbnail": picture(2)}, "y": {"sha256": "y", "thumbnail": picture(1)}}
        ids = {"a": "A1", "b": "A2", "x": "A3", "y": "A4"}
        found = findings_of(originals, {"a": version(1), "b": version(2)}, extra, ids, None)
        kinds = [(finding["id"], finding["kind"]) for finding in found]
        assert kinds == [("A3", "original published"), ("A4", "second version")]
        assert "A2" in found[0]["detail"]
        assert "A1" in found[1]["detail"]

    def test_what_the_run_did_not_write_is_not_missing(self):
        originals = {"a": original(1), "b": original(2)}
        assert kinds(originals, {}, recorded={"b": "out 2"}) == [("A", "not written"), ("B", "missing")]

    def test_troubles_of_an_original(self):
        unreadable = original(1, problem="unreadable", faces=[], thumbnail="")
        assert kinds({"a": unreadable}, {}) == [("A", "unreadable original")]
        assert kinds({"a": unreadable}, {}, recorded={}) == [("A", "unreadable original")]
        # What stands in its place nobody could compare, and what the run wrote should be there.
        assert kinds({"a": unreadable}, {"a": version(1, found=[])}) == [
            ("A", "not compared"),
            ("A", "unreadable original"),
        ]
        assert kinds({"a": unreadable}, {}, recorded={"a": "out 1"}) == [
            ("A", "missing"),
            ("A", "unreadable original"),
        ]
        faceless = original(1, problem="faceless", faces=[])
        assert kinds({"a": faceless}, {}) == [("A", "faceless original")]
        # With nobody on it, it may be published as it is.
        assert kinds({"a": faceless}, {"a": version(1, found=[], unchanged=True)}) == [("A", "faceless original")]

    def test_two_swapped_photos_name_each_other(self):
        originals = {"a": original(1), "b": original(2), "c": original(3)}
        swapped = {
            "a": version(2, problem="not a version", found=[]),
            "b": version(1, problem="not a version", found=[]),
            "c": version(3),
        }
        found = findings_of(originals, swapped, {}, {"a": "A1", "b": "A2", "c": "A3"}, None)
        assert [(finding["id"], finding["kind"]) for finding in found] == [("A1", "swapped"), ("A2", "swapped")]
        assert ["A2" in found[0]["detail"], "A1" in found[1]["detail"]] == [True, True]

    def test_what_shows_two_originals_alike_is_not_called_swapped(self):
        originals = {"a": original(1), "b": original(2), "copy of b": original(2)}
        published = {"a": version(2, problem="not a version"), "b": version(2), "copy of b": version(2)}
        assert kinds(originals, published) == [("A", "not a version")]

    def test_what_is_not_the_file_that_the_run_wrote(self):
        originals, published = {"a": original(1), "b": original(2)}, {"a": version(1), "b": version(2)}
        assert kinds(originals, published, recorded={"a": "out 1", "b": "another"}) == [("B", "changed since")]
        # A photo that the run did not write at all must not be there.
        assert kinds(originals, published, recorded={"b": "out 2"}) == [("A", "changed since")]

    @pytest.mark.parametrize("changes", [{"unchanged": True}, {"problem": "not a version", "thumbnail": picture(9)}])
    def test_what_was_never_protected_is_not_called_recompressed(self, changes: dict[str, Any]):
        found = kinds({"a": original(1)}, {"a": version(1, jpeg_quality=40, **changes)})
        assert [kind for _, kind in found] == [changes.get("problem", "unchanged")]

    def test_what_the_run_itself_saved_at_a_low_quality_is_as_it_was_protected(self):
        published = {"a": version(1, jpeg_quality=60)}
        assert kinds({"a": original(1)}, published, recorded={"a": "out 1"}) == []
        assert ("A", "recompressed") in kinds({"a": original(1)}, published, recorded={"a": "another"})

    def test_several_findings_of_one_photo_all_count(self):
        all_of_it = version(1, found=[False], jpeg_quality=40, new_faces=2)
        found = kinds({"a": original(1)}, {"a": all_of_it}, recorded={"a": "other"})
        assert [kind for _, kind in found] == ["changed since", "face lost", "new face", "recompressed"]

    def test_what_is_seen_at_further_looks_is_told_face_by_face(self):
        originals = {"a": original(1), "b": original(2, possible=2)}
        published = {"a": version(1), "b": version(2, shining_through=1)}
        first, second = {("b", 0): "for net as found by: CenterFace (among decoys)"}, [("a", 0), ("a", 2), ("b", 1)]
        found = findings_of(originals, published, {}, {"a": "A1", "b": "A2"}, None, first, second)
        assert [(finding["id"], finding["kind"], finding["detail"]) for finding in found] == [
            ("A1", "second look", "2 found only by a second look (turned, cut off, covered or small)"),
            ("A2", "first elsewhere", "face 1 is first for net as found by: CenterFace (among decoys)"),
            ("A2", "possible face", "2 seen in the original that may be a face: not audited"),
            ("A2", "second look", "1 found only by a second look (turned, cut off, covered or small)"),
            ("A2", "shining through", "1 found on white or on black alone: not audited"),
        ]

    def test_they_name_no_photo(self):
        found = findings_of(
            {"secret.jpg": original(1)},
            {},
            {"hidden.jpg": {"sha256": "in 1", "thumbnail": picture(1)}},
            {"secret.jpg": "A1", "hidden.jpg": "A2"},
            {},
        )
        assert found
        assert not any("secret" in str(finding) or "hidden" in str(finding) for finding in found)
