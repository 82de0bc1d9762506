"""Tugs: what Coulomb says that two pads resist, and that the examiner is another."""

from dataclasses import replace

import numpy as np
import pytest
import trimesh

from graspnet.data_gen.labels.metrics import MetricConfig
from graspnet.data_gen.labels.robustness import estimate
from graspnet.data_gen.labels.tugs import TugConfig, Tugs, tug
from graspnet.data_gen.labels.uncertainty import UncertaintyConfig, perturbed, unperturbed
from graspnet.data_gen.objects.meshes import Solid, solid_from_mesh
from graspnet.data_gen.physics.pick import PickConfig
from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.gripper import load_gripper
from graspnet.transforms import frame_from_axes, rigid

DOWN = np.array([0.0, 0.0, -1.0])
STEP = 400 ** (1 / 49)  # of the ladder from 0.05 to 20 N
BOX = (0.04, 0.03, 0.04)


def box(*sides: float) -> Solid:
    return solid_from_mesh(trimesh.creation.box(sides or BOX), "box")


def grasp(z: float = 0.0, x: float = 0.0, y: float = 0.0) -> Grasps:
    """From above, closing along y, in the frame of an object that stands upright."""
    rotation = frame_from_axes(DOWN[None], np.array([[0.0, 1.0, 0.0]]))
    return Grasps.of_jaws(rigid(rotation, np.array([[x, y, z]])), np.array([0.05]))


def tugged(solid: Solid, grasps: Grasps, mass: float, force: float, friction: float, **settings) -> Tugs:
    density = mass / solid.volume
    config = TugConfig(executions=1, density=(density, density), **settings)
    samples = unperturbed(grasps, solid, UncertaintyConfig(friction_mean=friction, friction_low=0.0))
    return tug(samples, solid, replace(load_gripper("yumi"), force=force), DOWN, config)


@pytest.mark.parametrize(("mass", "force", "friction"), [(0.05, 20.0, 0.2), (0.02, 5.0, 0.5), (0.01, 5.0, 0.1)])
def test_a_box_between_two_pads_resists_what_friction_leaves_besides_its_weight(mass, force, friction):
    """Downwards a tug and the weight add up to 2 μ F. To one step of the ladder, and what a slip gains meanwhile."""
    found = tugged(box(), grasp(), mass, force, friction)
    expected = 2 * friction * force - 9.81 * mass
    assert found.weight[0, 0] == pytest.approx(9.81 * mass)
    assert expected / STEP**1.5 < found.held_force[0, 0] < expected * STEP**1.5


def test_the_force_grows_with_friction():
    forces = [tugged(box(), grasp(), 0.05, 10.0, friction).held_force[0, 0] for friction in (0.15, 0.3, 0.6)]
    np.testing.assert_allclose(np.diff(np.log(forces)), np.log(2), atol=1.5 * np.log(STEP))


def test_a_strong_grip_saturates_at_the_most_that_is_tried():
    assert tugged(box(), grasp(), 0.05, 20.0, 0.8, most=3.0).held_force[0, 0] == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("grasps", "mass", "force", "friction"),
    [
        (grasp(), 0.05, 20.0, 0.0),  # no friction
        (grasp(), 1.0, 5.0, 0.5),  # 2 μ F = 5 N under a weight of 9.8 N
        (grasp(z=0.1), 0.05, 20.0, 0.5),  # above the object
        (grasp(y=0.025), 0.05, 20.0, 0.5),  # a finger would land on it
    ],
)
def test_what_is_never_held_resists_nothing(grasps, mass, force, friction):
    assert tugged(box(), grasps, mass, force, friction).held_force[0, 0] == 0


def test_a_bar_held_at_its_end_resists_less_than_at_its_middle():
    """The tug's lever is what the torsion of soft pads has to resist."""
    bar = box(0.12, 0.02, 0.02)
    middle, end = (tugged(bar, grasp(x=x), 0.03, 20.0, 0.4).held_force[0, 0] for x in (0.0, 0.05))
    assert 0 < end < middle / 2


def test_an_object_lies_on_the_side_that_gravity_says():
    """Upside down the same grasp would come from under the table."""
    solid, config = box(), TugConfig(executions=1)
    samples = unperturbed(grasp(), solid, UncertaintyConfig())
    hand = load_gripper("yumi")
    assert tug(samples, solid, hand, DOWN, config).held_force[0, 0] > 0
    assert tug(samples, solid, hand, -DOWN, config).held_force[0, 0] == 0


def test_equal_executions_have_equal_outcomes_whatever_was_executed_before():
    solid, config = box(), TugConfig(executions=2)
    hand, assumed = load_gripper("yumi"), UncertaintyConfig(samples=2)
    samples = perturbed(Grasps.concatenate([grasp(), grasp(x=0.005)]), solid, assumed, np.random.default_rng(0))
    second = replace(samples, **{name: getattr(samples, name)[1:] for name in vars(samples)})
    both, alone = tug(samples, solid, hand, DOWN, config), tug(second, solid, hand, DOWN, config)
    np.testing.assert_array_equal(both.held_force[1:], alone.held_force)


def test_a_grasps_metrics_are_shares_and_means_of_its_executions():
    assumed = MetricConfig(tugs=TugConfig(executions=3))
    names, rng = ["physics_hold", "physics_held_force", "robust_pad_closure"], np.random.default_rng(0)
    grasps = Grasps.concatenate([grasp(), grasp(z=0.1)])
    found = estimate(names, box(), grasps, load_gripper("yumi"), DOWN, assumed, rng)
    hold, force = found["physics_hold"], found["physics_held_force"]
    np.testing.assert_array_equal(hold.samples, 3)
    np.testing.assert_array_equal(hold.mean, [1, 0])
    assert force.mean[0] > 1
    assert force.mean[1] == force.variance[1] == 0
    np.testing.assert_array_equal(found["robust_pad_closure"].samples, 25)


def test_labels_have_other_contacts_than_the_judge():
    label, judge = TugConfig().pick, PickConfig()
    for name in ("time_step", "contact_time", "friction_to_normal_impedance"):
        assert getattr(label.solver, name) != getattr(judge.solver, name)
    assert label.hand.pad_radius != judge.hand.pad_radius
    assert label.max_mass == judge.max_mass


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"executions": 0}, "executions is 0"),
        ({"density": (500.0, 200.0)}, "density is"),
        ({"least": 0.0}, "0 < least < most"),
        ({"duration": 0.0}, "duration and weights"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        TugConfig(**settings)
