"""Facts about a depth image whose scale is wrong: a table whose place is known tells it, and nothing else does."""

from dataclasses import replace

import numpy as np
import pytest

import graspnet as gn
from graspnet.observation.depth_scale import scaled_to_table
from graspnet.observation.observation import seen_together

BLOCK = ((0.06, 0.03, 0.04), (0.0, 0.0), 0.0)


@pytest.mark.parametrize("factor", [0.93, 0.997, 1.0, 1.04])
@pytest.mark.parametrize("tilt", [0.0, 0.8])
@pytest.mark.parametrize("masked", [True, False])
def test_the_scale_is_found_whatever_the_view(box_scene, factor, tilt, masked):
    true = box_scene(BLOCK, tilt=tilt, known_pose=True, masked=masked, noise=0.001)
    seen = replace(true, depth=true.depth * np.float32(factor))
    found, scale = scaled_to_table(seen)
    assert scale == pytest.approx(1 / factor, abs=2e-4)
    np.testing.assert_allclose(found.depth, true.depth, atol=3e-4)


def test_a_plan_is_at_the_right_height_and_says_what_was_done(box_scene):
    scene = box_scene(BLOCK, known_pose=True)
    plans = [
        gn.plan(replace(scene, depth=scene.depth * np.float32(factor)), policy="principal_axis")
        for factor in (1.0, 0.96, 1.01)
    ]
    for plan in plans:
        np.testing.assert_allclose(plan.best.world_from_grasp, plans[0].best.world_from_grasp, atol=1e-3)
    assert [any("depth was multiplied by" in warning for warning in plan.warnings) for plan in plans] == [
        False, True, False,
    ]  # fmt: skip
    assert any("multiplied by 1.042, so that the table" in warning for warning in plans[1].warnings)


def test_each_of_several_looks_has_its_own_scale(box_scene):
    looks = [box_scene(BLOCK, tilt=tilt, known_pose=True) for tilt in (0.0, 0.5)]
    wrong = [
        replace(look, depth=look.depth * np.float32(factor)) for look, factor in zip(looks, (1.0, 1.05), strict=True)
    ]
    found, _ = scaled_to_table(seen_together(wrong))
    np.testing.assert_allclose(found.depth, looks[0].depth, atol=3e-4)
    np.testing.assert_allclose(found.others[0].depth, looks[1].depth, atol=3e-4)


def same(observation) -> bool:
    found, scale = scaled_to_table(observation)
    return found is observation and scale == 1.0


def test_without_a_pose_nothing_tells_the_scale(box_scene):
    assert same(box_scene(BLOCK))


def test_a_factor_that_no_camera_has_is_another_plane(box_scene):
    scene = box_scene(BLOCK, known_pose=True)
    assert same(replace(scene, depth=scene.depth * np.float32(0.85)))


def test_the_tops_of_boxes_are_no_table(box_scene):
    """A bin full of boxes as high as each other: gaps between them show what is below."""
    boxes = [((0.09, 0.09, 0.04), (0.1 * i, 0.1 * j), 0.0) for i in range(-4, 5) for j in range(-3, 4)]
    scene = box_scene(*boxes, masked=False, known_pose=True)
    assert scene.fitted_table.offset == pytest.approx(0.66, abs=0.002)
    assert same(scene)


def test_a_plane_tilted_against_the_table_is_another_one(box_scene):
    scene = box_scene(BLOCK, known_pose=True)
    turn = np.deg2rad(4)
    pose = scene.world_from_camera.copy()
    pose[:3, :3] = (
        np.array([[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]]) @ pose[:3, :3]
    )
    assert same(replace(scene, world_from_camera=pose))
