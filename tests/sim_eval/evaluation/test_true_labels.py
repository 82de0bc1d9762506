"""Grasps that are labelled anew have their stored labels, and what cannot be labelled anew is refused."""

from dataclasses import replace

import numpy as np
import pytest

from graspnet.data_gen.generate.config import GenerateConfig
from graspnet.data_gen.generate.grippers import HandConfig
from graspnet.data_gen.generate.run import generate
from graspnet.data_gen.objects.object_source import ObjectConfig
from graspnet.dataset import Dataset
from graspnet.errors import InputError
from graspnet.grippers.parallel_jaw import ParallelJaw
from graspnet.run.engines import Engine
from graspnet.sim_eval.evaluation.true_labels import TrueLabels, computed_part
from graspnet.training.examples.label import LabelConfig

from .made_up import LABEL


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
        metrics=(LABEL.metric,),
    )
    folder = tmp_path_factory.mktemp("again") / "data"
    list(generate(config, "again", 3, folder, InProcess()))
    return Dataset.open(folder)


def test_grasps_have_their_stored_labels_up_to_the_samples_that_are_drawn_anew(dataset):
    """Two means of 25 samples in [0, 1] differ by up to σ = 0.14, quasi-random ones by far less."""
    truth = TrueLabels.of(dataset, LABEL)
    for index in range(2):
        shard = dataset.read(index)
        scene = truth.scene(shard, index, 1)
        rows = np.flatnonzero(shard.grasps.image == 1)
        grasps = shard.grasps.grasps_in_camera(rows).transformed(shard.images.world_from_camera[1])
        hand = ParallelJaw.of(dataset.gripper("yumi"))
        again = truth.robustness(scene, 0, grasps, hand, np.random.default_rng(0))
        assert np.sqrt(np.mean((again - LABEL.robustness(shard.grasps)[rows]) ** 2)) < 0.06


def test_a_dataset_without_objects_or_a_label_of_physics_cannot_be_labelled_anew(dataset):
    imported = Dataset(dataset.folder, replace(dataset.header, config={"import": "dexnet"}))
    with pytest.raises(InputError, match="not made by `graspnet generate`"):
        TrueLabels.of(imported, LABEL)
    with pytest.raises(InputError, match="physics_hold is not computed from shapes"):
        TrueLabels.of(dataset, LabelConfig(metric="physics_hold"))


def test_of_a_label_with_physics_the_other_part_is_computed():
    mixed = LabelConfig(metric="physics_hold", mean_with=("robust_pad_closure",))
    assert computed_part(mixed) == LabelConfig(metric="robust_pad_closure")
