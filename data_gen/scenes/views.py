"""Views: images of a scene, each with the camera that took it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from graspnet.camera import Camera
from graspnet.data_gen.scenes.rendering import Rendering
from graspnet.data_gen.scenes.scenes import Bin
from graspnet.dataset import DepthImages

__all__ = ["View", "depth_images"]


@dataclass(frozen=True)
class View:
    """One image, and where it was taken from."""

    rendering: Rendering
    camera: Camera
    world_from_camera: Float64[np.ndarray, "4 4"]


def depth_images(views: Sequence[View], bin_: Bin | None) -> DepthImages:
    """The images as a shard holds them; `bin_`: that the scene lies in, None: a bare table."""
    inner = [np.nan] * 3 if bin_ is None else [bin_.inner_x, bin_.inner_y, bin_.wall_height]
    return DepthImages(
        depth=np.stack([view.rendering.depth for view in views]),
        instance=np.stack([view.rendering.instance for view in views]),
        cameras=tuple(view.camera for view in views),
        world_from_camera=np.stack([view.world_from_camera for view in views]),
        bin=np.tile(inner, (len(views), 1)),
    )
