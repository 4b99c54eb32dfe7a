"""Search, items and vectors of all kinds over HTTP, as the library and the model give them."""

import base64
import json
from http.client import HTTPConnection

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import png, tone
from tests.library.test_sources import fill
from tests.serve.toys import Toy, direction, fetch, running, send
from trivium.data.audio import decode_audio, encode_flac, encode_wav
from trivium.data.image import decode_image
from trivium.library.library import Library
from trivium.serve.media import trimmed
from trivium.serve.refusal import Refusal
from trivium.serve.searching import check_filter

SOUND, PICTURE = encode_flac(tone(0.4)), png("red", 16)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two libraries of one toy: of files of all kinds, and of texts."""
    folder = tmp_path_factory.mktemp("served")
    files = {"a.txt": "a red star", "b.wav": encode_wav(tone(0.4)), "c.png": PICTURE,
             "sub/d.flac": SOUND, "gone.png": png("blue", 9)}  # fmt: skip
    fill(folder / "mixed", files)
    fill(folder / "texts", {f"{n:02}.txt": f"text {n}" for n in range(30)})
    for name in ("mixed", "texts"):
        library = Library.create(folder / f"{name}-library", "toy", Toy())
        library.index(folder / name, language="en" if name == "mixed" else "hi")
    (folder / "mixed" / "gone.png").unlink()
    return folder


@pytest.fixture(scope="module")
def address(made):
    libraries = (made / "mixed-library", made / "texts-library")
    with running(models=(), libraries=libraries, max_found=20) as (url, _):
        yield url


def post(address, path, **more):
    answer = send(f"{address}{path}", timeout=30, **more)
    assert answer.status_code == 200, answer.text
    return answer.json()


def found(address, **more):
    return post(address, "/search", **more)["data"]


def test_each_kind_of_query_finds_its_own_first(address):
    for name, data, id_ in [
        ("speech", SOUND, "mixed/sub/d.flac"), ("image", PICTURE, "mixed/c.png"),
        ("text", b"a red star", "mixed/a.txt"),
    ]:  # fmt: skip
        more = {"data": {"text": data.decode()}} if name == "text" else {"files": {name: data}}
        best = found(address, **more)[0]
        assert best["id"] == id_
        assert best["cosine"] == pytest.approx(1, abs=1e-3)
        assert best["library"] == "mixed-library"


def test_silence_around_a_sound_is_left_out_when_that_is_asked(address):
    silence = np.zeros(8_000, np.float32)
    padded = encode_wav(np.concatenate([silence, tone(0.4), silence]))
    alone = encode_wav(trimmed(decode_audio(padded)))

    def cosines(data, **more):
        return [hit["cosine"] for hit in found(address, files={"speech": data}, data=more)]

    assert cosines(padded, trim="true") == cosines(alone) != cosines(padded)
    assert len(alone) < len(padded) / 2


def test_what_is_found_is_what_the_library_finds(address, made):
    library = Library.open(made / "texts-library", Toy())
    expected = library.search(text="text", k=7, where="id > 'texts/1'")
    data = {"text": "text", "k": "7", "where": "id > 'texts/1'", "library": "texts-library"}
    got = found(address, data=data)
    assert [hit["id"] for hit in got] == [hit.id for hit in expected]
    assert [hit["cosine"] for hit in got] == pytest.approx(
        [hit.score for hit in expected], abs=1e-5
    )


def test_several_libraries_are_searched_as_one(address):
    got = found(address, data={"text": "text 7", "k": "20"})
    cosines = [hit["cosine"] for hit in got]
    assert len(got) == 20
    assert cosines == sorted(cosines, reverse=True)
    assert {hit["library"] for hit in got} == {"mixed-library", "texts-library"}
    one = found(address, data={"text": "text 7", "k": "20", "library": "mixed-library"})
    assert {hit["id"].split("/")[0] for hit in one} == {"mixed"}
    assert {hit["kind"] for hit in found(address, data={"text": "x", "of": "picture"})} == {
        "picture"
    }


def test_libraries_are_told_of(address):
    told = fetch(f"{address}/libraries").json()["data"]
    assert [(one["id"], one["model"], one["items"]) for one in told] == [
        ("mixed-library", "toy", 5), ("texts-library", "toy", 30)
    ]  # fmt: skip
    assert told[1]["holds"] == [{"source": "texts", "kind": "text", "language": "hi",
                                 "items": 30, "seconds": None}]  # fmt: skip


def test_items_and_their_media(address):
    item = fetch(f"{address}/items/mixed/a.txt").json()
    assert item == {"library": "mixed-library", "id": "mixed/a.txt", "kind": "text",
                    "source": "mixed", "language": "en", "text": "a red star"}  # fmt: skip
    sound = fetch(f"{address}/items/mixed/sub/d.flac/media")
    assert (sound.content, sound.headers["content-type"]) == (SOUND, "audio/flac")
    assert "sandbox" in sound.headers["content-security-policy"]
    picture = fetch(f"{address}/items/mixed/c.png/media?library=mixed-library")
    assert (picture.content, picture.headers["content-type"]) == (PICTURE, "image/png")


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("mixed/nothing", "no item has the id 'mixed/nothing'"),
        ("mixed/../../../etc/passwd/media", "no item has the id"),
        ("mixed/%2e%2e/texts/01.txt/media", "no item has the id"),
        ("%2fetc%2fpasswd/media", "no item has the id"),
        ("mixed/a.txt/media", "is a text, which /items/mixed/a.txt shows"),
        ("mixed/gone.png/media", "what 'mixed/gone.png' was made of is not there any more"),
        ("mixed/a.txt?library=texts-library", "no item has the id 'mixed/a.txt'"),
        ("mixed/a.txt?library=txets-library", "did you mean 'texts-library'"),
    ],
)
def test_what_is_no_item_is_404_and_no_path_is_told(address, made, path, sentence):
    line = HTTPConnection(address.removeprefix("http://"))  # which leaves dots as they are
    line.request("GET", f"/items/{path}")
    answer = line.getresponse()
    text = answer.read().decode()
    line.close()
    assert answer.status == 404
    assert sentence in json.loads(text)["error"]["message"]
    assert str(made) not in text


def test_texts_that_say_nothing_have_no_vector(address):
    answer = send(f"{address}/embed", data={"text": ["a", " "]})
    assert answer.status_code == 422
    assert "text.1 = ' '" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({}, "nothing is given; give one of text, speech, image"),
        ({"text": "a", "k": "0"}, "k = '0': Input should be greater"),
        ({"text": "a", "k": "21"}, "k is 21; at most 20"),
        ({"text": "a", "of": "image"}, "of = 'image': Input should be 'speech', 'text'"),
        ({"text": "a", "where": "nothing > 1"}, "there is no column 'nothing'"),
        ({"text": "a", "where": "language ="}, "cannot be used on items"),
        ({"text": "a", "where": "length(text) > 1"}, "the filter holds 'length'"),
        ({"text": "a", "where": "x" * 1_001}, "at most 1000"),
        ({"text": "a", "library": "x"}, "no library is called 'x'"),
        ({"text": "a", "speech": "b"}, "speech = 'b'"),
        ({"text": "a", "path": "/etc/passwd"}, "there is no 'path' here"),
    ],
)
def test_a_wrong_search_is_one_sentence(address, made, data, sentence):
    answer = send(f"{address}/search", data=data)
    assert 400 <= answer.status_code < 500
    assert sentence in answer.json()["error"]["message"]
    assert str(made) not in answer.text


@pytest.mark.parametrize(
    "where",
    ["language = 'hi'", "seconds < 5 and (kind = 'text' or not (id like 'a%'))",
     "language in ('hi', 'ja')", "cast(age as int) > 3", "text = 'repeat(9)'", "text = 'it''s (x)'",
     "text is null AND (x = 1)"],
)  # fmt: skip
def test_filters_may_compare(where):
    check_filter(where)


@pytest.mark.parametrize(
    "where",
    ["repeat(text, 1000000000) = 'x'", "length (text) > 3", 'x = "repeat"(text, 9)',
     "a.b(text) = 1", "text = '' or repeat('''', 9) = ''", "`repeat`(text, 9) = 'x'",
     "x = 'it''s' and regexp_match(text, 'x')", "repeat/**/(text, 9) = 'x'",
     r"x = E'\'' or repeat(text, 9) = ''",
     """"'" is not null and length(repeat(text, 9)) > 2 and "'" is not null""",
     "`'` is null or repeat(text, 3) = 'x'", """'"' = 'a' or repeat(text, 3) = '"'""",
     "x = $$'$$ or repeat(text, 9) = ''", "x -- '\n(1)"],
)  # fmt: skip
def test_filters_call_nothing(where):
    with pytest.raises(Refusal, match="the filter"):
        check_filter(where)


def test_vectors_of_each_kind(address):
    two = [SOUND, encode_wav(tone(0.9))]
    made = post(address, "/embed", files=[("speech", ("a", data)) for data in two])
    assert (made["kind"], made["width"], made["model"]) == ("speech", 8, "toy")
    np.testing.assert_allclose(made["data"], [direction(decode_audio(data)) for data in two], 1e-6)
    made = post(address, "/embed", files=[("image", ("a", PICTURE))])
    np.testing.assert_allclose(made["data"], [direction(decode_image(PICTURE))], 1e-6)
    made = post(address, "/embed", data={"text": ["a", "b"], "encoding_format": "base64"})
    got = [np.frombuffer(base64.b64decode(one), "<f4") for one in made["data"]]
    np.testing.assert_array_equal(got, [direction("a"), direction("b")])


def test_libraries_of_several_models_are_searched_one_at_a_time(made, tmp_path):
    other = Library.create(tmp_path / "other", "second", Toy(checksum="2"))
    other.index(made / "texts")
    toys = {"toy": Toy(), "second": Toy(checksum="2")}
    libraries = (made / "texts-library", tmp_path / "other")
    with running(lambda name, device: toys[name], models=(), libraries=libraries) as (url, _):
        answer = send(f"{url}/search", data={"text": "x"})
        assert answer.status_code == 400
        assert "libraries of 2 models are served; name one" in answer.text
        for name, model in (("texts-library", "toy"), ("other", "second")):
            before = len(toys[model].asked)
            assert found(url, data={"text": "x", "library": name})
            assert len(toys[model].asked) == before + 1


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"models": (), "libraries": ()}, "nothing is served with models () and no library"),
        (
            {"libraries": ("{}/texts-library", "{}/texts-library")},
            "libraries are called by their folders; rename one",
        ),
        ({"libraries": ("{}/nowhere",)}, "nowhere is not there"),
        ({"models": ("toy", "toy")}, "two models would be called 'toy'"),
    ],
)
def test_what_cannot_be_served_is_told(made, change, sentence):
    filled = {name: tuple(one.format(made) for one in value) for name, value in change.items()}
    with running(**filled) as (_, collection):
        assert collection.failed is not None
        assert sentence in collection.failed


def test_a_library_of_another_model_of_the_same_name_is_refused(made):
    load = lambda name, device: Toy(checksum="other")  # noqa: E731
    with running(load, models=(), libraries=(made / "texts-library",)) as (_, collection):
        assert "holds vectors of toy" in collection.failed


words = st.text(st.characters(codec="utf-8"), max_size=30)
forms = st.dictionaries(
    st.sampled_from(["text", "k", "of", "where", "library", "language", "model", "image",
                     "encoding_format"]) | words,
    words | st.sampled_from(["1", "speech", "language = 'hi'", "texts-library", "toy"]),
    max_size=5,
)  # fmt: skip


@given(forms, st.sampled_from(["/search", "/embed", "/v1/embeddings", "/v1/audio/translations"]),
       st.booleans())  # fmt: skip
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_sent_is_answered_or_refused(address, form, path, as_json):
    more = {"json": form} if as_json else {"data": form}
    answer = send(f"{address}{path}", **more)
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert answer.json()["error"]["message"]
    else:
        assert answer.json()
