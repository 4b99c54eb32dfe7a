"""What importing and asking for help costs, told by what is loaded and not by the clock."""

import json
import subprocess
import sys

import pytest

HEAVY = {"torch", "lance", "pyarrow", "numpy", "PIL", "soundfile", "soxr", "transformers",
         "espeakng_loader", "trivium.config"}  # fmt: skip


def loaded_after(code: str) -> set[str]:
    script = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["world", "--help"]])
def test_help_loads_nothing_heavy(arguments):
    code = f"""
import sys
sys.argv = ["trivium", *{arguments!r}]
from trivium.__main__ import main
try:
    main()
except SystemExit as stop:
    assert stop.code in (0, None), stop.code
"""
    loaded = loaded_after(code)
    assert "trivium.cli.main" in loaded
    assert not loaded & HEAVY


def test_importing_trivium_does_nothing():
    loaded = loaded_after("import trivium")
    assert not loaded & HEAVY
    assert len([name for name in loaded if name.startswith("trivium")]) <= 2


def test_the_door_opens_on_first_use():
    loaded = loaded_after("import trivium; trivium.Corpus")
    assert {"trivium.data.corpus", "lance"} <= loaded


def test_voices_are_never_loaded_outside_a_worker():
    loaded = loaded_after("import trivium.data.world.build, trivium.cli.corpus")
    assert "espeakng_loader" not in loaded


def test_feeding_a_run_loads_few_of_our_files():
    loaded = loaded_after("import trivium.data.loader, trivium.checkpoint, trivium.config")
    assert len([name for name in loaded if name.startswith("trivium.")]) <= 45
