"""The page of the model that ships in a real browser: speaking, typing, files, scripts, looks."""

import re
import tomllib
from pathlib import Path

import pytest

from tests.library.test_sources import fill
from tests.serve.browser import chromium, drop, found, opened, search, shoot
from tests.serve.toys import running
from trivium.data.audio import decode_audio, encode_wav
from trivium.data.corpus import Corpus
from trivium.library.library import Library
from trivium.models.loaded import load

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "src" / "trivium" / "serve" / "page"
SPOKEN = "scene-train-000006-en"
TEXTS = {
    "hi": "एक छोटी सफ़ेद नाव दिख रही है।",
    "ja": "小さな白い船が一隻見えます。",
    "ur": "ایک چھوٹی سفید کشتی نظر آ رہی ہے۔",
}


@pytest.fixture(scope="module")
def scene(world_folder, folder):
    """A sentence that somebody speaks, and its picture, as files."""
    corpus = Corpus.open(world_folder)
    columns = ["audio", "text", "seconds", "picture"]
    [said] = _row(corpus, "utterances", SPOKEN, columns)
    [drawn] = _row(corpus, "pictures", said["picture"], ["image"])
    (folder / "said.wav").write_bytes(encode_wav(decode_audio(said["audio"])))
    (folder / "drawn.png").write_bytes(drawn["image"])
    return said | {"found": f"world/pictures/{said['picture']}"}


@pytest.fixture(scope="module")
def browser(scene, folder):
    with chromium(folder / "said.wav") as browser:
        yield browser


@pytest.fixture(scope="module")
def world_server(browser, world_folder, folder):
    """The model that ships, with the scenes of the small world and texts of three scripts."""
    model = load("world-speechclip", "cpu")
    library = Library.create(folder / "things", "world-speechclip", model)
    library.index(world_folder, of=("speech", "picture"), name="world")
    for language, text in TEXTS.items():
        library.index(fill(folder / language, {f"{language}.txt": text}), language=language)
    with running(lambda name, device: model, models=(), libraries=(library.path,)) as (url, _):
        yield url


@pytest.fixture
def world_page(browser, world_server):
    with opened(browser, world_server) as page:
        yield page


def _row(corpus, table, id_, columns):
    places = corpus.columns(table, ["id"], f"id = '{id_}'").column("row").to_pylist()
    return corpus.take(table, places, columns).to_pylist()


def test_who_speaks_finds_the_picture_first(world_page, scene):
    page = world_page
    page.locator("#knows", has_text="synthetic voices of eSpeak NG").wait_for()
    shoot(page, "start")
    page.get_by_role("button", name="Speak").click()
    stop = page.get_by_role("button", name="Stop and search")
    stop.wait_for()
    level = "() => document.querySelector('#speak').style.getPropertyValue('--level') > 0.3"
    page.wait_for_function(level)
    assert "Listening" in page.get_by_role("status").text_content()
    shoot(page, "listening")
    page.wait_for_timeout(800 + 1000 * scene["seconds"])  # nobody stops at once
    page.evaluate("""() => {
      const append = FormData.prototype.append;
      window.sent = new Map();
      FormData.prototype.append = function (name, value) {
        sent.set(name, value.type ?? value);
        append.call(this, name, value); }; }""")
    stop.click()
    cards = found(page)
    sent = page.evaluate("() => Object.fromEntries(sent)")
    assert (sent["speech"], sent["trim"]) == ("audio/webm;codecs=opus", True)
    assert cards["picture"].first.get_attribute("title") == scene["found"]
    assert page.get_by_label("The sound you gave").evaluate("sound => sound.src")[:5] == "blob:"
    shoot(page, "spoken")


def test_who_types_finds_pictures_players_and_texts(world_page, scene):
    page = world_page
    page.get_by_label("Words to find it by").fill(scene["text"])
    page.keyboard.press("Enter")
    cards = found(page)
    assert cards["picture"].first.get_attribute("title") == scene["found"]
    assert [cards[kind].count() for kind in cards] == [8, 8, 3]
    assert re.fullmatch(r"score \d\.\d\d", cards["picture"].first.locator(".score").text_content())
    drawn = "picture => picture.decode().then(() => picture.naturalWidth)"
    assert page.get_by_alt_text("picture 1", exact=True).evaluate(drawn) > 0
    heard = """sound => new Promise(done => {
      if (sound.duration) done(sound.duration);
      else sound.onloadedmetadata = () => done(sound.duration); })"""
    player = page.get_by_label("speech 1", exact=True)
    assert 0.3 < player.evaluate(heard) < 10
    shoot(page, "typed")


