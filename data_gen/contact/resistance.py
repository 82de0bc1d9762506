"""Wrench resistance: how hard must two soft fingers press to hold an object against gravity?

Contact i pushes with a force fᵢ in a cone with facets about its inward normal nᵢ, and twists by tᵢ nᵢ with |tᵢ| ≤
⅔ r μ fᵢ · nᵢ. With D from contact 1 to 2, the weight W at the centre of mass c is held if

    f₁ + f₂ + W = 0,   D × f₂ + t₁ n₁ + t₂ n₂ + (c − p₁) × W = 0.

Two of the eight unknowns are free: how hard the jaws press along D, and λ, how the torque about D is shared between the
torsions. As long as D lies in both cones, pressing harder always helps, every limit is a line a λ + b that the jaws'
force must stay above, and the least force is where two of the lines meet. Where D does not, jaws that press harder push
the object out, and nothing is resisted. Dex-Net's `wrench_resistance` asks the same, of a quadratic programme.
"""

from dataclasses import dataclass
from typing import no_type_check

import numpy as np
from jaxtyping import Float64
from numba import njit

from graspnet.data_gen.contact.contacts import Contacts
from graspnet.data_gen.contact.wrenches import contact_frames
from graspnet.errors import InputError

__all__ = ["ResistanceConfig", "least_force"]


@dataclass(frozen=True, kw_only=True)
class ResistanceConfig:
    """The load, and the fingers that bear it."""

    mass: float | None = None  # kg, of every object (Dex-Net: 0.1); without one: density times volume
    density: float = 500.0  # kg/m³
    force: float | None = None  # N, along the closing axis, of each jaw; without one: the gripper's
    pad_radius: float = 0.010  # The torsion of an evenly pressed disc of this radius r is ⅔ μ r (metres).
    facets: int = 8  # Each friction cone has so many facets.

    def __post_init__(self) -> None:
        if self.facets < 3:
            raise InputError(f"facets is {self.facets}; a friction cone has at least 3")
        for name in ("mass", "density", "force", "pad_radius"):
            value = getattr(self, name)
            if value is not None and not 0 < value < np.inf:
                raise InputError(f"{name} is {value}; it must be positive")


def least_force(
    contacts: Contacts,
    across: Float64[np.ndarray, "*B 3"],
    center_of_mass: Float64[np.ndarray, "*B 3"],
    friction: Float64[np.ndarray, "*B"],
    weight: Float64[np.ndarray, "3"],
    config: ResistanceConfig,
) -> Float64[np.ndarray, "*B"]:
    """Newtons with which the harder pressing jaw must push along the closing axis to hold a weight (a force vector).

    ∞ where contacts were not found or the line through them leaves a cone. `across`: the grasp frame's x axis.
    """
    found = contacts.found
    touching = Contacts(contacts.points[found], contacts.normals[found], found[found])
    frames, friction = contact_frames(touching, across[found]), friction[found]
    span = touching.points[:, 1] - touching.points[:, 0]
    distance = np.linalg.norm(span, axis=1, keepdims=True)
    inwards = np.stack([span, -span], axis=1) / distance[:, None]  # the way in which each jaw pushes
    facets = frames.cone_facets(friction, config.facets)
    lean = np.einsum("mjki,mji->mjk", facets, inwards)
    twist = 2 / 3 * config.pad_radius * friction
    lever = center_of_mass[found] - touching.points[:, 0]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # of grasps that are not steady
        slope, height = _limits(frames.inward, facets, lean, inwards, distance, lever, twist, weight)
    steady = (lean < 0).all(axis=(1, 2))
    result = np.full(found.shape, np.inf)
    result[found] = np.where(steady, _lowest_points(slope, height), np.inf)
    return result


def _limits(
    inward: Float64[np.ndarray, "M 2 3"],
    facets: Float64[np.ndarray, "M 2 F 3"],
    lean: Float64[np.ndarray, "M 2 F"],
    inwards: Float64[np.ndarray, "M 2 3"],
    distance: Float64[np.ndarray, "M 1"],
    lever: Float64[np.ndarray, "M 3"],
    twist: Float64[np.ndarray, "M"],
    weight: Float64[np.ndarray, "3"],
) -> tuple[Float64[np.ndarray, "M L"], Float64[np.ndarray, "M L"]]:
    """Slopes a and heights b of all limits a λ + b on the force of the harder pressing jaw."""
    closing = inwards[:, 0]
    torque = np.cross(lever, weight)
    along, facing = np.einsum("mi,mi->m", torque, closing), np.einsum("mji,mji->mj", inward, inwards)
    # torsions tᵢ = still + λ moving: their sum about y is −`along` whatever λ
    sign = np.array([1.0, -1.0])
    still = -along[:, None] * sign * facing / np.sum(facing**2, axis=1, keepdims=True)
    moving = facing[:, ::-1]
    # sideways forces of both contacts, without λ and per unit of it
    torques = [torque + np.einsum("mj,mji->mi", still, inward), np.einsum("mj,mji->mi", moving, inward)]
    second = [np.cross(closing, each) / distance for each in torques]
    aside = weight - np.einsum("mi,i->m", closing, weight)[:, None] * closing
    forces = [np.stack([-aside - second[0], second[0]], axis=1), np.stack([-second[1], second[1]], axis=1)]
    # the harder jaw bears max(s₁, s₂), where s₂ − s₁ is the weight along y: so much less is asked of the other
    pull = np.einsum("mi,i->m", closing, weight)
    spare = np.stack([np.maximum(0.0, pull), np.maximum(0.0, -pull)], axis=1)[:, :, None]
    lines = []
    for force, torsion in zip(forces, (still, moving), strict=True):
        slips = np.einsum("mjki,mji->mjk", facets, force) / -lean
        pressed = np.einsum("mji,mji->mj", inward, force)
        turns = np.stack([torsion, -torsion], axis=-1) / twist[:, None, None]
        lines.append(np.concatenate([slips, (turns - pressed[..., None]) / facing[..., None]], axis=-1))
    height, slope = lines[0] + spare, lines[1]
    return np.concatenate([slope[:, 0], slope[:, 1]], axis=1), np.concatenate([height[:, 0], height[:, 1]], axis=1)


@njit(cache=True, error_model="numpy")
@no_type_check
def _lowest_points(slope, height):
    """min over λ of the highest line: the highest point at which a rising and a falling line meet (or a flat one)."""
    lowest = np.full(len(slope), -np.inf)
    for m in range(len(slope)):
        for i in range(slope.shape[1]):
            if slope[m, i] > 0:
                continue
            for j in range(slope.shape[1]):
                if slope[m, j] >= 0:
                    apart = slope[m, j] - slope[m, i]
                    meeting = height[m, i]
                    if apart > 0:
                        meeting = (slope[m, j] * height[m, i] - slope[m, i] * height[m, j]) / apart
                    lowest[m] = max(lowest[m], meeting)
    return lowest
