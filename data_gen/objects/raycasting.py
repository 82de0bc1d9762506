"""Open3D's scene of meshes, to cast rays at and to ask for distances (Embree)."""

from typing import Any

import numpy as np
import trimesh

__all__ = ["raycasting_scene"]


def raycasting_scene(*meshes: trimesh.Trimesh, threads: int = 1) -> Any:
    """A `RaycastingScene`, its geometries numbered as the meshes; threads: of its building, which is quick.

    Single precision, as all that is asked of it.
    """
    import open3d

    scene, to_tensor = open3d.t.geometry.RaycastingScene(nthreads=threads), open3d.core.Tensor.from_numpy
    for mesh in meshes:
        vertices = np.ascontiguousarray(mesh.vertices, dtype=np.float32)
        scene.add_triangles(to_tensor(vertices), to_tensor(np.ascontiguousarray(mesh.faces, dtype=np.uint32)))
    return scene
