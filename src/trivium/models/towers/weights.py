"""Networks of transformers: built from sizes, or read from a folder in the hub's format."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trivium import checkpoint
from trivium.config import read_json
from trivium.errors import SettingsError, TriviumError, did_you_mean
from trivium.models.towers.networks import FAMILIES, NETWORKS, Kind, TowerSettings

if TYPE_CHECKING:
    from torch import Tensor

# Nothing is dropped or masked at random inside a tower; absent where a family has no such switch.
SWITCHED_OFF: dict[str, float | bool] = {
    "layerdrop": 0.0,
    "encoder_layerdrop": 0.0,
    "decoder_layerdrop": 0.0,
    "apply_spec_augment": False,
    "mask_time_prob": 0.0,
    "mask_feature_prob": 0.0,
}
# What a checkpoint may switch on that a tower would pass over in silence.
UNSUPPORTED: tuple[str, ...] = ("add_adapter", "conv_pos_batch_norm")
# Tensors that a checkpoint may have beside the tower: heads, the other half, what only
# pre-training used. Anything else left over is an error.
HARMLESS: dict[Kind, tuple[str, ...]] = {
    "speech": (
        "lm_head.*", "classifier.*", "projector.*", "layer_weights", "quantizer.*", "project_q.*",
        "project_hid.*", "label_embeddings_concat", "*masked_spec_embed",
        "proj_out.*", "decoder.*", "model.decoder.*",
    ),
    "picture": (
        "text_model.*", "text_projection.*", "logit_scale", "logit_bias", "classifier.*",
        "*.position_ids",
    ),
    "text": (
        "vision_model.*", "visual_projection.*", "logit_scale", "logit_bias", "*.position_ids",
    ),
    "translator": ("*.embed_positions.weights",),  # sinusoids, which older files hold
}  # fmt: skip
# What a configuration says beside the sizes and switches of its network.
NO_SIZES = ("_name_or_path", "architectures", "dtype", "model_type", "transformers_version")
# What `preprocessor_config.json` says that a tower follows.
PREPARATION = ("do_normalize", "image_mean", "image_std")
# A Whisper encoder is saved inside a Whisper; transformers' own stripping expects `model.` alone.
RENAMED: dict[str, dict[str, str]] = {"whisper": {r"^(model\.)?encoder\.": ""}}


@dataclass(frozen=True)
class Built:
    """A network, and what its folder says of the preparation of inputs."""

    model: Any
    family: str
    preparation: Mapping[str, Any]
    described: TowerSettings
    """What builds the network again, without weights."""
    folder: Path | None = None
    origin: TowerSettings | None = None
    """What reads the weights again, where they lie in the hub's format."""


def build(settings: TowerSettings, kind: Kind) -> Built:
    """The network that settings describe."""
    known = None if settings.network is None else settings.known(kind)
    preparation = {"do_normalize": known is None or known.normalise_waves}
    if settings.random_weights and known is not None:
        sizes = {**known.sizes[kind], **settings.sizes}
        network = random_network(known.family, kind, sizes)
        return Built(network, known.family, {**preparation, **settings.preparation}, settings)
    folder = settings.folder or fetch(*wanted(settings, kind))
    if is_trained_here(folder):
        return read_trained(checkpoint.newest(folder), kind)
    family, model = read_network(folder, kind)
    if known is not None and family != known.family:
        raise SettingsError(f"{folder} holds a {family}; the network {settings.network!r} is none")
    if (folder / "preprocessor_config.json").exists():
        preparation = {**preparation, **read_json(folder / "preprocessor_config.json")}
    described = describe(model, family, kind, preparation)
    source = str(folder.resolve()) if settings.folder else settings.source
    origin = settings.model_copy(update={"source": source})
    _check_weights(model, settings, folder)
    return Built(model, family, preparation, described, folder, origin)


def describe(model: Any, family: str, kind: Kind, preparation: Mapping[str, Any]) -> TowerSettings:
    """The settings that build a network of these sizes: a known one's, and what differs."""
    import transformers

    name, known = next(
        (name, network)
        for name, network in NETWORKS.items()
        if network.family == family and kind in network.sizes
    )
    config_class = attrgetter(FAMILIES[kind][family].config)(transformers)
    with _quiet():
        usual = _switched_off(config_class(**_lists(known.sizes[kind])), family).to_dict()
    sizes = {}
    for key, value in model.config.to_dict().items():
        size = tuple(value) if isinstance(value, list) else value
        whole = isinstance(size, bool | int | float | str | tuple)
        if whole and value != usual.get(key) and key in usual and key not in NO_SIZES:
            sizes[key] = size
    return TowerSettings(
        network=name, random_weights=True, sizes=sizes,
        preparation={key: _frozen(preparation[key]) for key in PREPARATION if key in preparation},
    )  # fmt: skip


