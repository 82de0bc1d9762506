"""Several datasets are one, nothing that any of them holds out is trained on, and labels may be of several metrics."""

import json
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from click.testing import CliRunner

from graspnet.cli import main
from graspnet.dataset import Dataset
from graspnet.errors import InputError
from graspnet.models import NETWORKS
from graspnet.training.augmentation import AugmentationConfig
from graspnet.training.batches import BatchConfig, Batches
from graspnet.training.examples.datasets import Datasets, load_examples, training_and_validation
from graspnet.training.examples.example_set import ExampleSet
from graspnet.training.examples.label import LabelConfig

from .conftest import write_bars, write_named_bars

CROP = NETWORKS["compact"].config.crop
LABEL = LabelConfig()


def trained_on(datasets: Datasets) -> list[set[str]]:
    """Names of the objects in each dataset's training shards."""
    return [
        {name for k in indices for name in dataset.header.shards[dataset.shard_names[k]].objects}
        for dataset, indices in zip(datasets.members, datasets.indices("train"), strict=True)
    ]


def test_what_one_dataset_holds_out_no_other_trains_on_and_a_line_says_so(tmp_path, capsys):
    first = write_named_bars(tmp_path / "a", ["a.stl", "b.stl", "c.stl"], ["d.stl"], images=1)
    second = write_named_bars(tmp_path / "b", ["d.stl", "e.stl"], ["a.stl"], images=1, seed=1, name="rods")
    datasets = Datasets((first, second))
    assert trained_on(datasets) == [{"b.stl", "c.stl"}, {"e.stl"}]
    training, validation = training_and_validation(datasets, CROP, LABEL)
    assert [image.dataset for image in training] == [0, 0, 1]
    assert [image.dataset for image in validation] == [0, 1]
    said = capsys.readouterr().err
    assert "bars: 1 of 3 shards are not trained on, since another dataset holds out 1 of their objects: a.stl" in said
    assert "rods: 1 of 2 shards are not trained on, since another dataset holds out 1 of their objects: d.stl" in said


def test_a_procedural_name_is_another_shape_under_another_seed(tmp_path):
    names = [f"box_{i:05d}" for i in range(3)]
    first = write_named_bars(tmp_path / "a", names[:2], names[2:], images=1, procedural=True)
    same = write_named_bars(tmp_path / "b", names[1:], names[:1], images=1, procedural=True, name="same")
    other = write_named_bars(tmp_path / "c", names[1:], names[:1], images=1, procedural=True, seed=7)
    assert trained_on(Datasets((first, same))) == [{names[1]}, {names[1]}]
    assert trained_on(Datasets((first, other))) == [set(names[:2]), set(names[1:])]


@pytest.mark.parametrize("held_out", ["bottles/07.obj", "my_meshes/bottles/07.obj", "07.obj"])
def test_a_mesh_that_another_folder_leads_is_the_same_object(tmp_path, held_out):
    first = write_named_bars(tmp_path / "a", ["cups/07.obj", "bottles/07.obj", "bottles/08.obj"], [], images=1)
    second = write_named_bars(tmp_path / "b", ["x.obj"], [held_out], images=1)
    kept = {"cups/07.obj", "bottles/08.obj"} if "bottles" in held_out else {"bottles/08.obj"}
    assert trained_on(Datasets((first, second)))[0] == kept


def test_datasets_that_hold_out_all_of_each_other_are_refused(tmp_path):
    first = write_named_bars(tmp_path / "a", ["a.stl"], ["b.stl"], images=1)
    second = write_named_bars(tmp_path / "b", ["b.stl"], ["a.stl"], images=1)
    with pytest.raises(InputError, match="no object is left to train on: each is held out by one of the datasets"):
        training_and_validation(Datasets((first, second)), CROP, LABEL)


def test_datasets_that_make_no_common_training_are_refused(bars, tmp_path):
    other = write_bars(tmp_path / "other", train=1, validation=1, images=1)
    coarse = Dataset(other.folder, replace(other.header, pixel_pitch=4.0))
    with pytest.raises(InputError, match=r"its pixel_pitch is 4\.0, that of .* 1\.0; .* train a model for each"):
        Datasets((bars, coarse))
    with pytest.raises(InputError, match="a dataset is given twice"):
        Datasets((bars, bars))
    with pytest.raises(InputError, match="shares has 1 entries for 2 datasets"):
        Datasets((bars, other)).check_shares((0.5,))


def test_an_epoch_shows_the_share_that_was_asked_of_each_dataset(tmp_path):
    """Without noise an example's pose numbers tell which it is; of 64 and 32 examples there shall be 32 and 80."""
    first = write_named_bars(tmp_path / "a", ["a.stl", "b.stl"], [])
    second = write_named_bars(tmp_path / "b", ["c.stl"], [], seed=1)
    examples = load_examples(Datasets((first, second)), "train", CROP, LABEL)
    plain = AugmentationConfig(flip=False, depth_offset=0.0)
    config = BatchConfig(size=16, pool=32, sensor="ideal", augmentation=plain, shares=(0.5, 2.5))
    batches = Batches(examples, CROP, LABEL, config, seed=0)
    assert batches.steps_per_epoch == 7
    whole = Batches(examples, CROP, LABEL, replace(config, shares=()), seed=0)
    assert whole.steps_per_epoch == 6
    poses = [pose.numpy().tobytes() for batch in whole.stream(0, 6) for pose in batch.pose]
    of_first = {pose.numpy().tobytes() for batch in _alone(whole, 0) for pose in batch.pose}
    assert len(set(poses)) == 96
    epochs = []
    for start in (0, 7):
        shown = [pose.numpy().tobytes() for batch in batches.stream(start, start + 7) for pose in batch.pose]
        assert len(shown) == 112
        assert sum(pose in of_first for pose in shown) == 32
        times = [shown.count(pose) for pose in set(poses) - of_first]
        assert set(times) == {2, 3}
        assert sum(times) == 80
        epochs.append({pose for pose in shown if pose in of_first})
    assert epochs[0] != epochs[1]
    rest = list(batches.stream(3, 10))
    assert all((a.pose == b.pose).all() for a, b in zip(islice(batches.stream(0, 10), 3, None), rest, strict=True))


