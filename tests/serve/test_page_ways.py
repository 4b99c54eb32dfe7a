"""The page of a toy in a real browser: where to look, what is written, keys, what goes wrong."""

import json
import re
import threading

import pytest

from tests.conftest import tone
from tests.serve.browser import found, give, opened, says, search, shoot
from tests.serve.toys import Toy, running
from trivium.data.audio import encode_wav


def test_one_chooses_where_to_look(toy_page):
    page = toy_page
    search(page, "a red star")
    cards = found(page)
    assert [cards[kind].count() for kind in cards] == [1, 1, 8]
    assert cards["text"].first.get_attribute("title") == "toys/a.txt"
    page.get_by_label("Words to find it by").fill("not sent")
    page.get_by_label("Of each").select_option("16")
    page.get_by_text("1 picture, 1 speech, 16 texts").wait_for()
    page.get_by_role("checkbox", name="Pictures").uncheck()
    page.get_by_text("Found: 1 speech, 16 texts").wait_for()
    assert page.get_by_label("Words to find it by").input_value() == "not sent"
    page.get_by_label("Language").select_option("Hindi")
    page.get_by_text("Found: 16 texts").wait_for()
    page.get_by_label("Library").select_option("toys-library")
    page.get_by_text("Found: 1 picture, 1 speech, 1 text").wait_for()
    assert page.get_by_label("Language").locator("option").all_text_contents() == ["any", "English"]
    for kind in ("Pictures", "Speech", "Texts"):
        page.get_by_role("checkbox", name=kind).uncheck()
    says(page, "No kind is chosen")


def test_the_language_that_is_spoken_is_told(toy_page):
    page = toy_page
    page.get_by_label("I speak").select_option("Hindi")
    with page.expect_request("**/search") as asked:
        search(page, "a red star")
    body = asked.value.post_data
    assert re.search(r'name="language"\s+hi\s', body)
    assert "where" not in body
    found(page)


def test_what_is_said_is_written_down_and_translated(toy_page, folder):
    page = toy_page
    give(page, folder / "toys" / "b.wav")
    found(page)
    page.get_by_label("I speak").select_option("hi")
    page.get_by_role("button", name="Write down").click()
    page.get_by_text("6400 samples hi").wait_for()
    page.get_by_label("into").select_option("Urdu")
    page.get_by_role("button", name="Translate").click()
    told = page.get_by_text("6400 hi to ur")
    assert told.get_attribute("lang") == "ur"
    assert page.locator("#written .tag").all_text_contents() == ["What is said", "In Urdu"]
    give(page, folder / "toys" / "c.png")
    page.get_by_alt_text("The picture you gave").wait_for()
    assert not page.get_by_role("button", name="Write down").is_visible()


def test_what_is_written_has_its_language_and_direction(toy_page, folder):
    page = toy_page
    texts = {"hi": "दो छोटी हरी चाबियाँ हैं।", "ur": "دو چھوٹی سبز چابیاں ہیں۔"}

    def write(route):
        language = "ur" if route.request.url.endswith("translations") else "hi"
        route.fulfill(body=json.dumps({"text": texts[language]}))

    page.route("**/v1/audio/*", write)
    give(page, folder / "toys" / "b.wav")
    page.get_by_role("checkbox", name="Pictures").uncheck()
    page.get_by_label("I speak").select_option("hi")
    page.get_by_label("into").select_option("ur")
    page.get_by_role("button", name="Write down").click()
    page.get_by_role("button", name="Translate").click()
    for language, direction in (("hi", "ltr"), ("ur", "rtl")):
        told = page.locator("#written").get_by_text(texts[language])
        assert told.get_attribute("lang") == language
        assert told.evaluate("told => getComputedStyle(told).direction") == direction
    shoot(page, "written")


def test_models_alone_write_and_do_not_search(browser, folder):
    with running() as (url, _), opened(browser, url) as page:
        page.locator("#knows", has_text="Knows nothing.").wait_for()
        assert not page.get_by_role("button", name="Search").is_visible()
        give(page, folder / "toys" / "b.wav")
        page.get_by_role("button", name="Write down").click()
        page.get_by_text("6400 samples").wait_for()


