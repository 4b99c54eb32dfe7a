"""A server of a toy, and a page of it in a browser whose microphone hears a tone."""

import pytest

from tests.conftest import png, tone
from tests.library.test_sources import fill
from tests.serve.browser import chromium, opened
from tests.serve.toys import Toy, running
from trivium.data.audio import encode_wav
from trivium.library.library import Library


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="module")
def browser(folder):
    (folder / "tone.wav").write_bytes(encode_wav(tone(2)))
    with chromium(folder / "tone.wav") as browser:
        yield browser


@pytest.fixture(scope="module")
def toy_libraries(folder):
    fill(folder / "toys", {"a.txt": "a red star", "b.wav": encode_wav(tone(0.4)), "c.png": png()})
    fill(folder / "more", {f"{n}.txt": f"text {n}" for n in range(30)})
    for name, language in (("toys", "en"), ("more", "hi")):
        library = Library.create(folder / f"{name}-library", "toy", Toy())
        library.index(folder / name, language=language)
    return folder / "toys-library", folder / "more-library"


@pytest.fixture(scope="module")
def toy_server(browser, toy_libraries):
    with running(models=(), libraries=toy_libraries, max_bytes=50_000) as (url, _):
        yield url


@pytest.fixture
def toy_page(browser, toy_server):
    with opened(browser, toy_server) as page:
        yield page
