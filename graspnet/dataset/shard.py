"""A shard: images, the objects in them, and their labelled grasps; what one work unit makes. Structs of arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import chain

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64, UInt8

from graspnet.camera import Camera
from graspnet.dataset.labels import Clearance, MetricEstimate, soft_label
from graspnet.errors import InputError
from graspnet.grasps.grasps import Grasps

__all__ = ["DepthImages", "GraspTable", "SceneObjects", "Shard"]

PAD_METRICS = frozenset({"robust_pad_closure", "robust_centered_closure", "physics_hold"})  # 0 where pads do not touch
WIDTH_ROUNDING = 1e-6  # m: a table holds 32 bits

Index = Int64[np.ndarray, "M"] | Bool[np.ndarray, "N"] | slice


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
class GraspTable:
    """N grasps of one kind of gripper, each in one image. Poses and contacts in the camera's frame; metres, radians."""

    image: Int64[np.ndarray, "N"]  # index into the shard's images
    instance: Int64[np.ndarray, "N"]  # the object of the image that the grasp is meant for
    camera_from_grasp: Float64[np.ndarray, "N 4 4"]
    columns: Mapping[str, Float64[np.ndarray, "N"]]  # what grasps of the kind have besides: `Gripper.columns`
    center: Float64[np.ndarray, "N 2"]  # (u, v), pixels
    angle: Float64[np.ndarray, "N"]  # of the grasp frame's y, from +u towards +v, in [-π/2, π/2)
    depth: Float64[np.ndarray, "N"]  # z of the grasp's origin
    contacts: Float64[np.ndarray, "N C 3"]  # of the unperturbed grasp; NaN where none was found
    contact_found: Bool[np.ndarray, "N"]
    clearance: Clearance
    source: tuple[str, ...]  # how the candidate was sampled
    gripper: tuple[str, ...]
    metrics: dict[str, MetricEstimate] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.image)

    def __getitem__(self, rows: Int64[np.ndarray, "M"]) -> "GraspTable":
        arrays = [f.name for f in fields(GraspTable) if isinstance(getattr(self, f.name), np.ndarray)]
        return GraspTable(
            **{name: getattr(self, name)[rows] for name in arrays},
            columns={name: values[rows] for name, values in self.columns.items()},
            clearance=self.clearance[rows],
            source=tuple(self.source[row] for row in rows),
            gripper=tuple(self.gripper[row] for row in rows),
            metrics={name: metric[rows] for name, metric in self.metrics.items()},
        )

    @staticmethod
    def concatenate(tables: "Sequence[GraspTable]") -> "GraspTable":
        """The rows of one or more tables with the same columns and metrics, in order."""
        first = tables[0]
        arrays = [f.name for f in fields(GraspTable) if isinstance(getattr(first, f.name), np.ndarray)]
        return GraspTable(
            **{name: np.concatenate([getattr(table, name) for table in tables]) for name in arrays},
            columns={name: np.concatenate([table.columns[name] for table in tables]) for name in first.columns},
            clearance=Clearance.concatenate([table.clearance for table in tables]),
            source=tuple(chain.from_iterable(table.source for table in tables)),
            gripper=tuple(chain.from_iterable(table.gripper for table in tables)),
            metrics={
                name: MetricEstimate.concatenate([table.metrics[name] for table in tables]) for name in first.metrics
            },
        )

    def grasps_in_camera(self, rows: Index) -> Grasps:
        """The grasps of some rows, in the camera's frame."""
        return Grasps(self.camera_from_grasp[rows], {name: values[rows] for name, values in self.columns.items()})

    @property
    def closes(self) -> Bool[np.ndarray, "N"]:
        """Whether the gripper closes on its object: in all contact points, or elsewhere on its pads.

        `contact_found` looks along the middle of the pads, which passes over a flat object that they take at the tips.
        What whole pads touch is told by the metrics that close them, where a dataset has one.
        """
        touched = self.contact_found.copy()
        if "centering" in self.metrics and "width" in self.columns:  # it is half of the width where pads do not touch
            touched |= self.metrics["centering"].mean < 0.5 * self.columns["width"] - WIDTH_ROUNDING
        for name in PAD_METRICS & self.metrics.keys():
            touched |= self.metrics[name].mean > 0
        return touched

    def robustness(self, metric: str, clearance_sigma: float = 0.0) -> Float64[np.ndarray, "N"]:
        """The label of every grasp by one metric: `soft_label`, with `clearance_sigma` in metres."""
        if metric not in self.metrics:
            raise InputError(f"the dataset has no metric {metric!r}; it has {', '.join(self.metrics) or 'none'}")
        return soft_label(self.metrics[metric].mean, self.clearance.smallest, clearance_sigma)


@dataclass(frozen=True)
class Shard:
    """What one work unit made."""

    images: DepthImages
    objects: SceneObjects
    grasps: GraspTable
