"""Grasps, batch first: poses in some frame, and what else grasps of their kind of gripper have.

The grasp frame: z = approach (from the gripper towards the object), x = y × z. Of a parallel jaw, the origin lies
midway between the finger pads' centres, y is the closing axis, and the column `width` is the commanded opening while
approaching.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Float64, Int

from graspnet.errors import InputError
from graspnet.transforms import is_rigid

__all__ = ["Grasps"]

Index = Int[np.ndarray, "M"] | Bool[np.ndarray, "N"] | slice


@dataclass(frozen=True)
class Grasps:
    """N grasps in one frame, which the variable's name tells: `grasps_in_camera`, `grasps_in_object`.

    poses: frame_from_grasp, (N, 4, 4), metres. columns: by name, (N,), what the gripper's kind says that its grasps
    have besides (`Gripper.columns`).

    >>> import numpy as np, graspnet as gn
    >>> pose = np.eye(4)
    >>> pose[2, 3] = 0.6  # straight ahead of the camera, 0.6 m away, approaching along its axis
    >>> grasps_in_camera = gn.Grasps.of_jaws(pose[None], np.array([0.05]))
    >>> len(grasps_in_camera), grasps_in_camera.approach.tolist()
    (1, [[0.0, 0.0, 1.0]])
    """

    poses: Float64[np.ndarray, "N 4 4"]
    columns: Mapping[str, Float64[np.ndarray, "N"]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.poses) and not is_rigid(self.poses, tolerance=1e-4):
            raise InputError("grasp poses must be rigid transforms: a rotation, a translation, and (0, 0, 0, 1)")
        for name, values in self.columns.items():
            if not np.isfinite(values).all():
                raise InputError(f"every grasp's {name} must be finite")

    @staticmethod
    def of_jaws(poses: Float64[np.ndarray, "N 4 4"], width: Float64[np.ndarray, "N"]) -> "Grasps":
        """Grasps of a parallel jaw that opens to `width` metres. InputError: one is not positive and finite."""
        if not np.all((width > 0) & (width < np.inf)):
            raise InputError("every grasp's width must be positive and finite (metres)")
        return Grasps(poses, {"width": width})

    @staticmethod
    def none() -> "Grasps":
        """No grasps, of any kind."""
        return Grasps(np.zeros((0, 4, 4)))

    @staticmethod
    def concatenate(batches: Sequence["Grasps"]) -> "Grasps":
        """All grasps of several batches of one kind in one frame, in order."""
        batches = [batch for batch in batches if len(batch)]
        if not batches:
            return Grasps.none()
        columns = {name: np.concatenate([batch.columns[name] for batch in batches]) for name in batches[0].columns}
        return Grasps(np.concatenate([batch.poses for batch in batches]), columns)

    def __len__(self) -> int:
        return len(self.poses)

    def __getitem__(self, index: Index) -> "Grasps":
        return Grasps(self.poses[index], {name: values[index] for name, values in self.columns.items()})

    @property
    def width(self) -> Float64[np.ndarray, "N"]:
        """Commanded openings of a parallel jaw's grasps, metres; none of no grasps."""
        return self.columns["width"] if len(self) else np.zeros(0)

    @property
    def origin(self) -> Float64[np.ndarray, "N 3"]:
        """Where the grasp frames begin: of jaws, midway between the pads' centres."""
        return self.poses[:, :3, 3]

    @property
    def approach(self) -> Float64[np.ndarray, "N 3"]:
        """Unit vectors from the gripper towards the object (z of the grasp frame)."""
        return self.poses[:, :3, 2]

    @property
    def closing(self) -> Float64[np.ndarray, "N 3"]:
        """Unit vectors y of the grasp frame: those along which jaws close."""
        return self.poses[:, :3, 1]

    def transformed(self, target_from_frame: Float[np.ndarray, "4 4"] | Float[np.ndarray, "N 4 4"]) -> "Grasps":
        """The same grasps in another frame."""
        return Grasps(np.asarray(target_from_frame @ self.poses, dtype=np.float64), self.columns)
