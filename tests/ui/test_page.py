"""The web page in a real browser: one photo from upload to download, what goes wrong, and who sees what."""

import csv
import os
import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fakes import RANK, Work
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect
from ui.watched import Watched

from deid.app import handlers, people, uploads, words
from deid.app.handlers import FoundPhoto
from deid.app.server import Serving
from deid.commands.main import run
from deid.errors import Cancelled
from deid.recognizers.checkpoints import manifest
from deid.types import Options

SLOW = 60_000  # milliseconds for what has to import torch
ATTACK = 400_000  # for several rounds on a computer that does other work as well


@pytest.fixture
def work(serving: tuple[Serving, Work]) -> Iterator[Work]:
    work = serving[1]
    work.go.set()
    yield work
    work.go.set()
    work.why = ""


@pytest.fixture
def page(serving: tuple[Serving, Work], watched: Watched, work: Work) -> Page:
    return opened(watched.page, serving[0])


def opened(page: Page, serving: Serving) -> Page:
    page.goto(serving.url, timeout=SLOW)
    expect(page.get_by_role("button", name="Protect", exact=True)).to_be_visible(timeout=SLOW)
    return page


def pair(path: Path) -> Path:
    """Gray, where the fake service finds two faces."""
    Image.new("RGB", (160, 80), (120, 130, 140)).save(path)
    return path


def upload(page: Page, path: Path) -> None:
    page.locator("input[type=file]").first.set_input_files(path)


def expect_status(page: Page, text: str | re.Pattern[str], timeout: int = SLOW) -> None:
    line = page.get_by_role("status").or_(page.get_by_role("alert")).filter(has_text=text)
    expect(line.first).to_be_visible(timeout=timeout)


def open_settings(page: Page) -> None:
    page.get_by_role("button", name="Settings (good as they are)").filter(visible=True).click()


def protect(page: Page) -> None:
    page.get_by_role("button", name="Protect", exact=True).click()


def saved(page: Page, tmp_path: Path) -> Path:
    with page.expect_download() as download:
        page.get_by_text("Download the protected photo").click()
    path = tmp_path / "downloaded" / download.value.suggested_filename
    download.value.save_as(path)
    return path


def test_nothing_is_asked_of_other_hosts(page: Page, watched: Watched, serving: tuple[Serving, Work]) -> None:
    page.get_by_role("tab", name="About").click()
    expect(page.get_by_role("heading", name="What it does not do")).to_be_visible()
    asked = [url for url in watched.requests if not url.startswith((serving[0].url, "data:", "blob:"))]
    assert asked == []
    assert len(watched.requests) > 5
    assert watched.errors == []
    source = page.request.get(serving[0].url).text()
    assert not re.findall(r"(?:src|href|content)=\"https?://(?!127\.0\.0\.1)[^\"]*", source)


@pytest.mark.timeout(600)
def test_what_cannot_be_protected_is_hidden_where_the_user_asks_for_it(page: Page, tmp_path: Path, work: Work) -> None:
    upload(page, pair(tmp_path / "pair.png"))
    expect_status(page, "2 faces found")
    open_settings(page)
    page.get_by_role("radio", name="Blur it").filter(visible=True).check()
    protect(page)
    expect_status(page, "checked in the saved file")
    assert (work.options.method, work.options.fallback) == (Options().method, "blur")
    upload(page, pair(tmp_path / "pair.png"))
    expect_status(page, "2 faces found")
    page.get_by_role("radio", name="Pixelate – ").filter(visible=True).check()
    protect(page)
    expect_status(page, "checked in the saved file")
    assert work.options == Options(method="pixelate", blur_size=10)


