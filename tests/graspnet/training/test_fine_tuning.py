"""A training that begins from a trained model: it starts where that one ended, and says from where."""

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from click.testing import CliRunner

from graspnet.camera import save_camera
from graspnet.cli import main
from graspnet.crops.metric import MetricCropConfig
from graspnet.dataset import Dataset
from graspnet.dataset.ranges import focal_range_px
from graspnet.errors import InputError
from graspnet.models import NETWORKS, PublishedConfig
from graspnet.models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint, weights_checksum
from graspnet.models.compact import CompactConfig
from graspnet.models.parent import load_parent
from graspnet.training import trainer
from graspnet.training.batches import BatchConfig, evaluation_crops
from graspnet.training.examples.datasets import load_examples
from graspnet.training.examples.label import LabelConfig
from graspnet.training.optimiser import OptimiserConfig
from graspnet.training.trainer import TrainConfig, train

from .conftest import write_bars

STILL = OptimiserConfig(name="sgd", rate=1e-30, weight_decay=0.0)  # its steps move biases of 0 by less than 1e-20
TUNING = TrainConfig(
    examples=32, batches=BatchConfig(size=16, pool=32, sensor="ideal"), optimiser=STILL,
    device="cpu", precision="float32", threads=1,
)  # fmt: skip


def saved(folder, details=None, config=None):
    """An untrained compact network, as if it had been trained: its normalisation is no default."""
    network = NETWORKS["compact"](torch.Generator().manual_seed(3), config)
    rng, side = torch.Generator().manual_seed(4), network.crop.size
    network.fit_normalisation(torch.rand(8, 2, side, side, generator=rng), torch.rand(8, 11, generator=rng))
    metric = "robust_centered_closure"
    save_checkpoint(Checkpoint(network, "compact", "yumi", metric, 0.5, details=details or {}), folder)
    return folder


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    return write_bars(tmp_path_factory.mktemp("few") / "dataset", train=1, validation=1)


def test_steps_of_no_length_end_where_the_parent_is_weights_and_normalisation_alike(few, tmp_path):
    parent = saved(tmp_path / "parent")
    train(TUNING, few, tmp_path / "tuned", parent=parent)
    before, after = (load_checkpoint(folder).network.state_dict() for folder in (parent, tmp_path / "tuned"))
    assert before.keys() == after.keys()
    for name in before:
        torch.testing.assert_close(after[name], before[name], rtol=0, atol=1e-20)
    told = json.loads((tmp_path / "tuned" / "model.json").read_text())["details"]
    assert told["parent"]["name"] == "parent"
    assert told["parent"]["fingerprint"] == weights_checksum(parent)
    assert told["training"]["seen"] == 32
    assert told["gripper_kind"] == "parallel_jaw"


def test_the_architecture_is_the_parents(few, tmp_path):
    small = CompactConfig(channels=(4, 4, 4, 4), crop=MetricCropConfig(size=32))
    parent = saved(tmp_path / "parent", config=small)
    train(TUNING, few, tmp_path / "tuned", parent=parent)
    assert load_checkpoint(tmp_path / "tuned").network.config == small


def test_a_model_that_ships_is_trained_on_by_its_name(few, tmp_path):
    arguments = ["train", "--from", "parallel_jaw", "--dataset", str(few.folder), "--output", str(tmp_path / "tuned")]
    overrides = ["examples=16", "batches.size=16", "batches.sensor=ideal", "threads=1", "precision=float32"]
    done = CliRunner().invoke(main, [*arguments, *overrides])
    assert done.exit_code == 0, done.output
    told = load_checkpoint(tmp_path / "tuned").details
    assert told["parent"]["fingerprint"] == weights_checksum("parallel_jaw")


