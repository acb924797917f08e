"""Which faces of a photo are chosen, in a real browser: found ones, possible ones, and one drawn by hand."""

from pathlib import Path

import numpy as np
import pytest
from fakes import BOXES, POSSIBLE, Work
from PIL import Image
from playwright.sync_api import Page, expect
from ui.watched import Watched

from deid.app.server import Serving

SLOW = 60_000  # milliseconds


@pytest.fixture
def work(serving: tuple[Serving, Work]) -> Work:
    serving[1].go.set()
    return serving[1]


@pytest.fixture
def page(serving: tuple[Serving, Work], watched: Watched, work: Work) -> Page:
    watched.page.goto(serving[0].url, timeout=SLOW)
    expect(watched.page.get_by_role("button", name="Protect", exact=True)).to_be_visible(timeout=SLOW)
    return watched.page


def upload(page: Page, path: Path) -> None:
    page.locator("input[type=file]").first.set_input_files(path)


def protect(page: Page) -> None:
    page.get_by_role("button", name="Protect", exact=True).click()


def expect_status(page: Page, text: str) -> None:
    line = page.get_by_role("status").or_(page.get_by_role("alert")).filter(has_text=text)
    expect(line.first).to_be_visible(timeout=SLOW)


def click_at(page: Page, x: float, y: float, size: tuple[int, int] = (160, 80)) -> None:
    """On this pixel of the photo."""
    picture = page.locator(".faces img").first
    picture.evaluate("image => image.decode()")  # until then it has another size
    box = picture.bounding_box()
    assert box is not None
    # The picture keeps its shape inside its frame.
    scale = min(box["width"] / size[0], box["height"] / size[1])
    left, top = (box["width"] - size[0] * scale) / 2, (box["height"] - size[1] * scale) / 2
    picture.click(position={"x": left + scale * x, "y": top + scale * y})


def click_on(page: Page, box: tuple[float, float, float, float]) -> None:
    click_at(page, (box[0] + box[2]) / 2, (box[1] + box[3]) / 2)


def crowd(path: Path, *, sure: bool = True) -> Path:
    """Where the fake service finds two possible faces, and beside them two faces if `sure`."""
    picture = Image.new("RGB", (160, 80), (120, 130, 140) if sure else 0)
    picture.putpixel((0, 0), (1, 1, 1))
    picture.save(path)
    return path


def test_a_click_on_a_face_leaves_it_out_and_takes_it_in(page: Page, tmp_path: Path) -> None:
    upload(page, crowd(tmp_path / "pair.png"))
    expect_status(page, "2 faces found")
    first = page.get_by_role("checkbox", name="Face 1")
    expect(first).to_be_checked()
    for checked in (False, True):
        click_on(page, BOXES[0])
        expect(first).to_be_checked(checked=checked, timeout=SLOW)


def test_a_possible_face_is_left_until_it_is_clicked(page: Page, work: Work, tmp_path: Path) -> None:
    upload(page, crowd(tmp_path / "crowd.png"))
    expect_status(page, "2 faces found")
    expect(page.get_by_text("2 possible faces are left as they are: click one to protect it as well")).to_be_visible()
    first, second = (page.get_by_role("checkbox", name=f"Possible face ?{number}") for number in (1, 2))
    expect(first).not_to_be_checked()
    for checked in (True, False, True):
        click_on(page, POSSIBLE[0])
        expect(first).to_be_checked(checked=checked, timeout=SLOW)
        count = "1 possible face is left as it is" if checked else "2 possible faces are left as they are"
        expect(page.get_by_text(count)).to_be_visible()
    second.focus()  # and the same by keyboard
    page.keyboard.press("Space")
    expect(page.get_by_text("left as")).to_have_count(0)
    page.keyboard.press("Space")
    expect(page.get_by_text("1 possible face is left as it is")).to_be_visible()
    expect(second).to_be_focused()
    protect(page)
    expect_status(page, "Three faces checked in the saved file. One possible face left")
    assert work.keys == ("1", "2", "?1")
    expect(page.get_by_text("Face 3 (possible face ?1)").filter(visible=True).first).to_be_visible()


def test_of_a_photo_with_only_possible_faces_one_is_taken_in(page: Page, work: Work, tmp_path: Path) -> None:
    upload(page, crowd(tmp_path / "hedge.png", sure=False))
    expect_status(page, "hedge.png: no detector is sure of any face. There are two possible faces")
    expect(page.get_by_role("button", name="Protect", exact=True)).to_be_disabled()
    click_on(page, POSSIBLE[1])
    expect(page.get_by_role("checkbox", name="Possible face ?2")).to_be_checked(timeout=SLOW)
    protect(page)
    expect_status(page, "One face checked")
    assert work.keys == ("?2",)


def test_a_face_is_drawn_on_a_phone_and_removed_again(page: Page, work: Work, tmp_path: Path) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    Image.new("RGB", (160, 80)).save(tmp_path / "wall.png")
    upload(page, tmp_path / "wall.png")
    expect_status(page, "wall.png: no face was found")
    by_hand = page.get_by_role("checkbox", name="Add a face that was not found")
    by_hand.check()
    page.get_by_role("radio", name="left").check()
    expect(page.get_by_text("Click one corner of a box")).to_be_visible()
    click_at(page, 140, 70)
    expect(page.get_by_text("One corner is marked.")).to_be_visible()
    page.wait_for_function("document.documentElement.scrollWidth <= 390")
    click_at(page, 100, 20)
    expect(page.get_by_text("Drawn 1 is added.")).to_be_visible()
    expect(by_hand).not_to_be_checked()
    first = page.get_by_role("checkbox", name="Drawn 1")
    expect(first).to_be_checked()
    by_hand.check()  # one more, by keyboard
    edges = page.get_by_label("Or its edges in pixels")
    edges.fill("10, 10, 12, 40")
    edges.press("Enter")
    expect(page.get_by_text("at least 8 pixels wide and high")).to_be_visible()
    edges.fill("10, 10, 40, 40")
    edges.press("Enter")
    expect(page.get_by_role("checkbox", name="Drawn 2")).to_be_checked()
    protect(page)
    expect_status(page, "Two faces checked")
    turned, typed = work.keys
    assert typed.startswith("10,10,40,40")
    corners, at, turn = turned.partition("@")
    assert (at, turn) == ("@", "270")
    assert np.abs(np.array(corners.split(","), int) - (100, 20, 140, 70)).max() <= 1
    first.click()  # it goes, so that nobody can ask whether it is unchecked
    expect(page.get_by_role("checkbox", name="Drawn 2")).to_have_count(0)
    first.click()  # it goes, so that nobody can ask whether it is unchecked
    expect(page.get_by_role("checkbox", name="Drawn 1")).to_have_count(0)
    expect(page.get_by_role("button", name="Protect", exact=True)).to_be_disabled()
