import io

import numpy as np
import pytest
from PIL import Image

from tests.conftest import COLUMNS_OF_CARD, utterance
from trivium.cli.main import run as trivium
from trivium.data.corpus import Card, Corpus, CorpusWriter
from trivium.data.examine.describe import describe
from trivium.data.examine.figures import LANGUAGES, draw, language_bars, lengths_of, write_figures
from trivium.errors import CorpusError


def many_languages(folder, count=LANGUAGES + 5, table="utterances"):
    with CorpusWriter(folder, Card(**COLUMNS_OF_CARD)) as writer:
        number = 0
        for place in range(count):
            for repeat in range(place + 1):
                row = {"language": f"l{place:02}", "split": ("train", "test")[repeat % 2]}
                text = {
                    "id": f"s{number}",
                    "text": "ab" * (number + 1),
                    "characters": 2 * number + 2,
                }
                writer.add(table, utterance(number) | row if table == "utterances" else text | row)
                number += 1
    return Corpus.open(folder)


def heights(axes):
    return [patch.get_height() for patch in axes.patches]


def test_every_row_is_in_a_bar_of_each_figure(by_hand):
    lengths, languages = draw(by_hand, describe(by_hand)).axes
    assert sum(heights(lengths)) == by_hand.count("utterances")
    assert sum(patch.get_width() for patch in languages.patches) == 23  # and the sentences
    assert [label.get_text() for label in languages.get_yticklabels()] == ["en"]
    assert lengths.get_xlabel() == "seconds"


def test_a_few_long_rows_do_not_hide_the_others(tmp_path):
    with CorpusWriter(tmp_path / "c", Card(**COLUMNS_OF_CARD)) as writer:
        for number in range(400):
            writer.add("utterances", utterance(number, seconds=3_600.0 if number == 0 else 2.0))
    corpus = Corpus.open(tmp_path / "c")
    (lengths, _) = draw(corpus, describe(corpus)).axes
    assert sum(heights(lengths)) == 400
    assert lengths.get_xlim()[1] < 10
    assert lengths.get_title().endswith("the longest 1 h 00 min")


def test_languages_beyond_the_limit_are_one_bar(tmp_path):
    corpus = many_languages(tmp_path / "c")
    bars = language_bars(describe(corpus))
    assert next(iter(bars)) == f"l{LANGUAGES + 4}"
    assert list(bars)[-1] == "5 others"
    assert len(bars) == LANGUAGES + 1
    assert sum(sum(rows.values()) for rows in bars.values()) == corpus.count("utterances")


def test_text_alone_is_measured_in_characters(tmp_path):
    corpus = many_languages(tmp_path / "c", 3, "sentences")
    unit, values = lengths_of(corpus)
    assert unit == "characters"
    np.testing.assert_array_equal(np.sort(values), 2.0 * np.arange(1, 7))
    lengths, _ = draw(corpus, describe(corpus)).axes
    assert sum(heights(lengths)) == 6


def test_pictures_alone_have_no_length(tmp_path):
    from tests.conftest import png

    with CorpusWriter(tmp_path / "c", Card(**COLUMNS_OF_CARD)) as writer:
        writer.add("pictures", {"id": "p", "image": png()})
    write_figures(Corpus.open(tmp_path / "c"), tmp_path / "f.png")
    assert (tmp_path / "f.png").exists()


def test_the_command_draws_a_picture_or_a_page(by_hand, tmp_path, capsys):
    for name in ("f.png", "f.html"):
        assert trivium(["corpus", "info", str(by_hand.path), "--out", str(tmp_path / name)]) == 0
    assert f"wrote {tmp_path}/f.html" in capsys.readouterr().out
    with Image.open(io.BytesIO((tmp_path / "f.png").read_bytes())) as image:
        assert image.width > 800
    page = (tmp_path / "f.html").read_text()
    assert page.count("<img") == 1
    assert "http" not in page.replace("http-equiv", "")
    assert "by-hand" in page


def test_another_kind_of_file_is_refused(by_hand, tmp_path):
    with pytest.raises(CorpusError, match=r"f\.jpg is neither \.png nor \.html; name one of them"):
        write_figures(by_hand, tmp_path / "f.jpg")
