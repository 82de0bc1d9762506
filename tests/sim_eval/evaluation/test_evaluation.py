"""The command on a small dataset: what it writes is what a plain computation says, and what does not fit is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from graspnet.cli import main
from graspnet.crops.crops import grasp_crops
from graspnet.dataset import Dataset
from graspnet.dataset.physics_labels import PhysicsEntry, PhysicsHeader
from graspnet.errors import InputError
from graspnet.grippers.parallel_jaw import ParallelJaw
from graspnet.models.checkpoint import load_checkpoint
from graspnet.observation.height_map import DepthView
from graspnet.sim_eval.evaluation.fit import check_fit, doubts
from graspnet.sim_eval.evaluation.judged import Judged
from graspnet.sim_eval.evaluation.parts import choose, halves, was_trained_on
from graspnet.sim_eval.evaluation.predictions import choose_images, noisy_view, predict_images
from graspnet.sim_eval.evaluation.run import EvaluateConfig, label_of
from graspnet.sim_eval.evaluation.sweeps import grasps_to_sweep
from graspnet.training.examples.label import LabelConfig

from .made_up import LABEL, judged


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Dataset:
    folder = tmp_path_factory.mktemp("evaluated") / "data"
    arguments = [
        "generate", "--config", "quick", "--workers", "1", "--output", str(folder), "objects.count=4", "views=2",
        "grasps_per_view=12", "objects.families=[box, cylinder]",
        "metrics=[robust_centered_closure, robust_pad_closure, centering]",
    ]  # fmt: skip
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    return Dataset.open(folder)


@pytest.fixture(scope="module")
def checkpoint():
    return load_checkpoint("parallel_jaw")


def test_qualities_are_those_of_the_crops_of_the_noisy_image(dataset, checkpoint):
    place = (1, 0)
    found = predict_images(dataset, checkpoint, LABEL, [place], "structured_light", seed=7)
    shard = dataset.read(1)
    seen = noisy_view(dataset, shard, place, checkpoint.crop, "structured_light", seed=7)
    rows = np.flatnonzero(shard.grasps.image == 0)
    sizes = np.tile(ParallelJaw.of(dataset.gripper("yumi")).sizes(), (len(rows), 1))
    whole = np.full(shard.images.depth.shape[1:], np.nan, dtype=np.float32)
    whole[seen.rows, seen.columns] = seen.view.depth
    view = DepthView(whole, shard.images.cameras[0])  # of a window as of a whole image
    crops = grasp_crops(view, shard.grasps.camera_from_grasp[rows], sizes, checkpoint.crop)
    expected = checkpoint.quality(checkpoint.network(crops.images, crops.pose)).detach().numpy()
    own = Judged(found, LABEL, checkpoint.temperature, 0, checkpoint.bias)
    np.testing.assert_allclose(own.quality, expected, atol=1e-5)
    np.testing.assert_array_equal(found.robustness, shard.grasps.robustness(LABEL.metric, LABEL.clearance_sigma)[rows])


def test_another_draw_is_other_noise(dataset, checkpoint):
    one, same, other = (
        predict_images(dataset, checkpoint, LABEL, [(0, 1)], "structured_light", 0, draw).log_odds for draw in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_few_examples_are_of_many_objects(dataset):
    assert {shard for shard, _ in choose_images(dataset, range(4), 40, seed=0)} == {0, 1, 2, 3}
    assert len(choose_images(dataset, range(4), None, seed=0)) == 8


@pytest.mark.parametrize("unit", ["object", "family", "pose", "image"])
def test_dev_and_test_share_no_unit(unit):
    rng = np.random.default_rng(0)
    family = np.array([f"kind {k * 20 // 400 % 5}" for k in range(400)])
    of = judged(rng.random(400), rng.random(400), family=family).of
    dev = halves(of, unit, seed=0)
    units = {
        "object": of.object, "family": of.family, "pose": np.char.add(of.object, of.stable_pose.astype(str)),
        "image": of.image_number,
    }[unit]  # fmt: skip
    assert dev.any()
    assert (~dev).any()
    assert not set(units[dev]) & set(units[~dev])


def test_a_network_knows_the_dataset_that_it_was_trained_on(dataset, checkpoint):
    trained = replace(checkpoint, details={"dataset": {"fingerprint": dataset.header.fingerprint}})
    assert not was_trained_on(checkpoint, dataset)
    assert was_trained_on(trained, dataset)
    labels = [PhysicsEntry(checksum=of, shard="", executed=1, ruled_out=0, executions=1, held=0) for of in "ab"]
    labelled, again = (
        replace(dataset, physics=PhysicsHeader(seed=0, config={}, shards={"0": each})) for each in labels
    )
    prints = {"fingerprint": labelled.fingerprint, "generated": labelled.header.fingerprint}
    with_labels = replace(checkpoint, details={"dataset": prints})
    assert labelled.fingerprint != dataset.fingerprint
    for one in (dataset, labelled, again):
        assert was_trained_on(with_labels, one)  # its objects are the same, whatever labels they have now
    chosen = choose(dataset, True, None, seed=0)
    assert {shard for shard, _ in chosen.train} == set(dataset.indices("train"))
    assert {shard for shard, _ in chosen.new} == set(dataset.indices("validation"))
    assert len(choose(dataset, False, None, seed=0).new) == 8


def test_the_label_is_that_of_the_training(checkpoint):
    trained_on = LabelConfig(metric="robust_centered_closure", mean_with=("physics_hold",), clearance_sigma=0.0015)
    assert label_of(checkpoint) == trained_on
    assert label_of(checkpoint, "robust_epsilon").threshold == 0.002
    assert not label_of(checkpoint, "robust_epsilon").soft


def test_mistakes_and_successes_are_swept_each_of_another_object():
    rng = np.random.default_rng(0)
    quality, robustness = rng.random(200), rng.random(200)
    examples = judged(quality, robustness)
    chosen = grasps_to_sweep(examples, 4)
    assert len({str(examples.of.object[row]) for row, _ in chosen}) == 4
    row = next(row for row, what in chosen if what == "a bad grasp, taken for good")
    assert examples.quality[row] - robustness[row] > 0.5


def test_what_does_not_fit_is_refused(dataset, checkpoint):
    with pytest.raises(InputError, match=r"no metric 'physics_hold'.*it has robust_centered_closure.*--metric"):
        check_fit(checkpoint, dataset, LabelConfig(metric="physics_hold"))
    suction = replace(checkpoint, details={"gripper_kind": "suction"})
    with pytest.raises(InputError, match="grasps are of parallel_jaw grippers, the network is for suction"):
        check_fit(suction, dataset, LABEL)


def test_a_camera_that_was_never_trained_is_told(dataset, checkpoint):
    far = replace(judged(np.ones(10), np.ones(10)).of, distance=np.full(10, 5.0))
    assert any("distance of the camera outside" in text for text in doubts(checkpoint, dataset, far))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"draws": 1}, "draws is 1; it must be at least 2"),
        ({"examples": 0}, "examples is 0; it must be at least 1"),
        ({"sensor": "realsence"}, "realsence"),
    ],
)
def test_a_wrong_setting_is_refused_with_what_is_right(wrong, message):
    with pytest.raises(InputError, match=message):
        EvaluateConfig(**wrong)


def test_the_command_writes_a_page_the_figures_and_a_record(dataset, tmp_path):
    arguments = [
        "evaluate", "--model", "parallel_jaw", "--dataset", str(dataset.folder), "--output", str(tmp_path), "--quick",
        "--examples", "96",
    ]  # fmt: skip
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "evaluation.json").read_text())
    test = found["parts"]["test"]
    assert test["examples"] + found["parts"]["dev"]["examples"] == 96
    assert 0 < test["roc_auc"][0] <= 1
    assert test["objects"] < 3
    assert test["roc_auc"][1:] == [None, None]  # of one or two objects nothing tells how others would do
    assert "no interval: fewer than 3 objects" in done.output
    names = [term["name"] for term in found["error"]]
    assert names == ["label", "hidden", "bias and variance", "noise", "mismatch: sensor ideal"]
    way = found["sweeps"][0]["ways"][0]
    assert way["at"][len(way["at"]) // 2] == 0
    page = (tmp_path / "report.html").read_text()
    assert "Where does the error come from?" in page
    assert page.count("<img") >= 6
    assert json.loads((tmp_path / "run.json").read_text())["command"] == "evaluate"
    assert "ROC AUC" in done.output


def test_a_dataset_without_the_label_is_one_line(dataset, tmp_path):
    arguments = ["evaluate", "--model", "parallel_jaw", "--dataset", str(dataset.folder), "--output", str(tmp_path)]
    done = CliRunner().invoke(main, [*arguments, "--metric", "robust_epsilon"])
    assert done.exit_code == 2
    assert "--metric robust_centered_closure" in done.output
