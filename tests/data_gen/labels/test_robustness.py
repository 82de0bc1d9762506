"""Robustness: stated distributions, closed probabilities, and what a miss is worth."""

from dataclasses import replace

import numpy as np
import pytest
import trimesh
from jaxtyping import Float64
from scipy import stats

from graspnet.config import load_config
from graspnet.data_gen.candidates.mixture import CandidateConfig, sample_candidates
from graspnet.data_gen.contact.contacts import ContactFinder
from graspnet.data_gen.contact.epsilon import epsilon, lowest_friction
from graspnet.data_gen.contact.resistance import ResistanceConfig
from graspnet.data_gen.contact.wrenches import WrenchConfig
from graspnet.data_gen.generate.config import GenerateConfig
from graspnet.data_gen.labels.metrics import METRICS, MetricConfig
from graspnet.data_gen.labels.robustness import estimate
from graspnet.data_gen.labels.uncertainty import UncertaintyConfig
from graspnet.data_gen.objects.meshes import Solid, solid_from_mesh
from graspnet.data_gen.objects.object_source import ObjectConfig, load_object, object_names, posed_for_hand
from graspnet.data_gen.objects.stable_poses import stable_poses
from graspnet.dataset import MetricEstimate
from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.parallel_jaw import ParallelJaw, load_parallel_jaw
from graspnet.transforms import frame_from_axes, invert, rigid, unit

DOWN = np.array([0.0, 0.0, -1.0])
CERTAIN = UncertaintyConfig(
    samples=1, grasp_translation=0.0, grasp_rotation=0.0, center_of_mass=0.0, friction_deviation=0.0
)


@pytest.fixture(scope="module")
def box() -> Solid:
    return solid_from_mesh(trimesh.creation.box((0.06, 0.03, 0.02)), "box")


@pytest.fixture(scope="module")
def hand() -> ParallelJaw:
    return load_parallel_jaw("yumi")


def grasp_at(origin, closing=(0.0, 1.0, 0.0), copies: int = 1) -> Grasps:
    rotation = frame_from_axes(np.tile(DOWN, (copies, 1)), np.tile(unit(np.array(closing)), (copies, 1)))
    return Grasps.of_jaws(rigid(rotation, np.tile(origin, (copies, 1))), np.full(copies, 0.05))


def judge(
    name: str, solid: Solid, grasps: Grasps, hand, uncertainty: UncertaintyConfig, seed: int = 0
) -> MetricEstimate:
    config = MetricConfig(uncertainty=uncertainty)
    return estimate([name], solid, grasps, hand, DOWN, config, np.random.default_rng(seed))[name]


