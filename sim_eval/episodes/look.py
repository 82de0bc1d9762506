"""Looks: what a planner is told at an attempt.

The arm knows where its camera and its workspace are, up to its calibration error: in clutter, planners get the believed
camera pose and a mask of what rises above the floor within the workspace. Walls and what lies beyond are to be avoided,
not taken. A single object may lie anywhere in view: then they get its outline, and no camera pose. An arm also knows
whether its hand holds something: after a failure planners are told where that was.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

from graspnet.data_gen.scenes.rendering import Renderer
from graspnet.data_gen.scenes.scenes import Scene
from graspnet.observation.observation import Observation
from graspnet.sim_eval.episodes.chance import noise_of, planning_seed
from graspnet.sim_eval.episodes.episode import Episode
from graspnet.sim_eval.episodes.fused_views import fused_depth
from graspnet.sim_eval.episodes.records import Attempt
from graspnet.sim_eval.planners.planner import Situation
from graspnet.transforms import invert, transform_points

__all__ = ["failed_places", "look"]


def look(
    episode: Episode, world_from_objects: Float64[np.ndarray, "M 4 4"], before: Sequence[Attempt], renderer: Renderer
) -> Situation | None:
    """Tell what a planner is asked after the attempts `before`; None where nothing is seen of the objects left."""
    attempt = len(before)
    left = np.flatnonzero(episode.world.present)
    solids = tuple(episode.solids[k] for k in left)
    truth = Scene(solids, world_from_objects[left], bin=episode.world.bin)
    config, camera, world_from_camera = episode.config, episode.camera, episode.world_from_camera
    believed, told, workspace = episode.world_from_believed_camera, None, episode.workspace
    if workspace is not None and config.task.fusion is not None:
        depth = fused_depth(truth, 2 * workspace.x, camera, world_from_camera, renderer, config.task.fusion)
    else:
        rendering = renderer.render(truth, camera, world_from_camera)
        noise = noise_of(episode.seed, episode.index, attempt)
        depth = episode.sensor(rendering.depth, camera, noise) * np.float32(config.depth_scale)
    if workspace is None:
        mask = rendering.instance > 0
    else:
        mask, told = workspace.mask(depth, camera, believed), believed
    if not mask.any():
        return None
    places = failed_places(before, episode.gripper.span)
    failed = transform_points(invert(believed), places) if len(places) else None
    observation = Observation(depth, camera, episode.gripper, mask, told, failed=failed)
    seed = planning_seed(episode.seed, episode.index, attempt)
    return Situation(observation, truth, world_from_camera, believed, seed)


def failed_places(attempts: Sequence[Attempt], span: float) -> Float64[np.ndarray, "K 3"]:
    """List where grasps failed (their origins in the world, as the arm believes), oldest first.

    Once something was lifted within a hand's span (metres) of such a place, that is forgotten: other things lie there.
    """
    places = np.zeros((0, 3))
    for attempt in attempts:
        if not attempt.world_from_grasp:
            continue
        place = np.array(attempt.world_from_grasp)[:3, 3]
        if attempt.success:
            places = places[np.linalg.norm(places - place, axis=1) > span]
        else:
            places = np.concatenate([places, place[None]])
    return places
