"""Settings: frozen, strict, to and from JSON, overridden by `a.b=c`."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Self, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from trivium.errors import SettingsError, did_you_mean


class Settings(BaseModel):
    """What a class is built from. Fields cannot change, and a key nobody reads is an error."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )

    @classmethod
    def parse(cls, values: dict[str, Any], source: str = "the settings") -> Self:
        """Settings from plain values; the sentence of an error names `source` and every fault."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            faults = "; ".join(_sentence(cls, dict(fault)) for fault in error.errors())
            raise SettingsError(f"{source}: {faults}") from error

    @classmethod
    def load(cls, path: Path) -> Self:
        """Settings from a JSON file."""
        return cls.parse(read_json(path), str(path))

    def to_json(self) -> str:
        """Indented JSON that `load` gives back equal."""
        return self.model_dump_json(indent=2) + "\n"

    def override(self, assignments: Iterable[str]) -> Self:
        """A copy with `a.b=c` applied; values are JSON, or plain words where that is not JSON."""
        values = self.model_dump(mode="json")
        for assignment in assignments:
            name, equals, text = assignment.partition("=")
            if not equals or not name:
                raise SettingsError(f"--set {assignment!r}: expected name=value, as in lr=1e-3")
            _assign(values, name.strip().split("."), _value(text.strip()), assignment)
        return self.parse(values, "after --set")


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file, or one sentence on what is wrong with it."""
    try:
        text = path.read_text(encoding="utf-8")
        values = json.loads(text, object_pairs_hook=_without_repeats)
    except FileNotFoundError as error:
        raise SettingsError(f"{path} is not there") from error
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{path} is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise SettingsError(f"{path} holds a {type(values).__name__}; expected an object {{...}}")
    return values


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose names are all different; JSON's last one would win in silence."""
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the name {max(names, key=names.count)!r} occurs twice in one object")
    return values


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _assign(values: Any, names: list[str], value: Any, assignment: str) -> None:
    *parents, last = names
    place = values
    for name in parents:
        place = _child(place, name, assignment)
    if isinstance(place, list):
        _child(place, last, assignment)
        place[int(last)] = value
    elif not isinstance(place, dict):
        raise SettingsError(f"--set {assignment!r}: {'.'.join(parents)} is {place!r}, not a group")
    else:
        # Free-form groups (dict fields) take new names; fields of ours are checked by `parse`.
        place[last] = value


def _child(place: Any, name: str, assignment: str) -> Any:
    if isinstance(place, list):
        if not name.isdigit() or int(name) >= len(place):
            raise SettingsError(
                f"--set {assignment!r}: {name!r} is no place in a list of {len(place)}"
            )
        return place[int(name)]
    if not isinstance(place, dict) or name not in place:
        known = place if isinstance(place, dict) else ()
        raise SettingsError(
            f"--set {assignment!r}: no setting {name!r}; {did_you_mean(name, known)}"
        )
    return place[name]


def _sentence(model: type[BaseModel], fault: dict[str, Any]) -> str:
    names = [str(name) for name in fault["loc"]]
    where = ".".join(names)
    if fault["type"] == "extra_forbidden":
        return f"no setting {where!r}; {did_you_mean(names[-1], _fields_at(model, names[:-1]))}"
    if fault["type"] == "missing":
        return f"{where!r} is missing"
    told = fault["msg"].removeprefix("Value error, ")
    if isinstance(fault["input"], dict | BaseModel):  # what is wrong in it, the sentence says
        return f"{where}: {told}" if names else told
    return f"{where} = {fault['input']!r}: {told}"


def _fields_at(model: Any, names: list[str]) -> list[str]:
    """Field names of the settings class reached from `model` by a path of fault locations."""
    for name in names:
        fields = getattr(model, "model_fields", {})
        if name in fields:
            model = _settings_in(fields[name].annotation)
    return list(getattr(model, "model_fields", {}))


def _settings_in(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_settings_in(argument) for argument in get_args(annotation))
    return next((model for model in found if model is not None), None)


def inside(value: object, name: str) -> Iterator[tuple[str, Settings]]:
    """Settings, and all settings anywhere in them, each with where it stands."""
    if isinstance(value, Settings):
        yield name, value
        for field in type(value).model_fields:
            yield from inside(getattr(value, field), f"{name}.{field}")
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from inside(inner, f"{name}.{key}")
    elif isinstance(value, tuple):
        for place, inner in enumerate(value):
            yield from inside(inner, f"{name}.{place}")
