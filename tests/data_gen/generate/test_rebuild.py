"""Scenes made again from a dataset alone: grasps have their stored labels, and what differs is refused."""

from dataclasses import replace

import numpy as np
import pytest

from graspnet.data_gen.generate.config import GenerateConfig
from graspnet.data_gen.generate.grippers import HandConfig
from graspnet.data_gen.generate.rebuild import TrueLabels
from graspnet.data_gen.generate.run import generate
from graspnet.data_gen.objects.object_source import ObjectConfig
from graspnet.dataset import Dataset
from graspnet.errors import InputError
from graspnet.grippers.parallel_jaw import ParallelJaw
from graspnet.run.engines import Engine

METRIC = "robust_centered_closure"


class InProcess(Engine):
    """One unit after another, here."""

    def run(self, work, units):
        return map(work, units)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Dataset:
    config = GenerateConfig(
        objects=ObjectConfig(count=2, families=("box", "cylinder")),
        hands=HandConfig(presets=("yumi",), random_share=0.0),
        views=2,
        grasps_per_view=24,
        metrics=(METRIC,),
    )
    folder = tmp_path_factory.mktemp("again") / "data"
    list(generate(config, "again", 3, folder, InProcess()))
    return Dataset.open(folder)


def test_grasps_have_their_stored_labels_up_to_the_samples_that_are_drawn_anew(dataset):
    """Two means of 25 samples in [0, 1] differ by σ ≤ 0.14 each, quasi-random ones by far less."""
    truth = TrueLabels.of(dataset, METRIC, 0.0025)
    for index in range(2):
        shard = dataset.read(index)
        scene = truth.scene(shard, index, 1)
        rows = np.flatnonzero(shard.grasps.image == 1)
        grasps = shard.grasps.grasps_in_camera(rows).transformed(shard.images.world_from_camera[1])
        hand = ParallelJaw.of(dataset.gripper("yumi"))
        again = truth.robustness(scene, 0, grasps, hand, np.random.default_rng(0))
        stored = shard.grasps.robustness(METRIC, 0.0025)[rows]
        assert np.sqrt(np.mean((again - stored) ** 2)) < 0.06


def test_an_object_of_another_shape_is_refused(dataset):
    truth = TrueLabels.of(dataset, METRIC, 0.0025)
    shard = dataset.read(0)
    grown = replace(shard, objects=replace(shard.objects, scale=1.1 * shard.objects.scale))
    with pytest.raises(InputError, match=r"made again, box_00000 is another shape .* generate it again"):
        truth.scene(grown, 0, 0)


def test_a_dataset_without_objects_cannot_be_labelled_anew(dataset):
    imported = Dataset(dataset.folder, replace(dataset.header, config={"import": "dexnet"}))
    with pytest.raises(InputError, match="not made by `graspnet generate`"):
        TrueLabels.of(imported, METRIC, 0.0)
    with pytest.raises(InputError, match=r"metric 'grasp_metrics' cannot be computed; it was imported"):
        TrueLabels.of(dataset, "grasp_metrics", 0.0)
