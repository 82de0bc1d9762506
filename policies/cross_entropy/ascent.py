"""A few steps uphill from a grasp: the network's crop is differentiable in the grasp's place, angle and height."""

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from graspnet.crops.metric import MetricCropConfig, metric_crops
from graspnet.grasps.grasps import Grasps
from graspnet.policies.grasp_space import GraspSpace
from graspnet.quality import NetworkQuality

__all__ = ["ascended", "differentiable_poses"]

ANGLE_OF_REACH = 2.0  # radians for each span of the hand: a turn moves the pads' ends about as far as a shift does


def ascended(grasps_in_camera: Grasps, space: GraspSpace, quality: NetworkQuality, steps: int, reach: float) -> Grasps:
    """The grasps after some steps along the gradient of their log odds, all of the same length, `reach` spans in all.

    Nothing is said of what they touch. A network on crops of pixels has no such gradient: its grasps stay.
    """
    crop = quality.checkpoint.crop
    if not isinstance(crop, MetricCropConfig) or not len(grasps_in_camera):
        return grasps_in_camera
    start = torch.from_numpy(space.coordinates(grasps_in_camera))
    angle = torch.from_numpy(space.angles(grasps_in_camera))
    sizes = torch.from_numpy(np.repeat(space.observation.gripper.sizes()[None], len(start), axis=0))
    unit = torch.tensor([space.w, space.w, space.w, ANGLE_OF_REACH], dtype=torch.float64)
    moved = torch.zeros(len(start), 4, dtype=torch.float64)
    network = quality.checkpoint.network
    for _ in range(steps):
        with torch.enable_grad():
            moved.requires_grad_()
            change = moved * unit
            poses = differentiable_poses(space, start + change[:, :3], angle + change[:, 3])
            images, numbers = metric_crops(space.height_map, poses, sizes, crop)
            logits = network(images.float(), numbers.float())
            (slope,) = torch.autograd.grad((logits[:, 1] - logits[:, 0]).sum(), moved)
        length = slope.norm(dim=1, keepdim=True).clamp(min=1e-12)
        moved = (moved + reach / steps * slope / length).detach()
    coordinates, angles = start + moved[:, :3] * unit[:3], angle + moved[:, 3] * unit[3]
    return space.grasps(coordinates.numpy(), angles.numpy(), grasps_in_camera.width)


def differentiable_poses(
    space: GraspSpace, coordinates: Float64[Tensor, "N 3"], angle: Float64[Tensor, "N"]
) -> Float64[Tensor, "N 4 4"]:
    """Grasp frames as `GraspSpace.grasps` makes them, with gradients."""
    axes = torch.from_numpy(space.height_map.frame_from_map).to(coordinates)
    approach = torch.from_numpy(space.approach).to(coordinates).expand(len(angle), 3)
    closing = torch.cos(angle)[:, None] * axes[:, 0] + torch.sin(angle)[:, None] * axes[:, 1]
    origin = coordinates[:, :2] @ axes[:, :2].T - coordinates[:, 2:] * axes[:, 2]
    columns = torch.stack([torch.linalg.cross(closing, approach), closing, approach, origin], dim=2)
    last = torch.tensor([0.0, 0.0, 0.0, 1.0], dtype=columns.dtype).expand(len(angle), 1, 4)
    return torch.cat([columns, last], dim=1)
