"""Speech, text and pictures in one space.

The names below are loaded when first used, so that importing trivium costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from trivium.version import VERSION

if TYPE_CHECKING:
    from trivium.data.corpus import Corpus
    from trivium.errors import TriviumError
    from trivium.library.library import Library
    from trivium.models.loaded import Model, load
    from trivium.tasks.during import fit

__version__ = VERSION
_HOMES = {
    "Corpus": "trivium.data.corpus",
    "Library": "trivium.library.library",
    "Model": "trivium.models.loaded",
    "TriviumError": "trivium.errors",
    "fit": "trivium.tasks.during",
    "load": "trivium.models.loaded",
}

__all__ = ["Corpus", "Library", "Model", "TriviumError", "__version__", "fit", "load"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"trivium has no {name!r}; it has {', '.join(sorted(_HOMES))}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