def test_what_an_epoch_shows_twice_has_other_noise_each_time(tmp_path):
    examples = load_examples(write_named_bars(tmp_path / "a", ["a.stl"], [], images=1), "train", CROP, LABEL)
    plain = AugmentationConfig(flip=False, depth_offset=0.0)
    config = BatchConfig(size=16, pool=16, sensor="dexnet", augmentation=plain, shares=(2.0,))
    (batch,) = Batches(examples, CROP, LABEL, config, seed=0).stream(0, 1)
    assert len({image.numpy().tobytes() for image in batch.images}) == 16


def _alone(batches, dataset):
    examples = [image for image in batches.examples if image.dataset == dataset]
    return replace(batches, examples=ExampleSet.of(examples)).stream(0, sum(map(len, examples)) // 16)


@pytest.mark.parametrize("shares", [(-0.1, 1.0), (0.0, 0.0)])
def test_impossible_shares_are_refused(shares):
    with pytest.raises(InputError, match="shares are"):
        BatchConfig(shares=shares)


def test_a_label_is_the_mean_of_the_metrics_that_a_grasp_has(tmp_path):
    """Centred closure is 0.95 across and 0.05 along the bar; every grasp across was executed and held 0.25."""
    dataset = write_named_bars(tmp_path / "a", ["a.stl"], [], images=1, executed=0.25)
    both = LabelConfig(mean_with=("physics_hold",), clearance_sigma=0.0)
    (image,) = load_examples(dataset, "train", CROP, both)
    np.testing.assert_allclose(image.robustness, np.tile([0.6, 0.05], 4), atol=1e-7)
    assert both.name == "mean(robust_centered_closure, physics_hold)"


def test_grasps_without_a_label_are_left_out_and_counted(tmp_path, capsys):
    dataset = write_named_bars(tmp_path / "a", ["a.stl"], [], images=1, executed=0.25)
    (image,) = load_examples(dataset, "train", CROP, LabelConfig(metric="physics_hold", clearance_sigma=0.0))
    np.testing.assert_allclose(image.robustness, [0.25] * 4)
    assert "bars: 4 grasps of train have no physics_hold and are left out" in capsys.readouterr().err


def test_a_metric_that_a_dataset_lacks_is_said_and_the_others_count_alone(bars, capsys):
    examples = load_examples(bars, "validation", CROP, LabelConfig(mean_with=("physics_hold",)))
    alone = load_examples(bars, "validation", CROP, LABEL)
    assert all((a.robustness == b.robustness).all() for a, b in zip(examples, alone, strict=True))
    assert "no metric 'physics_hold'; its label is of robust_centered_closure alone" in capsys.readouterr().err


def test_a_label_is_the_product_of_its_factors_and_an_unknown_one_is_minus_one_in_a_batch(tmp_path):
    dataset = write_named_bars(tmp_path / "a", ["a.stl"], [], images=1, executed=0.25)
    label = LabelConfig(mean_with=("physics_hold",))
    examples = load_examples(dataset, "train", CROP, label)
    (image,) = examples
    np.testing.assert_allclose(image.factors.prod(axis=1), image.robustness)
    unknown = replace(image, factors=np.where(np.arange(2) == 0, np.nan, image.factors))
    plain = BatchConfig(size=8, pool=8, sensor="ideal")
    (batch,) = Batches(ExampleSet.of([unknown]), CROP, label, plain, seed=0).stream(0, 1)
    assert (batch.factors[:, 0] == -1).all()
    assert ((batch.factors[:, 1] > 0) & (batch.factors[:, 1] <= 1)).all()


def test_a_metric_named_twice_is_refused():
    with pytest.raises(InputError, match="name each metric once"):
        LabelConfig(mean_with=("robust_centered_closure",))


def test_the_command_trains_on_several_datasets_and_tells_the_figures_of_each(bars, tmp_path):
    rods = write_named_bars(tmp_path / "rods", ["r.stl", "s.stl"], ["t.stl"], seed=3)
    folders = ["--dataset", str(bars.folder), "--dataset", str(rods.folder)]
    fast = ["epochs=1", "batches.size=64", "batches.sensor=ideal", "precision=float32", "threads=1"]
    given = ["train", *folders, "--output", str(tmp_path / "model"), "batches.shares=[0.5, 1]", *fast]
    done = CliRunner().invoke(main, given)
    assert done.exit_code == 0, done.output
    assert "on 128 examples of objects not seen in training" in done.output
    assert "bars (2):\non 32 examples of objects not seen in training" in done.output
    details = json.loads((tmp_path / "model" / "model.json").read_text())["details"]
    prints = [dataset.header.fingerprint for dataset in (bars, rods)]
    assert [each["fingerprint"] for each in details["dataset"]["of_each"]] == prints
    assert [each["generated"] for each in details["dataset"]["of_each"]] == prints  # without labels that were added
    assert details["dataset"] | {"fingerprint": None, "of_each": None} == {
        "name": "bars + bars (2)", "fingerprint": None, "train": 192 + 64, "validation": 96 + 32, "of_each": None,
    }  # fmt: skip
    assert details["dataset"]["fingerprint"] not in prints
    assert details["evaluation_of_each"]["bars"]["examples"] == 96
