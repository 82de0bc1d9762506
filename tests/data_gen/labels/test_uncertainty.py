"""Samples of what is uncertain follow their stated distributions, each grasp its own."""

from dataclasses import replace

import numpy as np
import pytest
import trimesh
from scipy import stats
from scipy.spatial.transform import Rotation

from graspnet.config import load_config
from graspnet.data_gen.generate.config import GenerateConfig
from graspnet.data_gen.labels.uncertainty import SHIFTS, UncertaintyConfig, chance_of_friction, perturbed
from graspnet.data_gen.objects.meshes import Solid, solid_from_mesh
from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps
from graspnet.transforms import frame_from_axes, rigid, unit

DOWN = np.array([0.0, 0.0, -1.0])


@pytest.fixture(scope="module")
def box() -> Solid:
    return solid_from_mesh(trimesh.creation.box((0.06, 0.03, 0.02)), "box")


def grasp_at(origin, closing=(0.0, 1.0, 0.0), copies: int = 1) -> Grasps:
    rotation = frame_from_axes(np.tile(DOWN, (copies, 1)), np.tile(unit(np.array(closing)), (copies, 1)))
    return Grasps.of_jaws(rigid(rotation, np.tile(origin, (copies, 1))), np.full(copies, 0.05))


def test_samples_follow_their_stated_distributions(box):
    config = UncertaintyConfig(samples=20000, center_of_mass_offset=0.004)
    grasp = grasp_at([0.01, 0.002, -0.003], (0.3, 1.0, 0.0))
    samples = perturbed(grasp, box, config, np.random.default_rng(2))
    normal, rotation = stats.norm(0, 1).cdf, grasp.poses[0, :3, :3]
    shift = (samples.origin[0] - grasp.origin[0]) @ rotation
    frames = np.stack([samples.across[0], samples.closing[0], np.cross(samples.across[0], samples.closing[0])], axis=-1)
    turn = Rotation.from_matrix(rotation.T @ frames).as_rotvec()
    center = samples.center_of_mass[0] - box.center_of_mass
    for axis in range(3):
        assert stats.kstest(shift[:, axis] / 0.0025, normal).pvalue > 1e-3
        assert stats.kstest(turn[:, axis] / np.radians(1.5), normal).pvalue > 1e-3
        assert stats.kstest(center[:, axis] / (0.1 * box.radius + 0.004), normal).pvalue > 1e-3
    friction = stats.truncnorm(-3, 5, loc=0.5, scale=0.1)
    assert stats.kstest(samples.friction[0], friction.cdf).pvalue > 1e-3
    assert samples.friction.min() >= 0.2


def test_the_object_moves_apart_from_the_grasp(box):
    """Turned about its own origin: the grasp keeps its distance from it and, seen from the object, turns as well."""
    config = UncertaintyConfig(samples=20000, grasp_translation=0.0, grasp_rotation=0.0, object_rotation=0.1)
    grasp = grasp_at([0.02, 0.0, 0.01])
    samples = perturbed(grasp, box, config, np.random.default_rng(3))
    np.testing.assert_allclose(np.linalg.norm(samples.origin[0], axis=1), np.hypot(0.02, 0.01), atol=1e-12)
    frames = np.stack([samples.across[0], samples.closing[0], np.cross(samples.across[0], samples.closing[0])], axis=-1)
    turned = Rotation.from_matrix(frames @ grasp.poses[0, :3, :3].T)
    np.testing.assert_allclose(turned.apply(grasp.origin[0]), samples.origin[0], atol=1e-9)
    for axis in range(3):
        assert stats.kstest(turned.as_rotvec()[:, axis] / 0.1, stats.norm(0, 1).cdf).pvalue > 1e-3
    shifted = UncertaintyConfig(samples=20000, grasp_translation=0.0, grasp_rotation=0.0, object_translation=0.005)
    origin = perturbed(grasp, box, shifted, np.random.default_rng(4)).origin[0]
    assert stats.kstest((origin - grasp.origin[0])[:, 1] / 0.005, stats.norm(0, 1).cdf).pvalue > 1e-3


def test_dexnets_frictions_have_variance_one_tenth_before_truncation(box):
    config = replace(load_config(GenerateConfig, "generate", "dexnet_2.0").assumed.uncertainty, samples=20000)
    friction = perturbed(grasp_at([0.0, 0.0, 0.0]), box, config, np.random.default_rng(7)).friction[0]
    edge = 0.5 / np.sqrt(0.1)
    assert stats.kstest(friction, stats.truncnorm(-edge, edge, loc=0.5, scale=np.sqrt(0.1)).cdf).pvalue > 1e-3


def test_the_chance_of_friction_is_the_survival_function_of_the_truncated_normal():
    config, lowest = UncertaintyConfig(), np.array([-1.0, 0.0, 0.2, 0.37, 0.5, 0.99, 1.0, 3.0, np.inf])
    expected = stats.truncnorm(-3, 5, loc=0.5, scale=0.1).sf(lowest)
    np.testing.assert_allclose(chance_of_friction(lowest, config), expected, atol=1e-12)
    certain = UncertaintyConfig(friction_deviation=0.0)
    assert chance_of_friction(np.array([0.3, 0.5, 0.7]), certain).tolist() == [1.0, 1.0, 0.0]


def test_each_grasp_has_samples_of_its_own(box):
    samples = perturbed(grasp_at([0.0, 0.0, 0.0], copies=40), box, UncertaintyConfig(), np.random.default_rng(5))
    assert len(np.unique(samples.friction)) == 40 * 25
    assert len(np.unique(samples.origin[..., 0])) == 40 * 25


@pytest.mark.parametrize(
    "wrong", [{"samples": 0}, {"grasp_rotation": -1.0}, {"friction_mean": 1.5}, {"friction_low": -0.1}]
)
def test_impossible_uncertainties_are_refused(wrong):
    with pytest.raises(InputError, match="must"):
        UncertaintyConfig(**wrong)


def test_a_quasi_random_sequence_goes_on_where_it_stopped(box):
    """Twice 8 samples with the same shift are 16 samples, which fill each dimension evenly, as random ones do not."""
    grasps, rng = grasp_at([0.0, 0.0, 0.0], copies=3), np.random.default_rng(0)
    shift = rng.random((3, SHIFTS))
    whole = perturbed(grasps, box, UncertaintyConfig(samples=16), rng, shift)
    halves = [perturbed(grasps, box, UncertaintyConfig(samples=8), rng, shift, first) for first in (0, 8)]
    np.testing.assert_array_equal(whole.origin, np.concatenate([half.origin for half in halves], axis=1))
    quantile = stats.norm(0, 0.0025).cdf(whole.origin - grasps.origin[:, None])
    for axis in range(3):
        counts = np.stack([np.histogram(row, np.linspace(0, 1, 9))[0] for row in quantile[..., axis]])
        assert counts.max() <= 4  # of 2 on average
