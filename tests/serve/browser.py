"""A real Chromium that hears a file as its microphone, and tells what its pages ask for."""

import os
import shutil
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

SHOTS = Path(__file__).parents[2] / "docs" / "page"
QUIET = (
    "--no-sandbox", "--headless", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
    "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
)  # fmt: skip


@contextmanager
def chromium(heard):
    """A browser whose microphone hears a wav once, each time that it is opened."""
    playwright = pytest.importorskip("playwright.sync_api", reason=_left_out("pip", "playwright"))
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip(_left_out("apt-get", "chromium"))
    listen = f"--use-file-for-fake-audio-capture={heard}%noloop"
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=[*QUIET, listen])
        yield browser
        browser.close()


@contextmanager
def opened(browser, address, **context):
    """A page at an address: all that it asks for is of the server, and nothing in it breaks."""
    asked, broken = [], []
    context = browser.new_context(
        permissions=["microphone"], viewport={"width": 1100, "height": 800}, **context
    )
    page = context.new_page()
    page.set_default_timeout(60_000)  # cores may be busy with other tests
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: broken.append(str(error)))
    page.on("console", lambda line: broken.append(line.text) if _is_bug(line) else None)
    page.goto(address)
    yield page
    context.close()
    assert asked
    assert {url for url in asked if not url.startswith((f"{address}/", "blob:"))} == set()
    assert broken == []


def found(page):
    """The cards of each kind, once there are any."""
    page.locator("#status", has_text="Found").wait_for()
    return {kind: page.locator(f".{kind} .card") for kind in ("picture", "speech", "text")}


def search(page, text):
    page.get_by_label("Words to find it by").fill(text)
    page.get_by_role("button", name="Search").click()


def give(page, path):
    page.get_by_role("button", name="Picture or sound").wait_for()
    page.locator("#file").set_input_files(path)


def says(page, sentence):
    page.get_by_role("alert").get_by_text(sentence).wait_for()


def drop(page, path, kind):
    """Let a file fall on the page."""
    data = {"bytes": list(path.read_bytes()), "name": path.name, "kind": kind}
    moved = page.evaluate_handle("""({ bytes, name, kind }) => {
      const moved = new DataTransfer();
      moved.items.add(new File([new Uint8Array(bytes)], name, { type: kind }));
      return moved; }""", data)  # fmt: skip
    page.dispatch_event("body", "dragover", {"dataTransfer": moved})
    assert page.locator("body.over").count() == 1
    page.dispatch_event("body", "drop", {"dataTransfer": moved})
    assert page.locator("body.over").count() == 0


def shoot(page, name):
    """Keep a picture of the page as docs/page/NAME.png, if TRIVIUM_SHOTS is set."""
    if os.environ.get("TRIVIUM_SHOTS"):
        page.wait_for_timeout(300)
        drawn = Image.open(BytesIO(page.screenshot())).convert("RGB")
        SHOTS.mkdir(exist_ok=True)
        drawn.quantize(256, dither=Image.Dither.NONE).save(SHOTS / f"{name}.png", optimize=True)


def _is_bug(line):
    """A failed request is told by the page; anything else in the console is a mistake of it."""
    return line.type in ("error", "warning") and "Failed to load resource" not in line.text


def _left_out(tool, package):
    return f"the page is not tested in a browser: {tool} install {package} adds what is missing"