def test_a_model_that_cannot_write_shows_no_button_for_it(browser, toy_libraries, folder):
    mute = lambda name, device: Toy(able=())  # noqa: E731
    with (
        running(mute, models=(), libraries=toy_libraries) as (url, _),
        opened(browser, url) as page,
    ):
        give(page, folder / "toys" / "b.wav")
        found(page)
        assert not page.get_by_role("button", name="Write down").is_visible()


def focused(page):
    """What the keyboard is at, as it is read out, and whether that can be seen."""
    name, seen = page.evaluate("""() => {
      const at = document.activeElement;
      const own = [...(at.labels?.[0] ?? at).childNodes].filter(part => part.nodeType === 3);
      const marked = at.closest(".chip, .bar:has(#text:focus)") ?? at;
      const { outlineStyle, boxShadow } = getComputedStyle(marked);
      return [at.ariaLabel || own.map(part => part.data).join("").trim() || at.innerText,
              outlineStyle !== "none" || boxShadow !== "none" || at.matches("audio")]; }""")
    assert seen, name  # a player marks its own buttons
    return name


def test_the_keyboard_alone_does_all(toy_page):
    page = toy_page
    page.get_by_role("button", name="Speak").wait_for()
    names = []
    for _ in range(11):
        page.keyboard.press("Tab")
        names.append(focused(page))
    assert names == ["Words to find it by", "Search", "Speak", "Picture or sound", "Pictures",
                     "Speech", "Texts", "Library", "Language", "I speak", "Of each"]  # fmt: skip
    for _ in range(4):
        page.keyboard.press("Shift+Tab")
    page.keyboard.press("Space")  # without texts
    for _ in range(6):
        page.keyboard.press("Shift+Tab")
    page.keyboard.type("a red star")
    page.keyboard.press("Enter")
    assert found(page)["text"].count() == 0
    while focused(page) != "Similar to speech 1":
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_label("The sound you gave").wait_for()
    assert page.evaluate("document.activeElement.id") == "status"


def test_escape_ends_a_recording_and_sends_nothing(toy_page):
    page = toy_page
    sent = []
    page.on("request", lambda request: sent.append(request.url) if request.post_data else None)
    page.get_by_role("button", name="Speak").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Stop and search").wait_for()
    page.keyboard.press("Escape")
    page.get_by_text("The recording is thrown away.").wait_for()
    page.get_by_role("button", name="Speak").wait_for()
    assert sent == []
    page.keyboard.press("Enter")  # it may begin again, and Enter ends it with a search
    page.get_by_role("button", name="Stop and search").wait_for()
    page.wait_for_timeout(300)
    page.keyboard.press("Enter")
    found(page)


# What goes wrong.


def refusing(page, status, code, times=1000, path="**/search"):
    """Let the server refuse that many searches."""
    body = {"error": {"message": f"a reason of {status}", "code": code}}
    left = iter(range(times))

    def refuse(route):
        if next(left, None) is None:
            return route.continue_()
        headers = {"Retry-After": "0.05"} if status == 429 else {}
        return route.fulfill(status=status, body=json.dumps(body), headers=headers)

    page.route(path, refuse)


def test_a_server_that_loads_is_waited_for(browser, toy_libraries):
    go = threading.Event()

    def slow(name, device):
        go.wait(30)
        return Toy()

    served = running(slow, wait=False, models=(), libraries=toy_libraries)
    with served as (url, _), opened(browser, url) as page:
        page.get_by_text("The server is loading its models; this page goes on").wait_for()
        assert not page.get_by_role("button", name="Speak").is_visible()
        shoot(page, "loading")
        go.set()
        page.get_by_role("button", name="Speak").wait_for()
        assert page.get_by_role("status").text_content() == ""