def is_trained_here(folder: Path) -> bool:
    """Whether a folder is a run or a checkpoint of ours, and not one in the hub's format."""
    config = folder / checkpoint.CONFIG
    return config.exists() and "system" in read_json(config)


def read_trained(folder: Path, kind: Kind) -> Built:
    """A tower of a system that was trained here."""
    told = read_json(folder / checkpoint.CONFIG)
    values = told["settings"].get(kind)
    if values is None:
        raise SettingsError(f"{folder} holds a {told['system']}, which has no tower for {kind}")
    settings = TowerSettings.parse(values, str(folder / checkpoint.CONFIG))
    built = build(settings, kind)
    if not settings.random_weights:  # published and frozen: the checkpoint only names it
        return built
    checkpoint.load_into(built.model, folder, prefix=f"{kind}.network.")
    return replace(built, folder=folder)


def random_network(family: str, kind: Kind, sizes: Mapping[str, Any]) -> Any:
    """A network with new weights; under `torch.device("meta")` it costs nothing."""
    import transformers

    names = FAMILIES[kind][family]
    config_class = attrgetter(names.config)(transformers)
    with _quiet():
        known = set(config_class().to_dict())
        for name in sizes.keys() - known:
            hint = did_you_mean(name, known)
            raise SettingsError(f"{names.config} has no size {name!r}; {hint}")
        config = _switched_off(config_class(**_lists(sizes)), family)
        return attrgetter(names.model)(transformers)(config)


def read_network(folder: Path, kind: Kind) -> tuple[str, Any]:
    """The family and network of a folder with `config.json` and safetensors; strict."""
    import torch
    import transformers
    from safetensors import SafetensorError

    stated = str(read_json(folder / "config.json").get("model_type"))
    family = stated.removesuffix("_vision_model").removesuffix("_text_model")
    if family not in FAMILIES[kind]:
        raise SettingsError(
            f"{folder}/config.json says model_type {stated!r}, which is no network for {kind}; "
            f"known are {', '.join(FAMILIES[kind])}"
        )
    auto = "AutoModelForSeq2SeqLM" if kind == "translator" else "AutoModel"
    if not _has_weights(folder):
        raise SettingsError(
            f"{folder} holds no model.safetensors; other files of weights are pickles, which are "
            f'never read: convert once with `python -c "from transformers import {auto} as M; '
            "M.from_pretrained('REPOSITORY').save_pretrained('FOLDER')\"`, and give that FOLDER "
            "as the source"
        )
    names = FAMILIES[kind][family]
    with _quiet():
        config = attrgetter(names.config)(transformers).from_pretrained(folder)
        # A whole CLIP keeps the width of the shared space outside of its two halves.
        width = read_json(folder / "config.json").get("projection_dim")
        if width is not None and hasattr(config, "projection_dim"):
            config.projection_dim = width
        try:
            model, report = attrgetter(names.model)(transformers).from_pretrained(
                folder,
                config=_switched_off(config, family),
                key_mapping=RENAMED.get(family),
                output_loading_info=True,
                use_safetensors=True,
                ignore_mismatched_sizes=True,  # `_check` says it better
                local_files_only=True,
                dtype=torch.float32,
            )
        except (SafetensorError, OSError) as error:
            raise SettingsError(f"the weights in {folder} are not whole: {error}") from error
    _check(folder, kind, report, set(model.state_dict()))
    return family, model


def wanted(settings: TowerSettings, kind: Kind) -> tuple[str, str]:
    """Repository and revision on the hub."""
    if settings.source is not None:
        return settings.source, settings.revision or "main"
    known = settings.known(kind)
    if known.repository is None:
        raise SettingsError(
            f"{settings.network!r} has no published weights; give a source, or set random_weights "
            "(--random-weights)"
        )
    return known.repository, settings.revision or known.revision