def test_scripts_have_their_language_and_direction(world_page):
    page = world_page
    search(page, "a small white boat")
    cards = found(page)["text"]
    for language, text in TEXTS.items():
        [card] = cards.filter(has_text=text).all()
        told = card.locator(".text")
        assert told.get_attribute("lang") == language
        direction = told.evaluate("told => getComputedStyle(told).direction")
        assert direction == ("rtl" if language == "ur" else "ltr")
    assert cards.locator(".tag").all_text_contents().count("Urdu") == 1
    cards.first.scroll_into_view_if_needed()
    shoot(page, "scripts")


def test_files_find_what_they_show_and_say(world_page, scene, folder):
    page = world_page
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Picture or sound").click()
    chooser.value.set_files(folder / "drawn.png")
    assert found(page)["picture"].first.get_attribute("title") == scene["found"]
    page.get_by_alt_text("The picture you gave").wait_for()
    drop(page, folder / "said.wav", "audio/wav")
    page.get_by_label("The sound you gave").wait_for()
    best = page.locator(f".speech .card:first-child[title='world/utterances/{SPOKEN}'] .score")
    best.get_by_text("1.00").wait_for()
    assert found(page)["picture"].first.get_attribute("title") == scene["found"]


def test_what_was_found_finds_its_like(world_page, scene):
    page = world_page
    search(page, scene["text"])
    found(page)
    page.get_by_role("button", name="Similar to picture 1").click()
    page.get_by_alt_text("The picture you gave").wait_for()
    found(page)
    best = page.locator(f".picture .card:first-child[title='{scene['found']}'] .score")
    best.get_by_text("1.00").wait_for()


def test_a_narrow_dark_screen(browser, world_server, scene):
    size = {"width": 360, "height": 760}
    with opened(browser, world_server, color_scheme="dark", reduced_motion="reduce") as page:
        page.set_viewport_size(size)
        search(page, scene["text"])
        found(page)
        assert page.evaluate("document.documentElement.scrollWidth") == size["width"]
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert max(int(part) for part in re.findall(r"\d+", paper)) < 60
        shoot(page, "narrow")
        page.get_by_role("button", name="Speak").click()
        stop = page.get_by_role("button", name="Stop and search")
        still = "button => getComputedStyle(button).transitionDuration"
        assert stop.evaluate(still) == "0s"
        page.keyboard.press("Escape")
        page.set_viewport_size({"width": 1100, "height": 800})
        search(page, scene["text"])
        page.mouse.move(0, 0)
        shoot(page, "dark")


def test_colours_can_be_told_apart():
    """A contrast of 4.5 for whatever is read, as WCAG counts it."""
    blocks = re.findall(r":root \{(.*?)\}", (PAGE / "style.css").read_text(), re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        colours = dict(re.findall(r"--([\w-]+): (#\w+)", block))
        pairs = [("ink", "paper"), ("ink", "card"), ("soft", "paper"), ("soft", "card"),
                 ("accent", "card"), ("accent", "paper"), ("on-accent", "accent")]  # fmt: skip
        for one, other in pairs:
            low, high = sorted(_light(colours[name]) for name in (one, other))
            assert (high + 0.05) / (low + 0.05) >= 4.5, (one, other)


def _light(colour):
    digits = colour.lstrip("#")
    digits = "".join(d * 2 for d in digits) if len(digits) == 3 else digits[:6]
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(part * weight for part, weight in zip(linear, (0.2126, 0.7152, 0.0722), strict=True))


def test_the_page_is_small_and_of_itself():
    lines = {kind: sum(len(path.read_text().splitlines()) for path in PAGE.glob(f"*.{kind}"))
             for kind in ("js", "css")}  # fmt: skip
    assert lines["js"] < 400
    assert lines["css"] < 250
    for path in PAGE.iterdir():
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "//" not in re.sub(r"^\s*//.*|\s// .*", "", text, flags=re.MULTILINE), path
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*src)", text), path


def test_the_page_comes_with_the_package():
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    shipped = {
        path
        for pattern in told["package-data"]["trivium"]
        for path in (ROOT / "src" / "trivium").glob(pattern)
    }
    assert {path for path in PAGE.iterdir() if path.is_file()} <= shipped
