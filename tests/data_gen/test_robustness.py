"""Robustness: stated distributions, closed probabilities, and what a miss is worth."""

from dataclasses import replace

import numpy as np
import pytest
import trimesh
from scipy import stats

from data_gen.closure import epsilon, lowest_friction
from data_gen.contacts import ContactFinder
from data_gen.meshes import Solid, solid_from_mesh
from data_gen.metrics import METRICS, MetricConfig
from data_gen.robustness import MetricEstimate, estimate
from data_gen.uncertainty import DEXNET_2_0, UncertaintyConfig
from data_gen.wrenches import WrenchConfig
from graspnet.errors import InputError
from graspnet.grasps import Grasps
from graspnet.gripper import ParallelJawGripper, load_gripper
from graspnet.transforms import frame_from_axes, rigid, unit

DOWN = np.array([0.0, 0.0, -1.0])
CERTAIN = UncertaintyConfig(
    samples=1, grasp_translation=0.0, grasp_rotation=0.0, center_of_mass=0.0, friction_deviation=0.0
)


@pytest.fixture(scope="module")
def box() -> Solid:
    return solid_from_mesh(trimesh.creation.box((0.06, 0.03, 0.02)), "box")


@pytest.fixture(scope="module")
def hand() -> ParallelJawGripper:
    return load_gripper("yumi")


def grasp_at(origin, closing=(0.0, 1.0, 0.0), copies: int = 1) -> Grasps:
    rotation = frame_from_axes(np.tile(DOWN, (copies, 1)), np.tile(unit(np.array(closing)), (copies, 1)))
    return Grasps(rigid(rotation, np.tile(origin, (copies, 1))), np.full(copies, 0.05))


def judge(
    name: str, solid: Solid, grasps: Grasps, hand, uncertainty: UncertaintyConfig, seed: int = 0
) -> MetricEstimate:
    config = MetricConfig(uncertainty=uncertainty)
    return estimate([name], solid, grasps, hand, DOWN, config, np.random.default_rng(seed))[name]


@pytest.mark.parametrize("name", METRICS)
def test_a_grasp_that_misses_the_object_is_worth_nothing(name, box, hand):
    missed = judge(name, box, grasp_at([0.0, 0.0, 0.1]), hand, UncertaintyConfig())
    assert np.isnan(missed.mean[0]) if name == "lowest_friction" else missed.mean[0] == 0
    assert missed.variance[0] == 0
    assert missed.samples[0] == (25 if METRICS[name].robust else 1)


def test_samples_that_miss_count_as_zero(box, hand):
    """With its closing line along the box's upper edge, a grasp that only shifts misses in half of all samples; in the
    others, on parallel faces, any friction will do."""
    uncertainty = UncertaintyConfig(samples=4000, grasp_rotation=0.0)
    found = judge("robust_force_closure", box, grasp_at([0.0, 0.0, 0.01]), hand, uncertainty)
    assert found.mean[0] == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(4000))
    assert found.variance[0] == pytest.approx(found.mean[0] * (1 - found.mean[0]))


@pytest.mark.parametrize("skew", [15.0, 25.0, 30.0])
def test_askew_on_parallel_faces_robustness_is_the_chance_of_enough_friction(skew, box, hand):
    """The closing line makes the angle φ with both normals, so a sample closes if μ ≥ tan φ."""
    angle = np.radians(skew)
    uncertainty = UncertaintyConfig(samples=4000, grasp_translation=0.0, grasp_rotation=0.0)
    grasp = grasp_at([0.0, 0.0, 0.0], (np.sin(angle), np.cos(angle), 0.0))
    chance = stats.truncnorm.sf(np.tan(angle), -3, 5, loc=0.5, scale=0.1)
    found = judge("robust_force_closure", box, grasp, hand, uncertainty)
    assert found.mean[0] == pytest.approx(chance, abs=4 * np.sqrt(chance * (1 - chance) / 4000) + 1e-9)


def test_without_uncertainty_robustness_is_the_metric_of_the_grasp_itself(hand):
    solid = solid_from_mesh(trimesh.creation.icosphere(subdivisions=3, radius=0.02), "ball")
    rng = np.random.default_rng(1)
    closing = unit(rng.normal(size=(300, 3)))
    rotation = frame_from_axes(unit(np.cross(closing, rng.normal(size=(300, 3)))), closing)
    grasps = Grasps(rigid(rotation, rng.normal(0, 0.005, (300, 3))), np.full(300, 0.05))
    contacts, friction = ContactFinder(solid)(grasps), np.full(300, 0.5)
    closed = judge("robust_force_closure", solid, grasps, hand, CERTAIN)
    np.testing.assert_array_equal(closed.mean, lowest_friction(contacts) <= friction)
    reach = judge("robust_epsilon", solid, grasps, hand, CERTAIN)
    center = np.tile(solid.center_of_mass, (300, 1))
    expected = epsilon(contacts, grasps.poses[:, :3, 0].copy(), center, friction, WrenchConfig())
    np.testing.assert_allclose(reach.mean, expected, atol=1e-5)  # rays in single precision
    assert not closed.variance.any()
    assert 0 < closed.mean.mean() < 1


