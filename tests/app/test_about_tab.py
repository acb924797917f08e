"""What the page says of the program itself."""

from importlib.metadata import version

from deid.app import about_tab
from deid.protection.profiles import PROFILES
from deid.recognizers.checkpoints import manifest
from deid.types import Options


def test_every_recognizer_on_this_computer_is_named_with_its_hash_and_its_closeness() -> None:
    rows = {name: (close, trained, sha256) for name, close, trained, sha256 in about_tab.recognizers()}
    entries = {name: entry for name, entry in manifest().items() if entry.path.is_file()}
    assert {"lightcnn9", "dlib-resnet"} <= set(rows)
    assert {name: sha256 for name, (_, _, sha256) in rows.items()} == {
        name: entry.sha256 for name, entry in entries.items()
    }
    attacked = {name for name, (close, _, _) in rows.items() if close == "attacked"}
    assert attacked == {Options().recognizer, *PROFILES[Options().profile].further_surrogates}
    assert "independent" in rows["facenet-casia"][0]
    assert "LFW" in rows["lightcnn9"][1]


def test_versions_are_those_installed() -> None:
    text = about_tab.installed()
    for name in ("face-deid", "torch", "gradio"):
        assert f"{name} {version(name)}" in text


def test_it_says_what_is_not_protected() -> None:
    does, does_not = about_tab.TEXT.split("## What it does not do")
    assert "over its whole list" in does
    for limit in ("first K+1 guesses", "one to one", "in every list", "Other recognizers", "Recompressing", "people"):
        assert limit in does_not
