"""Trials: every policy meets the same one, sees nothing but its files, and is executed where it believes to be."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import open3d
import pytest
import trimesh
from scipy import stats
from scipy.spatial.transform import Rotation

from graspnet.camera import load_camera
from graspnet.data_gen.objects.object_source import ObjectConfig
from graspnet.data_gen.scenes.rendering import RaycastRenderer
from graspnet.data_gen.scenes.scenes import CameraConfig
from graspnet.grasp_plan import GraspPlan
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.gripper import load_gripper
from graspnet.inputs.depth_image import read_depth
from graspnet.inputs.mask_image import read_mask
from graspnet.models.checkpoint import load_checkpoint
from graspnet.observation.observation import Observation
from graspnet.policies.policy import Policy
from graspnet.policies.registry import make_policy, policy_class
from graspnet.quality import NetworkQuality
from graspnet.sim_eval.episodes.chance import calibration_error, friction_coefficient
from graspnet.sim_eval.episodes.draw import draw_episode
from graspnet.sim_eval.episodes.episode import Episode
from graspnet.sim_eval.episodes.records import Attempt
from graspnet.sim_eval.episodes.run import run_attempt, run_episode
from graspnet.sim_eval.planners.command import save_observation
from graspnet.sim_eval.planners.planner import Planner
from graspnet.sim_eval.planners.policy_planner import PolicyPlanner
from graspnet.sim_eval.protocols.protocol import ProtocolConfig
from graspnet.transforms import frame_from_axes, invert, rigid, transform_points

BOXES = ProtocolConfig(
    objects=ObjectConfig(count=4, families=("box",), graspable_width=(0.4, 0.7)),
    view=CameraConfig(camera="primesense", distance=(0.6, 0.8)),
)


def run_trial(trial: Episode, planner: Planner) -> tuple[Attempt, GraspPlan]:
    """The one attempt of a trial, and the plan."""
    attempt, plan, _ = run_attempt(trial, planner, trial.situation, trial.world_from_objects)
    return attempt, plan


@pytest.fixture(scope="module")
def renderer():
    with RaycastRenderer() as renderer:
        yield renderer


def test_a_trial_is_a_function_of_seed_and_index(renderer):
    draw_episode(BOXES, 3, 0, renderer)  # what was drawn before does not matter
    one, again, other = (draw_episode(BOXES, 3, index, renderer) for index in (1, 1, 2))
    np.testing.assert_array_equal(one.observation.depth, again.observation.depth)
    np.testing.assert_array_equal(one.world_from_believed_camera, again.world_from_believed_camera)
    assert (one.friction, one.world.masses, one.plan_seed) == (again.friction, again.world.masses, again.plan_seed)
    assert one.friction != other.friction
    assert one.plan_seed != other.plan_seed


def test_two_picks_in_one_trial_do_not_touch_each_other(renderer):
    trial = draw_episode(BOXES, 0, 0, renderer)
    planner = PolicyPlanner(make_policy("principal_axis"))
    assert run_trial(trial, planner)[0].outcome == run_trial(trial, planner)[0].outcome == "success"
    first, again = (run_episode(trial, planner, renderer) for _ in range(2))
    assert repr(replace(first.attempts[0], seconds=0.0)) == repr(replace(again.attempts[0], seconds=0.0))


def test_the_object_is_at_rest_when_the_camera_looks(renderer):
    for index in range(4):
        trial = draw_episode(BOXES, 5, index, renderer)
        again = trial.world.settled(trial.world_from_objects)
        np.testing.assert_allclose(again, trial.world_from_objects, atol=2e-4)


def test_the_mask_shows_the_object_where_it_rests(renderer):
    """The mask's measured points, in the world of the true camera, lie on the object's surface up to sensor noise."""
    trial = draw_episode(BOXES, 1, 0, renderer)
    points = trial.observation.points[trial.observation.object_mask]
    object_from_camera = invert(trial.world_from_objects[0]) @ trial.world_from_camera
    points_in_object = transform_points(object_from_camera, points[::50])
    surface = open3d.t.geometry.RaycastingScene()
    surface.add_triangles(
        open3d.core.Tensor(trial.solids[0].mesh.vertices.astype(np.float32)),
        open3d.core.Tensor(trial.solids[0].mesh.faces.astype(np.uint32)),
    )
    distance = surface.compute_distance(open3d.core.Tensor(points_in_object.astype(np.float32))).numpy()
    assert np.median(distance) < 0.004  # axial noise of 1.4 mm and a scale of 0.3 % at 0.7 m: 2.5 mm together


def test_the_policy_is_not_told_the_cameras_pose(renderer):
    assert draw_episode(BOXES, 0, 0, renderer).observation.world_from_camera is None


class _Omniscient(Policy):
    """Grasps the object's true place, expressed in the camera as the arm believes it to be, or as it is."""

    name, config_type, needs_quality = "omniscient", dict, False

    def __init__(self, config, quality=None) -> None:
        self.camera_from_world = invert(config["world_from_camera"])
        self.pose = config["world_from_grasp"]

    def plan(self, observation: Observation, rng: np.random.Generator) -> GraspPlan:
        grasps = Grasps.of_jaws(self.pose[None], np.array([observation.gripper.max_width]))
        return GraspPlan(
            observation, grasps.transformed(self.camera_from_world), np.ones(1), "", {"total": 0.0}, self.name
        )


