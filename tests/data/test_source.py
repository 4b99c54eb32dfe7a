"""Sources: the rows asked for, as arrays, and one sentence for what cannot be."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from trivium.data.audio import encode_flac
from trivium.data.corpus import Card, CorpusWriter
from trivium.data.source import Source, SourceSettings, Units
from trivium.errors import CorpusError, SettingsError

LANGUAGES = ("en", "hi", "ja", None)


def write(folder: Path, name: str, rows: int, **changes: object) -> Path:
    """Rows `name`-0, ... of (1 + i % 5) / 10 s in four languages; every fifth is in dev."""
    sound = encode_flac(np.zeros(1_600, np.float32))
    with CorpusWriter(folder / name, Card(name=name)) as writer:
        for i in range(rows):
            row = {
                "id": f"{name}-{i}",
                "split": "dev" if i % 5 == 4 else "train",
                "audio": sound,
                "seconds": (1 + i % 5) / 10,
                "text": "x" * (i % 7),
                "characters": i % 7,
                "language": LANGUAGES[i % 4],
                "speaker": "it's",
            }
            writer.add("utterances", row | changes)
        writer.add("sentences", {"id": "s", "split": "train", "text": "abc", "characters": 3})
    return folder / name


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("source"), "one", 40)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("source"), "two", 10)


def source(*corpora: Path, **settings: object) -> Source:
    budget = {} if {"items", "characters"} & settings.keys() else {"seconds": 2.0}
    return Source(SourceSettings.parse({"corpora": corpora, **budget, **settings}))


def ids(stream: Source, positions: np.ndarray | None = None) -> list[str]:
    wanted = np.arange(len(stream)) if positions is None else positions
    found = {}
    for piece in stream.take(wanted):
        found.update(zip(piece.places.tolist(), piece.table["id"].to_pylist(), strict=True))
    return [found[place] for place in range(len(wanted))]


def test_a_source_has_the_rows_of_its_split(one: Path) -> None:
    assert ids(source(one)) == [f"one-{i}" for i in range(40) if i % 5 != 4]
    assert ids(source(one, split="dev")) == [f"one-{i}" for i in range(4, 40, 5)]
    assert len(source(one, split=None)) == 40


def test_filter_and_limits_hold_together(one: Path) -> None:
    stream = source(
        one, where="language = 'en' or language = 'hi'", min_seconds=0.15, max_characters=4
    )
    expected = [
        f"one-{i}" for i in range(40) if i % 5 in (1, 2, 3) and i % 4 in (0, 1) and i % 7 <= 4
    ]
    assert ids(stream) == expected
    assert len(source(one, where="speaker = 'it''s'", max_seconds=0.25)) == 16


def test_lengths_are_in_the_unit_of_the_budget(one: Path) -> None:
    rows = [i for i in range(40) if i % 5 != 4]
    seconds = source(one).lengths
    assert seconds.dtype == np.float32
    assert np.allclose(seconds, [(1 + i % 5) / 10 for i in rows])
    characters = source(one, characters=20).lengths
    assert characters.dtype == np.int32
    assert characters.tolist() == [i % 7 for i in rows]
    assert source(one, items=4).lengths.tolist() == [1] * len(rows)


def test_a_slow_warp_is_planned_for(one: Path) -> None:
    stream = source(one, augment={"warp": (0.5, 1.0)})
    assert np.allclose(stream.lengths, 2 * source(one).lengths)


def test_rows_of_several_corpora_come_in_the_order_asked(one: Path, two: Path) -> None:
    stream = source(one, two)
    everything = ids(stream)
    assert everything == ids(source(one)) + ids(source(two))
    wanted = np.array([35, 2, 39, 2, 0])
    pieces = list(stream.take(wanted))
    assert len(pieces) == 2
    assert ids(stream, wanted) == [everything[position] for position in wanted]


def test_groups_are_languages_or_corpora(one: Path, two: Path) -> None:
    by_language = source(one, two, mix_by="language")
    assert by_language.group_names == ["en", "hi", "ja", "unknown"]
    names = [by_language.group_names[group] for group in by_language.groups]
    numbers = [int(id_.split("-")[1]) for id_ in ids(by_language)]
    assert names == [LANGUAGES[i % 4] or "unknown" for i in numbers]
    by_corpus = source(one, two, mix_by="corpus")
    assert by_corpus.group_names == ["one", "two"]
    assert by_corpus.groups.tolist() == [0] * 32 + [1] * 8
    assert source(one).groups is None


def test_the_plan_mixes_groups_by_the_temperature(one: Path, two: Path) -> None:
    stream = source(one, two, mix_by="corpus", temperature=1e9)
    plan = stream.plan(micros_per_step=1, seed=0)
    rows = np.concatenate(
        [micro for step in range(plan.steps_per_epoch) for micro in plan.step(step)]
    )
    assert np.bincount(stream.corpus_of[rows]).tolist() == [20, 20]


def test_other_tables_are_sources_too(one: Path) -> None:
    stream = source(one, table="sentences", characters=5)
    [piece] = stream.take(np.array([0]))
    assert piece.table.to_pydict() == {"id": ["s"], "text": ["abc"], "language": [None]}


def test_only_what_is_carried_is_taken(one: Path) -> None:
    [piece] = source(one, columns=("speaker",)).take(np.array([0]))
    assert piece.table.column_names == ["id", "speaker"]


def test_an_empty_source_says_what_is_there(one: Path) -> None:
    with pytest.raises(CorpusError, match=r"split = 'test'; splits there: dev \(8\), train \(32\)"):
        source(one, split="test")
    with pytest.raises(CorpusError, match=r"split = 'it''s'; splits there"):
        source(one, split="it's")
    with pytest.raises(CorpusError, match=r"no row of pictures .* the table is empty"):
        source(one, table="pictures", items=2)
    with pytest.raises(CorpusError, match=r"filter .*nonsense"):
        source(one, where="nonsense = 3")


def test_rows_longer_than_the_budget_are_counted_and_the_longest_named(one: Path) -> None:
    with pytest.raises(
        CorpusError,
        match=r"16 of 32 rows .* budget of 0.25 seconds: 'one-3' has 0.4; .* with max_seconds",
    ):
        source(one, seconds=0.25)


def test_rows_without_lengths_are_counted(tmp_path: Path) -> None:
    folder = write(tmp_path, "bare", 10, seconds=None)
    with pytest.raises(CorpusError, match=r"8 of 8 rows .* no seconds, .*seconds is not null"):
        source(folder)
    assert len(source(folder, items=3)) == 8


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({}, "given as nothing; give exactly one"),
        ({"seconds": 10, "items": 3}, "'seconds': 10.0, 'items': 3"),
        ({"seconds": -1}, "seconds = -1"),
        ({"seconds": 1, "temperature": 5}, "temperature 5 has no effect without mix_by"),
        ({"seconds": 1, "temperature": 0.5, "mix_by": "corpus"}, "temperature = 0.5"),
        ({"seconds": 1, "max_second": 3}, "no setting 'max_second'; did you mean 'max_seconds'"),
        ({"items": 1, "columns": ("text",), "augment": {}}, "augment changes sound"),
        ({"seconds": 1, "corpora": ()}, "corpora = ()"),
        ({"items": 1, "columns": ("spekaer",)}, "no column 'spekaer'; did you mean 'speaker'"),
        ({"items": 1, "table": "sentences", "columns": ("audio",)}, "no column 'audio'"),
        ({"seconds": 1, "table": "sentences"}, "sentences have no seconds"),
        ({"items": 1, "table": "pictures", "mix_by": "language"}, "pictures have no language"),
        ({"items": 1, "table": "pictures", "max_characters": 1}, "pictures have no characters"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict, sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        SourceSettings.parse({"corpora": ("somewhere",), **settings})
    assert sentence in str(caught.value)


def test_settings_survive_json() -> None:
    settings = SourceSettings(corpora=(Path("a"),), seconds=20, augment={"gain_db": (-3, 3)})
    assert SourceSettings.model_validate_json(settings.to_json()) == settings


def test_rows_of_one_picture_stay_together_and_nothing_is_lost(world_folder):
    settings = SourceSettings(
        corpora=(world_folder,), where="picture is not null", seconds=60, together="picture"
    )
    source = Source(settings)
    plan = source.plan(micros_per_step=2, seed=0)
    pictures = source.corpora[0].columns("utterances", ["picture"], settings.filter)
    names = np.array(pictures["picture"].to_pylist())
    seen = []
    for step in range(plan.steps_per_epoch):
        for positions in plan.step(step):
            rows = source.members(positions)
            here = set(names[rows])
            assert sum(name in here for name in names) == len(rows)
            seen += rows.tolist()
    assert sorted(seen) == list(range(len(names)))


def test_rows_without_the_value_stand_alone():
    values = pa.chunked_array([pa.array(["a", None, "b", "a", None])])
    lengths = np.array([1.0, 2.0, 3.0, 4.0, 5.0], np.float32)
    units = Units.of(values, np.zeros(5, np.int16), lengths, None)
    sets = [sorted(units.members(np.array([unit])).tolist()) for unit in range(len(units.lengths))]
    assert sorted(sets) == [[0, 3], [1], [2], [4]]
    by_set = dict(zip(map(tuple, sets), units.lengths.tolist(), strict=True))
    assert by_set[(0, 3)] == 8.0  # two rows, padded to the longer


def test_the_same_value_in_two_corpora_is_two_things():
    values = pa.chunked_array([pa.array(["a", "b"]), pa.array(["a", "b"])])
    units = Units.of(values, np.array([0, 0, 1, 1], np.int16), np.ones(4, np.float32), None)
    assert len(units.lengths) == 4


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"together": "pictur"}, "no column 'pictur' to keep rows together by; did you mean"),
        ({"together": "picture", "mix_by": "language"}, "may be of several languages"),
    ],
)
def test_togetherness_that_makes_no_sense_is_refused(tmp_path, changes, sentence):
    values = {"corpora": [tmp_path], "seconds": 60, **changes}
    with pytest.raises(SettingsError, match=sentence):
        SourceSettings.parse(values)