def test_a_real_photo_from_upload_to_proof(
    page: Page, serving: tuple[Serving, Work], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, astronaut: np.ndarray
) -> None:
    for name in ("find_faces", "preview_strengths", "protect_photo"):
        monkeypatch.setattr(serving[0].service, name, getattr(handlers, name))
    photo = tmp_path / "holiday.png"
    Image.fromarray(astronaut[:300, 50:400]).save(photo)
    upload(page, photo)
    expect_status(page, "holiday.png: one face found")
    picture = os.environ.get("DEID_README_PICTURE")
    if not picture:  # of the default profile, whose attack takes several times as long
        open_settings(page)
        page.get_by_role("radio", name="The papers' experiment (K-A³)").filter(visible=True).check()
    protect(page)
    expect_status(page, re.compile(r"face 1( \(now at rank \d+\))? · round \d, step \d+ of \d+"))
    expect_status(page, "One face checked in the saved file", ATTACK)
    output = saved(page, tmp_path)
    assert output.name == "holiday-protected.png"

    before, after = (np.asarray(Image.open(path)).astype(int) for path in (photo, output))
    seen = audited(photo, output, tmp_path)
    x0, y0, x1, y1 = map(float, seen["box"].split())
    grow = 0.6 * max(x1 - x0, y1 - y0)
    rows, columns = np.mgrid[: before.shape[0], : before.shape[1]]
    outside = (columns < x0 - grow) | (columns > x1 + grow) | (rows < y0 - grow) | (rows > y1 + grow)
    assert np.array_equal(before[outside], after[outside])
    assert not np.array_equal(before, after)
    rank = int(seen["lightcnn9: rank, shipped decoys"])
    page.get_by_text("Figures for each face").click()
    row = page.get_by_role("row").filter(has_text="protected").first
    expect(row.get_by_role("gridcell").or_(row.get_by_role("cell")).nth(3)).to_have_text(str(rank))
    assert rank > 1
    expect(
        page.get_by_text(re.compile(rf"lightcnn9 \(attacked\).* puts them {words.ordinal(rank)} of 1,001"))
    ).to_be_visible()
    expect(page.get_by_text(re.compile(r"facenet-casia \(not attacked, and independent"))).to_be_visible()
    if not picture:
        expect(page.get_by_text("still among lightcnn9's first six guesses, by design")).to_be_visible()
        expect(page.get_by_text(re.compile(r"dlib-resnet \(not attacked, but related"))).to_be_visible()
    page.get_by_label("Show what was added").check()
    expect(page.get_by_text("What was added, × 10")).to_be_visible()
    if picture:
        page.get_by_label("Show what was added").uncheck()
        page.get_by_text("Figures for each face").click()
        page.evaluate("window.scrollTo(0, 0)")
        page.screenshot(path=picture, type="jpeg", quality=60)


def audited(photo: Path, output: Path, tmp_path: Path) -> dict[str, str]:
    """What the command line says of the only face of a published photo."""
    for path, folder in ((photo, "originals"), (output, "published")):
        (tmp_path / folder).mkdir()
        shutil.copyfile(path, tmp_path / folder / "photo.png")
    report = tmp_path / "report"
    folders = [str(tmp_path / "originals"), str(tmp_path / "published")]
    # Of one photo alone no audit can say that its conditions are met.
    assert run(["audit", *folders, "--against", "lightcnn9", "--report", str(report)]) in (6, 7)
    with (report / "private" / "faces.csv").open(newline="") as file:
        (face,) = csv.DictReader(file)
    return face


def test_a_photo_without_a_face(page: Page, tmp_path: Path) -> None:
    Image.new("RGB", (80, 80)).save(tmp_path / "wall.png")
    upload(page, tmp_path / "wall.png")
    expect_status(page, "wall.png: no face was found")
    expect(page.get_by_role("button", name="Protect", exact=True)).to_be_disabled()


def test_a_text_called_a_photo(page: Page, tmp_path: Path) -> None:
    (tmp_path / "letter.jpg").write_text("Dear all")
    upload(page, tmp_path / "letter.jpg")
    expect_status(page, "not a photo that can be read")
    expect(page.get_by_role("button", name="Protect", exact=True)).to_be_disabled()


def test_the_strength_is_chosen_by_a_look_at_the_visitor_s_own_face(page: Page, work: Work, tmp_path: Path) -> None:
    upload(page, pair(tmp_path / "pair.png"))
    expect(page.get_by_text("a preview that was not checked")).to_be_visible()
    strength = page.get_by_role("spinbutton", name=re.compile("Strength")).filter(visible=True)
    for name, value in (("strength 1", "1"), ("strength 0", "0"), ("as it is", "0")):
        page.get_by_role("button", name=f"Preview: {name}", exact=True).click()
        expect(strength).to_have_value(value)
    protect(page)
    expect_status(page, "Two faces checked")
    assert work.options == Options(strength=0.0)
    open_settings(page)
    page.get_by_role("radio", name="Blur – ").filter(visible=True).check()
    expect(strength).to_have_count(0)
    expect(page.get_by_role("button", name="Preview: as it is")).to_be_hidden()
    page.get_by_role("radio", name="Against strangers").filter(visible=True).check()
    expect(page.get_by_role("button", name="Preview: as it is")).to_be_visible()
    Image.new("RGB", (80, 80)).save(tmp_path / "wall.png")
    upload(page, tmp_path / "wall.png")
    expect_status(page, "wall.png: no face was found")
    expect(page.get_by_role("button", name="Preview: as it is")).to_be_hidden()


