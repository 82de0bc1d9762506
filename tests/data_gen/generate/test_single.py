"""One object as a work unit: several hands see one image, and grasps of the object are the same in all images."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import trimesh

from graspnet.camera import load_camera
from graspnet.config import load_config
from graspnet.data_gen.candidates.mixture import CandidateConfig
from graspnet.data_gen.candidates.object_grasps import ObjectGraspConfig
from graspnet.data_gen.generate.config import GenerateConfig
from graspnet.data_gen.generate.grippers import HandConfig
from graspnet.data_gen.generate.single import generate_object
from graspnet.data_gen.objects.object_source import ObjectConfig
from graspnet.data_gen.scenes.scenes import SceneConfig
from graspnet.dataset import Shard
from graspnet.errors import InputError
from graspnet.grippers.gripper import load_gripper
from graspnet.transforms import invert

HANDS = [load_gripper("yumi"), load_gripper("panda")]
FRESH = GenerateConfig(views=3, grasps_per_view=20)
REUSED = GenerateConfig(
    objects=ObjectConfig(scaling="fit_gripper"),
    object_grasps=ObjectGraspConfig(count=60),
    views_per_pose=2,
    metrics=("robust_epsilon", "robust_force_closure"),
)


@cache
def shard(name: str, hands: int = 1, seed: int = 0, reused: bool = False) -> Shard:
    return generate_object(name, HANDS[:hands], REUSED if reused else FRESH, np.random.default_rng(seed))


def poses_in_object(shard: Shard) -> np.ndarray:
    """object_from_grasp of every row."""
    object_from_camera = invert(shard.objects.world_from_object) @ shard.images.world_from_camera
    return object_from_camera[shard.grasps.image] @ shard.grasps.camera_from_grasp


def test_every_hand_gets_its_grasps_in_every_image():
    made = shard("mug_00001", hands=2)
    for image in range(3):
        rows = made.grasps.image == image
        names = np.array(made.grasps.gripper)[rows]
        assert {name: int(np.sum(names == name)) for name in ("yumi", "panda")} == {"yumi": 20, "panda": 20}
    width = {"yumi": 0.05, "panda": 0.08}
    np.testing.assert_array_equal(made.grasps.columns["width"], [width[name] for name in made.grasps.gripper])


def test_another_hand_changes_neither_the_object_nor_the_camera():
    one, two = shard("mug_00001"), shard("mug_00001", hands=2)
    first = two.images.world_from_camera[0]
    np.testing.assert_array_equal(first, one.images.world_from_camera[0])
    np.testing.assert_array_equal(two.images.depth[0], one.images.depth[0])
    np.testing.assert_array_equal(two.objects.scale[0], one.objects.scale[0])


def test_installed_sources_get_their_share_of_every_image():
    mixture = CandidateConfig(
        antipodal=0.3, near_miss=0.3, action_space=0.2, sources={"policy_sampler": 0.2},
        options={"policy_sampler": {"sensor": "structured_light"}},
    )  # fmt: skip
    config = replace(FRESH, candidates=mixture, objects=ObjectConfig(graspable_width=(0.4, 0.6)))
    made = generate_object("box_00000", HANDS[:1], config, np.random.default_rng(1))
    source = np.array(made.grasps.source)
    for image in range(3):
        rows = source[made.grasps.image == image]
        assert len(rows) == 20
        assert np.sum(rows == "policy_sampler") <= 4  # a fifth, or what the image allows
    assert np.sum(source == "policy_sampler") >= 8
    # the sampler works on the image: what it proposes lies on the object's outline in that very image
    for row in np.flatnonzero(source == "policy_sampler"):
        seen = made.images.instance[made.grasps.image[row]]
        u, v = np.rint(made.grasps.center[row]).astype(int)
        assert seen[v - 6 : v + 7, u - 6 : u + 7].any()


def test_an_object_lies_in_all_of_its_stable_poses():
    made = shard("bracket_00003", reused=True)
    _, images = np.unique(made.objects.stable_pose, return_counts=True)
    assert set(images) == {2}
    assert len(images) > 1
    assert len(set(made.objects.scale)) == 1


def test_all_images_of_a_pose_show_the_same_grasps_and_all_poses_choose_from_one_set():
    made = shard("bracket_00003", reused=True)
    in_object = poses_in_object(made)
    pose_of_row = made.objects.stable_pose[made.grasps.image]
    for pose in set(pose_of_row):
        one, two = (in_object[made.grasps.image == image] for image in np.flatnonzero(made.objects.stable_pose == pose))
        np.testing.assert_allclose(one, two, atol=1e-9)
    key = np.round(np.concatenate([in_object[:, :3, 3], np.abs(in_object[:, :3, 1])], axis=1), 6)
    assert len(np.unique(key, axis=0)) <= 60


def test_a_reused_grasp_has_one_robustness_and_its_own_clearance_in_each_pose():
    made = shard("bracket_00003", reused=True)
    in_object = poses_in_object(made)
    _, grasp = np.unique(np.round(in_object[:, :3, 3], 6), axis=0, return_inverse=True)
    pose = made.objects.stable_pose[made.grasps.image]
    several = [k for k in range(grasp.max() + 1) if len(set(pose[grasp == k])) > 1]
    assert several
    for k in several:
        for metric in made.grasps.metrics.values():
            assert len(set(metric.mean[grasp == k])) == 1
    assert any(len(set(made.grasps.clearance.table[grasp == k].round(9))) > 1 for k in several)


def test_reused_grasps_come_from_above_within_the_limit():
    made = shard("bracket_00003", reused=True)
    world_from_grasp = made.images.world_from_camera[made.grasps.image] @ made.grasps.camera_from_grasp
    assert -world_from_grasp[:, 2, 2].max() >= np.cos(np.deg2rad(5)) - 1e-9
    assert (-world_from_grasp[:, 2, 2] < 1 - 1e-6).any()


def test_an_object_that_cannot_be_taken_in_any_pose_says_so(tmp_path):
    trimesh.creation.icosphere(subdivisions=3, radius=0.05).export(tmp_path / "ball.stl")
    config = replace(REUSED, objects=ObjectConfig(folders=(str(tmp_path),), scaling="as_is"))
    with pytest.raises(InputError, match="no antipodal grasp of it comes from above"):
        generate_object("ball.stl", HANDS[:1], config, np.random.default_rng(0))


def test_each_object_is_seen_by_one_of_the_cameras():
    config = replace(FRESH, cameras=("primesense", "realsense_d435"), views=2, grasps_per_view=4)
    fx = set()
    for seed in range(6):
        made = generate_object("box_00000", HANDS[:1], config, np.random.default_rng(seed))
        assert len({camera.fx for camera in made.images.cameras}) == 1
        fx.add(made.images.cameras[0].fx)
    assert fx == {load_camera("primesense").fx, load_camera("realsense_d435").fx}


@pytest.mark.parametrize("name", ["dexnet_2.0", "dexnet_2.0_tool"])
def test_dexnet_presets_have_the_published_cameras_and_images(name):
    config = load_config(GenerateConfig, "generate", name)
    made = generate_object("box_00000", HANDS[:1], config, np.random.default_rng(0))
    assert made.images.depth.shape[1:] == (480, 640)
    back = made.images.world_from_camera[:, :3, 3]
    distance = np.linalg.norm(back, axis=1)
    polar = np.rad2deg(np.arccos(back[:, 2] / distance))
    low, high = {"dexnet_2.0": (9, 18), "dexnet_2.0_tool": (0.1, 5)}[name]
    assert ((distance >= 0.65) & (distance <= 0.75)).all()
    assert ((polar >= low) & (polar <= high)).all()
    assert all(520 <= camera.fx <= 530 for camera in made.images.cameras)
    assert (np.abs(made.objects.world_from_object[:, :2, 3]) <= 0.1).all()
    assert set(made.grasps.source) == {"antipodal"}
    assert config.metrics[0] == "robust_epsilon"  # the label
    np.testing.assert_array_equal(made.grasps.metrics["robust_epsilon"].samples, 25)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metrics": ("robust_wrench_resistance",)}, "leave out robust_wrench_resistance"),
        ({"candidates": CandidateConfig(near_miss=0.0)}, "of fresh grasps only.*object_grasps=null"),
        ({"objects": ObjectConfig()}, "objects.scaling is by the graspable width"),
        ({"hands": HandConfig(presets=("yumi",), random_share=0.0), "hands_per_view": 2}, "hands has 1 presets"),
        ({"views_per_pose": 0}, "views_per_pose is 0"),
        ({"metrics": ()}, "metrics is empty"),
    ],
)
def test_impossible_configs_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        replace(REUSED, **change)


def test_a_scene_config_draws_focal_lengths_from_their_range():
    config = replace(FRESH, scene=SceneConfig(focal_length=(520.0, 530.0)), grasps_per_view=4)
    made = generate_object("box_00000", HANDS[:1], config, np.random.default_rng(0))
    assert all(520 <= camera.fx <= 530 and camera.fx == camera.fy for camera in made.images.cameras)
