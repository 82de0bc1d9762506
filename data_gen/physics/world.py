"""Worlds: a table, perhaps a bin on it, and free objects, compiled by MuJoCo. Heaps and picks happen in one (heaps.py,
pick.py)."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float64

from graspnet.data_gen.objects.decomposition import convex_parts
from graspnet.data_gen.objects.meshes import Solid
from graspnet.data_gen.physics.bodies import add_bin, add_object, add_table
from graspnet.data_gen.scenes.scenes import Bin
from graspnet.errors import InputError
from graspnet.physics_engine import load_mujoco
from graspnet.transforms import rigid

__all__ = ["SolverConfig", "World", "harden", "world_spec"]

ROLLING_FRICTION = 1e-4  # m; with a smaller coefficient, a cylinder would never lie still
TORSIONAL_FRICTION = 0.003  # m, a coefficient
NO_ROTATION = (1.0, 0.0, 0.0, 0.0)  # a quaternion


@dataclass(frozen=True, kw_only=True)
class SolverConfig:
    """MuJoCo's settings. Contacts are hard: a 5 g object squeezed with 235 N sinks in by less than 1 mm."""

    time_step: float = 0.002  # s
    contact_time: float = 0.004  # s, solref: two time steps, the least that is stable
    impedance: float = 0.999  # solimp: the share of force that a contact's stiffness carries
    friction_to_normal_impedance: float = 10.0  # impratio: higher slips less, converges slower
    noslip_iterations: int = 0
    cone: Literal["elliptic", "pyramidal"] = "elliptic"  # shape of the friction cone
    algorithm: Literal["newton", "cg"] = "newton"
    iterations: int = 100  # the algorithm takes at most so many; Newton needs few, cg many
    tolerance: float = 1e-8  # the algorithm stops when a step improves by less

    def __post_init__(self) -> None:
        if not 0 < self.time_step <= self.contact_time / 2:
            raise InputError(f"time_step is {self.time_step}; it must lie in (0, contact_time / 2]")


class World(ABC):
    """A table, perhaps a bin on it, and M free objects, compiled once.

    `present` says which objects are there; the others hang without weight, far away. At first all of them do.
    """

    def __init__(self, spec: Any, solids: Sequence[Solid], bin_: Bin | None) -> None:
        """spec: the MjSpec that `world_spec` made of these solids and this bin; more may have been added to it."""
        self.solids, self.bin = tuple(solids), bin_
        self.mujoco = load_mujoco()
        self.model = spec.compile()
        self.data = self.mujoco.MjData(self.model)
        self.present = np.zeros(len(self.solids), dtype=bool)

    @abstractmethod
    def rest(self, seconds: float) -> Bool[np.ndarray, "M"]:
        """Let time pass until all objects lie still, or for so many seconds; says which ones still move."""

    @property
    def world_from_objects(self) -> Float64[np.ndarray, "M 4 4"]:
        """Where the objects are now."""
        rotations = np.zeros((len(self.solids), 9))
        for rotation, quaternion in zip(rotations, self.coordinates[:, 3:], strict=True):
            self.mujoco.mju_quat2Mat(rotation, quaternion)
        return rigid(rotations.reshape(-1, 3, 3), self.coordinates[:, :3])

    @property
    def coordinates(self) -> Float64[np.ndarray, "M 7"]:
        """Position and quaternion of each object, as MuJoCo has them: a view."""
        return self.data.qpos[: 7 * len(self.solids)].reshape(-1, 7)

    def place(self, k: int, world_from_object: Float64[np.ndarray, "4 4"]) -> None:
        """Lay object k down at a pose, at rest."""
        quaternion = np.zeros(4)
        self.mujoco.mju_mat2Quat(quaternion, world_from_object[:3, :3].ravel())
        self.put(k, world_from_object[:3, 3], quaternion)

    def put(self, k: int, position: Float64[np.ndarray, "3"], quaternion: Float64[np.ndarray, "4"]) -> None:
        """As `place`, by position and quaternion (w, x, y, z)."""
        self.present[k] = True
        self._lay(k, position, quaternion)

    def remove(self, k: int) -> None:
        """Take object k away."""
        self.present[k] = False
        self._lay(k, _hook(k), np.array(NO_ROTATION))

    def _lay(self, k: int, position: Float64[np.ndarray, "3"], quaternion: Float64[np.ndarray, "4"]) -> None:
        self.data.qpos[7 * k : 7 * k + 7] = [*position, *quaternion]
        self.data.qvel[6 * k : 6 * k + 6] = 0.0
        self.model.body_gravcomp[k + 1] = not self.present[k]


def world_spec(
    solids: Sequence[Solid],
    densities: Sequence[float],
    bin_: Bin | None,
    solver: SolverConfig,
    friction: float,
    floor_friction: float,
) -> Any:
    """Make the MjSpec of a world; object k is the body and the joint `object_k`, and hangs without weight, far away.

    densities: kg/m³, of each solid. friction: of objects on objects; floor_friction: of objects on table and walls.
    """
    mujoco = load_mujoco()
    spec = mujoco.MjSpec()
    spec.option.timestep = solver.time_step
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.cone = getattr(mujoco.mjtCone, f"mjCONE_{solver.cone.upper()}")
    spec.option.solver = getattr(mujoco.mjtSolver, f"mjSOL_{solver.algorithm.upper()}")
    spec.option.impratio = solver.friction_to_normal_impedance
    spec.option.noslip_iterations = solver.noslip_iterations
    spec.option.iterations, spec.option.tolerance = solver.iterations, solver.tolerance
    add_table(spec)
    if bin_ is not None:
        add_bin(spec, bin_)
    for geom in spec.geoms:  # table and walls say how anything slides on them
        geom.priority, geom.condim, geom.friction = 1, 6, [floor_friction, TORSIONAL_FRICTION, ROLLING_FRICTION]
    for k, (solid, density) in enumerate(zip(solids, densities, strict=True)):
        body = add_object(spec, solid, convex_parts(solid), density, f"object_{k}")
        body.pos = _hook(k)  # where MuJoCo puts it too if a step diverges: then it is lost, not lifted
        body.gravcomp = 1.0
        for geom in body.geoms:
            geom.condim, geom.friction = 6, [friction, TORSIONAL_FRICTION, ROLLING_FRICTION]
    harden(spec, solver)
    return spec


def harden(spec: Any, solver: SolverConfig) -> None:
    """Give all shapes of an MjSpec the solver's contacts."""
    for geom in spec.geoms:
        geom.solref = [solver.contact_time, 1.0]
        geom.solimp = [0.99, solver.impedance, 0.0005, 0.5, 2.0]


def _hook(k: int) -> Float64[np.ndarray, "3"]:
    """Say where object k hangs while it is not there: away from everything and from the others."""
    return np.array([5.0 + 5.0 * k, 0.0, 5.0])
