"""What is found is what is nearest, and the page shows it."""

import numpy as np
import pytest

from trivium.data.corpus import Corpus
from trivium.errors import TriviumError
from trivium.tasks.finds import find, write_findings

PICTURE = "scene-train-000001"


class Oracle:
    """Knows each thing by its bytes: a picture and its captions share a random direction."""

    name = "oracle"
    kinds = ("speech", "text", "picture")

    def __init__(self, corpus):
        rows = corpus.columns("utterances", ["picture", "text", "seconds"]).to_pylist()
        self.by_text = {row["text"]: row["picture"] for row in rows}
        taken = corpus.take("utterances", np.arange(len(rows)),
                            ["id", "audio", "path", "offset", "seconds", "picture"])  # fmt: skip
        self.by_sound = {corpus.sound(row).tobytes(): row["picture"] for row in taken.to_pylist()}
        self.pictures = corpus.columns("pictures", ["id"])["id"].to_pylist()
        self.asked = 0

    def vector(self, picture):
        rng = np.random.default_rng(abs(hash(picture)) % 2**32)
        vector = rng.standard_normal(16)
        return vector / np.linalg.norm(vector)

    def embed_speech(self, sounds, language):
        return np.stack([self.vector(self.by_sound[sound.tobytes()]) for sound in sounds])

    def embed_text(self, texts, language):
        return np.stack([self.vector(self.by_text[text]) for text in texts])

    def embed_picture(self, pictures):
        start, self.asked = self.asked, self.asked + len(pictures)
        return np.stack([self.vector(name) for name in self.pictures[start : self.asked]])


def test_the_picture_and_the_sentence_are_found_first(world_folder, tmp_path):
    corpus = Corpus.open(world_folder)
    findings = find(Oracle(corpus), corpus, PICTURE, ("ja", "en"), count=5)
    assert [finding.language for finding in findings] == ["ja", "en"]
    for finding in findings:
        assert [hit.is_right for hit in finding.pictures] == [True, False, False, False, False]
        assert finding.sentences[0].is_right
        scores = [hit.score for hit in finding.pictures]
        assert scores == sorted(scores, reverse=True)
        assert finding.pictures[0].score == pytest.approx(1)
    write_findings(tmp_path / "found.html", "Found <by> voice", "a note", findings)
    page = (tmp_path / "found.html").read_text(encoding="utf-8")
    assert page.count('<figure class="right">') == 2
    assert page.count("<figure") == 10
    assert "Found &lt;by&gt; voice" in page
    assert page.count("<audio") == 2


def test_a_picture_that_is_not_there_is_named(world_folder):
    corpus = Corpus.open(world_folder)
    with pytest.raises(TriviumError, match="has no picture 'scene-9'; ids look like 'scene-"):
        find(Oracle(corpus), corpus, "scene-9", ("en",))