def test_dexnets_label_of_a_grasp_across_the_middle_of_a_box_is_positive(box, hand):
    """Mean epsilon above its threshold of 0.002, and at the box's very end not."""
    uncertainty = replace(DEXNET_2_0, samples=400)
    assert judge("robust_epsilon", box, grasp_at([0.0, 0.0, 0.0]), hand, uncertainty).mean[0] > 0.005
    assert judge("robust_epsilon", box, grasp_at([0.04, 0.0, 0.0]), hand, uncertainty).mean[0] < 0.002


@pytest.mark.parametrize("sampling", ["random", "sobol"])
def test_the_mean_over_samples_of_a_metric_estimates_its_mean(sampling, box, hand):
    """A thousand labels of one grasp with 25 samples each, and one with very many, agree; the variance tells how far
    random samples stray, and quasi-random ones stray less."""
    at = ([0.0, 0.0, 0.006], (0.4, 1.0, 0.0))
    few = judge("robust_force_closure", box, grasp_at(*at, 1000), hand, UncertaintyConfig(sampling=sampling))
    many = judge("robust_force_closure", box, grasp_at(*at), hand, UncertaintyConfig(samples=50000), seed=1)
    spread = np.sqrt(many.variance[0] / 25)
    assert few.mean.mean() == pytest.approx(many.mean[0], abs=4 * spread / np.sqrt(1000))
    if sampling == "random":
        assert few.mean.std() == pytest.approx(spread, rel=0.1)
    else:
        assert few.mean.std() < 0.7 * spread


def test_epsilon_is_positive_only_where_force_closure_may_be(box, hand):
    """The same generator gives both metrics the same samples."""
    rng = np.random.default_rng(6)
    grasps = Grasps.concatenate([grasp_at(rng.normal(0, 0.01, 3), (*rng.normal(0, 1, 2), 0.0)) for _ in range(60)])
    config = UncertaintyConfig(samples=5)
    closed = judge("robust_force_closure", box, grasps, hand, config).mean
    reach = judge("robust_epsilon", box, grasps, hand, config).mean
    assert (reach[closed == 1] > 0).all()
    assert reach[closed == 1].mean() > 10 * reach[closed == 0].mean()


def test_what_is_narrower_than_the_closed_hand_is_not_held(box, hand):
    narrow = ParallelJawGripper(
        max_width=0.05, min_width=0.04, finger_length=0.045, finger_thickness=0.01, finger_breadth=0.02,
        pad_to_tip=0.01, palm=(0.04, 0.07, 0.06),
    )  # fmt: skip
    grasp = grasp_at([0.0, 0.0, 0.0])
    assert judge("robust_force_closure", box, grasp, hand, UncertaintyConfig()).mean[0] == 1
    assert judge("robust_force_closure", box, grasp, narrow, UncertaintyConfig()).mean[0] == 0


def test_a_seed_gives_the_same_labels_and_another_gives_others(box, hand):
    grasps = grasp_at([0.0, 0.0, 0.008], (0.45, 1.0, 0.0), copies=200)  # more than one chunk
    labels = [judge("robust_force_closure", box, grasps, hand, UncertaintyConfig(), seed).mean for seed in (0, 0, 1)]
    np.testing.assert_array_equal(labels[0], labels[1])
    assert not np.array_equal(labels[0], labels[2])


def test_no_grasps_have_no_labels(box, hand):
    none = judge("robust_epsilon", box, Grasps.none(), hand, UncertaintyConfig())
    assert len(none.mean) == len(none.variance) == len(none.samples) == 0


def test_metrics_that_are_asked_for_together_are_those_that_are_asked_for_alone(box, hand):
    """They share samples and contacts; an equal generator gives each the same."""
    grasps = Grasps.concatenate([grasp_at([0.0, 0.0, z], (0.3, 1.0, 0.0)) for z in (0.0, 0.006, 0.012)])
    together = estimate(tuple(METRICS), box, grasps, hand, DOWN, MetricConfig(), np.random.default_rng(3))
    assert list(together) == list(METRICS)
    for name in METRICS:
        alone = judge(name, box, grasps, hand, UncertaintyConfig(), seed=3)
        np.testing.assert_array_equal(together[name].mean, alone.mean)


def test_an_unknown_metric_is_refused_with_the_nearest_name(box, hand):
    with pytest.raises(InputError, match="robust_epsilon"):
        judge("robust_epsilom", box, grasp_at([0.0, 0.0, 0.0]), hand, UncertaintyConfig())
