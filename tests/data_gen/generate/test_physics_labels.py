"""Facts about physics labels of a dataset: what is executed, what is not, and on which objects."""

from pathlib import Path

import numpy as np
import pytest
import trimesh

from graspnet.data_gen.generate.config import GenerateConfig
from graspnet.data_gen.generate.grippers import HandConfig
from graspnet.data_gen.generate.physics_labels import ChoiceConfig, PhysicsConfig, chances, label_physics
from graspnet.data_gen.generate.run import generate
from graspnet.data_gen.objects.object_source import ObjectConfig
from graspnet.data_gen.physics.heaps import HeapConfig
from graspnet.data_gen.scenes.scenes import SceneConfig
from graspnet.dataset import HOLD, Dataset
from graspnet.errors import InputError
from graspnet.run.engines import Engine

METRIC = "robust_centered_closure"


class InProcess(Engine):
    """One unit after another, here: no time is lost on starting workers."""

    def run(self, work, units):
        return map(work, units)


def make(folder: Path, **changes) -> Path:
    config = GenerateConfig(
        hands=HandConfig(presets=("yumi",), random_share=0.0),
        scene=SceneConfig(width=160, height=120, field_of_view=(0.6, 0.6), distance=(0.5, 0.6)),
        **{"metrics": (METRIC,), "views": 2, "grasps_per_view": 40} | changes,
    )
    list(generate(config, "small", 5, folder, InProcess()))
    return folder


@pytest.fixture
def bricks(tmp_path) -> Path:
    """The folder of a dataset, beside that of its mesh."""
    (tmp_path / "meshes").mkdir()
    trimesh.creation.box([0.06, 0.03, 0.02]).export(tmp_path / "meshes" / "brick.stl")
    return make(tmp_path / "data", objects=ObjectConfig(folders=(str(tmp_path / "meshes"),), validation_share=0.0))


def labelled(folder: Path, seed: int = 0, **choice) -> Dataset:
    config = PhysicsConfig(choice=ChoiceConfig(**choice))
    list(label_physics(Dataset.open(folder), config, seed, InProcess()))
    return Dataset.open(folder)


def test_what_is_drawn_has_an_outcome_and_what_reaches_far_in_is_0_without_one(bricks):
    dataset = labelled(bricks)
    shard = dataset.read(0)
    hold, clearance = shard.grasps.metrics[HOLD], shard.grasps.clearance.smallest
    far_in = clearance < ChoiceConfig().least_clearance
    assert far_in.any()
    assert (~far_in).any()
    assert set(hold.mean[~far_in]) == {0.0, 1.0}
    np.testing.assert_array_equal(hold.mean[far_in], 0.0)
    np.testing.assert_array_equal(hold.samples, np.where(far_in, 0, 1))


def test_physics_agrees_with_sure_labels(bricks):
    grasps = labelled(bricks).read(0).grasps
    label, executed = grasps.robustness(METRIC), grasps.metrics[HOLD].samples > 0
    hold = grasps.metrics[HOLD].mean
    good, bad = (executed & rows for rows in (label > 0.95, label < 0.01))
    assert good.sum() >= 4
    assert hold[good].mean() > 0.8
    assert hold[bad].mean() < 0.3


def test_a_share_is_drawn_and_the_rest_is_nan(bricks):
    dataset = labelled(bricks, share=0.3)
    grasps = dataset.read(0).grasps
    labels = dataset.physics_labels(0, len(grasps))
    assert np.isnan(labels.hold.mean[labels.chosen == "left"]).all()
    possible = grasps.clearance.smallest >= ChoiceConfig().least_clearance
    assert labels.chance.sum() == pytest.approx(0.3 * possible.sum(), rel=1e-5)  # 32 bits
    drawn = np.sum(labels.chosen == "drawn")
    deviation = np.sqrt(np.sum(labels.chance * (1 - labels.chance)))
    assert abs(drawn - labels.chance.sum()) < 4 * deviation


def test_grasps_of_uncertain_labels_are_drawn_more_often(bricks):
    grasps = Dataset.open(bricks).read(0).grasps
    config = ChoiceConfig(share=0.05, certain=0.1)
    chance, label = chances(grasps, METRIC, config), grasps.robustness(METRIC, 0.0005)
    open_, sure = (label > 0.3) & (label < 0.7), (label < 0.001) & (chance > 0)
    assert open_.any()
    assert sure.any()
    assert chance[open_].min() > 5 * chance[sure].max()


def test_the_same_seed_gives_the_same_bytes_and_another_one_others(bricks, tmp_path):
    def table(seed: int) -> bytes:
        labelled(bricks, seed)
        (path,) = (bricks / "physics").glob("*.parquet")
        data = path.read_bytes()
        for file in (bricks / "physics").iterdir():
            file.unlink()
        return data

    first, again, other = table(1), table(1), table(2)
    assert first == again
    assert first != other


def test_an_object_that_has_changed_is_refused(bricks):
    trimesh.creation.box([0.06, 0.03, 0.05]).export(bricks.parent / "meshes" / "brick.stl")
    with pytest.raises(InputError, match=r"shard 00000, image 0: .*have changed since the dataset was made"):
        labelled(bricks)


def test_a_dataset_that_has_the_metric_already_is_refused(tmp_path):
    data = make(tmp_path / "data", objects=ObjectConfig(count=1), metrics=(METRIC, HOLD), views=1, grasps_per_view=2)
    with pytest.raises(InputError, match="was made with physics_hold"):
        labelled(data)


@pytest.mark.parametrize(
    ("choice", "message"),
    [({"share": 0.0}, "share is 0.0"), ({"certain": 2.0}, "certain is 2.0"), ({"on_policy": 0.0}, "on_policy")],
)
def test_choices_that_cannot_be_are_refused(choice, message):
    with pytest.raises(InputError, match=message):
        ChoiceConfig(**choice)


def test_in_a_heap_every_grasp_is_executed_among_its_neighbours(tmp_path):
    heap = HeapConfig(objects=(3, 3), mean_objects=None, bin_share=1.0)
    data = make(
        tmp_path / "data", objects=ObjectConfig(count=3, families=("box", "gem"), graspable_width=(0.3, 0.6)),
        heap=heap, scenes=1, views=1,
    )  # fmt: skip
    grasps = labelled(data).read(0).grasps
    hold, free = grasps.metrics[HOLD], grasps.clearance.smallest
    assert set(grasps.instance.tolist()) > {1}
    np.testing.assert_array_equal(hold.samples == 1, free >= ChoiceConfig().least_clearance)
    good = grasps.robustness(METRIC, 0.0005)[hold.samples == 1] > 0.5
    executed = hold.mean[hold.samples == 1]
    assert executed[good].mean() > executed[~good].mean()
