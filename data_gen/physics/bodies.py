"""MuJoCo bodies from solids: convex pieces to collide with, mass and inertia of the true mesh.

A solid that knows its pieces, or is convex, needs no decomposition. Any other is taken apart by CoACD (Wei et al.,
SIGGRAPH 2022), which takes 0.1 to 100 s; its answer is kept on disk under a hash of the mesh and of the parameters.
"""

import hashlib
import os
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import trimesh
from jaxtyping import Float64, Int64

from data_gen.meshes import Solid
from data_gen.scenes import Bin
from graspnet.errors import InputError

__all__ = [
    "DecompositionConfig",
    "add_bin",
    "add_object",
    "add_table",
    "cache_folder",
    "convex_parts",
    "load_mujoco",
]

CONVEX_SHARE = 0.999  # of its hull's volume: such a mesh collides as its hull
# Collision bits: objects meet each other, table, bin and hand; the hand passes table and bin (picking.py).
OBJECT, TABLE, HAND = 1, 2, 4


@dataclass(frozen=True, kw_only=True)
class DecompositionConfig:
    """CoACD's parameters. threshold: concavity that may remain, as a share of the object's size."""

    threshold: float = 0.04
    resolution: int = 2000  # samples for the concavity measure; CoACD's default
    search_iterations: int = 60  # CoACD's default is 150: twice as slow for 1-2 % fewer pieces
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0.01 <= self.threshold <= 1:
            raise InputError(f"threshold is {self.threshold}; CoACD takes 0.01 to 1")


def convex_parts(
    solid: Solid, cache_dir: Path | None = None, config: DecompositionConfig | None = None
) -> tuple[trimesh.Trimesh, ...]:
    """Convex meshes in the object's frame whose union is (nearly) the solid; from the cache where it has them."""
    if solid.parts is not None:
        return solid.parts
    if solid.mesh.volume >= CONVEX_SHARE * solid.mesh.convex_hull.volume:
        return (solid.mesh.convex_hull,)
    config = config or DecompositionConfig()
    path = (cache_dir or cache_folder()) / "convex_parts" / f"{_fingerprint(solid.mesh, config)}.npz"
    if not path.is_file():
        _write_parts(path, _decompose(solid, config))
    return _read_parts(path)


def cache_folder() -> Path:
    """Where decompositions are kept between runs: $XDG_CACHE_HOME/graspnet, or ~/.cache/graspnet."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "graspnet"


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
            contype=TABLE, conaffinity=OBJECT,
        )  # fmt: skip


def add_object(
    spec: Any, solid: Solid, parts: tuple[trimesh.Trimesh, ...], density: float, name: str = "object"
) -> Any:
    """Add the solid to an MjSpec as the free body `name`, its frame the object frame; returns the MjsBody.

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


def load_mujoco() -> ModuleType:
    """The module `mujoco` without its window systems.

    pyrender pins a PyOpenGL whose EGL part mujoco cannot import, so MUJOCO_GL=egl, common on servers, would stop us
    here; nothing of ours draws with MuJoCo (film.py casts rays).
    """
    os.environ["MUJOCO_GL"] = "disable"
    import mujoco

    return mujoco


def _fingerprint(mesh: trimesh.Trimesh, config: DecompositionConfig) -> str:
    digest = hashlib.sha256(repr(sorted(asdict(config).items())).encode())
    digest.update(np.ascontiguousarray(mesh.vertices, dtype=np.float64).tobytes())
    digest.update(np.ascontiguousarray(mesh.faces, dtype=np.int64).tobytes())
    return digest.hexdigest()[:32]


def _decompose(solid: Solid, config: DecompositionConfig) -> list[trimesh.Trimesh]:
    import coacd
    import open3d  # noqa: F401  before coacd: the other order makes open3d's own import fail (std::bad_cast)

    coacd.set_log_level("error")
    pieces = coacd.run_coacd(
        coacd.Mesh(solid.mesh.vertices, solid.mesh.faces),
        threshold=config.threshold, resolution=config.resolution, mcts_iterations=config.search_iterations,
        seed=config.seed,
    )  # fmt: skip
    hulls = [trimesh.Trimesh(vertices, faces).convex_hull for vertices, faces in pieces]
    if not hulls:
        raise InputError(f"{solid.name}: CoACD found no convex pieces; is the mesh closed and thicker than a sheet?")
    return hulls


def _write_parts(path: Path, parts: list[trimesh.Trimesh]) -> None:
    """One file of all pieces' vertices; a reader never sees half of it, whichever process writes first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    counts: Int64[np.ndarray, parts] = np.array([len(part.vertices) for part in parts], dtype=np.int64)
    vertices: Float64[np.ndarray, "P 3"] = np.concatenate([part.vertices for part in parts])
    temporary = path.with_name(f"{path.stem}.{os.getpid()}.tmp.npz")
    np.savez_compressed(temporary, vertices=vertices, counts=counts)
    temporary.replace(path)


def _read_parts(path: Path) -> tuple[trimesh.Trimesh, ...]:
    try:
        with np.load(path, allow_pickle=False) as file:
            clouds = np.split(file["vertices"], np.cumsum(file["counts"])[:-1])
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        raise InputError(f"{path}: damaged cache file; delete it and run again") from None
    return tuple(trimesh.convex.convex_hull(cloud) for cloud in clouds)
