"""A real browser: headless Chromium, the system's own. Where it must be there, a test without it fails, not skips."""

import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, FloatRect, expect, sync_playwright
from ui.watched import Watched

if TYPE_CHECKING:
    from fakes import Work

    from deid.app.server import Serving

expect.set_options(timeout=30_000)  # milliseconds: a computer that does other work as well is no reason to fail

CHROMIUM = Path("/usr/bin/chromium")
# Nothing but what a test opens may be asked for; the sandbox needs rights that a container does not have.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Chromium takes no picture of a page that is too long.
PICTURED: FloatRect = {"x": 0, "y": 0, "width": 1200, "height": 12_000}


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.is_file():
        message = f"no browser at {CHROMIUM} (apt-get install chromium)"
        if os.environ.get("CI") or os.environ.get("DEID_REQUIRE_BROWSER"):
            pytest.fail(message)
        pytest.skip(message)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """One visitor's browser, whose cache keeps the page's scripts; a test opens a page of its own in it."""
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    yield context
    context.close()


@pytest.fixture
def watched(context: BrowserContext) -> Iterator[Watched]:
    page = context.new_page()
    watched = Watched(page)
    page.on(
        "console",
        lambda message: watched.errors.append(message.text) if message.type in ("error", "warning") else None,
    )
    page.on("pageerror", lambda error: watched.errors.append(str(error)))
    page.on("request", lambda request: watched.requests.append(request.url))
    yield watched
    page.close()
    here = ("http://127.0.0.1:", "file:", "data:", "blob:")
    assert [url for url in watched.requests if not url.startswith(here)] == []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test leaves a picture of its page, and says where."""
    report = yield
    arguments = getattr(item, "funcargs", {})
    if report.when == "call" and report.failed and "watched" in arguments:
        picture = arguments["tmp_path"] / "failed.png"
        try:
            arguments["watched"].page.screenshot(path=picture, full_page=True, clip=PICTURED)
        except Error as error:
            report.sections.append(("No screenshot of the page", str(error)))
        else:
            report.sections.append(("Screenshot of the page", str(picture)))
    return report


@pytest.fixture(scope="session")
def serving() -> Iterator[tuple["Serving", "Work"]]:
    """The web page around a service without a recognizer, and what its work waits for."""
    from fakes import fake_service

    from deid.app.server import serve

    service, work = fake_service()
    serving = serve(service)
    yield serving, work
    serving.close()
