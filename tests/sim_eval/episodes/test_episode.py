"""Episodes that are ready: every task can be drawn, streams are what they always were, and a workspace has borders."""

from typing import get_args

import numpy as np
import pytest

from graspnet.camera import Camera
from graspnet.data_gen.objects.object_source import ObjectConfig
from graspnet.data_gen.scenes.rendering import RaycastRenderer
from graspnet.data_gen.scenes.scenes import Bin, CameraConfig
from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps
from graspnet.sim_eval.episodes.chance import noise_of, planning_seed, stream
from graspnet.sim_eval.episodes.draw import DRAWN, draw_episode
from graspnet.sim_eval.episodes.episode import Workspace
from graspnet.sim_eval.episodes.look import look
from graspnet.sim_eval.episodes.records import Attempt, EpisodeResult
from graspnet.sim_eval.episodes.run import clear_away
from graspnet.sim_eval.protocols.protocol import ProtocolConfig
from graspnet.sim_eval.protocols.tasks import SingleConfig, Task
from graspnet.transforms import invert, rigid

POSE = tuple(tuple(float(x) for x in row) for row in np.eye(4))
BOXES = ProtocolConfig(
    objects=ObjectConfig(count=2, families=("box",), graspable_width=(0.4, 0.7)),
    view=CameraConfig(camera="primesense", distance=(0.6, 0.8)),
)


def test_every_task_can_be_drawn():
    assert set(DRAWN) == set(get_args(Task))


@pytest.mark.parametrize(("seed", "index"), [(0, 0), (3, 17), (2**32 - 1, 999)])
def test_the_first_attempts_streams_are_those_of_the_episode(seed, index):
    """A trial's noise was once drawn from [seed, index, 1] and its plan's seed from [seed, index, 2]: it still is."""
    assert noise_of(seed, index, 0).random() == np.random.default_rng([seed, index, 1]).random()
    assert planning_seed(seed, index, 0) == np.random.SeedSequence([seed, index, 2]).generate_state(1)[0]
    assert planning_seed(seed, index, 1) != planning_seed(seed, index, 0)
    assert noise_of(seed, index, 1).random() != noise_of(seed, index, 0).random()
    assert stream(seed, index, 4).random() == np.random.default_rng([seed, index, 4]).random()


def test_a_trial_that_was_picked_from_is_there_again_for_the_next_grasp():
    with RaycastRenderer() as renderer:
        trial = draw_episode(BOXES, 3, 0, renderer)
    down = rigid(np.diag([1.0, -1.0, -1.0]), trial.world_from_objects[0, :3, 3])
    width = trial.gripper.max_width
    first = trial.world.attempt(trial.world_from_objects, _grasp(down, width))
    clear_away(trial, first)
    assert list(trial.world.present) == [not first.success]
    trial.world.remove(0)
    picked = trial.execute(_grasp(invert(trial.world_from_believed_camera) @ down, width))
    assert list(trial.world.present) == [True]
    assert np.isfinite(picked.rise)


def _grasp(pose: np.ndarray, width: float) -> Grasps:
    return Grasps.of_jaws(pose[None], np.array([width]))


def test_a_trials_planner_is_told_an_outline_and_one_in_clutter_where_its_camera_is():
    with RaycastRenderer() as renderer:
        trial = draw_episode(BOXES, 3, 0, renderer)
        assert trial.observation.world_from_camera is None
        again = look(trial, trial.world_from_seen_objects, (), renderer)
    assert again is not None
    np.testing.assert_array_equal(again.observation.depth, trial.observation.depth)
    np.testing.assert_array_equal(again.observation.segmask, trial.observation.segmask)


def test_an_object_that_settles_out_of_view_makes_no_trial():
    far = ProtocolConfig(objects=BOXES.objects, view=BOXES.view, task=SingleConfig(placement=10.0))
    with RaycastRenderer() as renderer, pytest.raises(InputError, match="out of the camera's view after settling"):
        draw_episode(far, 3, 0, renderer)


def test_a_workspace_ends_at_its_walls_and_above_the_floor():
    cube, bin_ = Workspace.cube(0.3), Workspace.between_walls(Bin(0.2, 0.1, 0.1))
    at = np.array([[0.0, 0.0, 0.01], [0.14, 0.0, 0.01], [0.0, 0.07, 0.01], [0.16, 0.0, 0.01], [0.0, 0.0, -0.01]])
    poses = rigid(np.tile(np.eye(3), (5, 1, 1)), at)
    assert cube.contains(poses).tolist() == [True, True, True, False, False]
    assert bin_.contains(poses).tolist() == [True, False, False, False, False]
    assert cube.radius == pytest.approx(0.15 * np.sqrt(2))


def test_the_mask_shows_what_rises_within_the_workspace_and_no_specks():
    camera = Camera(100.0, 100.0, 49.5, 49.5, 100, 100)
    depth = np.full((100, 100), 1.0, dtype=np.float32)
    depth[45:55, 45:55] = 0.95  # 10 cm wide, 5 cm high, in the middle
    depth[10:20, 10:20] = 0.95  # as large, outside
    depth[50:53, 60:63] = 0.95  # 3 cm wide: 9 cm², but the opening leaves it
    depth[60, 40] = 0.9  # one pixel
    above = rigid(np.diag([1.0, -1.0, -1.0]), np.array([0.0, 0.0, 1.0]))
    mask = Workspace.cube(0.4).mask(depth, camera, above)
    expected = np.zeros((100, 100), dtype=bool)
    expected[45:55, 45:55] = expected[50:53, 60:63] = True
    np.testing.assert_array_equal(mask, expected)


def test_attempts_are_counted_by_what_happened():
    moved = Attempt("missed", world_from_grasp=POSE)
    refused, unplanned = Attempt("below_table", world_from_grasp=POSE), Attempt("no_plan")
    broken, lifted = Attempt("planner_failed"), Attempt("success", world_from_grasp=POSE, lost=1)
    assert [a.moved for a in (moved, refused, unplanned, broken, lifted)] == [True, False, False, False, True]
    result = EpisodeResult((moved, refused, unplanned, broken, lifted))
    assert (result.executed, result.cleared, result.lost) == (4, 1, 1)
