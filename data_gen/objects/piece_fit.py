"""Fit: how far collision pieces are from the surface that is rendered and labelled.

Where pieces fill a handle or a hole, or leave out an edge, a judge of grasps judges another object.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import trimesh
from jaxtyping import Float32, Float64
from manifold3d import Manifold, OpType

from graspnet.data_gen.objects.meshes import Solid
from graspnet.data_gen.objects.raycasting import raycasting_scene

__all__ = ["FAR", "TOLERATED", "Fit", "Gaps", "fit_of", "gaps_of"]

FAR = 0.001  # A point of the surface counts as far from the pieces beyond so many metres.
TOLERATED = 0.05  # Where a larger share of the surface is that far, pieces are refined, and reports name the object.
_SAMPLES = 4000  # Each surface is measured at so many points.


@dataclass(frozen=True)
class Fit:
    """How far pieces are from their solid. volume_error: of their union, as a share of the solid's volume.
    hausdorff: metres; far_share: the larger share of the two surfaces that lies more than `FAR` off the other solid."""

    volume_error: float
    hausdorff: float
    far_share: float


@dataclass(frozen=True, eq=False)
class Gaps:
    """What a fit is made of, at any scale. Distances in metres: of points all over the solid's surface from the pieces'
    union, and of points all over that union from the solid, 0 within it."""

    volume_error: float
    missed: Float32[np.ndarray, "P"]
    filled: Float32[np.ndarray, "Q"]

    def fit(self, scale: float = 1.0) -> Fit:
        """The fit of solid and pieces that are both `scale` times as large."""
        far = FAR / scale
        largest = max(float(self.missed.max()), float(self.filled.max()))
        return Fit(
            self.volume_error,
            scale * largest,
            max(float(np.mean(self.missed > far)), float(np.mean(self.filled > far))),
        )


def fit_of(solid: Solid, parts: Sequence[trimesh.Trimesh]) -> Fit:
    """How well the pieces' union matches the solid."""
    return gaps_of(solid, parts).fit()


def gaps_of(solid: Solid, parts: Sequence[trimesh.Trimesh]) -> Gaps:
    """The distances between the solid's surface and the surface of the pieces' union.

    Of the solid's surface every distance counts. Of the pieces' only what lies outside of the solid: a crack between
    two pieces is narrower than anything that could enter it.
    """
    # Hulls of points, not the pieces' own faces: one sliver among them that rounding turns over would empty the union.
    pieces = [Manifold.hull_points(np.array(part.vertices, dtype=np.float64)) for part in parts]
    joined = Manifold.batch_boolean(pieces, OpType.Add)
    surface = joined.to_mesh()
    union = trimesh.Trimesh(surface.vert_properties[:, :3], surface.tri_verts, process=False)
    on_solid, on_union = (trimesh.sample.sample_surface(mesh, _SAMPLES, seed=0)[0] for mesh in (solid.mesh, union))
    return Gaps(
        abs(float(joined.volume()) / solid.volume - 1),
        np.abs(_signed_distance(union, on_solid)),
        np.maximum(_signed_distance(solid.mesh, on_union), 0.0),
    )


def _signed_distance(mesh: trimesh.Trimesh, points: Float64[np.ndarray, "P 3"]) -> Float32[np.ndarray, "P"]:
    """Metres, to 0.1 µm; negative inside."""
    distance = raycasting_scene(mesh).compute_signed_distance(points.astype(np.float32))
    return np.round(distance.numpy(), 7)
