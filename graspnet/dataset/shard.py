"""A shard: images, the objects in them, and their labelled grasps; what one work unit makes. Structs of arrays."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from itertools import chain
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64, UInt8
from scipy.special import ndtr

from graspnet.camera import Camera
from graspnet.errors import InputError

__all__ = ["DepthImages", "GraspTable", "MetricColumns", "SceneObjects", "Shard"]


@dataclass(frozen=True)
class DepthImages:
    """n clean depth images of one size, with what is known of each. Poses are 4x4 `target_from_source`, metres."""

    depth: Float32[np.ndarray, "n H W"]  # metres, NaN where nothing was hit
    instance: UInt8[np.ndarray, "n H W"]  # 0 = table, bin or nothing, k = object k of the image
    cameras: tuple[Camera, ...]
    world_from_camera: Float64[np.ndarray, "n 4 4"]
    bin: Float64[np.ndarray, "n 3"]  # inner x, y and wall height of the bin that the scene lies in; NaN = bare table

    def __len__(self) -> int:
        return len(self.depth)


@dataclass(frozen=True)
class SceneObjects:
    """M objects, each in one image. Poses are 4x4 `target_from_source`, metres, of the scaled object."""

    image: Int64[np.ndarray, "M"]  # index into the shard's images
    instance: Int64[np.ndarray, "M"]  # its number in the instance image, from 1
    object: tuple[str, ...]
    scale: Float64[np.ndarray, "M"]  # of the object's mesh, to fit the hand
    stable_pose: Int64[np.ndarray, "M"]  # 0 = the likeliest; -1 where it came to rest in a heap
    world_from_object: Float64[np.ndarray, "M 4 4"]

    def __len__(self) -> int:
        return len(self.image)


@dataclass(frozen=True)
class MetricColumns:
    """One robust metric of N grasps: mean and variance over perturbed samples, and how many samples those were."""

    mean: Float64[np.ndarray, "N"]
    variance: Float64[np.ndarray, "N"]
    samples: Int64[np.ndarray, "N"]


@dataclass(frozen=True)
class GraspTable:
    """N grasps, each in one image. Poses, contacts and approach in the camera's frame; metres and radians."""

    image: Int64[np.ndarray, "N"]  # index into the shard's images
    instance: Int64[np.ndarray, "N"]  # the object of the image that the grasp is meant for
    camera_from_grasp: Float64[np.ndarray, "N 4 4"]
    width: Float64[np.ndarray, "N"]  # commanded opening
    center: Float64[np.ndarray, "N 2"]  # (u, v), pixels
    angle: Float64[np.ndarray, "N"]  # of the closing axis, from +u towards +v, in [-π/2, π/2)
    depth: Float64[np.ndarray, "N"]  # z of the grasp's origin
    contacts: Float64[np.ndarray, "N 2 3"]  # of the unperturbed grasp, jaw at −y first; NaN where none was found
    contact_found: Bool[np.ndarray, "N"]
    clearance_fingers: Float64[np.ndarray, "N"]  # signed, along the whole approach; negative = penetration
    clearance_palm: Float64[np.ndarray, "N"]
    clearance_table: Float64[np.ndarray, "N"]
    clearance_neighbours: Float64[np.ndarray, "N"]  # to other objects and the bin's walls; +inf without any
    origin: tuple[str, ...]  # how the candidate was sampled
    gripper: tuple[str, ...]
    metrics: dict[str, MetricColumns] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.image)

    @staticmethod
    def concatenate(tables: "Sequence[GraspTable]") -> "GraspTable":
        """The rows of one or more tables with the same metrics, in order."""
        columns: dict[str, Any] = {}
        for name in (f.name for f in fields(GraspTable) if f.name != "metrics"):
            parts = [getattr(table, name) for table in tables]
            columns[name] = np.concatenate(parts) if isinstance(parts[0], np.ndarray) else tuple(chain(*parts))
        metrics = {
            name: MetricColumns(
                *(np.concatenate([getattr(t.metrics[name], f.name) for t in tables]) for f in fields(MetricColumns))
            )
            for name in tables[0].metrics
        }
        return GraspTable(**columns, metrics=metrics)

    @property
    def clearance(self) -> Float64[np.ndarray, "N"]:
        """The smallest of the four clearances, in metres."""
        return np.minimum.reduce(
            [self.clearance_fingers, self.clearance_palm, self.clearance_table, self.clearance_neighbours]
        )

    @property
    def collision_free(self) -> Bool[np.ndarray, "N"]:
        """Whether the hand touches nothing along the whole approach."""
        return self.clearance >= 0

    def robustness(self, metric: str, clearance_sigma: float = 0.0) -> Float64[np.ndarray, "N"]:
        """The label: the metric's mean × the probability that the approach is free of collisions.

        That is 1 or 0 by the sign of the clearance c, or with `clearance_sigma` > 0 (metres) the Φ(c/σ) of a hand
        whose pose is known up to N(0, σ²): grasps that barely touch often lift all the same.
        """
        if metric not in self.metrics:
            raise InputError(f"the dataset has no metric {metric!r}; it has {', '.join(self.metrics) or 'none'}")
        free = ndtr(self.clearance / clearance_sigma) if clearance_sigma > 0 else self.collision_free
        return np.asarray(self.metrics[metric].mean * free, dtype=np.float64)


@dataclass(frozen=True)
class Shard:
    """What one work unit made."""

    images: DepthImages
    objects: SceneObjects
    grasps: GraspTable
