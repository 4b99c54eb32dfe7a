"""The pre-trainings, and the cells: each variant tuned for a task, seed by seed."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path

from trivium.models.fused import FusedSettings
from trivium.recipes.fused import Rows, Weights, Wish, pretrain, tune, weights
from trivium.runtime import derive_seed
from trivium.studies.fusion.sizes import OBJECTIVES, FusionSettings, Network, Pretraining, Variant
from trivium.studies.study import Cell, Stage
from trivium.training.recipe import Recipe, TrainingSettings

LINES = 100  # of a run's losses


def stages(settings: FusionSettings, corpus: Path) -> Iterator[Stage]:
    """Every pre-training that some cell begins from."""
    needed = dict.fromkeys(
        (_before(one), one.network) for variants in settings.ablation.values() for one in variants
    )
    for seed, (kind, network) in product(range(settings.seeds), needed):
        yield Stage(
            stage_name(kind, network, seed), pretraining(settings, corpus, kind, network, seed)
        )


def cells(settings: FusionSettings, corpus: Path, out: Path) -> Iterator[Cell]:
    """All, seed by seed, so that what is there can always be compared."""
    rows = [(wish, one) for wish, variants in settings.ablation.items() for one in variants]
    for seed, (wish, variant) in product(range(settings.seeds), rows):
        stage, axes = stage_of(variant, seed), {"task": wish, **variant.axes}
        yield Cell(
            name=".".join([*axes.values(), f"seed{seed}"]),
            recipe=tuning(settings, corpus, wish, variant, out / "stages" / stage, seed),
            axes=axes, seed=seed, needs=(stage,),
        )  # fmt: skip


def stage_name(kind: Pretraining, network: Network, seed: int) -> str:
    """The pre-training of a network with a seed."""
    return f"{kind}.{network}.seed{seed}"


def stage_of(variant: Variant, seed: int) -> str:
    """What a variant begins from."""
    return stage_name(_before(variant), variant.network, seed)


def pretraining(
    settings: FusionSettings, corpus: Path, kind: Pretraining, network: Network, seed: int
) -> Recipe:
    """The run that hides something; networks of one seed begin alike where they are alike."""
    system = built_as(settings.system, network)
    # No cell has this seed: its order of rows would be that of its pre-training.
    training = _trained(settings.pretraining, OBJECTIVES[kind], derive_seed("fusion", seed))
    made = pretrain([corpus], system, training, settings.seconds, system.text.vocabulary - 1)
    pairs = made.sources["pairs"]
    where = f"({pairs.where}) and ({settings.pairs})"
    return made.model_copy(update={"sources": {"pairs": pairs.model_copy(update={"where": where})}})


def tuning(
    settings: FusionSettings, corpus: Path, wish: Wish, variant: Variant, start: Path, seed: int
) -> Recipe:
    """The run that teaches a variant a task; the tokenizer is that of a pre-training in all."""
    told = {
        **built_as(settings.system, variant.network).model_dump(), "start": str(start),
        "start_with": () if variant.pretraining == "scratch" else ("text", "audio"),
        "modality": variant.modality, "fusion": variant.fusion,
    }  # fmt: skip
    where = settings.rows[wish]
    test = f"split = '{settings.split}' and ({where})"
    return tune(
        [corpus], wish, FusedSettings.parse(told),
        _trained(settings.tuning, weights(wish, variant.fusion), seed),
        Rows(where, test=test, share=variant.labels), **settings.budget,
    )  # fmt: skip


def built_as(system: FusedSettings, network: Network) -> FusedSettings:
    """The full model's settings, changed."""
    told = system.model_dump()
    if network == "larger":
        for side in ("text", "audio"):
            told[side]["layers"] *= 2
    told["audio"] |= {"late": {"cross_attention": False}, "causal": {"causal": True}}.get(
        network, {}
    )
    return FusedSettings.parse(told)


def _before(variant: Variant) -> Pretraining:
    """Whose tokenizer a variant has, and whose weights unless it is trained from scratch."""
    return "both" if variant.pretraining == "scratch" else variant.pretraining


def _trained(training: TrainingSettings, told: Weights, seed: int) -> TrainingSettings:
    """The same training of other objectives, with a seed of its own."""
    phases = tuple(phase.model_copy(update={"weights": told}) for phase in training.phases)
    loader = training.loader.model_copy(update={"seed": seed})
    steps = sum(phase.steps for phase in phases)
    changed = {"phases": phases, "loader": loader, "log_every": max(1, steps // LINES), "keep": 1}
    return training.model_copy(update=changed)