def test_a_preview_that_fails_shows_nothing_and_breaks_nothing(
    page: Page, serving: tuple[Serving, Work], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("out of memory")

    monkeypatch.setattr(serving[0].service, "preview_strengths", fail)
    upload(page, pair(tmp_path / "pair.png"))
    expect_status(page, "2 faces found")
    protect(page)
    expect_status(page, "Two faces checked")
    expect(page.get_by_text("a preview that was not checked")).to_be_hidden()
    expect(page.get_by_text("out of memory")).to_have_count(0)


def test_a_preview_gives_way_to_the_real_thing_and_to_another_photo(
    page: Page, serving: tuple[Serving, Work], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[str] = []

    def slow(photo: FoundPhoto, cancel: threading.Event) -> list[Path]:
        asked.append(photo.name)
        assert cancel.wait(60)
        raise Cancelled

    monkeypatch.setattr(serving[0].service, "preview_strengths", slow)
    upload(page, pair(tmp_path / "one.png"))
    expect_status(page, "one.png: 2 faces found")
    upload(page, pair(tmp_path / "other.png"))
    expect_status(page, "other.png: 2 faces found")
    protect(page)
    expect_status(page, "Two faces checked")
    assert asked[-1:] in (["one"], ["other"])
    expect(page.get_by_text("a preview that was not checked")).to_be_hidden()


def test_methods_ask_for_what_they_go_by_alone(page: Page, work: Work, tmp_path: Path) -> None:
    upload(page, pair(tmp_path / "pair.png"))
    expect_status(page, "2 faces found")
    open_settings(page)
    numbers = {
        name: page.get_by_role("spinbutton", name=name).filter(visible=True) for name in ("Strength", "Size", "K")
    }
    shown = {
        "Against strangers": ["Strength"],
        "Blur – ": ["Size"],
        "The papers' experiment (K-A³)": ["Strength", "K"],
        "The papers' experiment with": ["Strength", "K"],
    }
    for method, names in shown.items():
        page.get_by_role("radio", name=method).filter(visible=True).check()
        for name, number in numbers.items():
            expect(number).to_have_count(int(name in names))
    numbers["K"].fill("3")
    numbers["K"].press("Enter")
    protect(page)
    expect_status(page, "Two faces checked")
    assert work.options == Options(method="i-fgvm", profile="paper", k_level=3)


def test_what_is_too_large_is_refused_in_words(page: Page, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(uploads, "MAX_BYTES", 1 << 20)
    noise = np.random.default_rng(0).integers(0, 256, (700, 700, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "large.png")
    upload(page, tmp_path / "large.png")
    expect(page.get_by_text("these files are more than 1 MB together: choose fewer at once")).to_be_visible()
    upload(page, pair(tmp_path / "pair.png"))
    expect_status(page, "2 faces found")


def test_of_two_people_one_is_chosen(page: Page, work: Work, tmp_path: Path) -> None:
    photo = pair(tmp_path / "pair.png")
    upload(page, photo)
    expect_status(page, "2 faces found")
    page.get_by_role("checkbox", name="Face 1").uncheck()
    protect(page)
    expect_status(page, "One face checked")
    assert work.options == Options(), "the settings that the page opens with are the program's defaults"
    expect(page.get_by_text("Face 1 was left as it was")).to_be_visible()
    after = np.asarray(Image.open(saved(page, tmp_path)))
    before = np.asarray(Image.open(photo))
    assert np.array_equal(after[:, :90], before[:, :90])
    assert not np.array_equal(after[:, 90:], before[:, 90:])


def test_cancel_half_way_and_start_again(page: Page, work: Work, tmp_path: Path) -> None:
    work.go.clear()
    upload(page, pair(tmp_path / "pair.png"))
    expect_status(page, "2 faces found")
    protect(page)
    expect_status(
        page,
        "Protecting face 2 (now at rank 1) · 1 of 2 faces settled · round 1, step 7 of 40 · "
        "at most 12 s left in this round",
    )
    page.get_by_role("button", name="Cancel").click()
    expect_status(page, "Cancelled. Nothing was written.")
    expect(page.get_by_text("Download the protected photo")).to_be_hidden()
    work.go.set()
    protect(page)
    expect_status(page, "Two faces checked")
    assert saved(page, tmp_path).is_file()


def test_a_photo_that_could_not_be_protected_says_why(page: Page, work: Work, tmp_path: Path) -> None:
    work.why = "face 1 could not be protected (half size and back, it still matches one to one), so nothing was written"
    upload(page, pair(tmp_path / "pair.png"))
    expect_status(page, "2 faces found")
    protect(page)
    expect_status(page, "Not protected: two of two faces could not be verified, so no file was made.")
    expect(page.get_by_text(f"Why: {work.why}.")).to_be_visible()
    expect(page.get_by_text("it did not pass everything that this profile checks").first).to_be_visible()
    expect(page.get_by_text("Download the protected photo")).to_be_hidden()
    expect(page.get_by_text("This was checked")).to_be_hidden()


def test_by_keyboard_alone(page: Page, tmp_path: Path) -> None:
    upload(page, pair(tmp_path / "pair.png"))
    expect_status(page, "2 faces found")
    page.get_by_role("checkbox", name="Face 2").focus()
    page.keyboard.press("Space")
    expect(page.get_by_role("checkbox", name="Face 2")).not_to_be_checked()
    start = page.get_by_role("button", name="Protect", exact=True)
    for _ in range(20):
        page.keyboard.press("Tab")
        if start.evaluate("element => element === document.activeElement"):
            break
    page.keyboard.press("Enter")
    expect_status(page, "One face checked")


def names_under(folder: Path) -> str:
    """All files' names; folders may vanish meanwhile, which os.walk takes as it is."""
    return " ".join(name for _, _, files in os.walk(folder) for name in files)


def test_two_browsers_see_only_their_own_files_and_stand_in_line(
    page: Page, browser: Browser, serving: tuple[Serving, Work], work: Work, tmp_path: Path
) -> None:
    work.go.clear()
    other = opened(browser.new_context().new_page(), serving[0])
    for visitor, name in ((page, "mine.png"), (other, "yours.png")):
        upload(visitor, pair(tmp_path / name))
        expect_status(visitor, "2 faces found")
    protect(page)
    expect_status(page, "round 1, step 7")
    protect(other)
    expect_status(other, "In line: one job comes first")
    work.go.set()
    for visitor in (page, other):
        expect_status(visitor, "Two faces checked")
    address = page.locator(".faces img").first.evaluate("image => image.src")
    for visitor, status in ((page, 200), (other, 403)):
        # Gradio serves every file under two addresses.
        for asked in (address, address.replace("/file=", "/file/")):
            assert visitor.request.get(asked).status == status
    assert "mine" not in other.content()
    root = serving[0].service.sessions.root
    assert "yours-protected.png" in names_under(root)
    other.context.close()
    expect(page.get_by_text(f"puts them {words.ordinal(RANK)} of 1,001").first).to_be_visible()
    for _ in range(100):  # the server hears of it within a moment
        if "yours" not in names_under(root):
            break
        page.evaluate("new Promise(done => setTimeout(done, 50))")
    assert "yours" not in names_under(root)
    assert "mine-protected.png" in names_under(root)


def test_every_picture_has_a_name_for_a_screen_reader(page: Page, tmp_path: Path) -> None:
    upload(page, pair(tmp_path / "pair.png"))
    expect_status(page, "2 faces found")
    faces = page.get_by_role("img", name="Faces: click one to leave it out")
    expect(faces).to_have_js_property("naturalWidth", 160)
    protect(page)
    expect_status(page, "Two faces checked")
    for name in ("The photo before", "The photo after"):
        expect(page.get_by_role("img", name=name)).to_have_js_property("naturalWidth", 160)
    page.get_by_label("Show what was added").check()
    expect(page.get_by_role("img", name="What was added")).to_be_visible()
    panel = page.get_by_role("tabpanel").filter(visible=True)
    for name in ("as it is", "strength 0", "strength 0.5", "strength 1"):
        expect(page.get_by_role("img", name=f"Preview: {name}", exact=True)).to_be_visible()
    assert panel.locator("img").count() == 8
    assert panel.locator("img[alt='']").count() == panel.locator("img:not([alt])").count() == 0
    # The name is that of what is shown now.
    Image.new("RGB", (80, 80)).save(tmp_path / "wall.png")
    upload(page, tmp_path / "wall.png")
    expect_status(page, "wall.png: no face was found")
    expect(page.get_by_role("img", name="Your photo")).to_have_js_property("naturalWidth", 80)
    expect(faces).to_have_count(0)


def test_the_recognizers_and_versions_are_shown(page: Page) -> None:
    page.get_by_role("tab", name="About").click()
    page.get_by_role("button", name="Show recognizers and versions").click()
    expect(page.get_by_text(re.compile(r"Versions: face-deid .*torch .*gradio"))).to_be_visible(timeout=SLOW)
    entry = manifest()["lightcnn9"]
    row = page.get_by_role("row").filter(has_text="lightcnn9", visible=True).first
    expect(row).to_contain_text(entry.sha256)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_scrolls_only_downward(page: Page, tmp_path: Path, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": 390, "height": 844})
    upload(page, pair(tmp_path / "pair.png"))
    expect_status(page, "2 faces found")
    protect(page)
    expect_status(page, "Two faces checked")
    page.get_by_text("Figures for each face").click()
    expect(page.get_by_text("Before: the ten most similar identities")).to_be_visible()
    page.wait_for_function("document.documentElement.scrollWidth <= 390")


def test_a_person_enrolled_is_known_to_this_page_alone(page: Page, work: Work, tmp_path: Path) -> None:
    panel = enroll(page, "Ada", pair(tmp_path / "ada.png"))
    panel.get_by_role("radio", name="Ada").check()
    expect(panel.get_by_role("status")).to_contain_text("Ada is you")
    page.get_by_role("tab", name="Photo").click()
    upload(page, pair(tmp_path / "pair.png"))
    expect_status(page, "2 faces found")
    protect(page)
    expect_status(page, "Two faces checked")
    people_folder = work.options.people
    assert people_folder is not None
    assert people_folder.name == "people"
    assert work.options.mine == people_folder / "Ada"
    page.get_by_role("tab", name="People").click()
    panel.get_by_role("button", name="Forget everybody").click()
    expect(panel.get_by_role("status")).to_contain_text("Nobody is enrolled.")
    expect(panel.get_by_role("radio", name="Ada")).to_have_count(0)
    assert not people_folder.exists()


def test_the_way_it_goes_and_the_result_are_brought_into_view(page: Page, tmp_path: Path) -> None:
    page.set_viewport_size({"width": 390, "height": 700})
    upload(page, pair(tmp_path / "pair.png"))
    expect_status(page, "2 faces found")
    protect(page)
    expect_status(page, "Two faces checked")
    expect(
        page.get_by_role("heading", name="protected").or_(page.locator("#photo-results h2")).first
    ).to_be_in_viewport()


def enroll(page: Page, name: str, photo: Path) -> Locator:
    page.get_by_role("tab", name="People").click()
    panel = page.get_by_role("tabpanel").filter(visible=True)
    panel.get_by_label("Name").fill(name)
    panel.get_by_role("button", name="Photos of this person").locator("input").set_input_files(photo)
    expect(panel.get_by_role("cell", name=photo.name)).to_be_visible()
    panel.get_by_role("button", name="Enroll", exact=True).click()
    expect(panel.get_by_role("status")).to_contain_text(f"{name}: one photo. Enrolled: {name}.", timeout=SLOW)
    return panel


def test_a_person_saved_on_purpose_is_offered_to_a_later_page(
    page: Page, serving: tuple[Serving, Work], work: Work, tmp_path: Path
) -> None:
    panel = enroll(page, "Ada", pair(tmp_path / "ada.png"))
    panel.get_by_role("button", name="People saved on this computer").click()
    panel.get_by_role("button", name="Save everybody enrolled here").click()
    expect(panel.get_by_role("status")).to_contain_text("Saved on this computer: Ada.")

    opened(page, serving[0])  # a new session
    page.get_by_role("tab", name="People").click()
    expect(panel.get_by_role("status")).to_contain_text("Nobody is enrolled.")
    panel.get_by_role("button", name="People saved on this computer").click()
    ada = panel.get_by_role("checkbox", name="Ada")
    ada.check()
    panel.get_by_role("button", name="Enroll the chosen").click()
    expect(panel.get_by_role("status")).to_contain_text("Enrolled: Ada.")
    page.get_by_role("tab", name="Photo").click()
    upload(page, pair(tmp_path / "pair.png"))
    expect_status(page, "2 faces found")
    protect(page)
    expect_status(page, "Two faces checked")
    assert work.options.people is not None
    assert [path.name for path in work.options.people.iterdir()] == ["Ada"]

    page.get_by_role("tab", name="People").click()
    ada.check()
    panel.get_by_role("button", name="Delete the chosen").click()
    expect(panel.get_by_role("status")).to_contain_text("Deleted from this computer: Ada. Enrolled: Ada.")
    expect(ada).to_have_count(0)
    assert people.saved_people() == []
