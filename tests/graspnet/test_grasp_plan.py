"""Facts about plans and their JSON."""

import json
from dataclasses import replace

import numpy as np
import pytest

from graspnet.grasp_plan import GraspPlan
from graspnet.grasps.image_grasps import ImageGrasps, grasps_from_image
from graspnet.policies.samplers.antipodal import AntipodalSamplerConfig, sample_antipodal

BLOCK = ((0.12, 0.03, 0.04), (0.02, -0.03), 0.5)


@pytest.fixture
def two_grasps(box_scene):
    observation = box_scene(BLOCK, tilt=0.2, known_pose=True)
    return observation, sample_antipodal(observation, 2, AntipodalSamplerConfig(), np.random.default_rng(0))


def test_a_plan_in_json_gives_its_grasps_back_from_the_image_alone(two_grasps):
    observation, grasps = two_grasps
    plan = GraspPlan(observation, grasps, np.array([0.9, 0.4]), "", {"total": 0.1}, "ranking", "parallel_jaw", seed=7)
    data = json.loads(json.dumps(plan.to_json()))
    assert data["version"] == 1
    assert (data["policy"], data["model"], data["gripper"], data["seed"]) == ("ranking", "parallel_jaw", "yumi", 7)
    assert [g["quality"] for g in data["grasps"]] == [0.9, 0.4]
    images = [g["image"] for g in data["grasps"]]
    seen = ImageGrasps(
        np.array([i["center"] for i in images]), np.array([i["angle"] for i in images]),
        np.array([i["depth"] for i in images]), {"width": np.array([g["width"] for g in data["grasps"]])},
    )  # fmt: skip
    again = grasps_from_image(seen, observation.camera, observation.approach)
    for k, row in enumerate(data["grasps"]):
        pose = np.array(row["camera_from_grasp"])
        swapped = pose @ np.diag([-1.0, -1.0, 1.0, 1.0])  # an image cannot tell the two jaws apart
        assert np.allclose(again.poses[k], pose, atol=1e-9) or np.allclose(again.poses[k], swapped, atol=1e-9)


def test_world_poses_and_pregrasps_are_there_where_the_cameras_pose_is_known(two_grasps):
    observation, grasps = two_grasps
    plan = GraspPlan(observation, grasps, np.array([0.9, 0.4]))
    row = plan.to_json()["grasps"][0]
    world_from_grasp = np.array(row["world_from_grasp"])
    np.testing.assert_allclose(world_from_grasp, observation.world_from_camera @ grasps.poses[0], atol=1e-12)
    # straight down onto the table: the pregrasp is 0.1 m above
    np.testing.assert_allclose(np.array(row["pregrasp"])[:3, 3] - world_from_grasp[:3, 3], [0, 0, 0.1], atol=1e-9)
    blind = replace(plan, observation=replace(observation, world_from_camera=None)).to_json()["grasps"][0]
    assert "world_from_grasp" not in blind
    assert "pregrasp" not in blind


def test_a_plan_without_a_grasp_says_why(box_scene):
    bare = box_scene(masked=False)
    assert "rises above the table" in GraspPlan.nothing("ranking", bare, {}).reason
    masked = replace(bare, segmask=bare.depth > 0)
    hidden = replace(masked, segmask=np.arange(640)[None] < np.full((480, 1), 10), depth=np.where(
        np.arange(640)[None] < np.full((480, 1), 10), np.float32(np.nan), bare.depth))  # fmt: skip
    assert "under the segmask" in GraspPlan.nothing("ranking", hidden, {}).reason
    data = GraspPlan.nothing("ranking", masked, {}).to_json()
    assert data["grasps"] == []
    assert "would touch" in data["reason"]
