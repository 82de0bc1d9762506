"""Contacts: where the two jaws first touch a solid, by batched ray casting.

Each jaw is the centre of its pad; it moves along the closing axis from ±width/2 towards the middle until it meets the
surface (Mahler et al., RSS 2017, supplement: contacts along the line of action). Pads have no size here.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, UInt32

from graspnet.data_gen.objects.meshes import Solid
from graspnet.data_gen.objects.raycasting import raycasting_scene
from graspnet.grasps.grasps import Grasps

__all__ = ["ContactFinder", "Contacts", "contact_finder"]


@dataclass(frozen=True)
class Contacts:
    """What the jaws touch: axis −2 is the jaw at −y, then the jaw at +y of the grasp frame.

    points: metres. normals: unit, out of the solid. Both NaN where `found` is False: the jaws meet on nothing, or a
    pad's centre lies inside the solid before it moves.
    """

    points: Float64[np.ndarray, "*B 2 3"]
    normals: Float64[np.ndarray, "*B 2 3"]
    found: Bool[np.ndarray, "*B"]

    def transformed(self, target_from_frame: Float[np.ndarray, "4 4"]) -> "Contacts":
        """The same contacts in another frame."""
        rotation, translation = target_from_frame[:3, :3], target_from_frame[:3, 3]
        return Contacts(self.points @ rotation.T + translation, self.normals @ rotation.T, self.found)

    @property
    def distance(self) -> Float64[np.ndarray, "*B"]:
        """Distance between the two contacts."""
        return np.asarray(np.linalg.norm(self.points[..., 1, :] - self.points[..., 0, :], axis=-1))


class ContactFinder:
    """Casts the jaws of many grasps at one solid. Single precision: contacts are good to about 1e-7 of its size."""

    def __init__(self, solid: Solid, threads: int = 1) -> None:
        import open3d as o3d

        self.solid = solid
        self._threads = threads
        missed = np.full((1, 3), np.nan)  # the normal of no face
        self.face_normals = np.concatenate([solid.mesh.face_normals, missed])
        self._scene = raycasting_scene(solid.mesh, threads=threads)
        self._tensor = o3d.core.Tensor.from_numpy

    def __call__(self, grasps_in_object: Grasps) -> Contacts:
        """Contacts in the object frame of grasps in the object frame."""
        return self.close(grasps_in_object.origin, grasps_in_object.closing, grasps_in_object.width)

    def close(
        self,
        origin: Float64[np.ndarray, "*B 3"],
        closing: Float64[np.ndarray, "*B 3"],
        width: Float64[np.ndarray, "*#B"],
    ) -> Contacts:
        """Contacts of jaws that start at `origin` ∓ `closing` · `width` / 2, all in the object frame."""
        half = (width / 2)[..., None] * closing
        rays = np.empty((*closing.shape[:-1], 2, 6), dtype=np.float32)
        rays[..., 0, :3], rays[..., 1, :3] = origin - half, origin + half
        rays[..., 0, 3:], rays[..., 1, 3:] = closing, -closing
        travel, normals = self._hits(rays)
        # Rays that leave the solid hit a face from behind. Where both enter it, the contacts are in order as long as
        # the jaws have not yet passed each other.
        along = sum(normals[..., i] * closing[..., None, i] for i in range(3))
        found = (along[..., 0] < 0) & (along[..., 1] > 0) & (travel[..., 0] + travel[..., 1] < width)
        points = np.empty_like(normals)
        points[..., 0, :] = origin - half + travel[..., :1] * closing
        points[..., 1, :] = origin + half - travel[..., 1:] * closing
        points[~found], normals[~found] = np.nan, np.nan
        return Contacts(points, normals, found)

    def cast(
        self, start: Float64[np.ndarray, "*R 3"], direction: Float64[np.ndarray, "*R 3"]
    ) -> tuple[Float64[np.ndarray, "*R"], Float64[np.ndarray, "*R 3"]]:
        """Distance along unit rays to the first face, and its outward normal; ∞ and zeros where there is none."""
        rays = np.concatenate([start, direction], axis=-1, dtype=np.float32)
        travel, normals = self._hits(rays)
        return np.where(np.isnan(travel), np.inf, travel), np.nan_to_num(normals, nan=0.0)

    def first_faces(
        self, rays: Float32[np.ndarray, "*R 6"]
    ) -> tuple[Float32[np.ndarray, "*R"], UInt32[np.ndarray, "*R"]]:
        """Distance along rays (start, unit direction) to the first face, and which it is, a row of `face_normals`.

        ∞ and the last row, which is NaN, where there is none.
        """
        hits = self._scene.cast_rays(self._tensor(rays), nthreads=self._threads)
        none = np.uint32(len(self.face_normals) - 1)
        return hits["t_hit"].numpy(), np.minimum(hits["primitive_ids"].numpy(), none)  # no face: a huge number

    def _hits(self, rays: Float32[np.ndarray, "*R 6"]) -> tuple[Float64[np.ndarray, "*R"], Float64[np.ndarray, "*R 3"]]:
        """What `cast` finds, with NaN where there is no face: comparisons with NaN are False, as `close` wants them."""
        distance, face = self.first_faces(rays)
        travel = distance.astype(np.float64)
        travel[np.isinf(travel)] = np.nan
        return travel, self.face_normals[face]


@lru_cache(maxsize=4)
def contact_finder(solid: Solid, threads: int = 1) -> ContactFinder:
    """The finder of a solid, remembered for the last few: the sampler, the contacts and the metrics of one work unit
    all ask for the same one."""
    return ContactFinder(solid, threads)