def test_a_parent_that_does_not_fit_is_refused_with_the_reason(few, tmp_path):
    with pytest.raises(InputError, match=r"is a compact, and the config trains a gqcnn_2\.0.*network=compact"):
        train(replace(TUNING, network=PublishedConfig(kind="gqcnn_2.0")), few, tmp_path / "a", parent="parallel_jaw")
    suction = saved(tmp_path / "suction", details={"gripper_kind": "suction"})
    with pytest.raises(InputError, match=r"was trained for grippers of kind suction, and the dataset is of parallel_j"):
        train(TUNING, few, tmp_path / "b", parent=suction)
    old = saved(tmp_path / "old")
    record = json.loads((old / "model.json").read_text())
    record["config"]["crop"]["version"] = 1
    (old / "model.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match=r"metric crops of version 1; this graspnet cuts version 2"):
        train(TUNING, few, tmp_path / "c", parent=old)
    with pytest.raises(InputError, match=r"unknown model 'paralel_jaw'; did you mean 'parallel_jaw'"):
        train(TUNING, few, tmp_path / "d", parent="paralel_jaw")


def test_a_network_on_pixels_is_not_trained_on_behind_another_lens(few, tmp_path):
    def pixels(folder, focal_length_px):
        network = NETWORKS["gqcnn_4.0_pj"](torch.Generator().manual_seed(0))
        details = {"camera": {"focal_length_px": focal_length_px}}
        save_checkpoint(Checkpoint(network, "gqcnn_4.0_pj", "yumi", "success", 0.5, details=details), folder)
        return load_parent(folder, PublishedConfig(kind="gqcnn_4.0_pj"), "parallel_jaw", focal_range_px([few.header]))

    assert pixels(tmp_path / "near", [200.0, 210.0]).name == "near"  # the bars were seen at 220 px
    with pytest.raises(InputError, match=r"focal lengths of 520 to 530 px; the dataset's are 220 to 220 px"):
        pixels(tmp_path / "far", [520.0, 530.0])


def test_a_resumed_fine_tuning_must_begin_from_the_same_parent(few, tmp_path, monkeypatch):
    def killed(*given):
        raise KeyboardInterrupt

    first, second = saved(tmp_path / "first"), "parallel_jaw"
    monkeypatch.setattr(trainer, "_result", killed)
    with pytest.raises(KeyboardInterrupt):
        train(TUNING, few, tmp_path / "tuned", parent=first)
    monkeypatch.undo()
    with pytest.raises(InputError, match=r"began with another parent \(.*, now .*\)"):
        train(TUNING, few, tmp_path / "tuned", resume=True, parent=second)
    train(TUNING, few, tmp_path / "tuned", resume=True, parent=first)


def outcome_table(dataset, folder):
    """A robot's outcomes on the bars: its grasps across a bar succeeded, and those along it did not."""
    rows, camera = [], None
    for index in range(dataset.shard_count):
        shard = dataset.read(index)
        for place in range(len(shard.images)):
            np.save(folder / f"{index}_{place}.npy", shard.images.depth[place])
        camera = shard.images.cameras[0]
        robustness = shard.grasps.robustness("robust_centered_closure")
        rows += [
            {
                "image": f"{index}_{shard.grasps.image[row]}.npy", "camera": "camera.json", "gripper": "yumi",
                "camera_from_grasp": shard.grasps.camera_from_grasp[row].flatten().tolist(), "width": 0.05,
                "success": int(robustness[row] > 0.5), "object": shard.objects.object[0],
            }
            for row in range(len(shard.grasps))
        ]  # fmt: skip
    save_camera(camera, folder / "camera.json")
    pq.write_table(pa.Table.from_pylist(rows), folder / "outcomes.parquet")
    return folder / "outcomes.parquet"


@pytest.mark.parametrize(
    ("dataset", "overrides", "told"),
    [
        ("TABLE", ["epochs=1"], "(examples=20000), not epochs; give examples=null, too"),
        ("TABLE", ["label.metric=robust_epsilonn"], "'robust_epsilonn' is none of robust_force_closure, "),
        ("none.parquet", [], "none.parquet: no such file; expected a table of outcomes"),
        ("MODEL", [], "holds a model, and no dataset"),
    ],
)
def test_what_cannot_be_trained_on_is_one_line(dataset, overrides, told, few, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.ckpt.index").write_bytes(b"")
    paths = {"TABLE": str(outcome_table(few, tmp_path)), "MODEL": str(tmp_path / "model")}
    given = ["train", "--config", "outcomes", "--from", "parallel_jaw", "--dataset", paths.get(dataset, dataset)]
    done = CliRunner().invoke(main, [*given, "--output", str(tmp_path / "tuned"), *overrides])
    assert done.exit_code == 2, done.output
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
    with pytest.raises(InputError, match="an original GQ-CNN of TensorFlow; `graspnet import gqcnn`"):
        load_checkpoint(tmp_path / "model")


def test_a_robots_outcomes_tune_a_model_that_ships(few, tmp_path):
    table = outcome_table(few, tmp_path)
    given = ["train", "--config", "outcomes", "--from", "parallel_jaw", "--dataset", str(table)]
    quick = ["examples=96", "look_examples=32", "device=cpu", "precision=float32", "threads=1"]
    done = CliRunner().invoke(main, [*given, "--output", str(tmp_path / "tuned"), *quick])
    assert done.exit_code == 0, done.output
    assert "on 32 examples of objects not seen in training, 50.0% positive" in done.output
    tuned = load_checkpoint(tmp_path / "tuned")
    assert tuned.metric == "success"
    assert tuned.details["dataset"]["train"] == 32
    assert tuned.details["grippers"]["max_width"] == [0.05, 0.05]


def test_images_that_a_camera_took_get_no_noise_on_top(few, tmp_path):
    table = Dataset.open(outcome_table(few, tmp_path))
    crop, label = NETWORKS["compact"].config.crop, LabelConfig(metric="success")
    examples = load_examples(table, "train", crop, label)
    noisy, clean = (
        list(evaluation_crops(examples, crop, BatchConfig(sensor=sensor), seed=0)) for sensor in ("dexnet", "ideal")
    )
    assert all(torch.equal(a.images, b.images) for a, b in zip(noisy, clean, strict=True))


def test_outcomes_that_are_all_alike_are_refused_before_the_first_step(few, tmp_path):
    table = outcome_table(few, tmp_path)
    rows = pq.read_table(table)
    place = rows.column_names.index("success")
    pq.write_table(rows.set_column(place, "success", pa.array([1] * len(rows))), table)
    config = replace(TUNING, label=LabelConfig(metric="success"))
    with pytest.raises(InputError, match=r"the label of all 32 examples to train on is 1: there is nothing to learn"):
        train(config, Dataset.open(table), tmp_path / "tuned", parent="parallel_jaw")
