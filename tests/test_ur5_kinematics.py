"""The example's inverse kinematics against its forward kinematics, which is the product of the links."""

import runpy

import numpy as np
import pytest

from tests.places import ROOT

UR5 = runpy.run_path(str(ROOT / "examples" / "ur5_kinematics.py"))


def test_every_solution_leads_back_to_the_pose_and_one_is_the_joints_it_came_from():
    joints = np.random.default_rng(0).uniform(-np.pi, np.pi, (500, 6))
    pose = UR5["forward"](joints)
    found = UR5["solutions"](pose)
    exists = np.isfinite(found[..., 0])
    assert exists.any(axis=1).all()
    again = UR5["forward"](found)
    np.testing.assert_allclose(again[exists], np.broadcast_to(pose[:, None], again.shape)[exists], atol=1e-9)
    turn = np.abs(np.angle(np.exp(1j * (found - joints[:, None])))).max(axis=2)
    assert np.nanmin(turn, axis=1).max() < 1e-6


def test_zero_joints_are_the_arm_stretched_out():
    pose = UR5["forward"](np.zeros(6))
    # −(a2 + a3) along x, d4 + d6 beside, d1 − d5 high
    np.testing.assert_allclose(pose[:3, 3], [-0.81725, -0.19145, -0.005491], atol=1e-6)


@pytest.mark.parametrize(("x", "reached"), [(0.0, True), (0.2, True), (0.6, False), (-0.45, False)])
def test_the_arm_reaches_as_far_as_its_links(x, reached):
    down = np.diag([1.0, -1.0, -1.0, 1.0])
    down[:3, 3] = [x, 0.0, 0.05]
    assert UR5["reaches"](down[None]).tolist() == [reached]
