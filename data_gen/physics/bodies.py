"""MuJoCo bodies from solids: convex pieces to collide with (objects/decomposition.py), the mesh's mass and inertia."""

from typing import Any

import trimesh

from graspnet.data_gen.objects.meshes import Solid
from graspnet.data_gen.scenes.scenes import Bin
from graspnet.physics_engine import load_mujoco

__all__ = ["add_bin", "add_object", "add_table"]

# Collision bits: objects meet each other, table, bin and hand; the hand meets objects and bin, but passes the table.
OBJECT, TABLE, HAND = 1, 2, 4


def add_table(spec: Any) -> None:
    """Add the plane z = 0 to an MjSpec, as the geom `table`."""
    plane = load_mujoco().mjtGeom.mjGEOM_PLANE
    spec.worldbody.add_geom(name="table", type=plane, size=[0, 0, 1], contype=TABLE, conaffinity=OBJECT)


def add_bin(spec: Any, bin_: Bin) -> None:
    """Add the bin's four walls to an MjSpec, as the geoms `wall_0` to `wall_3`; its floor is the table."""
    walls = bin_.walls()
    assert walls.parts is not None
    for i, wall in enumerate(walls.parts):
        low, high = wall.bounds + bin_.world_from_walls[:3, 3]
        spec.worldbody.add_geom(
            name=f"wall_{i}", type=load_mujoco().mjtGeom.mjGEOM_BOX, pos=(low + high) / 2, size=(high - low) / 2,
            contype=TABLE, conaffinity=OBJECT | HAND,
        )  # fmt: skip


def add_object(spec: Any, solid: Solid, parts: tuple[trimesh.Trimesh, ...], density: float, name: str) -> Any:
    """Add the solid to an MjSpec as the free body `name`, its frame the object frame, and return the MjsBody.

    Its joint has the same name; its geoms are `name_part_0` and so on. Pieces carry no mass: mass and inertia are the
    true mesh's, so overlapping pieces do not count twice.
    """
    mujoco = load_mujoco()
    body = spec.worldbody.add_body(name=name)
    body.add_freejoint(name=name)
    body.explicitinertial = True
    body.mass = density * solid.volume
    body.ipos = solid.center_of_mass
    inertia = density / solid.mesh.density * solid.mesh.moment_inertia
    body.fullinertia = inertia[[0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]]
    for i, part in enumerate(parts):
        mesh = spec.add_mesh(name=f"{name}_part_{i}")
        mesh.uservert = part.vertices.ravel()
        mesh.inertia = mujoco.mjtMeshInertia.mjMESH_INERTIA_CONVEX
        body.add_geom(
            name=mesh.name, type=mujoco.mjtGeom.mjGEOM_MESH, meshname=mesh.name, contype=OBJECT, conaffinity=OBJECT,
        )  # fmt: skip
    return body