@pytest.mark.parametrize("name", METRICS)
def test_a_grasp_that_misses_the_object_is_worth_nothing(name, box, hand):
    missed = judge(name, box, grasp_at([0.0, 0.0, 0.1]), hand, UncertaintyConfig())
    worth = {"lowest_friction": np.nan, "centering": 0.025}.get(name, 0.0)  # half the opening: as far off as can be
    np.testing.assert_array_equal(missed.mean, [worth])
    assert missed.variance[0] == 0
    assert missed.samples[0] == (4 if METRICS[name].executed else 25 if METRICS[name].robust else 1)


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
    grasps = Grasps.of_jaws(rigid(rotation, rng.normal(0, 0.005, (300, 3))), np.full(300, 0.05))
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
    uncertainty = replace(load_config(GenerateConfig, "generate", "dexnet_2.0").assumed.uncertainty, samples=400)
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
    narrow = ParallelJaw(
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


@pytest.fixture(scope="module")
def candidates() -> list[tuple[Solid, Grasps]]:
    """What generation labels: its mixture of candidates, on objects of several families."""
    everything, names = ObjectConfig(count=1000), object_names(ObjectConfig(count=1000))
    drawn, hand = [], load_parallel_jaw("yumi")
    for index in range(0, 20, 2):
        rng = np.random.default_rng([7, index])
        shape = load_object(everything, names[index], rng)
        pose = stable_poses(shape).world_from_object[0]
        scale, world_from_object = posed_for_hand(shape, pose, everything, hand, rng)
        solid = shape.scaled(scale)
        grasps, _ = sample_candidates(solid, world_from_object, hand, 16, CandidateConfig(), rng)
        drawn.append((solid, grasps.transformed(invert(world_from_object))))
    return drawn


def labels(candidates, hand, metric: str, seed: int = 0, **uncertainty) -> MetricEstimate:
    """Of all candidates of all objects."""
    config = UncertaintyConfig(**uncertainty)
    parts = [judge(metric, solid, grasps, hand, config, seed) for solid, grasps in candidates]
    return MetricEstimate(
        *(np.concatenate([getattr(part, field) for part in parts]) for field in ("mean", "variance", "samples"))
    )


def error(found: MetricEstimate, reference: MetricEstimate) -> Float64[np.ndarray, "N"]:
    return np.abs(found.mean - reference.mean)


@pytest.mark.parametrize("metric", ["robust_force_closure", "robust_pad_closure"])
def test_a_quasi_random_sample_with_friction_integrated_is_worth_three_of_0_and_1(metric, candidates, hand):
    """RMS error against a mean over 2,048 random samples; n draws of 0 or 1 with mean p stray by √(p (1 − p) / n)."""
    reference = labels(candidates, hand, metric, seed=1, samples=2048, sampling="random")
    of_draws = np.sqrt(np.mean(reference.mean * (1 - reference.mean)) / 96)
    few = labels(candidates, hand, metric, samples=32)
    assert np.sqrt(np.mean(error(few, reference) ** 2)) < of_draws


def test_samples_until_the_mean_is_known_are_less_than_half_of_a_fixed_count_for_all(candidates, hand):
    """To be sure of every mean to ± 0.06, a fixed count must be what the least certain grasp takes. The mean count
    given to all leaves more means off by more than that."""
    metric, tolerance = "robust_force_closure", 0.06
    reference = labels(candidates, hand, metric, seed=1, samples=4000)
    found = labels(candidates, hand, metric, samples=16, tolerance=tolerance, sampling="random")
    assert np.mean(error(found, reference) <= tolerance) >= 0.95
    assert found.samples.mean() < found.samples.max() / 2
    fixed = labels(candidates, hand, metric, samples=int(found.samples.mean()), sampling="random")
    assert np.mean(error(fixed, reference) <= tolerance) < np.mean(error(found, reference) <= tolerance)


def test_to_stop_when_the_mean_is_known_does_not_shift_it(candidates, hand):
    """Grasps that look certain by chance are left at that: the mean over all grasps moves by less than 0.004."""
    metric = "robust_force_closure"
    reference = labels(candidates, hand, metric, seed=1, samples=4000)
    stopped = {"samples": 8, "tolerance": 0.1, "sampling": "random"}
    biases = [np.mean(labels(candidates, hand, metric, seed, **stopped).mean - reference.mean) for seed in range(2, 12)]
    assert abs(np.mean(biases)) < 0.004


def test_rounds_go_on_until_the_interval_is_narrow_or_samples_run_out(box, hand):
    """Half of the samples of this grasp miss: σ = 1/2, so ± 0.1 takes about (1.96 · 0.5 / 0.1)² = 96 samples."""
    at_edge = grasp_at([0.0, 0.0, 0.01], copies=50)
    shifting = {"grasp_rotation": 0.0, "samples": 8, "sampling": "random"}
    found = judge("robust_force_closure", box, at_edge, hand, UncertaintyConfig(**shifting, tolerance=0.1))
    assert set(found.samples % 8) == {0}
    assert abs(np.median(found.samples) - 96) <= 8
    limited = judge(
        "robust_force_closure", box, at_edge, hand, UncertaintyConfig(**shifting, tolerance=0.1, max_samples=40)
    )
    assert set(limited.samples) == {40}


def test_equal_samples_are_no_certainty(box, hand):
    """A grasp in the middle of a box holds in every sample; 8 of 8 would only say that it holds to about ± 0.1."""
    found = judge(
        "robust_force_closure", box, grasp_at([0.0, 0.0, 0.0]), hand, UncertaintyConfig(samples=8, tolerance=0.1)
    )
    assert found.mean[0] == 1
    assert found.variance[0] == 0
    assert 8 < found.samples[0] <= 24


def test_a_tolerance_needs_a_metric_that_is_a_share(box, hand):
    with pytest.raises(InputError, match="robust_pad_closure"):
        judge("robust_epsilon", box, grasp_at([0.0, 0.0, 0.0]), hand, UncertaintyConfig(tolerance=0.1))
    both = ("robust_epsilon", "robust_force_closure")
    config = MetricConfig(uncertainty=UncertaintyConfig(samples=8, tolerance=0.1))
    found = estimate(both, box, grasp_at([0.0, 0.0, 0.0]), hand, DOWN, config, np.random.default_rng(0))
    np.testing.assert_array_equal(found["robust_epsilon"].samples, found["robust_force_closure"].samples)


def test_robust_wrench_resistance_is_the_share_of_the_force_that_is_left(box, hand):
    """A brick of 0.1 kg between pads of friction 0.5: half its weight on each, over friction, of 20 N."""
    config = MetricConfig(uncertainty=CERTAIN, resistance=ResistanceConfig(mass=0.1))
    grasp = grasp_at([0.0, 0.0, 0.0])
    found = estimate(["robust_wrench_resistance"], box, grasp, hand, DOWN, config, np.random.default_rng(0))
    assert found["robust_wrench_resistance"].mean[0] == pytest.approx(1 - 0.1 * 9.81 / 2 / 0.5 / 20, abs=2e-3)
    heavy = replace(config, resistance=ResistanceConfig(mass=5.0))
    assert estimate(["robust_wrench_resistance"], box, grasp, hand, DOWN, heavy, np.random.default_rng(0))[
        "robust_wrench_resistance"
    ].mean == [0.0]


def test_plain_metrics_judge_the_grasp_itself(box, hand):
    """30° askew on parallel faces: the cosine and the tangent of 30°; epsilon with the mean friction."""
    grasp = grasp_at([0.0, 0.0, 0.0], (0.5, np.sqrt(0.75), 0.0))
    config = MetricConfig()
    names = ("lowest_friction", "antipodality", "epsilon", "epsilon_linf")
    found = estimate(names, box, grasp, hand, DOWN, config, np.random.default_rng(0))
    assert found["antipodality"].mean[0] == pytest.approx(np.cos(np.radians(30)))
    assert found["lowest_friction"].mean[0] == pytest.approx(np.tan(np.radians(30)))
    assert found["epsilon"].mean[0] == pytest.approx(judge("robust_epsilon", box, grasp, hand, CERTAIN).mean[0])
    assert all(one.variance[0] == 0 and one.samples[0] == 1 for one in found.values())