def test_a_server_that_cannot_load_is_told(toy_page):
    page = toy_page
    refusing(page, 503, "failed", path="**/libraries")
    page.reload()
    says(page, "The server could not load its models; its log says why.")


def test_a_busy_server_is_asked_again(toy_page):
    page = toy_page
    refusing(page, 429, "busy", times=5)
    search(page, "a red star")
    page.get_by_text("The server is busy; your request is sent again").wait_for()
    found(page)
    assert not page.get_by_role("alert").is_visible()


def test_who_waits_in_vain_may_try_again(toy_page):
    page = toy_page
    refusing(page, 429, "busy", times=12)
    search(page, "a red star")
    says(page, "The server is still busy; try again in a minute.")
    shoot(page, "busy")
    page.get_by_role("button", name="Try again").click()
    found(page)


def test_what_is_too_large_is_told(toy_page, tmp_path):
    path = tmp_path / "long.wav"
    path.write_bytes(encode_wav(tone(3)))
    give(toy_page, path)
    says(toy_page, "That is too large: the request has")
    assert not toy_page.get_by_role("button", name="Try again").is_visible()  # in vain


def test_what_is_no_media_is_told(toy_page, tmp_path):
    path = tmp_path / "notes.pdf"
    path.write_text("no sound")
    give(toy_page, path)
    says(toy_page, "That file is no picture or sound that the server can read.")
    shoot(toy_page, "unsupported")


def test_another_refusal_is_the_servers_own_sentence(toy_page):
    search(toy_page, "refuse me")
    says(toy_page, "'refuse me' is refused.")


def test_a_server_that_is_gone_is_told(toy_page):
    page = toy_page
    search(page, "a red star")
    found(page)
    page.context.set_offline(True)
    search(page, "two boats")
    says(page, "The server does not answer")
    assert page.locator("#results").evaluate("results => results.inert")  # those of before
    page.context.set_offline(False)
    page.get_by_role("button", name="Try again").click()
    found(page)
    assert not page.get_by_role("alert").is_visible()
    assert not page.locator("#results").evaluate("results => results.inert")


REFUSE = """navigator.mediaDevices.getUserMedia =
  () => Promise.reject(new DOMException("", "{}"));"""


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        (REFUSE.format("NotAllowedError"), "The browser may not use the microphone; allow it"),
        (REFUSE.format("NotFoundError"), "There is no microphone"),
        ("Object.defineProperty(navigator, 'mediaDevices', { value: undefined })",
         "only to pages of this machine or over https"),
    ],
    ids=["refused", "none", "no https"],
)  # fmt: skip
def test_a_microphone_that_is_not_to_be_had_is_told(toy_page, script, sentence):
    page = toy_page
    page.add_init_script(script)
    page.reload()
    page.get_by_role("button", name="Speak").click()
    says(page, sentence)
    assert page.get_by_role("button", name="Speak").is_visible()


def test_nothing_typed_finds_nothing(toy_page):
    search(toy_page, "  ")
    toy_page.get_by_text("Type what to find, speak, or choose a file.").wait_for()
    assert focused(toy_page) == "Words to find it by"


def test_a_key_is_asked_for_and_kept_until_the_tab_is_closed(browser, toy_libraries):
    served = running(models=(), libraries=toy_libraries, api_key="open sesame")
    with served as (url, _), opened(browser, url) as page:
        says(page, "The server wants its API key.")
        assert focused(page).startswith("API key")
        shoot(page, "key")
        for key in ("close sesame", "open sesame"):
            page.get_by_label("API key").fill(key)
            page.get_by_role("button", name="Use it").click()
            if key.startswith("close"):
                page.get_by_label("API key").wait_for()
        search(page, "a red star")
        found(page)
        picture = page.get_by_alt_text("picture 1", exact=True)
        page.wait_for_function("picture => picture.naturalWidth > 0", arg=picture.element_handle())
        assert picture.get_attribute("src").startswith("blob:")
        page.reload()
        page.get_by_role("button", name="Speak").wait_for()
        assert page.evaluate("localStorage.length") == 0
