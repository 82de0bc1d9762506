"""What a network sees of an observation: the map, and the crop of each grasp."""

import numpy as np
from jaxtyping import Float64

from graspnet.crops.crops import CropConfig, GraspCrops, grasp_crops
from graspnet.crops.metric import MetricCropConfig
from graspnet.grasps.grasps import Grasps
from graspnet.grippers.parallel_jaw import ParallelJaw
from graspnet.observation.height_map import HeightMap
from graspnet.observation.observation import Observation

__all__ = ["METRIC_CROP", "crop", "heightmap"]

METRIC_CROP = MetricCropConfig()


def crop(observation: Observation, grasps_in_camera: Grasps, config: CropConfig = METRIC_CROP) -> GraspCrops:
    """Each grasp's crop, as a network of that crop config is trained with and plans with.

    images: (N, 2, 64, 64) by default, height relative to the grasp in openings of the hand, and 1 where measured. pose:
    (N, F), numbers of the hand and the camera. InputError: see `graspnet.crops.crops.grasp_crops`.

    >>> import numpy as np, graspnet as gn
    >>> depth = np.full((240, 320), 0.5, np.float32)
    >>> depth[100:140, 150:170] = 0.46
    >>> camera, hand = gn.Camera(300.0, 300.0, 159.5, 119.5, 320, 240), gn.load_gripper("yumi")
    >>> plan = gn.plan(depth, camera, hand)
    >>> tuple(gn.crop(gn.Observation(depth, camera, hand), plan.grasps_in_camera).images.shape[1:])
    (2, 64, 64)
    """
    sizes = np.broadcast_to(ParallelJaw.of(observation.gripper).sizes(), (len(grasps_in_camera), 8))
    return grasp_crops(observation, grasps_in_camera.poses, sizes, config)


def heightmap(
    observation: Observation, approach: Float64[np.ndarray, "3"] | None = None, pitch: float | None = None
) -> HeightMap:
    """The relief that a hand meets along an approach: what sampler, constraints and crops all read.

    approach: a direction in the camera frame; by default the table's normal. pitch: metres in a cell; by default that
    of the default crop.

    >>> import numpy as np, graspnet as gn
    >>> depth = np.full((240, 320), 0.5, np.float32)
    >>> depth[100:140, 150:170] = 0.46
    >>> seen = gn.Observation(depth, gn.Camera(300.0, 300.0, 159.5, 119.5, 320, 240), gn.load_gripper("yumi"))
    >>> relief = gn.heightmap(seen)
    >>> heights = relief.height[relief.measured]
    >>> f"{heights.max() - heights.min():.3f}"  # metres: the block's
    '0.040'
    """
    along = observation.approach if approach is None else approach
    cell = METRIC_CROP.map_pitch(observation.gripper.span) if pitch is None else pitch
    return observation.height_map(along, cell)
