import json
from typing import ClassVar

import pytest

from tests.training.test_loop import build, corpus, recipe, untimed
from tests.training.toy import Toy, ToySettings
from trivium.data.augment import AugmentSettings
from trivium.data.source import Source
from trivium.errors import SettingsError
from trivium.recipes import recipe as named
from trivium.training.loop import fit
from trivium.training.recipe import Recipe, begin_system, open_sources
from trivium.training.schedule import Phase

__all__ = ["corpus"]  # a fixture


def with_source(made, **changes):
    changed = made.sources["rows"].model_copy(update=changes)
    return made.model_copy(update={"sources": {"rows": changed}})


def opened(made, system):
    return open_sources(made, system, {"rows"})["rows"].settings.carried


class Asking(Toy):
    """Which columns it wants depends on what it was built with."""

    wants = ("text",)

    @property
    def roles(self):
        return {"rows": self.wants}


def test_a_source_carries_what_the_system_reads_and_no_more(corpus):
    plain = with_source(recipe(corpus), columns=None)
    assert opened(plain, build()) == ("text",)
    more = with_source(recipe(corpus), columns=("text", "characters", "language"))
    assert opened(more, build()) == ("text",)
    system = Asking(ToySettings())
    system.wants = ("text", "characters")
    assert opened(plain, system) == ("text", "characters")


def test_a_recipe_need_not_list_columns(tmp_path, corpus):
    fit(recipe(corpus), tmp_path / "listed", build=build, max_steps=3)
    plain = with_source(recipe(corpus), columns=None)
    fit(plain, tmp_path / "plain", build=build, max_steps=3)
    assert untimed(tmp_path / "plain") == untimed(tmp_path / "listed")


@pytest.mark.parametrize(
    ("changes", "wants", "sentence"),
    [
        ({"columns": ("language",)}, ("text",), "the column 'text' of rows; its source carries"),
        ({"columns": None}, ("txt",), "the source of rows: .*no column 'txt'; did you mean 'text'"),
        ({"augment": AugmentSettings()}, ("text",), "the source of rows: .*augment changes sound"),
    ],
)  # fmt: skip
def test_what_a_source_cannot_carry_is_named(corpus, changes, wants, sentence):
    system = Asking(ToySettings())
    system.wants = wants
    with pytest.raises(SettingsError, match=sentence):
        open_sources(with_source(recipe(corpus), **changes), system, {"rows"})


def test_roles_must_match(corpus):
    class Other(Toy):
        roles: ClassVar = {"lines": ("text",)}

    with pytest.raises(SettingsError, match=r"toy takes the sources lines; 'rows' does not"):
        open_sources(recipe(corpus), Other(ToySettings()), {"lines"})


class TwoRoles(Toy):
    roles: ClassVar = {"rows": ("text",), "others": ("text",)}
    needs: ClassVar = {"match": ("rows",), "recover": ("others",)}

    def prepare(self, parts, generator):
        self.read = [*getattr(self, "read", []), sorted(parts)]
        return super().prepare({"rows": next(iter(parts.values()))}, generator)


def test_a_role_that_a_phase_reads_wants_a_source(tmp_path, corpus):
    with pytest.raises(SettingsError, match="objectives of toy read 'others'; give it a source"):
        fit(recipe(corpus), tmp_path, build=lambda *_: TwoRoles(ToySettings()))


def test_a_step_reads_the_roles_of_its_objectives(tmp_path, corpus):
    made = recipe(corpus)
    phases = tuple(Phase(steps=2, weights={name: 1.0}) for name in ("match", "recover"))
    loader = made.training.loader.model_copy(update={"threads": 1})
    training = made.training.model_copy(update={"phases": phases, "loader": loader})
    sources = {**made.sources, "others": made.sources["rows"]}
    changed = made.model_copy(update={"training": training, "sources": sources})
    fitted = fit(changed, tmp_path, build=lambda *_: TwoRoles(ToySettings()))
    micros = loader.micros_per_step
    assert fitted.system.read == 2 * micros * [["rows"]] + 2 * micros * [["others"]]


def test_a_system_looks_at_its_sources_before_anything_is_loaded(tmp_path, corpus):
    class Looking(Toy):
        def begin(self, sources):
            self.begun = [isinstance(source, Source) for source in sources.values()]

        def prepare(self, parts, generator):
            assert self.begun == [True]
            return super().prepare(parts, generator)

    fitted = fit(recipe(corpus), tmp_path, build=lambda *_: Looking(ToySettings()), max_steps=2)
    assert fitted.system.begun == [True]


class Rank:
    """One of two devices, without another process."""

    def __init__(self, is_first, diary):
        self.is_first, self._diary = is_first, diary

    def meet(self):
        self._diary.append("meets")


@pytest.mark.parametrize(
    ("is_first", "expected"), [(True, ["looks", "meets"]), (False, ["meets", "looks"])]
)
def test_the_first_device_looks_first(is_first, expected):
    diary = []

    class System:
        def begin(self, sources):
            diary.append("looks")

    begin_system(System(), {}, Rank(is_first, diary))
    assert diary == expected


def test_a_recipe_of_before_there_were_new_settings_is_resumed(tmp_path, corpus):
    fit(recipe(corpus), tmp_path, build=build, max_steps=3)
    path = tmp_path / "config.json"
    old = json.loads(path.read_text())
    for name in ("alarms", "compile", "deterministic", "parallel", "tensorboard"):
        del old["training"][name]
    del old["evaluation"]
    path.write_text(json.dumps(old))
    fit(recipe(corpus), tmp_path, build=build, resume=True, max_steps=4)
    assert "alarms" in json.loads(path.read_text())["training"]


def test_what_is_no_setting_any_more_is_told(tmp_path, corpus):
    fit(recipe(corpus), tmp_path, build=build, max_steps=3)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"voices": 3}))
    with pytest.raises(SettingsError, match="voices: 3 -> None"):
        fit(recipe(corpus), tmp_path, build=build, resume=True)


def test_a_recipe_survives_json(tmp_path, corpus):
    made = named("clip.tiny", [corpus])
    (tmp_path / "recipe.json").write_text(made.to_json())
    assert Recipe.load(tmp_path / "recipe.json") == made
