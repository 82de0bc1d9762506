"""The hand: the gripper file's boxes where the grasp frame says, jaws that close alike with the file's force."""

import numpy as np
import pytest

from graspnet.data_gen.physics.hand import HandDriveConfig, add_hand, carriage_feedforward, lowest_corner
from graspnet.grippers.gripper import load_gripper
from graspnet.physics_engine import load_mujoco
from graspnet.transforms import frame_from_axes, rigid

HANDS = ["yumi", "panda", "robotiq_85", "wide"]


def _compiled(name):
    mujoco = load_mujoco()
    spec = mujoco.MjSpec()
    add_hand(spec, load_gripper(name), HandDriveConfig())
    model = spec.compile()
    return mujoco, model, mujoco.MjData(model)


@pytest.mark.parametrize("name", HANDS)
def test_open_jaws_are_the_gripper_files_boxes(name):
    gripper = load_gripper(name)
    mujoco, model, data = _compiled(name)
    width = 0.8 * gripper.max_width
    data.qpos[3:] = width / 2
    mujoco.mj_forward(model, data)
    low, high = gripper.boxes(np.array([width]))
    for i, geom in enumerate(["left", "right", "palm"]):
        center, half = data.geom(geom).xpos, model.geom(geom).size
        np.testing.assert_allclose(center - half, low[0, i], atol=1e-12)
        np.testing.assert_allclose(center + half, high[0, i], atol=1e-12)


@pytest.mark.parametrize("name", HANDS)
def test_jaws_close_at_the_same_pace_and_stop_when_closed(name):
    gripper = load_gripper(name)
    mujoco, model, data = _compiled(name)
    data.qpos[3:] = gripper.max_width / 2
    speed = gripper.max_width / 2 / HandDriveConfig().closing_time
    apart = []
    for step in range(300):
        data.ctrl[3:] = gripper.max_width / 2 - speed * step * model.opt.timestep
        mujoco.mj_step(model, data)
        apart.append(abs(data.qpos[3] - data.qpos[4]))
    assert max(apart) < 1e-5
    assert data.qpos[3] == pytest.approx(gripper.min_width / 2, abs=0.0005)  # a soft stop, under the closing force


def test_a_blocked_jaw_pushes_with_the_grippers_force_and_no_more():
    mujoco, model, data = _compiled("panda")
    data.qpos[3:] = 0.02
    data.ctrl[3:] = -0.04
    mujoco.mj_forward(model, data)
    np.testing.assert_allclose(data.actuator_force[3:], -load_gripper("panda").force)


def test_a_hand_does_not_sink_under_its_own_weight():
    mujoco, model, data = _compiled("wide")
    for _ in range(500):
        mujoco.mj_step(model, data)
    np.testing.assert_allclose(data.qpos[:3], 0, atol=1e-9)


def test_the_feedforward_alone_moves_the_carriage_along_the_line():
    """x(t) = t² with the servo's target at the same place: no lag beyond the integrator's first order."""
    mujoco, model, data = _compiled("yumi")
    dt = model.opt.timestep
    for step in range(250):
        t = (step + 1) * dt
        data.ctrl[0] = t * t
        data.qfrc_applied[0] = carriage_feedforward(HandDriveConfig(), np.array([2 * t, 0, 0]), np.array([2.0, 0, 0]))[
            0
        ]
        mujoco.mj_step(model, data)
    assert data.qpos[0] == pytest.approx(0.25, abs=0.003)


def test_the_lowest_corner_of_an_upright_hand_is_its_fingertips():
    gripper = load_gripper("yumi")
    rotation = frame_from_axes(np.array([0.0, 0, -1]), np.array([0.0, 1, 0]))
    assert lowest_corner(gripper, rigid(rotation, np.array([0.3, 0.2, 0.05])), 0.04) == pytest.approx(0.04)


def test_a_tilted_hand_reaches_lower_with_its_open_jaws():
    """Tilted by θ about x, the outer edge of one finger lies (w/2 + thickness) sin θ below the tips' middle."""
    gripper, tilt, width = load_gripper("yumi"), 0.3, 0.04
    approach = np.array([0.0, np.sin(tilt), -np.cos(tilt)])
    rotation = frame_from_axes(approach, np.array([0.0, 1, 0]))
    expected = 0.1 - gripper.pad_to_tip * np.cos(tilt) - (width / 2 + gripper.finger_thickness) * np.sin(tilt)
    assert lowest_corner(gripper, rigid(rotation, np.array([0, 0, 0.1])), width) == pytest.approx(expected)
