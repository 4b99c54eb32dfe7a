"""The same run on one device and on two."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from tests.conftest import free_port

SETTINGS = ["training.phases.0.steps=8", "training.save_every=4", "training.keep=5",
            "training.log_every=1", "training.loader.micros_per_step=4"]  # fmt: skip


def train(world_folder, out, devices, *options):
    port = ["--master-port", free_port()]
    torchrun = ["torch.distributed.run", "--nproc-per-node", "2", *port, "-m"]
    launch = torchrun if devices == 2 else []
    command = [sys.executable, "-m", *launch, "trivium", "train", "clip.tiny", "--corpus",
               str(world_folder), "--out", str(out)]  # fmt: skip
    for setting in SETTINGS:
        command += ["--set", setting]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, *options], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stderr


def losses(out):
    lines = (out / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line)["contrast"] for line in lines]


def test_two_processes_train_what_one_trains_and_resume_one_another(tmp_path, world_folder):
    train(world_folder, tmp_path / "one", 1)
    train(world_folder, tmp_path / "two", 2)
    expected = losses(tmp_path / "one")
    assert len(expected) == 8
    assert losses(tmp_path / "two") == pytest.approx(expected, rel=1e-4)
    for began, devices in (("one", 2), ("two", 1)):
        resumed = tmp_path / f"{began}-resumed"
        shutil.copytree(tmp_path / began, resumed)
        shutil.rmtree(resumed / "checkpoints" / "step-00000008")
        told = train(world_folder, resumed, devices, "--resume")
        assert f"world was {3 - devices} and is {devices}" in told
        assert losses(resumed) == pytest.approx(expected, rel=1e-4)
