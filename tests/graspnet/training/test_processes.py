"""Several processes train as one does with a batch that is as many times as large."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from graspnet.training.batches import BatchConfig
from graspnet.training.optimiser import OptimiserConfig
from graspnet.training.trainer import TrainConfig, train

from .conftest import write_bars

SIZE = 15  # 64 examples an epoch: batches of 30, 30 and 4


def test_two_processes_have_the_curves_of_one_with_the_double_batch(tmp_path):
    """In float32, sums in another order differ by 1e-7; ten steps of the optimiser let that grow."""
    dataset = write_bars(tmp_path / "dataset", train=2, validation=1)
    config = TrainConfig(
        epochs=3, batches=BatchConfig(size=SIZE, pool=64, sensor="ideal"), device="cpu", precision="float32", threads=1,
        optimiser=OptimiserConfig(ema_half_life=30.0, clip_norm=1.0),
    )  # fmt: skip
    overrides = [
        "network=compact", "epochs=3", f"batches.size={SIZE}", "batches.pool=64", "batches.sensor=ideal", "device=cpu",
        "precision=float32", "threads=1", "optimiser.ema_half_life=30", "optimiser.clip_norm=1",
    ]  # fmt: skip
    preset = tmp_path / "defaults.yaml"
    preset.write_text("{}")
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--no-python",
        str(Path(sys.executable).parent / "graspnet"), "train", "--config", str(preset),
        "--dataset", str(dataset.folder), "--output", str(tmp_path / "two"), *overrides,
    ]  # fmt: skip
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    two = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
    train(replace(config, batches=replace(config.batches, size=2 * SIZE)), dataset, tmp_path / "one")
    said, _ = two.communicate(timeout=300)
    assert two.returncode == 0, said
    assert said.count("model: ") == 1  # one of them speaks
    one, other = (json.loads((tmp_path / name / "metrics.json").read_text())["history"] for name in ("one", "two"))
    assert [point["step"] for point in other] == [3, 6, 9]
    for a, b in zip(one, other, strict=True):
        assert b["loss"] == pytest.approx(a["loss"], abs=1e-5)
        assert b["validation"]["cross_entropy"] == pytest.approx(a["validation"]["cross_entropy"], abs=1e-5)
    assert json.loads((tmp_path / "two" / "run.json").read_text())["command"] == "train"