def test_a_grasp_goes_where_the_arm_believes_the_camera_to_be(renderer):
    """A grasp of the true place, told in the true camera, is off by the calibration error; told in the believed camera
    it is not."""
    trial = draw_episode(BOXES, 0, 0, renderer)
    rotation = frame_from_axes(np.array([0.0, 0, -1]), np.array([1.0, 0, 0]))
    config = {"world_from_grasp": rigid(rotation, np.array([0.1, 0.1, 0.1]))}
    for camera, exact in ((trial.world_from_camera, False), (trial.world_from_believed_camera, True)):
        result, _ = run_trial(trial, PolicyPlanner(_Omniscient(config | {"world_from_camera": camera})))
        executed = np.array(result.world_from_grasp)
        assert np.allclose(executed, config["world_from_grasp"], atol=1e-9) == exact


def test_no_plan_is_an_outcome(renderer):
    class Timid(_Omniscient):
        def __init__(self) -> None:
            pass

        def plan(self, observation: Observation, rng: np.random.Generator) -> GraspPlan:
            return GraspPlan(observation, Grasps.none(), np.zeros(0), "too risky", {"total": 0.25}, "timid")

    result, _ = run_trial(draw_episode(BOXES, 0, 0, renderer), PolicyPlanner(Timid()))
    assert (result.outcome, result.reason, result.seconds) == ("no_plan", "too risky", 0.25)


def test_execution_can_be_filmed(renderer):
    trial = draw_episode(BOXES, 0, 0, renderer)
    _, plan = run_trial(trial, PolicyPlanner(make_policy("principal_axis")))
    pick = trial.execute(plan.grasps_in_camera[slice(1)], frame_interval=0.1)
    assert pick.success
    assert len(pick.frames) > 10


def test_frictions_are_a_truncated_normal_distribution():
    rng = np.random.default_rng(0)
    drawn = [friction_coefficient(ProtocolConfig(), rng) for _ in range(3000)]
    expected = stats.truncnorm((0.2 - 0.5) / 0.1, (1.0 - 0.5) / 0.1, loc=0.5, scale=0.1)
    assert stats.kstest(drawn, expected.cdf).pvalue > 0.01


def test_calibration_errors_have_the_stated_deviations():
    rng = np.random.default_rng(1)
    errors = np.stack([calibration_error(ProtocolConfig(), rng) for _ in range(3000)])
    shift = errors[:, :3, 3]
    turn = Rotation.from_matrix(errors[:, :3, :3]).as_rotvec()
    # the standard error of a deviation from 9,000 numbers is 0.75 %
    assert shift.std() == pytest.approx(0.001, rel=0.03)
    assert turn.std() == pytest.approx(np.deg2rad(0.1), rel=0.03)
    assert abs(shift.mean()) < 5e-5


def test_a_perfect_calibration_is_the_identity():
    config = replace(BOXES, calibration_translation=0.0, calibration_rotation=0.0)
    np.testing.assert_array_equal(calibration_error(config, np.random.default_rng(0)), np.eye(4))


def test_shapes_follow_the_shape_seed_and_scenes_the_trials_seed(renderer):
    one, other = draw_episode(BOXES, 0, 1, renderer), draw_episode(BOXES, 9, 1, renderer)
    sides = np.array([one.solids[0].mesh.extents, other.solids[0].mesh.extents])
    np.testing.assert_allclose(*(sides / sides[:, :1]), rtol=1e-6)
    assert not np.allclose(*sides)
    third = draw_episode(replace(BOXES, shape_seed=1), 0, 1, renderer)
    third_sides = third.solids[0].mesh.extents
    assert not np.allclose(third_sides / third_sides[0], sides[0] / sides[0, 0], rtol=1e-3)


def test_own_meshes_take_part(renderer, tmp_path):
    trimesh.creation.box([30, 40, 20]).export(tmp_path / "brick.stl")
    objects = ObjectConfig(folders=(str(tmp_path),), unit=0.001, scaling="as_is")
    trial = draw_episode(replace(BOXES, objects=objects), 0, 0, renderer)
    np.testing.assert_allclose(np.sort(trial.solids[0].mesh.extents), [0.02, 0.03, 0.04], atol=1e-6)


def test_saved_observations_are_read_back_as_they_were(renderer, tmp_path):
    observation = draw_episode(BOXES, 2, 1, renderer).observation
    save_observation(observation, tmp_path)
    np.testing.assert_array_equal(read_depth(tmp_path / "depth.npy"), observation.depth)
    np.testing.assert_array_equal(read_mask(tmp_path / "segmask.png"), observation.segmask)
    assert load_camera(tmp_path / "camera.json") == observation.camera
    assert load_gripper(tmp_path / "gripper.json") == observation.gripper


@pytest.mark.parametrize("name", ["antipodal", "cross_entropy"])
def test_a_fresh_process_plans_from_the_files_what_the_trial_executed(renderer, tmp_path, name):
    """The policy sees depth image, camera, segmask and gripper, and nothing else; one that ranks has the network that
    ships."""
    trial = draw_episode(BOXES, 4, 2, renderer)
    quality = NetworkQuality(load_checkpoint("parallel_jaw")) if policy_class(name).needs_quality else None
    _, plan = run_trial(trial, PolicyPlanner(make_policy(name, quality=quality)))
    assert len(plan)
    save_observation(trial.observation, tmp_path)
    command = [
        str(Path(sys.executable).with_name("graspnet")), "plan", "--depth", "depth.npy", "--camera", "camera.json",
        "--segmask", "segmask.png", "--gripper", "gripper.json", "--policy", name,
        "--seed", str(trial.plan_seed), "--output", "plan.json",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    planned = json.loads((tmp_path / "plan.json").read_text())["grasps"]
    np.testing.assert_allclose([g["camera_from_grasp"] for g in planned], plan.grasps_in_camera.poses, atol=1e-12)
    qualities = np.array([g["quality"] for g in planned], dtype=np.float64)  # null, of a policy without any, is NaN
    np.testing.assert_allclose(qualities, plan.qualities, atol=1e-6)
