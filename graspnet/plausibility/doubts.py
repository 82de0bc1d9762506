"""Doubts: what is odd about an observation, in sentences for a person; and what is refused, since it cannot be.

Numbers from outside are related. The intrinsics, the depth and the hand must fit each other, the mask must lie on
something that rises above the table, and the camera's pose must have its table where the image has one. A planner that
gets a wrong one of them plans with a high quality beside the object.
"""

from collections.abc import Iterator
from dataclasses import replace

from graspnet.observation.observation import Observation
from graspnet.plausibility.mask_check import mask_doubts
from graspnet.plausibility.pose_check import pose_doubts
from graspnet.plausibility.size_check import size_doubts
from graspnet.plausibility.sources import Sources
from graspnet.plausibility.view_check import view_doubts

__all__ = ["doubts"]


def doubts(observation: Observation, sources: Sources) -> list[str]:
    """Sentences about what is unlikely, each of which begins with its source; none where all is well.

    Intrinsics come first, since wrong ones make everything else look wrong.
    InputError: what cannot be, or what a common mistake explains, with the remedy.
    """
    of_view = list(view_doubts(observation.camera, sources.camera))
    of_scene = [*_table_doubts(observation), *pose_doubts(observation, sources)]
    for k, look in enumerate(observation.others, start=1):
        of_scene += pose_doubts(look, replace(sources, camera_pose=f"observation {k}: world_from_camera"))
    of_objects = [*of_scene, *mask_doubts(observation, sources.segmask)]
    of_sizes = [] if of_objects else size_doubts(observation, sources)  # what is no object has no size
    return [*of_view, *of_objects, *of_sizes]


def _table_doubts(observation: Observation) -> Iterator[str]:
    if observation.table is None and observation.object_mask.any():
        yield (
            "no table was found in the image: grasps come along the camera's axis, and nothing keeps fingertips out of "
            "what was not measured; give the camera's pose"
        )