def fetch(repository: str, revision: str) -> Path:
    """The folder of a hub repository: the cache's, and from the hub only what is not there."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    files = ["*.json", "model*.safetensors"]
    cached: Path | None = None
    with suppress(LocalEntryNotFoundError, ValueError):  # also a name that is none: said below
        cached = Path(snapshot_download(repository, revision=revision, local_files_only=True))
        if _is_whole(cached):
            return cached
    try:
        # Where HF_HUB_OFFLINE is set this does not leave the machine either.
        return Path(snapshot_download(repository, revision=revision, allow_patterns=files))
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError, ValueError) as error:
        if cached is not None and _has_weights(cached):
            return cached
        raise TriviumError(
            f"the weights of {repository} at revision {revision} are in no folder of that name, "
            "not in the hub's cache and not to be had now "
            f"({type(error).__name__}); fetch them beforehand with `hf download {repository} "
            f"--revision {revision}`, or run with --random-weights (random_weights=true) to build "
            "the network without them"
        ) from error


def load_heads(origin: TowerSettings, kind: Kind, own: Mapping[str, "Tensor"]) -> None:
    """Fill parameters, by their published names, with what stands beside a published tower."""
    from safetensors.torch import load_file

    folder = origin.folder or fetch(*wanted(origin, kind))
    published: dict[str, Tensor] = {}
    for path in sorted(folder.glob("model*.safetensors")):
        published |= load_file(path)
    for name, tensor in own.items():
        there = published[name].numel() if name in published else 0
        if there != tensor.numel():
            raise SettingsError(
                f"{folder} has {there:,} numbers of {name!r}, and the settings make "
                f"{tensor.numel():,}; give the sizes it was trained with, or begin with new heads"
            )
        checkpoint.put({name: published[name].reshape(tensor.shape)}, {name: tensor})


BESIDE = ("preprocessor_config.json", "tokenizer.json")  # of the two a tower needs one


def _is_whole(folder: Path) -> bool:
    """Whether nothing has to be fetched: another library may have taken the weights alone."""
    index = folder / "model.safetensors.index.json"
    shards = set(read_json(index)["weight_map"].values()) if index.exists() else set()
    beside = any((folder / name).exists() for name in BESIDE)
    return _has_weights(folder) and beside and all((folder / name).exists() for name in shards)


def _has_weights(folder: Path) -> bool:
    return any(folder.glob("model*.safetensors"))


def _lists(sizes: Mapping[str, Any]) -> dict[str, Any]:
    """Sizes as transformers wants them."""
    return {name: list(size) if isinstance(size, tuple) else size for name, size in sizes.items()}


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _check_weights(model: Any, settings: TowerSettings, folder: Path) -> None:
    """Refuse weights that are not those that a checkpoint was trained with."""
    if settings.checksum is None:
        return
    found = checkpoint.tensors_checksum(checkpoint.model_tensors(model))
    if found != settings.checksum:
        raise SettingsError(
            f"the weights in {folder} have the checksum {found[:12]}, and the checkpoint was "
            f"trained on those of {settings.checksum[:12]}; give it the same weights again"
        )


def _switched_off(config: Any, family: str) -> Any:
    for name in UNSUPPORTED:
        if getattr(config, name, False):
            raise SettingsError(
                f"the {family} network sets {name} = {getattr(config, name)!r}, which a tower does "
                "not apply; use a checkpoint without it"
            )
    for name, value in SWITCHED_OFF.items():
        if hasattr(config, name):
            setattr(config, name, value)
    return config


def _check(folder: Path, kind: Kind, report: Mapping[str, Any], names: set[str]) -> None:
    """One sentence for the first tensor that is missing, left over or of another shape."""
    left_over = sorted(
        name
        for name in report["unexpected_keys"]
        if not any(fnmatchcase(name, pattern) for pattern in HARMLESS[kind])
    )
    for name in sorted(report["missing_keys"]):
        raise SettingsError(f"{folder} lacks the tensor {name!r}; {did_you_mean(name, left_over)}")
    for name in left_over:
        raise SettingsError(
            f"{folder} has a tensor {name!r} that the network does not; {did_you_mean(name, names)}"
        )
    for mismatch in report["mismatched_keys"]:
        raise SettingsError(f"{folder}: the shape of {mismatch} is not what config.json says")


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the tables, bars and advice that transformers prints at every load."""
    import transformers

    logging: Any = transformers.utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
