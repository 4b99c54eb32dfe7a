"""A whole run as one frozen value, and what is built from it: the system and its sources."""

from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SerializeAsAny, model_validator
from tokenizers import Tokenizer
from torch import nn

from trivium import checkpoint
from trivium.config import Settings
from trivium.data.corpus import Corpus
from trivium.data.loader import LoaderSettings
from trivium.data.source import Source, SourceSettings
from trivium.errors import SettingsError, did_you_mean
from trivium.models.system import System, system_class
from trivium.models.towers.text import TOKENIZER, read_tokenizer, train_tokenizer
from trivium.training.alarms import AlarmSettings
from trivium.training.evaluation import EvaluationSettings
from trivium.training.optimizer import OptimizerSettings
from trivium.training.place import Place
from trivium.training.schedule import Phase, Schedule


class TrainingSettings(Settings):
    """All of a run but its system and its data."""

    phases: tuple[Phase, ...]
    """What is trained when."""
    optimizer: OptimizerSettings = OptimizerSettings()
    """How."""
    loader: LoaderSettings = LoaderSettings()
    """Micros of a step, the run's seed, threads."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """bf16: forward passes under autocast; parameters and optimizer stay float32."""
    parallel: Literal["ddp", "fsdp"] = "ddp"
    """On several devices: each holds the whole system, or a share of it and of the optimizer."""
    compile: bool = False
    """Compile the layers of the towers: slow to begin, faster afterwards."""
    deterministic: bool = False
    """Use none but deterministic kernels: slower, and what has none is an error."""
    log_every: int = Field(default=10, ge=1)
    """Steps between lines of metrics.jsonl."""
    save_every: int = Field(default=500, ge=1)
    """Steps between checkpoints; the last step always makes one."""
    save_every_minutes: float | None = Field(default=None, gt=0)
    """Minutes after which there is a checkpoint though `save_every` steps are not over."""
    keep: int = Field(default=2, ge=1)
    """Checkpoints that stay."""
    alarms: AlarmSettings = AlarmSettings()
    """What a run warns of."""
    tensorboard: bool = False
    """Write what is logged for TensorBoard too, into `tensorboard/` of the run."""


class Recipe(Settings):
    """A whole run."""

    system: str
    """Name of the system."""
    settings: SerializeAsAny[Settings]
    """Of the system; its own class."""
    sources: dict[str, SourceSettings]
    """Role and the rows it gets."""
    training: TrainingSettings
    """The rest."""
    start: str | None = None
    """A run of the same system, a checkpoint or a model that ships: the weights to begin with."""
    tokens: int | None = Field(default=None, ge=260)
    """Size of the vocabulary that is made of the sources' texts, where the system reads any."""
    tokens_have_case: bool = False
    """Whether they are counted in texts as they are, and not in lower case."""
    evaluation: EvaluationSettings | None = None
    """What is measured while it trains; null: nothing."""

    @model_validator(mode="before")
    @classmethod
    def _settings_of_the_system(cls, values: Any) -> Any:
        """Plain values, as in JSON, become the settings class of the system they name."""
        if isinstance(values, dict) and isinstance(values.get("settings"), dict):
            settings = system_class(str(values.get("system"))).Settings
            return {**values, "settings": settings.parse(values["settings"], "settings")}
        return values


def build_system(recipe: Recipe, out: Path) -> nn.Module:
    """The system of a recipe with new weights, or published ones where its towers have them."""
    kind = system_class(recipe.system)
    if recipe.tokens is None:
        built: nn.Module = kind(recipe.settings)
    else:
        built = kind(recipe.settings, _tokenizer(recipe, recipe.tokens, out))
    return built


def open_sources(recipe: Recipe, system: System, read: Set[str]) -> dict[str, Source]:
    """A source for each role that is read, with the columns that the system wants of it alone."""
    known = ", ".join(system.roles)
    for role in recipe.sources.keys() - system.roles.keys():
        raise SettingsError(f"{recipe.system} takes the sources {known}; {role!r} does not match")
    for role in sorted(read - recipe.sources.keys()):
        raise SettingsError(f"the objectives of {recipe.system} read {role!r}; give it a source")
    return {
        role: _open(recipe, role, columns) for role, columns in system.roles.items() if role in read
    }


def check_objectives(recipe: Recipe, system: System, schedule: Schedule) -> None:
    """Refuse objectives that the system does not know, before anything is read."""
    for phase in schedule.phases:
        for name in phase.weights:
            if name not in system.objectives:
                hint = did_you_mean(name, system.objectives)
                raise SettingsError(f"{recipe.system} has no objective {name!r}; {hint}")


def begin_system(system: System, sources: Mapping[str, Source], place: Place) -> None:
    """Let a system that wants to look at its sources first: one device, then the others.

    What the one leaves on the disk, as vectors of pictures, the others find there.
    """
    begin = getattr(system, "begin", None)
    if begin is None:
        return
    if place.is_first:
        begin(sources)
    place.meet()
    if not place.is_first:
        begin(sources)


def _open(recipe: Recipe, role: str, columns: tuple[str, ...]) -> Source:
    given = recipe.sources[role]
    for column in columns:
        if given.columns is not None and column not in given.columns:
            raise SettingsError(
                f"{recipe.system} needs the column {column!r} of {role}; "
                f"its source carries {', '.join(given.columns)}"
            )
    changed = given.model_copy(update={"columns": tuple(columns)})
    # A copy is not checked: a table may lack the column.
    return Source(SourceSettings.parse(changed.model_dump(), f"the source of {role}"))


def _tokenizer(recipe: Recipe, tokens: int, out: Path) -> Tokenizer:
    """The run's tokenizer: made of the sources' texts once, and kept beside the recipe."""
    path = out / TOKENIZER
    if not path.exists():
        texts = [
            text
            for settings in recipe.sources.values()
            for folder in settings.corpora
            for text in Corpus.open(folder)
            .columns(settings.table, ["text"], settings.filter)
            .column("text")
            .to_pylist()
            if text
        ]
        made = train_tokenizer(texts, tokens, keep_case=recipe.tokens_have_case)
        checkpoint.write_file(path, made.to_str())
    return read_tokenizer(out)
