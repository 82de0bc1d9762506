"""Contacts: where the two jaws first touch a solid, by batched ray casting.

Each jaw is the centre of its pad; it moves along the closing axis from ±width/2 towards the middle until it meets the
surface (Mahler et al., RSS 2017, supplement: contacts along the line of action). Pads have no size here.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float, Float64

from data_gen.meshes import Solid
from graspnet.grasps import Grasps

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
        self._face_normals = np.asarray(solid.mesh.face_normals, dtype=np.float64)
        self._scene = o3d.t.geometry.RaycastingScene(nthreads=threads)
        self._tensor = o3d.core.Tensor.from_numpy
        vertices = np.ascontiguousarray(solid.mesh.vertices, dtype=np.float32)
        faces = np.ascontiguousarray(solid.mesh.faces, dtype=np.uint32)
        self._scene.add_triangles(self._tensor(vertices), self._tensor(faces))

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
        start = np.stack([origin - half, origin + half], axis=-2)
        direction = np.stack([closing, -closing], axis=-2)
        travel, normals = self.cast(start, direction)
        # Rays that leave the solid hit a face from behind. Where both enter it, the contacts are in order as long as
        # the jaws have not yet passed each other.
        outside = np.einsum("...i,...i->...", normals, direction) < 0
        found = outside.all(axis=-1) & (travel.sum(axis=-1) < width)
        travel = np.where(found[..., None], travel, np.nan)
        normals[~found] = np.nan
        return Contacts(start + travel[..., None] * direction, normals, found)

    def cast(
        self, start: Float64[np.ndarray, "*R 3"], direction: Float64[np.ndarray, "*R 3"]
    ) -> tuple[Float64[np.ndarray, "*R"], Float64[np.ndarray, "*R 3"]]:
        """Distance along unit rays to the first face, and its outward normal; ∞ and zeros where there is none."""
        rays = np.empty((*start.shape[:-1], 6), dtype=np.float32)
        rays[..., :3], rays[..., 3:] = start, direction
        hits = self._scene.cast_rays(self._tensor(rays), nthreads=self._threads)
        travel = hits["t_hit"].numpy().astype(np.float64)
        hit = np.isfinite(travel)
        normals = self._face_normals[np.where(hit, hits["primitive_ids"].numpy(), 0)]
        normals[~hit] = 0.0
        return travel, normals


@lru_cache(maxsize=4)
def contact_finder(solid: Solid, threads: int = 1) -> ContactFinder:
    """The finder of a solid, remembered for the last few: the sampler, the contacts and the metrics of one work unit
    all ask for the same one."""
    return ContactFinder(solid, threads)
