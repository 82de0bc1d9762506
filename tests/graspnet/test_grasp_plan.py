"""Facts about plans and their JSON."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from graspnet.errors import InputError
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
    assert "rises too little above the table" in data["reason"]


def test_a_plan_without_qualities_says_null_in_json_and_reads_back(two_grasps):
    observation, grasps = two_grasps
    plan = GraspPlan(observation, grasps, np.full(2, np.nan), "", {"total": 0.1}, "antipodal")
    data = json.loads(json.dumps(plan.to_json(), allow_nan=False))
    assert [row["quality"] for row in data["grasps"]] == [None, None]
    assert plan.summary == "2 grasps in 0.10 s; antipodal predicts no quality"
    again = GraspPlan.from_json(data, observation)
    assert np.isnan(again.qualities).all()
    np.testing.assert_array_equal(again.grasps_in_camera.poses, grasps.poses)


def test_only_grasps_of_enough_quality_stay(two_grasps):
    observation, grasps = two_grasps
    plan = GraspPlan(observation, grasps, np.array([0.9, 0.4]))
    np.testing.assert_array_equal(plan.at_least(0.4).qualities, [0.9, 0.4])
    np.testing.assert_array_equal(plan.at_least(0.5).grasps_in_camera.poses, grasps.poses[:1])
    assert plan.at_least(0.95).reason.startswith("the best of 2 grasps has quality 0.900, below")


# The picture


def colors_of(path, box):
    """The share of pixels of a picture's part that are strongly coloured (grey and violet are not)."""
    picture = np.asarray(Image.open(path).convert("RGB")).astype(float)[box]
    return float((np.ptp(picture, axis=-1) > 90).mean())


def test_the_picture_is_what_its_name_says(two_grasps, tmp_path):
    observation, grasps = two_grasps
    plan = GraspPlan(observation, grasps, np.array([0.9, 0.4]))
    for name, kind in (("a.png", "PNG"), ("a.jpg", "JPEG"), ("a.JPEG", "JPEG")):
        plan.draw(tmp_path / name)
        assert Image.open(tmp_path / name).format == kind
    for name in ("a.gif", "a", "a.png.txt"):
        with pytest.raises(InputError, match=rf"{name}: a picture's name must end in .png, .jpg, .jpeg"):
            plan.draw(tmp_path / name)
        assert not (tmp_path / name).exists()


def test_the_picture_shows_a_colour_bar_only_of_what_has_a_quality(two_grasps, tmp_path):
    observation, grasps = two_grasps
    GraspPlan(observation, grasps, np.array([0.9, 0.4])).draw(tmp_path / "with.png")
    GraspPlan(observation, grasps, np.full(2, np.nan), policy="antipodal").draw(tmp_path / "without.png")
    right = np.s_[:, -100:]
    assert colors_of(tmp_path / "with.png", right) > 0.1
    assert colors_of(tmp_path / "without.png", right) == 0


def test_the_picture_shows_the_grasps_from_near_by_with_and_without_a_mask(two_grasps, tmp_path):
    observation, grasps = two_grasps
    for name, seen in (("mask", observation), ("none", replace(observation, segmask=None))):
        GraspPlan(seen, grasps, np.array([0.9, 0.8])).draw(tmp_path / f"{name}.png")
    pictures = [np.asarray(Image.open(tmp_path / f"{name}.png")) for name in ("mask", "none")]
    np.testing.assert_array_equal(*pictures)
    far, near = np.s_[40:, :550], np.s_[40:, 570:1100]
    assert colors_of(tmp_path / "none.png", near) > 4 * colors_of(tmp_path / "none.png", far) > 0


def test_a_plan_of_nothing_and_one_without_a_table_are_drawn_too(box_scene, tmp_path):
    bare = box_scene(masked=False)
    GraspPlan.nothing("ranking", bare, {}).draw(tmp_path / "bare.png")
    block = box_scene(BLOCK)
    alone = replace(block, depth=np.where(block.segmask, block.depth, np.float32(0)))
    GraspPlan.nothing("ranking", alone, {}).draw(tmp_path / "alone.png")
    assert (tmp_path / "alone.png").stat().st_size > 5000
