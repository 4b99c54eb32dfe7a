"""OpenAI's own client is answered as it expects, by a server that runs as it does for real."""

import base64
import struct

import numpy as np
import openai
import pytest

from tests.conftest import tone
from tests.serve import bombs
from tests.serve.toys import WIDTH, Toy, direction, running, send
from tests.transcripts import made
from trivium.data.audio import decode_audio, encode_wav
from trivium.models import published
from trivium.serve.protocols import compression, shortened
from trivium.serve.refusal import Refusal
from trivium.serve.served import load_model

SOUND = ("said.wav", encode_wav(tone(1.5)))


def load(name, device):
    return {"toy": Toy(), "mute": Toy(kinds=("text",), able=(), checksum="mute")}[name]


@pytest.fixture(scope="module")
def address():
    with running(load, models=("toy", "mute")) as (url, _):
        yield url


@pytest.fixture(scope="module")
def client(address):
    with openai.OpenAI(base_url=f"{address}/v1", api_key="any", max_retries=0) as made:
        yield made


def test_models_are_listed_and_told_of(client):
    listed = client.models.list().data
    assert [model.id for model in listed] == ["toy", "mute"]
    assert listed[1].can == ["embed_text"]
    toy = client.models.retrieve("toy")
    assert toy.card.startswith("# Toy")
    assert "transcribe" in toy.can
    with pytest.raises(openai.NotFoundError, match="no model is called 'tyo'; did you mean 'toy'"):
        client.models.retrieve("tyo")


def test_a_transcription_in_every_format(client):
    def made(form):
        return client.audio.transcriptions.create(
            file=SOUND, model="toy", language="hi", response_format=form
        )

    assert made("json").text == "24000 samples hi"
    assert made("text") == "24000 samples hi\n"
    assert made("srt") == "1\n00:00:00,000 --> 00:00:01,500\n24000 samples hi\n"
    assert made("vtt") == "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\n24000 samples hi\n"
    told = made("verbose_json")
    assert (told.text, told.language, told.duration) == ("24000 samples hi", "hi", 1.5)
    [segment] = told.segments
    assert (segment.start, segment.end, segment.text) == (0, 1.5, told.text)
    assert client.audio.transcriptions.create(file=SOUND, model="toy").text == "24000 samples"


def test_a_transcription_as_a_stream(client):
    events = list(client.audio.transcriptions.create(file=SOUND, model="toy", stream=True))
    assert [event.type for event in events] == ["transcript.text.delta", "transcript.text.done"]
    assert events[0].delta == events[1].text == "24000 samples"


def test_a_recording_of_a_browser_is_transcribed(client):
    file = ("said.webm", bombs.recording(seconds=1.0))
    assert client.audio.transcriptions.create(file=file, model="toy").text == "16000 samples"


def test_a_translation(client):
    def made(**more):
        with pytest.warns(DeprecationWarning, match="deprecated"):
            return client.audio.translations.create(file=SOUND, model="toy", **more)

    assert made().text == "24000  to en"
    assert made(extra_body={"language": "hi", "to": "de"}).text == "24000 hi to de"
    assert made(response_format="verbose_json").language == "en"
    assert made(response_format="text") == "24000  to en\n"


def test_embeddings_of_one_and_of_many_texts(client):
    made = client.embeddings.create(model="toy", input="a")
    np.testing.assert_allclose(made.data[0].embedding, direction("a"), rtol=1e-6)
    for form in ("float", "base64"):
        made = client.embeddings.create(model="toy", input=["b", "c"], encoding_format=form)
        got = [one.embedding for one in made.data]
        if form == "base64":
            got = [struct.unpack(f"<{WIDTH}f", base64.b64decode(one)) for one in got]
        np.testing.assert_allclose(got, [direction("b"), direction("c")], rtol=1e-6)
    assert [one.index for one in made.data] == [0, 1]
    assert made.model == "toy"


def test_fewer_dimensions_are_of_unit_length(client):
    [one] = client.embeddings.create(model="toy", input="a", dimensions=3).data
    expected = direction("a")[:3] / np.linalg.norm(direction("a")[:3])
    np.testing.assert_allclose(one.embedding, expected, rtol=1e-6)
    with pytest.raises(openai.BadRequestError, match="dimensions is 9; the vectors have 8"):
        client.embeddings.create(model="toy", input="a", dimensions=9)
    assert not shortened(np.zeros((1, 4)), 2).any()


@pytest.mark.parametrize(
    ("wish", "status", "sentence"),
    [
        ({"input": [1, 2, 3]}, 422, "token of another model's vocabulary"),
        ({"input": [[1, 2], [3]]}, 422, "token of another model's vocabulary"),
        ({"input": []}, 422, "not every one is a text"),
        ({"input": ["a", " "]}, 422, "not every one is a text"),
        ({"input": ["a", 1]}, 422, "not every one is a text"),
        ({"input": "a", "dimensions": -1}, 422, "dimensions = -1: Input should be greater"),
        ({"input": "a", "extra_body": {"nonsense": 1}}, 422, "there is no 'nonsense' here"),
        ({"input": "a", "model": "x"}, 404, "no model is called 'x'"),
        ({"input": ["a"] * 2_049}, 413, "input has 2,049 texts; at most 2,048"),
    ],
)
def test_a_wrong_embedding_is_one_sentence(client, wish, status, sentence):
    with pytest.raises(openai.APIStatusError, match=sentence) as error:
        client.embeddings.create(**({"model": "toy"} | wish))
    assert error.value.status_code == status
    assert error.value.request_id.startswith("req_")
    assert error.value.body["request_id"] == error.value.request_id


