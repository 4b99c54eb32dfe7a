"""Runs of clip.tiny by several processes: `python -m tests.training.ranks CORPUS RUN...`.

A RUN is the JSON of `fit_one`'s arguments; all are trained one after the other, so that processes
are started once.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import free_port
from trivium.recipes import recipe
from trivium.tasks.during import fit
from trivium.training.evaluation import EvaluationSettings
from trivium.training.place import Place, place_of_process

SETTINGS = ["training.phases.0.steps=6", "training.save_every=3", "training.keep=5",
            "training.log_every=1", "training.loader.micros_per_step=4",
            "training.loader.threads=1"]  # fmt: skip


def fit_one(corpus, out, place=None, name="clip.tiny", settings=(), evaluate=False, **options):
    """One run; the warnings it gave."""
    made = recipe(name, [Path(corpus)]).override([*SETTINGS, *settings])
    if evaluate:
        evaluation = EvaluationSettings(split="train", every=3)
        made = made.model_copy(update={"evaluation": evaluation})
    told = []
    fit(made, Path(out), place=place or Place(), watch=told.append, **options)
    return [line["warning"] for line in told if "warning" in line]


def fit_on_two(corpus, runs):
    """The warnings of each run, trained by two processes."""
    environment = os.environ | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port(),
                                "WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}  # fmt: skip
    command = [sys.executable, "-m", "tests.training.ranks", str(corpus), *map(json.dumps, runs)]
    ranks = [
        subprocess.Popen(command, env=environment | {"RANK": str(rank)}, text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for rank in range(2)
    ]  # fmt: skip
    told = [process.communicate(timeout=300) for process in ranks]
    for process, (_, errors) in zip(ranks, told, strict=True):
        assert process.returncode == 0, errors[-3000:]
    return [json.loads(line) for line in told[0][0].splitlines()]


if __name__ == "__main__":
    with place_of_process() as place:
        for run in sys.argv[2:]:
            print(json.dumps(fit_one(sys.argv[1], place=place, **json.loads(run))), flush=True)