@pytest.mark.parametrize(
    ("wish", "status", "sentence"),
    [
        ({"model": "mute"}, 400, "the model 'mute' does not transcribe speech; it embeds text"),
        ({"model": "x"}, 404, "no model is called 'x'"),
        ({"timestamp_granularities": ["word"]}, 422, "'word': Input should be 'segment'"),
        ({"chunking_strategy": "auto"}, 422, "there is no 'chunking_strategy' here"),
        ({"response_format": "diarized_json"}, 422, "Input should be 'json', 'text'"),
        ({"temperature": 2}, 422, "temperature = '2'"),
        ({"file": ("a.wav", b"junk" * 9)}, 415, "no wav, flac, ogg, mp3, webm or mp4"),
        ({"file": ("a.wav", b"")}, 415, "no wav, flac"),
    ],
)
def test_a_wrong_transcription_is_one_sentence(client, wish, status, sentence):
    with pytest.raises(openai.APIStatusError, match=sentence) as error:
        client.audio.transcriptions.create(**({"file": SOUND, "model": "toy"} | wish))
    assert error.value.status_code == status


def test_what_has_no_effect_is_named(client):
    plain = client.audio.transcriptions.with_raw_response
    told = plain.create(file=SOUND, model="toy", prompt="Names: Ann", temperature=0.3)
    assert told.headers["x-trivium-ignored"] == "prompt, temperature"
    told = plain.create(file=SOUND, model="toy", temperature=0, timestamp_granularities=["segment"])
    assert "x-trivium-ignored" not in told.headers


def test_a_body_that_is_no_json_or_no_form_is_one_sentence(address):
    def post(path, data, kind):
        answer = send(f"{address}{path}", content=data, headers={"content-type": kind})
        assert 400 <= answer.status_code < 500
        return answer.json()["error"]["message"]

    assert "JSON" in post("/v1/embeddings", b"{", "application/json")
    assert post("/v1/embeddings", b"[" * 100_000, "application/json")
    assert post("/v1/embeddings", b'{"model": "toy", "input": "a"}', "text/plain")
    assert "'file' is missing" in post("/v1/audio/transcriptions", b"", "application/json")
    assert "oundary" in post("/v1/audio/transcriptions", b"x", "multipart/form-data")
    broken = post("/v1/audio/transcriptions", b"--x\r\nnonsense", "multipart/form-data; boundary=x")
    assert broken


def test_a_real_model_writes_what_it_writes_alone():
    import torch

    from trivium.models.joint import Joint
    from trivium.models.loaded import Model

    torch.manual_seed(0)
    model = Model("joint", Joint.tiny(), "0")
    expected = model.transcribe_speech([decode_audio(SOUND[1])])[0]
    with running(lambda name, device: model, models=("joint",)) as (url, _):
        form = {"model": "joint"}
        answer = send(f"{url}/v1/audio/transcriptions", data=form, files={"file": SOUND})
        assert answer.json() == {"text": expected}
        form = {"speech": SOUND}
        vectors = send(f"{url}/embed", files=form).json()["data"]
    np.testing.assert_allclose(vectors[0], model.embed(speech=SOUND[1]), atol=1e-5)


def test_a_long_sound_has_a_segment_for_each_piece_and_none_for_silence(client):
    quiet = np.zeros(8 * 16_000, np.float32)
    long = ("long.wav", encode_wav(np.concatenate([tone(14.0), quiet, tone(6.0)])))
    wish = {"file": long, "model": "toy"}
    told = client.audio.transcriptions.create(**wish, response_format="verbose_json")
    first, *_, last = spoken = [one for one in told.segments if one.text]
    assert len(spoken) == 2
    assert (first.start, last.end) == (0, 28)
    assert first.end == pytest.approx(14, abs=0.2)
    assert last.start == pytest.approx(22, abs=0.2)
    assert told.text == f"{first.text} {last.text}"
    assert told.duration == 28
    events = list(client.audio.transcriptions.create(**wish, stream=True))
    assert [event.type for event in events] == ["transcript.text.delta"] * 2 + [
        "transcript.text.done"
    ]
    assert "".join(event.delta for event in events[:2]) == events[2].text == told.text
    srt = client.audio.transcriptions.create(**wish, response_format="srt")
    assert srt.count(" --> ") == 2


def test_silence_is_written_as_nothing(client):
    silence = ("still.wav", encode_wav(np.zeros(16_000, np.float32)))
    assert client.audio.transcriptions.create(file=silence, model="toy").text == ""


def test_a_published_whisper_is_served(tmp_path):
    folder = made.whisper(tmp_path / "whisper")
    expected = published.load(folder, "cpu").transcribe_speech([decode_audio(SOUND[1])], "hi")
    with running(load_model, models=(str(folder),), device="cpu") as (url, _):
        client = openai.OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0)
        [told] = client.models.list().data
        assert told.can == ["transcribe", "translate_speech"]
        written = client.audio.transcriptions.create(file=SOUND, model=told.id, language="hi")
        assert written.text == expected[0].strip()
        with pytest.raises(openai.BadRequestError, match="does not embed text"):
            client.embeddings.create(model=told.id, input="a")
        client.close()


def test_what_repeats_itself_compresses_more():
    assert compression("") == 0
    assert compression("a boat " * 50) > compression("a boat sails by the moon at dawn")


def test_dimensions_beyond_the_width_name_both():
    with pytest.raises(Refusal, match="dimensions is 1,000; the vectors have 4"):
        shortened(np.ones((2, 4)), 1_000)
